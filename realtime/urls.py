from django.urls import path

from realtime import call_settings, views

urlpatterns = [
    path("c/<uuid:pk>/call-settings/", call_settings.save, name="call-settings"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
]
