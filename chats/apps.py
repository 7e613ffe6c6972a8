from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatsConfig(AppConfig):
    name = "chats"
    verbose_name = _("Conversations")

    def ready(self) -> None:
        from chats import files  # noqa: F401  (connects what removes files)
