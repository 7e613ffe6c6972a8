from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ChatsConfig(AppConfig):
    name = "chats"
    verbose_name = _("Conversations")

    def ready(self) -> None:
        from django.contrib import admin

        from chats import files, trail  # noqa: F401  (the first connects what removes files)
        from chats.append_only import TRAIL

        trail.watch(admin.site)
        post_migrate.connect(TRAIL.after_migrate, sender=self)
