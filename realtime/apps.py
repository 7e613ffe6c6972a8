from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = _("Calls")

    def ready(self) -> None:
        from realtime import checks, pages  # noqa: F401  (they register themselves)
