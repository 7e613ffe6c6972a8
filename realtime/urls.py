from django.urls import include, path

from realtime import call_settings, metrics, pages, views  # noqa: F401  (pages registers itself)
from realtime.api import token_views
from realtime.money import report_pages
from realtime.providers import connection_views, own

urlpatterns = [
    path("c/<uuid:pk>/call-settings/", call_settings.save, name="call-settings"),
    path("providers/", own.providers, name="providers"),
    path("providers/<uuid:pk>/", own.change, name="provider-change"),
    path("providers/<uuid:pk>/delete/", own.delete, name="provider-delete"),
    path("providers/<uuid:pk>/enable/", own.enable, name="provider-enable"),
    path("providers/<uuid:pk>/test/", connection_views.provider_test, name="provider-test"),
    path("providers/of/<slug:slug>/new/", own.add, name="provider-add"),
    path("providers/of/<slug:slug>/default/", own.default, name="provider-default"),
    path("tokens/", token_views.tokens, name="tokens"),
    path("tokens/made/", token_views.made, name="token-made"),
    path("tokens/<int:pk>/revoke/", token_views.revoke, name="token-revoke"),
    path("usage/", report_pages.usage, name="usage"),
    path("usage/csv/", report_pages.usage_csv, name="usage-csv"),
    path("usage/account/<slug:slug>/", report_pages.account_usage, name="account-usage"),
    path("usage/account/<slug:slug>/csv/", report_pages.account_csv, name="account-usage-csv"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", metrics.page, name="metrics"),
    path("", include("realtime.api.urls")),
]
