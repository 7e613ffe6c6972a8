from django.urls import path

from chats import media, takeout, transcript, views
from chats.attachments import serving, upload

urlpatterns = [
    path("", views.home, name="home"),
    path("my-data/", takeout.download, name="takeout"),
    path("c/new/", views.new, name="conversation-new"),
    path("c/recordings/<uuid:pk>/audio", media.recording, name="recording"),
    path("c/attachments/<uuid:pk>/", serving.attachment, name="attachment"),
    path("c/attachments/<uuid:pk>/thumbnail/", serving.thumbnail, name="attachment-thumbnail"),
    path("c/attachments/<uuid:pk>/delete/", serving.delete, name="attachment-delete"),
    path("c/<uuid:pk>/attachments/", upload.upload, name="attachment-upload"),
    path("c/<uuid:pk>/", views.conversation, name="conversation"),
    path("c/<uuid:pk>/transcript/", transcript.download, name="conversation-transcript"),
    path("c/<uuid:pk>/rename/", views.rename, name="conversation-rename"),
    path("c/<uuid:pk>/delete/", views.delete, name="conversation-delete"),
    path("c/<uuid:pk>/restore/", views.restore, name="conversation-restore"),
]
