"""The list, the thread, renaming, deleting and undoing; and none of it for strangers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats import search
from chats.models import Conversation, Message, User
from chats.models.conversation import title_from
from chats.views import PAGE, THREAD

pytestmark = pytest.mark.django_db

POSTS = ["conversation-rename", "conversation-delete", "conversation-restore"]


@pytest.fixture
def signed_in(client: Client) -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client.force_login(user)
        return client

    return sign_in


def test_the_list_shows_only_ones_own(
    signed_in: Callable[[User], Client], conversation: Conversation, bob: User
) -> None:
    page = signed_in(bob).get(reverse("home"))
    assert list(page.context["conversations"]) == []
    page = signed_in(conversation.owner).get(reverse("home"))
    assert list(page.context["conversations"]) == [conversation]


def test_the_list_finds_words_in_titles_and_messages(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    Message.objects.create(conversation=conversation, position=1, role="user", text="Appian Way")
    client = signed_in(conversation.owner)
    found = [
        list(client.get(reverse("home"), {"q": q}).context["conversations"])
        for q in ("rome", "appian", "Paris")
    ]
    assert found == [[conversation], [conversation], []]


@pytest.mark.parametrize("how_many", [1, 3])
def test_the_list_asks_the_same_number_of_queries_however_long(
    signed_in: Callable[[User], Client],
    conversation: Conversation,
    how_many: int,
    django_assert_num_queries: Callable[..., object],
) -> None:
    for number in range(how_many - 1):
        Conversation.objects.create(
            owner=conversation.owner, account=conversation.account, title=str(number)
        )
    client = signed_in(conversation.owner)
    with django_assert_num_queries(7):
        client.get(reverse("home"))


def test_a_thread_is_in_the_order_of_positions(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    for position, text in ((2.0, "third"), (1.0, "first"), (1.5, "second")):
        Message.objects.create(conversation=conversation, position=position, role="user", text=text)
    page = signed_in(conversation.owner).get(conversation.get_absolute_url())
    assert [m.text for m in page.context["messages_"]] == ["first", "second", "third"]


def test_no_heading_is_more_than_one_level_below_the_one_before(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    answer = "### What to see\n\n#### The Appian Way"
    told = {"conversation": conversation, "role": "assistant"}
    Message.objects.create(**told, position=1, kind="typed", text=answer)
    Conversation.objects.bulk_create(
        Conversation(owner=conversation.owner, account=conversation.account) for _ in range(PAGE)
    )
    client = signed_in(conversation.owner)
    first = client.get(reverse("home"))
    pages = [
        first,
        client.get(reverse("home"), {"after": first.context["more"]}),
        client.get(reverse("home"), {"q": "Appian"}),
        client.get(conversation.get_absolute_url()),
    ]
    for page in pages:
        levels = [int(level) for level in re.findall(r"<h([1-6])", page.content.decode())]
        assert levels.count(1) == 1
        assert [b for a, b in zip([0, *levels], levels, strict=False) if b > a + 1] == []


def test_a_long_thread_opens_with_its_end_and_a_way_back(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    Message.objects.bulk_create(
        Message(conversation=conversation, position=n, role="user", text=str(n)) for n in range(250)
    )
    client = signed_in(conversation.owner)
    page = client.get(conversation.get_absolute_url())
    said = [m.text for m in page.context["messages_"]]
    assert (said, page.context["later"]) == ([str(n) for n in range(250 - THREAD, 250)], "")
    while place := page.context["earlier"]:
        page = client.get(conversation.get_absolute_url(), {"before": place})
        said = [m.text for m in page.context["messages_"]] + said
    assert said == [str(n) for n in range(250)]
    forward = [m.text for m in page.context["messages_"]]
    while place := page.context["later"]:
        page = client.get(conversation.get_absolute_url(), {"after": place})
        forward += [m.text for m in page.context["messages_"]]
    assert forward == said


UUID0 = "00000000-0000-0000-0000-000000000000"
BROKEN = ["", "x", "~", "1", "~~", "\0", f"nan~2026-11-28T04:00:00+00:00~{UUID0}"]
BROKEN += [f"1e999~2026-11-28T04:00:00+00:00~{UUID0}", f"1~2026-11-28T04:00:00~{UUID0}"]
BROKEN += [f"2026-13-28T04:00:00+00:00~{UUID0}", "2026-11-28T04:00:00+00:00~x", "9" * 5000]


@pytest.mark.parametrize("place", BROKEN)
def test_a_broken_place_is_the_beginning_of_the_list_and_the_end_of_the_thread(
    signed_in: Callable[[User], Client], conversation: Conversation, place: str
) -> None:
    Message.objects.create(conversation=conversation, position=1, role="user", text="Here")
    client = signed_in(conversation.owner)
    for name in ("before", "after"):
        page = client.get(conversation.get_absolute_url(), {name: place})
        assert [m.text for m in page.context["messages_"]] == ["Here"]
    assert client.get(reverse("home"), {"after": place}).context["conversations"] == [conversation]


def test_messages_at_one_position_are_all_shown_once(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    Message.objects.bulk_create(
        Message(conversation=conversation, position=n // 90, role="user") for n in range(270)
    )
    client, seen = signed_in(conversation.owner), []
    page = client.get(conversation.get_absolute_url())
    while True:
        seen += [m.pk for m in page.context["messages_"]]
        if not (place := page.context["earlier"]):
            break
        page = client.get(conversation.get_absolute_url(), {"before": place})
    assert len(seen) == len(set(seen)) == 270


def test_the_list_goes_on_where_it_ended_although_it_moved(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    owner, account = conversation.owner, conversation.account
    Conversation.objects.bulk_create(
        Conversation(owner=owner, account=account, title=str(n)) for n in range(3 * PAGE)
    )
    client = signed_in(owner)
    page = client.get(reverse("home"))
    seen = page.context["conversations"]
    Conversation.objects.create(owner=owner, account=account, title="New meanwhile")
    while more := page.context["more"]:
        page = client.get(reverse("home"), {"after": more})
        seen += page.context["conversations"]
    assert [c.pk for c in seen] == [
        c.pk
        for c in Conversation.objects.exclude(title="New meanwhile").order_by("-updated", "-pk")
    ]


def test_the_one_that_is_open_is_in_the_list_however_old(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    client, owner = signed_in(conversation.owner), conversation.owner
    Conversation.objects.bulk_create(
        Conversation(owner=owner, account=conversation.account, title=str(n)) for n in range(PAGE)
    )
    listed = client.get(conversation.get_absolute_url()).context["conversations"]
    assert (listed[0], len(set(listed))) == (conversation, PAGE + 1)
    conversation.updated = timezone.now()
    conversation.save()
    listed = client.get(conversation.get_absolute_url()).context["conversations"]
    assert (listed[0], len(set(listed))) == (conversation, PAGE)


def test_a_search_goes_on_where_its_time_was_up(
    signed_in: Callable[[User], Client], conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, account = conversation.owner, conversation.account
    Conversation.objects.bulk_create(
        Conversation(owner=owner, account=account, title=str(n)) for n in range(250)
    )
    client = signed_in(owner)
    assert client.get(reverse("home"), {"q": "rome"}).context["conversations"] == [conversation]
    # No time at all: a portion is looked through each time.
    monkeypatch.setattr(search, "SECONDS", -1.0)
    page, found, pages = client.get(reverse("home"), {"q": "rome"}), [], 1
    while more := page.context["more"]:
        found += page.context["conversations"]
        page, pages = client.get(reverse("home"), {"q": "rome", "after": more}), pages + 1
    assert (found + page.context["conversations"], pages) == ([conversation], 3)


@pytest.fixture
def talks(ann: User) -> None:
    def said(title: str, *texts: str) -> None:
        made = Conversation.objects.create(owner=ann, account=ann.own_account, title=title)
        for at, text in enumerate(texts):
            made.messages.create(position=at, role="user", text=text)

    said(
        "Trip", "By train to Zürich", "A table at the CAFÉ", "x " * 400 + "around noon" + " y" * 400
    )
    said("Москва", "Ο ΗΛΙΟΣ λάμπει", "Die Straße", "100% sure", "a_b", "Cre\u0300me")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("zürich", ["Trip"]),
        ("ZÜRICH", ["Trip"]),
        ("café", ["Trip"]),
        ("МОСКВА", ["Москва"]),
        ("ήλιος", []),  # an accent is a letter of its own
        ("ΛΆΜΠΕΙ", ["Москва"]),
        ("STRAßE", ["Москва"]),
        # Accents as signs of their own, and in their letters, look the same.
        ("cafe\u0301", ["Trip"]),
        ("CRÈME", ["Москва"]),
        # Each word, wherever it is.
        ("train café", ["Trip"]),
        ("noon zürich TRIP", ["Trip"]),
        ("train straße", []),
        # Signs of the database's own are ordinary ones.
        ("0%", ["Москва"]),
        ("ü%h", []),
        ("a_b", ["Москва"]),
        ("é_", []),
    ],
)
def test_a_search_finds_all_words_in_any_case(
    signed_in: Callable[[User], Client], ann: User, talks: None, words: str, found: list[str]
) -> None:
    page = signed_in(ann).get(reverse("home"), {"q": words})
    assert [each.title for each in page.context["conversations"]] == found


def test_a_search_shows_what_was_said_around_the_words(
    signed_in: Callable[[User], Client], ann: User, talks: None
) -> None:
    def shown(words: str) -> list[str]:
        page = signed_in(ann).get(reverse("home"), {"q": words}).content.decode()
        return re.findall(r'<span class="conversation-item__said" dir="auto">(.*?)</span>', page)

    assert shown("CAFÉ zürich") == ["A table at the CAFÉ"]
    (long,) = shown("noon")
    assert ("around noon y" in long, long[0], long[-1], len(long) < 260) == (True, "…", "…", True)
    assert shown("trip") == []
    assert shown("crème") == ["Cre\u0300me"]
    answer = "## Rome\n\n| **Hills** | [more](https://x.org) |\n|---|---|\n| seven | `a-b` - c |"
    said = Message.objects.filter(pk=Message.objects.get(text__contains="noon").pk)
    said.update(text=answer, kind="typed", role="assistant")
    assert shown("seven") == ["Rome Hills more seven a-b c"]
    said.update(kind="spoken")
    assert shown("seven")[0].startswith("## Rome | **Hills**")


def test_what_a_search_found_is_opened_where_it_was_said(
    signed_in: Callable[[User], Client], ann: User, conversation: Conversation
) -> None:
    made = Message.objects.bulk_create(
        Message(
            conversation=conversation,
            position=n,
            role="user",
            text="Here is the needle." if n == 77 else f"Hay, number {n}.",
        )
        for n in range(250)
    )
    client = signed_in(ann)
    page = client.get(reverse("home"), {"q": "needle"}).content.decode()
    (address,) = re.findall(r'href="(/c/[^"]*\?at=[^"]*)"', page)
    assert address == f"{conversation.get_absolute_url()}?at={made[77].pk}"

    def shown(at: object) -> tuple[list[float], bool, bool]:
        context = client.get(conversation.get_absolute_url(), {"at": at}).context
        positions = [message.position for message in context["messages_"]]
        return positions, bool(context["earlier"]), bool(context["later"])

    assert shown(made[77].pk) == ([float(n) for n in range(38, 98)], True, True)
    assert shown(made[3].pk) == ([float(n) for n in range(24)], False, True)
    end = ([float(n) for n in range(190, 250)], True, False)
    assert [shown(at) for at in (made[240].pk, uuid.uuid4(), "nothing")] == [end] * 3


def test_nobody_learns_by_a_message_s_id_what_is_in_another_conversation(
    signed_in: Callable[[User], Client], ann: User, bob: User, conversation: Conversation
) -> None:
    theirs = Conversation.objects.create(owner=bob, account=bob.own_account)
    secret = theirs.messages.create(position=0, role="user", text="Bob's own words.")
    page = signed_in(ann).get(conversation.get_absolute_url(), {"at": secret.pk})
    assert (page.status_code, "own words" in page.content.decode()) == (200, False)


def test_starting_one_opens_it(signed_in: Callable[[User], Client], ann: User) -> None:
    response = signed_in(ann).post(reverse("conversation-new"), {"call": "1"})
    made = Conversation.objects.get(owner=ann)
    assert (response["Location"], made.account) == (
        made.get_absolute_url() + "?call=1",
        ann.own_account,
    )


def test_starting_one_while_the_newest_is_unused_opens_that_as_new(
    signed_in: Callable[[User], Client], bob: User
) -> None:
    client, team = signed_in(bob), bob.accounts.get(slug="team")

    def begun(**fields: str) -> Conversation:
        client.post(reverse("conversation-new"), fields)
        return Conversation.objects.filter(owner=bob).latest("updated")

    first = begun()
    first.call_settings = {"session": {"instructions": "Be brief."}}
    first.save()
    again = begun()
    assert (again.pk, again.call_settings, again.updated > first.updated) == (first.pk, {}, True)
    # One for another account, one that was given a name, and one in which something was said
    # are none that nothing came of.
    other = begun(account=team.slug)
    assert (other.pk != first.pk, other.account) == (True, team)
    Conversation.objects.filter(pk=other.pk).update(title="Plans")
    named = begun(account=team.slug)
    assert named.pk != other.pk
    named.messages.create(position=1, role="user", text="Hello")
    assert begun(account=team.slug).pk not in (first.pk, other.pk, named.pk)
    assert Conversation.objects.filter(owner=bob).count() == 4


def test_renaming_keeps_one_clean_line(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    client = signed_in(conversation.owner)
    url = reverse("conversation-rename", args=[conversation.pk])
    client.post(url, {"title": "  All\nroads \0 " + "x" * 300})
    conversation.refresh_from_db()
    assert conversation.title == ("All roads " + "x" * 300)[:120]
    client.post(url, {"title": "   "})
    conversation.refresh_from_db()
    assert conversation.title == ("All roads " + "x" * 300)[:120]


def test_deleting_hides_it_and_undo_brings_it_back(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    client = signed_in(conversation.owner)
    ann = conversation.owner
    another = Conversation.objects.create(owner=ann, account=ann.own_account)
    for each in (another, conversation):
        client.post(reverse("conversation-delete", args=[each.pk]))
        assert client.get(each.get_absolute_url()).status_code == 404
    client.post(reverse("conversation-restore", args=[conversation.pk]))
    assert client.get(conversation.get_absolute_url()).status_code == 200
    assert client.get(another.get_absolute_url()).status_code == 404


def test_strangers_get_404_from_every_page(
    signed_in: Callable[[User], Client], conversation: Conversation, bob: User, eve: User
) -> None:
    for stranger in (bob, eve):
        client = signed_in(stranger)
        assert client.get(conversation.get_absolute_url()).status_code == 404
        for name in POSTS:
            url = reverse(name, args=[conversation.pk])
            assert client.post(url, {"title": "Mine"}).status_code == 404
    conversation.refresh_from_db()
    assert (conversation.title, conversation.deleted) == ("Rome", None)


def test_a_person_who_left_the_account_sees_nothing_of_it(
    signed_in: Callable[[User], Client], bob: User
) -> None:
    team = bob.accounts.get(slug="team")
    shared = Conversation.objects.create(owner=bob, account=team)
    client = signed_in(bob)
    assert client.get(shared.get_absolute_url()).status_code == 200
    bob.memberships.filter(account=team).delete()
    assert client.get(shared.get_absolute_url()).status_code == 404


def test_visitors_are_sent_to_the_sign_in(client: Client, conversation: Conversation) -> None:
    for url in (reverse("home"), conversation.get_absolute_url()):
        assert client.get(url)["Location"] == f"{reverse('account_login')}?next={url}"
    for name in POSTS:
        response = client.post(reverse(name, args=[conversation.pk]))
        assert response["Location"].startswith(reverse("account_login"))


def test_reading_changes_nothing(
    signed_in: Callable[[User], Client], conversation: Conversation
) -> None:
    client = signed_in(conversation.owner)
    for name in POSTS:
        assert client.get(reverse(name, args=[conversation.pk])).status_code == 405
    assert client.get(reverse("conversation-new")).status_code == 405


def test_an_unknown_id_is_404(signed_in: Callable[[User], Client], ann: User) -> None:
    url = reverse("conversation", args=[uuid.uuid4()])
    assert signed_in(ann).get(url).status_code == 404


def test_a_title_ends_at_a_word() -> None:
    assert title_from("  what\n is this ") == "what is this"
    assert title_from("word " * 30) == " ".join(["word"] * 12) + "…"
