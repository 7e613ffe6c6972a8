"""Send budget alerts, as the serving process does every minute."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from realtime.models import BudgetNotice
from realtime.money import alerts


class Command(BaseCommand):
    help = "Send the budget alerts that are due, and say what could not be sent."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{alerts.run()} sent")
        waiting = BudgetNotice.objects.exclude(error="").exclude(state=BudgetNotice.State.SENT)
        for notice in waiting.select_related("alert__account", "alert__user"):
            state = notice.get_state_display()
            self.stdout.write(f"{notice} · {notice.channel} · {state}: {notice.error}")
