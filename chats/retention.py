"""How long conversations and recordings are kept, and removing them afterwards.

Nothing is removed unless an account or the site says so. Each step takes a limited batch and may
die at any moment; the next one goes on. The ledger is not part of this and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chats import audit
from chats.files import doom, remove_doomed
from chats.models import Account, Attachment, Conversation, Message, Recording

M = TypeVar("M", bound=Model)

# How long a deleted conversation can be restored.
UNDO_FOR = timedelta(hours=1)
BATCH = 200
# More days than this mean for ever: nothing is that old, and dates do not go back that far.
MOST_DAYS = 100 * 366


@dataclass(frozen=True, slots=True)
class Keeping:
    """For how many days an account keeps recordings and texts; 0 is for ever."""

    audio: int
    text: int

    def __str__(self) -> str:
        """In words, for the people of the account; empty when everything is kept for ever."""
        said = []
        if self.audio and not 0 < self.text <= self.audio:
            days = ngettext("%(n)s day", "%(n)s days", self.audio) % {"n": self.audio}
            said.append(_("Recordings are kept for %(days)s.") % {"days": days})
        if self.text:
            days = ngettext("%(n)s day", "%(n)s days", self.text) % {"n": self.text}
            said.append(_("What was said is kept for %(days)s.") % {"days": days})
        return " ".join(said)


def keeping(account: Account) -> Keeping:
    """The retention of an account."""
    audio, text = account.keep_audio_days, account.keep_text_days
    return Keeping(
        settings.KEEP_AUDIO_DAYS if audio is None else audio,
        settings.KEEP_TEXT_DAYS if text is None else text,
    )


@dataclass(slots=True)
class Removed:
    """How much was removed, or would be."""

    conversations: int = 0
    messages: int = 0
    recordings: int = 0
    attachments: int = 0

    def __bool__(self) -> bool:
        return any((self.conversations, self.messages, self.recordings, self.attachments))

    def add(self, other: Removed) -> None:
        """Add another count."""
        self.conversations += other.conversations
        self.messages += other.messages
        self.recordings += other.recordings
        self.attachments += other.attachments


def due(now: datetime | None = None) -> Removed:
    """What `step` would remove in total: of what has expired by now, for whatever reasons."""
    now = now or timezone.now()
    conversations = _either(_given_up(now), *_emptied(now, in_the_end=True))
    messages = _either(*_texts(now), Message.objects.filter(conversation__in=conversations))
    audio = (recordings for recordings, _days in _recordings(now))
    recordings = _either(*audio, Recording.objects.filter(message__in=messages))
    inside = Q(message__in=messages) | Q(conversation__in=conversations)
    attachments = Attachment.objects.filter(inside)
    found = (conversations, messages, recordings, attachments)
    return Removed(*(each.count() for each in found))


def _either(*found: QuerySet[M]) -> QuerySet[M]:
    """What is in one of these or in several."""
    either = Q(pk__in=[])
    for each in found:
        either |= Q(pk__in=each.order_by().values("pk"))
    return found[0].model._default_manager.filter(either)


def step(now: datetime | None = None, batch: int = BATCH) -> Removed:
    """Remove a batch of what is due, one account at a time; nothing when all is done."""
    now = now or timezone.now()
    for conversations in (_given_up(now), *_emptied(now)):
        if removed := _remove_conversations(conversations, batch):
            return removed
    for texts in _texts(now):
        if removed := _remove_texts(texts, batch):
            return removed
    for recordings, days in _recordings(now):
        if removed := _remove_audio(recordings, days, batch):
            return removed
    return Removed()


def run(most: int = 20 * BATCH, batch: int = BATCH) -> Removed:
    """Remove what is due, about `most` rows at a time; for a loop."""
    done, steps = Removed(), 0
    while steps * batch < most and (removed := step(batch=batch)):
        done.add(removed)
        steps += 1
    remove_doomed(batch)
    return done


def remove_conversations(conversations: QuerySet[Conversation]) -> None:
    """Delete conversations for good, however long they are, a batch at a time."""
    while _remove_conversations(conversations.order_by(), BATCH, told=False):
        pass


def _given_up(now: datetime) -> QuerySet[Conversation]:
    """Conversations that people deleted and did not restore."""
    return Conversation.objects.filter(deleted__lt=now - UNDO_FOR).order_by("deleted")


def _emptied(now: datetime, in_the_end: bool = False) -> Iterator[QuerySet[Conversation]]:
    """Conversations without messages, or whose last message has expired or, `in_the_end`, will be
    removed."""
    for rule, days in _rules("keep_text_days", settings.KEEP_TEXT_DAYS):
        over = now - timedelta(days=days)
        said = Message.objects.filter(conversation=OuterRef("pk"))
        if in_the_end:
            said = said.filter(created__gte=over)
        old = Conversation.objects.filter(rule, updated__lt=over)
        yield old.filter(~Exists(said)).order_by("updated")


def _texts(now: datetime) -> Iterator[QuerySet[Message]]:
    for rule, days in _rules("keep_text_days", settings.KEEP_TEXT_DAYS, "conversation__"):
        yield Message.objects.filter(rule, created__lt=now - timedelta(days=days)).order_by(
            "created"
        )


def _recordings(now: datetime) -> Iterator[tuple[QuerySet[Recording], int]]:
    place = "message__conversation__"
    for rule, days in _rules("keep_audio_days", settings.KEEP_AUDIO_DAYS, place):
        over = Recording.objects.filter(
            rule, state=Recording.State.READY, created__lt=now - timedelta(days=days)
        )
        yield over.order_by("created"), days


def _rules(column: str, usual: int, place: str = "") -> list[tuple[Q, int]]:
    """How many days each account keeps something; accounts that keep it for ever are left out."""
    chosen = Account.objects.filter(**{f"{column}__range": (1, MOST_DAYS)}).order_by()
    several = chosen.values_list(column, flat=True).distinct()
    rules = [(Q(**{f"{place}account__{column}": days}), days) for days in several]
    if 0 < usual <= MOST_DAYS:
        rules.append((Q(**{f"{place}account__{column}__isnull": True}), usual))
    return rules


def _remove_conversations(
    conversations: QuerySet[Conversation], batch: int, *, told: bool = True
) -> Removed:
    account = conversations.values_list("account", flat=True).first()
    mine = conversations.filter(account=account)
    with transaction.atomic():
        if texts := list(
            Message.objects.filter(conversation__in=list(mine.values_list("pk", flat=True)[:batch]))
            .order_by()
            .values_list("pk", flat=True)[:batch]
        ):
            gone = Message.objects.filter(pk__in=texts).delete()
        else:
            some = list(mine.values_list("pk", flat=True)[:batch])
            gone = Conversation.objects.filter(pk__in=some).delete()
    return _told(account, gone[1], told)


def _remove_texts(texts: QuerySet[Message], batch: int) -> Removed:
    account = texts.values_list("conversation__account", flat=True).first()
    some = texts.filter(conversation__account=account).values_list("pk", flat=True)[:batch]
    with transaction.atomic():
        gone = Message.objects.filter(pk__in=list(some)).delete()
    return _told(account, gone[1])


def _remove_audio(recordings: QuerySet[Recording], days: int, batch: int) -> Removed:
    account = recordings.values_list("message__conversation__account", flat=True).first()
    mine = recordings.filter(message__conversation__account=account)
    some = dict(mine.values_list("pk", "file")[:batch])
    with transaction.atomic():
        doom(some.values())
        changed = Recording.objects.filter(pk__in=some, state=Recording.State.READY).update(
            state=Recording.State.EXPIRED, file="", size=0, kept_days=days
        )
    return _told(account, {Recording._meta.label: changed})


def _told(account: int | None, gone: dict[str, int], told: bool = True) -> Removed:
    """Count what was removed, and write it into the audit trail."""
    kinds: dict[str, type[Model]] = {
        "conversations": Conversation,
        "messages": Message,
        "recordings": Recording,
        "attachments": Attachment,
    }
    removed = Removed(**{name: gone.get(kind._meta.label, 0) for name, kind in kinds.items()})
    if removed and told and account is not None:
        of = Account.objects.filter(pk=account).first()
        audit.record("retention.purged", account=of, **asdict(removed))
    return removed
