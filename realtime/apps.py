from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = _("Calls")

    def ready(self) -> None:
        from realtime import checks, deploy_checks, takeout  # noqa: F401  (they register)
        from realtime.append_only import LEDGER
        from realtime.calls import recheck, renamed  # noqa: F401  (they listen)
        from realtime.money import anonymous, ledger  # noqa: F401  (deletions; how rows are added)

        post_migrate.connect(LEDGER.after_migrate, sender=self)
