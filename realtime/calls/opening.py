"""What must be known before a call can start: whether this person may, with which model, on what
terms."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import BigIntegerField, UUIDField
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from chats.models import Account, Conversation, Message, User
from realtime.bridge.dialects import Target
from realtime.bridge.session import Offered
from realtime.bridge.start import Start
from realtime.bridge.tools import with_tools
from realtime.calls import live
from realtime.calls.attachments import sees_pictures
from realtime.calls.history import opening_items
from realtime.calls.pace import pace
from realtime.models import CallRecord, Provider, VoiceModel
from realtime.models.providers import model_id
from realtime.money.allowance import Tariff, tariff_at
from realtime.money.ledger import Payer
from realtime.money.prices import price_for
from realtime.money.quota_words import over_words
from realtime.money.quotas import admit
from realtime.money.terms import NOTHING, OverQuota, Terms, Wish
from realtime.prepared import Given, Prepared
from realtime.providers.availability import default_model, model_of, payer
from realtime.providers.circuits import circuit_of
from realtime.providers.targets import Refused, target_for
from realtime.tools import SiteToolbox
from realtime.tools.choice import toolbox_for

Person = User | AnonymousUser


def check_room() -> None:
    """Raise Refused while this process takes no calls."""
    if live.stopping():
        raise Refused("server_stopping", "the process is ending")
    if pace.behind:
        raise Refused("server_busy", "the process has more calls than it can carry")


@dataclass(frozen=True, slots=True)
class Opening:
    """A call that may start: where to connect, how to configure it, and its place in the thread."""

    call_id: str
    conversation_id: str | None
    """None: nothing of the call is kept."""
    model_id: int
    target: Target
    session: dict[str, Any]
    history: list[dict[str, Any]]
    ready: dict[str, Any]
    last_position: float
    titled: bool
    taken: frozenset[str] = frozenset()
    """Item ids of earlier calls in the thread."""
    sees: bool = False
    """Whether the model can be shown pictures."""
    offered: Offered = field(default_factory=Offered)
    pays: Payer = field(default_factory=Payer)
    """Whom the ledger names."""
    tariff: Tariff = field(default_factory=Tariff)
    """What it costs."""
    toolbox: SiteToolbox | None = None
    """The site's own functions that its session offers."""
    terms: Terms = field(default_factory=Terms)
    """How long it may last, and how much it may use."""
    key_was_refused: bool = False
    """Whether the provider is flagged for refusing its key."""


_seen = Prepared(
    lambda: (
        Conversation.objects.visible()
        .filter(pk=Given("pk", UUIDField()), owner=Given("owner", BigIntegerField()))
        .select_related("account")
    )
)
_open_calls = Prepared(
    lambda: (
        CallRecord.objects.filter(conversation=Given("conversation", UUIDField()))
        .exclude(state=CallRecord.State.ENDED)
        .values_list("pk")
    )
)
# How many messages another call of the conversation may still write while this one begins.
MOST_LEFT = 1000.0
# The item ids of so many newest messages are not used again.
MOST_IDS = 500
_places = Prepared(
    lambda: (
        Message.objects.filter(conversation=Given("conversation", UUIDField()))
        .order_by("-position")
        .values_list("position", "item_id")[:MOST_IDS]
    )
)


def find_conversation(user: Person, pk: uuid.UUID) -> Conversation | None:
    """The conversation with its account, if the person may see it."""
    return _seen.first(pk=pk, owner=user.pk)


def open_call(
    user: User, conversation: Conversation | None, start: Start, *, tools: bool = False
) -> Opening:
    """Choose the model, build the session and write the call's row. Raises Refused.

    Without a conversation nothing of the call is kept, and it counts as one of the person's own
    account. Who pays: `availability.payer`. `tools`: the site's own functions may be offered.
    """
    account = conversation.account if conversation else user.own_account
    model = _chosen(user, account, start)
    pays = payer(model, account)
    target, sees = target_for(model), sees_pictures(model)
    _try(target, model.provider)
    now = timezone.now()
    call_id, tariff = uuid.uuid4(), tariff_of(model, now)
    wish = Wish(call_id, pays.pk, user.pk, NOTHING, tariff.ahead, model.provider.of_account)
    # In one transaction: syncing to disk takes as long as all the rest.
    with transaction.atomic():
        leaving = _leaving(conversation)
        terms = _admitted(wish, leaving, tariff, now)
        CallRecord.objects.create(
            id=call_id,
            conversation=conversation,
            user=user,
            account=pays,
            provider=model.provider,
            provider_name=model.provider.name,
            model_name=model.name,
            worker=live.worker(),
            started=now,
            heartbeat=now,
        )
    place = str(conversation.pk) if conversation else None
    placed = _places.all(conversation=conversation.pk) if conversation else []
    session, toolbox = start.applied_to(base_session(model)), None
    if tools and conversation is not None:
        toolbox = toolbox_for(user, conversation, account, model, call_id, start.time_zone)
    return Opening(
        call_id=str(call_id),
        conversation_id=place,
        model_id=model.pk,
        target=replace(target, authorizations=toolbox.authorizations) if toolbox else target,
        session=with_tools(session, toolbox) if toolbox else session,
        history=opening_items(conversation, sees=sees) if conversation else [],
        ready={
            "call_id": str(call_id),
            "conversation_id": place,
            "model": {"id": str(model.pk), "name": str(model)},
            "provider": {"name": model.provider.name},
        },
        # What the previous call still has to say goes before all of this one.
        last_position=(placed[0][0] if placed else 0.0) + MOST_LEFT * len(leaving),
        titled=bool(conversation and conversation.title),
        taken=frozenset(item_id for _, item_id in placed if item_id),
        sees=sees,
        offered=_offered(model),
        pays=_payer(user, pays, model),
        tariff=tariff,
        terms=terms,
        toolbox=toolbox,
        key_was_refused=model.provider.key_refused_at is not None,
    )


