"""Prepare a fresh install: tables, the embedded provider, the first admin."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from chats.models import User
from realtime.data_dir import private_files
from realtime.features import embedded_features, usual_features
from realtime.local.settings import can_hear
from realtime.models import CallRecord, Provider, Quota, VoiceModel
from realtime.models.providers import EMBEDDED_URL
from realtime.money import seeds
from realtime.money.prices import reporting_currency

# A new site must not cost its owners more in a night than they would notice.
MONEY_PER_DAY, CALL_MINUTES = Decimal(50), 120
SETTING_UP = 5_037_411  # PostgreSQL knows locks by numbers; this one is used for nothing else
DEAF = """\
The demo voice understands what is typed, but no speech: its recogniser has no package for
  this Python or machine. To make one: apt-get install build-essential python3-dev, then
  .venv/bin/pip install pocketsphinx"""
INSTRUCTIONS = "You are a friendly assistant. Answer in short spoken sentences."


class Command(BaseCommand):
    help = "Migrate, add the embedded provider and the first admin. Running it again keeps all."

    @private_files()
    def handle(self, *args: Any, **options: Any) -> None:
        with _alone():
            call_command("migrate", interactive=False, verbosity=0)
            self._quota()
            self._provider()
            seeds.seed(seeds.load())
            seeds.seed_embedded()
            self._tell_deaf()
            self._admin()

    def _quota(self) -> None:
        # Only on a new site: limits that appear by themselves would end calls.
        if Provider.objects.exists() or CallRecord.objects.exists() or Quota.objects.exists():
            return
        Quota.objects.create(
            money_per_day=MONEY_PER_DAY, call_minutes=CALL_MINUTES, unpriced_allowed=True
        )
        self.stdout.write(
            f"\n  Calls may cost {MONEY_PER_DAY} {reporting_currency()} a day in all, and last "
            f"{CALL_MINUTES} minutes each: see Admin, Quotas."
        )

    def _provider(self) -> None:
        # Only on a site without providers: an admin who removed it does not get it back.
        if Provider.objects.exists():
            self._tell_features()
            return
        provider = Provider.objects.create(
            name="NextVoice demo", url=EMBEDDED_URL, allow_private=True
        )
        VoiceModel.objects.create(
            provider=provider,
            name="nextvoice-demo",
            label="Demo voice",
            voices=["alloy", "marin", "cedar"],
            transcription_model="nextvoice-demo",
            instructions=INSTRUCTIONS,
            features=embedded_features(),
            default=True,
        )

    def _tell_features(self) -> None:
        # A row from before features were kept; one that an admin has changed stays as it is.
        VoiceModel.objects.filter(
            provider__url=EMBEDDED_URL, name="nextvoice-demo", features=usual_features()
        ).update(features=embedded_features())

    def _tell_deaf(self) -> None:
        here = settings.LOCAL_VOICE and Provider.objects.filter(url=EMBEDDED_URL).exists()
        if here and not can_hear():
            self.stdout.write(f"\n  {DEAF}")

    def _admin(self) -> None:
        if not User.objects.exists():
            self._first_admin()
        elif User.admins().exists():
            self.stdout.write(
                "\n  Sign in as before; `manage.py changepassword NAME` sets a new one."
            )
        else:
            self.stdout.write(
                "\n  Nobody can administer this site: `manage.py createsuperuser` makes a person "
                "who can."
            )

    def _first_admin(self) -> None:
        password = secrets.token_urlsafe(9)
        User.objects.create_superuser("admin", password=password)
        self.stdout.write(
            "\n  First sign-in:   admin\n"
            f"  Password:        {password}\n"
            "  It is shown this once. Change it under Admin, Users.\n"
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Let the machines of a site, which may all start at once, set it up one after the other."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [SETTING_UP])
    try:
        yield
    finally:
        # The lock ends with the connection, too.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SETTING_UP])
