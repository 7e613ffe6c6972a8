"""Seal every secret again with the newest key of KEY_RING."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chats import audit
from realtime import rotation


class Command(BaseCommand):
    help = (
        "Seal all secrets again with the first key of KEY_RING. Works while the site runs; "
        "stopped half-way, run it again. Afterwards the older keys can be removed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="rows at a time")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("--batch must be at least 1.")
        count = rotation.Count()
        for count, problems in rotation.rotate(options["batch"]):
            for problem in problems:
                self.stderr.write(f"Opens with no key of KEY_RING: {problem}")
            if options["verbosity"] > 1:
                self.stdout.write(f"{count.newest + count.resealed + count.broken} looked at")
        if count.resealed:
            audit.record("keys.rotated", actor="manage.py", secrets=count.resealed)
        self.stdout.write(
            f"{count.resealed} sealed again, {count.newest} had the newest key already, "
            f"{count.broken} cannot be opened."
        )
        if count.broken:
            raise CommandError("Enter those secrets again, or put their key back into KEY_RING.")
        if len(settings.KEY_RING) > 1:
            self.stdout.write(
                "When every process of the site runs with the new KEY_RING, run this once more: "
                "with 0 sealed again, the older keys can be removed from KEY_RING."
                if count.resealed
                else "The older keys can be removed from KEY_RING."
            )