def _try(target: Target, provider: Provider) -> None:
    """Raise Refused while the provider is left alone because it could not be reached."""
    seconds = ceil(circuit_of(provider.pk, target.url).admit())
    if seconds:
        message = gettext("The voice provider cannot be reached at the moment.")
        remedy = ngettext(
            "The next try is in %(n)d second.", "The next try is in %(n)d seconds.", seconds
        )
        detail = f"{provider.name} is left alone for {seconds} s"
        raise Refused("provider_unreachable", detail, (message, remedy % {"n": seconds}))


def _payer(user: User, account: Account, model: VoiceModel) -> Payer:
    return Payer(
        account_id=account.pk,
        account_name=account.name,
        user_id=user.pk,
        user_name=user.get_username(),
        provider_id=model.provider_id,
        provider_name=model.provider.name,
        dialect=model.provider.dialect,
        own=model.provider.of_account,
    )


def tariff_of(model: VoiceModel, now: datetime) -> Tariff:
    """What a call with the model costs now."""
    price = price_for(model.provider_id, model.provider.dialect, model.name, "realtime", now)
    return tariff_at(price, now)


def _leaving(conversation: Conversation | None) -> list[uuid.UUID]:
    """Open calls of the same conversation, which are ended for this one."""
    found = _open_calls.all(conversation=conversation.pk) if conversation else []
    return [pk for (pk,) in found]


def _admitted(wish: Wish, leaving: list[uuid.UUID], tariff: Tariff, now: datetime) -> Terms:
    """Reserve the call's place. Raises Refused when a quota is full or used up."""
    try:
        return admit(wish, now, leaving, live.ending())
    except OverQuota as over:
        reason = "too_many_calls" if over.limit and over.limit.what == "calls" else "quota_used_up"
        raise Refused(reason, str(over), over_words(over, tariff.currency)) from None


def base_session(model: VoiceModel) -> dict[str, Any]:
    """The GA session configuration a call with this model starts from."""
    audio_in: dict[str, Any] = {"turn_detection": {"type": "server_vad"}}
    if model.transcription_model:
        audio_in["transcription"] = {"model": model.transcription_model}
    session: dict[str, Any] = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {"input": audio_in, "output": {}},
    }
    if model.voices:
        session["audio"]["output"]["voice"] = model.voices[0]
    if model.instructions:
        session["instructions"] = model.instructions
    return session


def _offered(model: VoiceModel) -> Offered:
    # A model without a list of voices may have any.
    return Offered(model.voices or None, model.transcription_models, _formats(model))


def _formats(model: VoiceModel) -> list[str]:
    formats: list[str] = model.features.get("formats", ["audio/pcm"])
    return formats


def _chosen(user: User, account: Account, start: Start) -> VoiceModel:
    if start.model is None:
        model = default_model(user, account)
    else:
        # An id that is not a number is as unknown as one that does not exist.
        model = model_of(user, model_id(start.model) or 0)
    if model is None:
        raise Refused("provider_unknown_model", "no such model for this person")
    voice, transcription = start.asked_voice, start.asked_transcription
    if voice is not None and model.voices and voice not in model.voices:
        raise Refused("provider_error", "the model has no such voice")
    if transcription is not None and transcription not in model.transcription_models:
        raise Refused("provider_error", "the model has no such transcription model")
    if not start.asked_formats <= {*_formats(model), "audio/pcm"}:
        raise Refused("provider_error", "the model has no such audio format")
    return model


def is_spoken(session: dict[str, Any]) -> bool:
    """Whether somebody talks or listens in a call with this session."""
    audio_in = (session.get("audio") or {}).get("input") or {}
    return session.get("output_modalities") != ["text"] or bool(audio_in.get("turn_detection"))
