from django.urls import path

from realtime import call_settings, connection_views, views

urlpatterns = [
    path("c/<uuid:pk>/call-settings/", call_settings.save, name="call-settings"),
    path("providers/<uuid:pk>/test/", connection_views.provider_test, name="provider-test"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
]
