from django.urls import path

from realtime.api import views

urlpatterns = [
    path("v1/realtime/client_secrets", views.client_secrets, name="api-client-secrets"),
    path("openai/v1/realtime/client_secrets", views.client_secrets),
    path("v1/models", views.models, name="api-models"),
    path("openai/v1/models", views.models),
    path("v1/models/<path:name>", views.model, name="api-model"),
    path("openai/v1/models/<path:name>", views.model),
    path("v1/realtime/calls", views.calls),
    path("v1/realtime/calls/<path:rest>", views.calls),
    path("v1/realtime", views.realtime),
    path("realtime", views.realtime),
    path("openai/realtime", views.realtime),
    path("openai/v1/realtime", views.realtime),
    path("v1/<path:rest>", views.nothing),
]
