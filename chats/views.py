"""The pages of what people keep. Access is a scoped query: what you may not see is 404."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chats.models import Account, Conversation, Message
from chats.search import matching
from chats.signals import conversation_begun, conversation_page, home_page

PAGE = 30
# A thread opens with its newest messages; older ones come by the link above them.
THREAD = 200


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The list of conversations, newest first, searched with `?q=` and paged with `?page=`."""
    words = request.GET.get("q", "").strip()[:200]
    page = _conversations(request, words)
    context: dict[str, Any] = {"conversations": page, "q": words}
    for _receiver, extra in home_page.send(Conversation, request=request):
        assert isinstance(extra, dict)
        context.update(extra)
    return render(request, "chats/home.html", context)


@login_required
@require_POST
def new(request: HttpRequest) -> HttpResponse:
    """Start a conversation, for the account of the posted slug or the person's own, and open it."""
    person = _person(request)
    account = Account.objects.own(person)
    if slug := request.POST.get("account"):
        account = get_object_or_404(Account.objects.of(person), slug=slug)
    made = Conversation.objects.create(owner=person, account=account)
    conversation_begun.send(Conversation, request=request, conversation=made)
    # `?call=1` lets the page open the call at once: the tap was a wish to talk.
    return redirect(made.get_absolute_url() + ("?call=1" if request.POST.get("call") else ""))


@login_required
def conversation(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One thread. `?before=<position>` shows what was said before that place."""
    found = get_object_or_404(Conversation.objects.visible_to(_person(request)), pk=pk)
    thread = (
        Message.objects.filter(conversation=found)
        .select_related("recording")
        .prefetch_related("attachments")
    )
    before = _number(request.GET.get("before", ""))
    if before is not None:
        thread = thread.filter(position__lt=before)
    newest = list(thread.order_by("-position", "-created")[: THREAD + 1])
    shown = newest[:THREAD][::-1]
    context: dict[str, Any] = {
        "conversation": found,
        "messages_": shown,
        "earlier": shown[0].position if len(newest) > THREAD else None,
        "conversations": _conversations(request, ""),
    }
    # `realtime` adds what the call panel needs; this app knows nothing of calls.
    added = conversation_page.send(Conversation, request=request, conversation=found)
    for _receiver, extra in added:
        assert isinstance(extra, dict)
        context.update(extra)
    return render(request, "chats/conversation.html", context)


@login_required
@require_POST
def rename(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Give a conversation the posted `title`."""
    found = get_object_or_404(Conversation.objects.visible_to(_person(request)), pk=pk)
    title = " ".join(request.POST.get("title", "").replace("\0", "").split())[:120]
    if title:
        found.title = title
        found.save(update_fields=["title"])
    return redirect(found)


@login_required
@require_POST
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Hide a conversation; the message shown offers to bring it back."""
    found = get_object_or_404(Conversation.objects.visible_to(_person(request)), pk=pk)
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
    found = get_object_or_404(Conversation.objects.owned_by(_person(request)), pk=pk)
    found.deleted = None
    found.save(update_fields=["deleted"])
    return HttpResponseRedirect(found.get_absolute_url())


def _conversations(request: HttpRequest, words: str) -> Page[Any]:
    found: QuerySet[Conversation] = Conversation.objects.visible_to(_person(request))
    if words:
        found = matching(found, words)
    listed = found.annotate(message_count=Count("messages")).order_by("-updated")
    return Paginator(listed, PAGE).get_page(request.GET.get("page"))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e300 else None


def _person(request: HttpRequest) -> Any:
    return request.user
