"""The pages of conversations. Access is a scoped query: what you may not see is 404."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chats.asking import about, person_of
from chats.models import Account, Conversation, Message
from chats.paging import Slice, page, place, turned
from chats.retention import keeping
from chats.search import search
from chats.signals import conversation_begun, conversation_in_use, conversation_page, home_page

PAGE = 30
NEWEST_FIRST = ["-updated", "-pk"]
# A thread opens with its newest messages; the link above them loads older ones.
THREAD = 60
# Around one message, this many after it are shown as well.
AFTER_IT = 20
LAST_FIRST = ["-position", "-created", "-pk"]


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The list of conversations, newest first, searched with `?q=`; `?after=` a place in it."""
    words = request.GET.get("q", "").strip()[:200]
    context: dict[str, Any] = {"q": words, **_conversations(request, words)}
    context["keeping"] = _keepings(request)
    for _receiver, extra in home_page.send(Conversation, request=request):
        assert isinstance(extra, dict)
        context.update(extra)
    return render(request, "chats/home.html", context)


@login_required
@require_POST
def new(request: HttpRequest) -> HttpResponse:
    """Start a conversation, for the account of the posted slug or the person's own, and open it. A
    conversation that was begun but never used is taken again."""
    person = person_of(request)
    account = Account.objects.own(person)
    if slug := request.POST.get("account", "").replace("\0", ""):
        account = get_object_or_404(Account.objects.of(person), slug=slug)
    made = _unused(person, account)
    if made is None:
        made = Conversation.objects.create(owner=person, account=account)
    else:
        made.call_settings, made.updated = {}, timezone.now()
        made.save(update_fields=["call_settings", "updated"])
    conversation_begun.send(Conversation, request=request, conversation=made)
    # `?call=1` lets the page open the call at once: the person tapped to talk.
    return redirect(made.get_absolute_url() + ("?call=1" if request.POST.get("call") else ""))


def _unused(person: Any, account: Account) -> Conversation | None:
    """The person's newest conversation, if it is for the account and unused."""
    newest = Conversation.objects.visible_to(person).order_by(*NEWEST_FIRST).first()
    if newest is None or newest.account_id != account.pk or newest.title or newest.via:
        return None
    if newest.messages.exists():
        return None
    uses = conversation_in_use.send(Conversation, conversation=newest)
    return None if any(used for _receiver, used in uses) else newest


@login_required
def conversation(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One thread: its end, the messages `?before=` or `?after=` a place in it, or those around the
    message with the id `?at=`."""
    found = conversation_of(request, pk)
    thread = (
        Message.objects.filter(conversation=found)
        .select_related("recording")
        .prefetch_related("attachments")
    )
    context: dict[str, Any] = {
        "conversation": found,
        **_part(thread, request),
        **_conversations(request, ""),
        "keeping": [str(keeping(found.account))],
    }
    # The list begins with the newest; the open one stands before them, if it is older.
    if found not in context["conversations"]:
        context["conversations"] = [found, *context["conversations"]]
    # `realtime` adds what the call panel needs; this app knows nothing of calls.
    added = conversation_page.send(
        Conversation, request=request, conversation=found, messages=context["messages_"]
    )
    for _receiver, extra in added:
        assert isinstance(extra, dict)
        context.update(extra)
    return render(request, "chats/conversation.html", context)


@login_required
@require_POST
def rename(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Give a conversation the posted `title`."""
    found = conversation_of(request, pk)
    title = " ".join(request.POST.get("title", "").replace("\0", "").split())[:120]
    if title:
        found.title = title
        found.save(update_fields=["title"])
    return redirect(found)


@login_required
@require_POST
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Hide a conversation; the message shown offers to bring it back."""
    found = conversation_of(request, pk)
    found.deleted = timezone.now()
    found.save(update_fields=["deleted"])
    undo = reverse("conversation-restore", args=[found.pk])
    messages.success(
        request, _("“%(title)s” was deleted.") % {"title": found}, extra_tags=f"undo:{undo}"
    )
    return redirect("home")


@login_required
@require_POST
def restore(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Undo `delete`."""
    found = get_object_or_404(Conversation.objects.owned_by(request.user), pk=pk)
    found.deleted = None
    found.save(update_fields=["deleted"])
    return HttpResponseRedirect(found.get_absolute_url())


def conversation_of(request: HttpRequest, pk: uuid.UUID) -> Conversation:
    """The conversation of a URL, named for the log; 404 if the person may not see it."""
    found = get_object_or_404(Conversation.objects.visible_to(request.user), pk=pk)
    about(conversation=str(pk), account=found.account_id)
    return found


def _part(thread: QuerySet[Message], request: HttpRequest) -> dict[str, Any]:
    """The messages to be shown, and the places before and after them where there are others."""
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    if at := request.GET.get("at", ""):
        before = _after(thread, at)
    if after:
        part = page(thread, turned(LAST_FIRST), after, THREAD)
        shown, earlier, later = part.rows, "", part.more
        if shown:
            earlier = place(shown[0], LAST_FIRST)
    else:
        part = page(thread, LAST_FIRST, before, THREAD)
        shown, earlier, later = part.rows[::-1], part.more, ""
        if before and shown:
            later = place(shown[-1], LAST_FIRST)
    # A spoken call may have begun with words that were typed.
    spoken = {message.call_id for message in shown if message.kind == Message.Kind.SPOKEN}
    return {"messages_": shown, "spoken": spoken, "earlier": earlier, "later": later}


def _after(thread: QuerySet[Message], at: str) -> str:
    """The place a little after the message with this id; the end of the thread, if there is no such
    message or it is that close."""
    try:
        wanted = thread.filter(pk=at).first()
    except ValidationError:
        wanted = None
    if wanted is None:
        return ""
    following = page(thread, turned(LAST_FIRST), place(wanted, LAST_FIRST), AFTER_IT + 1)
    return place(following.rows[-1], LAST_FIRST) if following.more else ""


def _conversations(request: HttpRequest, words: str) -> dict[str, Any]:
    """The list for templates: `conversations`, and `more`, the place to go on after."""
    found: QuerySet[Conversation] = Conversation.objects.visible_to(request.user)
    after = request.GET.get("after", "") if request.path == reverse("home") else ""
    part: Slice[Conversation] = (
        search(found, words, NEWEST_FIRST, after, PAGE)
        if words
        else page(found, NEWEST_FIRST, after, PAGE)
    )
    return {"conversations": part.rows, "more": part.more, "beyond": after}


def _keepings(request: HttpRequest) -> list[str]:
    """How long the person's accounts keep what is said, in words; with the team's name where it
    differs from their own."""
    accounts = list(Account.objects.of(person_of(request)))
    words = [str(keeping(account)) for account in accounts]
    said = words[:1]
    for account, theirs in zip(accounts[1:], words[1:], strict=True):
        if theirs != words[0]:
            theirs = theirs or _("Everything is kept.")
            said.append(_("%(team)s: %(words)s") % {"team": account, "words": theirs})
    return [each for each in said if each]
