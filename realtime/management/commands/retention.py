"""Remove what need not be kept any longer."""

from __future__ import annotations

import shutil
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand

from chats import audit, retention
from chats.files import remove_doomed
from chats.models import Account, DoomedFile
from chats.orphans import YOUNG, orphans
from realtime.models import CallRecord
from realtime.money import anonymous


class Command(BaseCommand):
    help = (
        "Remove recordings and conversations whose time is over (see Admin, Accounts, and the "
        "settings KEEP_AUDIO_DAYS and KEEP_TEXT_DAYS), conversations that were deleted, files that "
        "no row names for a day, and the names of people who are gone from the ledger. The running "
        "site does all of this by itself, but for the files."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say only what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        dry = options["dry_run"]
        self._say_rules()
        removed = retention.due() if dry else self._purge()
        self.stdout.write(
            f"{'To be removed' if dry else 'Removed'}: {removed.conversations} conversations, "
            f"{removed.messages} messages, {removed.recordings} recordings, "
            f"{removed.attachments} attachments."
        )
        count = 0
        for name in orphans():
            self.stdout.write(f"No row names {name}")
            if not dry:
                default_storage.delete(name)
            count += 1
        for folder in _stray_folders():
            self.stdout.write(f"No call has {folder}")
            if not dry:
                shutil.rmtree(folder, ignore_errors=True)
            count += 1
        self.stdout.write(f"{count} files that nothing names{'' if dry else ' were removed'}.")
        if count and not dry:
            audit.record("retention.orphans_removed", actor="manage.py", files=count)
        self.stdout.write(f"{DoomedFile.objects.count()} files wait to be removed.")

    def _purge(self) -> retention.Removed:
        removed = retention.Removed()
        while step := retention.step():
            removed.add(step)
        while remove_doomed(retention.BATCH):
            pass
        while anonymous.finish():
            pass
        return removed

    def _say_rules(self) -> None:
        usual = retention.Keeping(settings.KEEP_AUDIO_DAYS, settings.KEEP_TEXT_DAYS)
        self.stdout.write(f"Usually: {str(usual) or 'All is kept for ever.'}")
        other = Account.objects.exclude(keep_audio_days=None, keep_text_days=None)
        for account in other.iterator():
            words = str(retention.keeping(account))
            self.stdout.write(f"{account}: {words or 'All is kept for ever.'}")


def _stray_folders() -> Iterator[Path]:
    """Raw audio of calls that have no row."""
    live, before = Path(settings.DATA_DIR) / "live", time.time() - YOUNG.total_seconds()
    folders = [path for path in live.iterdir() if path.is_dir()] if live.is_dir() else []
    known = {
        str(pk)
        for pk in CallRecord.objects.filter(pk__in=_keys(folders)).values_list("pk", flat=True)
    }
    for folder in folders:
        if folder.name not in known and folder.stat().st_mtime < before:
            yield folder


def _keys(folders: list[Path]) -> list[str]:
    return [path.name for path in folders if len(path.name) == 36]
