from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = _("Calls")

    def ready(self) -> None:
        # All but the first register something.
        from realtime import append_only, checks, pages, takeout  # noqa: F401
        from realtime.money import anonymous  # noqa: F401  (follows deletions)

        post_migrate.connect(append_only.after_migrate, sender=self)
