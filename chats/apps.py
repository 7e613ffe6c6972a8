from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ChatsConfig(AppConfig):
    name = "chats"
    verbose_name = _("Conversations")

    def ready(self) -> None:
        from django.contrib import admin

        # `files` connects what removes files, `search` defines a function for SQLite.
        from chats import files, search, trail  # noqa: F401
        from chats.append_only import TRAIL

        trail.watch(admin.site)
        post_migrate.connect(TRAIL.after_migrate, sender=self)
