from django.urls import path

from chats import media, views

urlpatterns = [
    path("", views.home, name="home"),
    path("c/new/", views.new, name="conversation-new"),
    path("c/recordings/<uuid:pk>/audio", media.recording, name="recording"),
    path("c/<uuid:pk>/", views.conversation, name="conversation"),
    path("c/<uuid:pk>/rename/", views.rename, name="conversation-rename"),
    path("c/<uuid:pk>/delete/", views.delete, name="conversation-delete"),
    path("c/<uuid:pk>/restore/", views.restore, name="conversation-restore"),
]
