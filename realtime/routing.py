"""The site's sockets."""

from django.urls import path

from realtime.consumers import CallConsumer

websocket_urlpatterns = [
    path("ws/call/<uuid:conversation>/", CallConsumer.as_asgi(), name="call"),
]
