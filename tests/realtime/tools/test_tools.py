"""The built-in functions, and what a thread keeps and shows of their calls."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from chats.models import Conversation, Message, User
from chats.search import around
from realtime.bridge.shown import safe_url, shown_of
from realtime.bridge.start import Start
from realtime.bridge.tools import Result, ToolFailed
from realtime.call_settings import NotSettings, parse_settings
from realtime.calls.history import opening_items
from realtime.calls.opening import open_call
from realtime.models import AccountSettings, Provider, VoiceModel
from realtime.recorder.keeper import card_of, stored_event
from realtime.recorder.tools import tool_columns
from realtime.tools import TOOLS, SiteToolbox, Where
from realtime.tools.calculator import computed
from realtime.tools.choice import shown
from realtime.tools.clock import zone_of
from realtime.tools.registry import described
from tests.xss import CORPUS

NOBODY = Where(user_pk=0)


def run(name: str, where: Where = NOBODY, **arguments: Any) -> Result:
    tool = TOOLS[name]
    return tool.run(where, **tool.values(arguments))


# The registry


def test_functions_are_described_by_their_signatures() -> None:
    def roll(
        where: Where, sides: int, often: float = 1.0, name: str = "", loud: bool = False
    ) -> Any:
        """Roll a die
        or several.

        sides: how many sides
        often: how many times
        name: of the die
        loud: whether to say it
        """

    assert described(roll) == (
        "Roll a die or several.",
        {
            "type": "object",
            "properties": {
                "sides": {"type": "integer", "description": "how many sides"},
                "often": {"type": "number", "description": "how many times"},
                "name": {"type": "string", "description": "of the die"},
                "loud": {"type": "boolean", "description": "whether to say it"},
            },
            "required": ["sides"],
            "additionalProperties": False,
        },
    )


def test_every_function_is_fit_to_be_offered() -> None:
    assert sorted(TOOLS) == ["calculator", "current_time", "note", "search_conversations"]
    for name, tool in TOOLS.items():
        assert tool.offer["name"] == name
        assert len(tool.description) > 20
        assert str(tool.label)
        assert str(tool.about)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "The argument words is missing."),
        ({"words": None}, "The argument words is missing."),
        ({"words": 3}, "The argument words must be a JSON string."),
        ({"words": "x" * 4001}, "The argument words may have 4000 characters."),
        ({"words": "x", "most": "5"}, "The argument most must be a JSON integer."),
        ({"words": "x", "most": True}, "The argument most must be a JSON integer."),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ToolFailed) as failed:
        TOOLS["search_conversations"].values(arguments)
    assert str(failed.value) == problem


def test_arguments_are_taken_as_the_function_has_them() -> None:
    taken = TOOLS["search_conversations"].values({"words": "a\0b", "most": 3.0, "other": 1})
    assert taken == {"words": "ab", "most": 3}


@pytest.mark.django_db(transaction=True)  # functions run in the threads of the database
def test_a_box_offers_what_it_is_given_and_runs_it() -> None:
    box = SiteToolbox(NOBODY, [TOOLS["calculator"]])
    assert [tool["name"] for tool in box.offered] == ["calculator"]
    assert asyncio.run(box.run("calculator", {"expression": "6 * 7"})).output == "42"


# Time and sums


@pytest.mark.parametrize(
    ("asked", "zone", "shown"),
    [
        ("Europe/Rome", "Europe/Rome", "16:04, Sunday, 22 November 2026 (Europe/Rome)"),
        ("new york", "America/New_York", "10:04, Sunday, 22 November 2026 (America/New_York)"),
        ("TOKYO", "Asia/Tokyo", "00:04, Monday, 23 November 2026 (Asia/Tokyo)"),
        ("", "UTC", "15:04, Sunday, 22 November 2026 (UTC)"),
    ],
)
def test_the_time_is_told_in_the_zone_asked_for(
    asked: str, zone: str, shown: str, settings: Any
) -> None:
    settings.TIME_ZONE = "UTC"
    with time_machine.travel(datetime(2026, 11, 22, 15, 4, tzinfo=UTC), tick=False):
        result = run("current_time", timezone=asked)
    assert orjson.loads(result.output)["timezone"] == zone
    assert result.shown == {"text": shown}


@pytest.mark.parametrize(
    ("said", "zone"),
    [
        ("Europe/Rome", "Europe/Rome"),
        ("", "Asia/Tokyo"),
        ("Nowhere", "Asia/Tokyo"),
        ("../../etc/passwd", "Asia/Tokyo"),
    ],
)
def test_the_time_is_told_where_the_person_is(said: str, zone: str, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    told = run("current_time", Where(0, time_zone=said))
    assert orjson.loads(told.output)["timezone"] == zone


@pytest.mark.parametrize("name", ["Nowhere", "../../etc/passwd", "/", "x" * 500])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ToolFailed):
        zone_of(name)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17 * 23", "391"),
        ("(17.5 + 3) * 4 / 3", "27.3333333333333333333333333333"),
        ("0.1 + 0.2", "0.3"),
        ("-2 ^ 2", "-4"),
        ("12 ÷ 4 × 3 − 1", "8"),
        ("sqrt(2) ** 2", "2"),
        ("7 // 2 + 7 % 2", "4"),
        ("2 ** 0.5", "1.41421356237309504880168872421"),
        ("1e3 * 1000", "1000000"),
        ("0 * 5", "0"),
        ("round(2.6)", "3"),
    ],
)
def test_sums_are_exact(expression: str, value: str) -> None:
    assert computed(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "1 / 0",
        "9 ** 9 ** 9",
        "(((9 ** 999) ** 999) ** 999)",
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "(1).__class__",
        "'a' * 9",
        "[1] * 9",
        "True + 1",
        "x := 3",
        "1 if 1 else 2",
        "sqrt(-1)",
        "ln(0)",
        "(" * 350,
        "1 +" * 300,
        "",
        "exp(9 ** 9)",
    ],
)
def test_what_is_no_sum_or_too_large_is_refused(expression: str) -> None:
    with pytest.raises(ToolFailed):
        computed(expression)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789.+-*/%()^ epi,sqrtlnlogabs", max_size=60))
def test_any_expression_has_a_value_or_is_refused(expression: str) -> None:
    try:
        assert len(computed(expression)) <= 60
    except ToolFailed:
        pass


# What was said elsewhere


@pytest.fixture
def talks(ann: User, bob: User) -> dict[str, Conversation]:
    def said(owner: User, title: str, text: str) -> Conversation:
        made = Conversation.objects.create(owner=owner, account=owner.own_account, title=title)
        made.messages.create(position=1, role="user", kind="typed", text=text)
        return made

    return {
        "garden": said(ann, "Garden", "When do I plant the tomatoes outside?"),
        "kitchen": said(ann, "Kitchen", "A soup of tomatoes, please."),
        "secret": said(bob, "Tomatoes", "My secret tomatoes."),
    }


@pytest.mark.django_db
def test_only_the_persons_own_other_conversations_are_searched(
    ann: User, talks: dict[str, Conversation]
) -> None:
    where = Where(ann.pk, talks["kitchen"].pk)
    result = run("search_conversations", where, words="TOMATOES")
    (found,) = orjson.loads(result.output)["found"]
    assert (found["title"], found["who"]) == ("Garden", "the person")
    assert found["said"] == "When do I plant the tomatoes outside?"
    assert [link["url"] for link in result.shown["links"]] == [talks["garden"].get_absolute_url()]


@pytest.mark.django_db
def test_nothing_found_is_said(ann: User, talks: dict[str, Conversation]) -> None:
    result = run("search_conversations", Where(ann.pk), words="potatoes")
    assert (result.output, result.shown) == ('{"found": []}', {"text": "Nothing found."})


@pytest.mark.django_db
@pytest.mark.parametrize("words", ["", "  "])
def test_an_empty_search_is_refused(ann: User, words: str) -> None:
    with pytest.raises(ToolFailed):
        run("search_conversations", Where(ann.pk), words=words)


@pytest.mark.django_db
def test_nobody_who_was_shut_out_is_searched_for(ann: User, talks: dict[str, Conversation]) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=False)
    with pytest.raises(ToolFailed):
        run("search_conversations", Where(ann.pk), words="tomatoes")


def test_a_long_text_is_cut_around_the_words() -> None:
    text = "a " * 200 + "needle" + " b" * 200
    part = around(text, ["Needle"])
    assert (part[0], part[-1], "needle" in part, len(part) < 260) == ("…", "…", True, True)


# What is kept and shown


def told(**fields: Any) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "nextvoice.tool", "item_id": "item_f", "call_id": "call_1"}
    event |= {"name": "note", "label": "Note", "about": "Writes notes.", "server": ""}
    event |= {
        "approval": None,
        "attachments": [],
        "arguments": '{"text": "Milk"}',
        "state": "completed",
        "output": "{}",
    }
    return event | {"shown": {"text": "Milk", "words": "Milk"}, "duration_ms": 3} | fields


def test_a_message_keeps_what_people_can_be_shown() -> None:
    assert tool_columns(told()) == {
        "name": "note",
        "label": "Note",
        "about": "Writes notes.",
        "server": "",
        "state": "completed",
        "arguments": '{"text": "Milk"}',
        "output": "{}",
        "shown": {"text": "Milk"},
        "duration_ms": 3,
    }
    assert len(tool_columns(told(output="x" * 64_000))["output"]) == 16_000


def test_tables_and_links_are_bounded_and_of_safe_kinds() -> None:
    table = {"columns": ["a", "b"], "rows": [[1, None], "no row", ["x" * 5000]] + [[0]] * 500}
    links = [{"url": "https://example.org/", "title": ""}, {"url": "javascript:alert(1)"}, "no"]
    kept = shown_of({"table": table, "links": links, "text": "  ", "html": "<b>"})
    assert sorted(kept) == ["links", "table"]
    assert kept["table"]["rows"][0] == ["1", "None"]
    assert len(kept["table"]["rows"]) == 199
    assert len(kept["table"]["rows"][1][0]) == 2000
    assert kept["links"] == [
        {"url": "https://example.org/", "title": "https://example.org/", "text": ""}
    ]


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://example.org/a?b=c#d", True),
        ("HTTP://example.org", True),
        ("/c/1/", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,x", False),
        ("", False),
    ],
)
def test_links_lead_to_the_web_or_to_this_site(url: str, safe: bool) -> None:
    assert safe_url(url) is safe


class Tags(HTMLParser):
    """The elements of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.hrefs: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _value in attrs}
        self.hrefs += [str(value) for name, value in attrs if name == "href" and tag == "a"]


@pytest.mark.parametrize("attack", CORPUS)
def test_no_result_becomes_markup(attack: str) -> None:
    def card(text: str) -> Tags:
        links = [{"url": text, "title": text, "text": text}, {"url": "/x", "title": text}]
        table = {"columns": [text], "rows": [[text]]}
        shown = {"text": text, "table": table, "links": links, "notes": [text]}
        words = {"name": text, "label": text, "about": text, "server": text}
        event = told(arguments=text, output=text, shown=shown, **words)
        return Tags(card_of(tool_columns(event), "completed") or "")

    harmless, attacked = card("harmless"), card(attack)
    # A paragraph stands beside a link only when that is safe.
    assert attacked.names == harmless.names
    assert attacked.attributes == harmless.attributes
    assert [url for url in attacked.hrefs if not safe_url(url)] == []
    assert attacked.hrefs[-1] == "/x"


@pytest.mark.django_db
def test_the_thread_shows_the_call_after_a_reload_and_search_finds_a_note(
    client: Client, ann: User
) -> None:
    talk = Conversation.objects.create(owner=ann, account=ann.own_account, title="Talk")
    columns = tool_columns(told(arguments='{"text": "<b>Milk</b>"}'))
    message = talk.messages.create(
        position=1, role="assistant", kind="tool", status="completed", text="Milk", tool=columns
    )
    client.force_login(ann)
    page = client.get(talk.get_absolute_url()).content.decode()
    card = stored_event(message)["card"]
    assert card is not None and card.strip() in page
    assert "&lt;b&gt;Milk&lt;/b&gt;" in page and "<b>Milk" not in page
    assert "<details" in card and " open" not in card
    found = run("search_conversations", Where(ann.pk), words="milk")
    assert orjson.loads(found.output)["found"][0]["title"] == "Talk"


@pytest.mark.django_db
def test_calls_of_functions_are_no_part_of_what_a_new_call_is_told(ann: User) -> None:
    talk = Conversation.objects.create(owner=ann, account=ann.own_account)
    talk.messages.create(position=1, role="user", kind="typed", text="Note milk.")
    talk.messages.create(
        position=2, role="assistant", kind="tool", text="Milk", tool=tool_columns(told())
    )
    talk.messages.create(position=3, role="assistant", kind="typed", text="Noted.")
    assert [item["content"][0]["text"] for item in opening_items(talk)] == ["Note milk.", "Noted."]


def test_a_message_without_a_call_has_no_card() -> None:
    message = Message(id=uuid.uuid4(), role="user", kind="typed", text="Hello", position=1.0)
    assert card_of(message.tool, message.status) is None


# Which are offered


@pytest.fixture
def model(db: None) -> VoiceModel:
    provider = Provider.objects.create(name="P", url="wss://voice.example/v1/realtime")
    return VoiceModel.objects.create(
        provider=provider, name="m", default=True, features={"tools": True}
    )


def opened(user: User, conversation: Conversation, **options: Any) -> list[str]:
    """The names of the functions that a call's session offers."""
    opening = open_call(user, conversation, Start(), **options)
    tools = opening.session.get("tools", [])
    assert [tool["name"] for tool in tools] == [
        tool["name"] for tool in (opening.toolbox.offered if opening.toolbox else [])
    ]
    return [tool["name"] for tool in tools]


def test_a_model_that_can_call_functions_is_offered_all(
    ann: User, conversation: Conversation, model: VoiceModel
) -> None:
    assert opened(ann, conversation, tools=True) == list(TOOLS)


@pytest.mark.django_db(transaction=True)  # functions run in the threads of the database
def test_the_clock_of_a_call_is_that_of_its_page(
    ann: User, conversation: Conversation, model: VoiceModel
) -> None:
    toolbox = open_call(ann, conversation, Start(time_zone="Asia/Tokyo"), tools=True).toolbox
    assert toolbox is not None
    told = asyncio.run(toolbox.run("current_time", {}))
    assert orjson.loads(told.output)["timezone"] == "Asia/Tokyo"


def test_programs_and_models_without_tools_are_offered_none(
    ann: User, conversation: Conversation, model: VoiceModel
) -> None:
    assert opened(ann, conversation) == []
    VoiceModel.objects.update(features={})
    assert opened(ann, conversation, tools=True) == []
    VoiceModel.objects.update(features={"tools": True})
    Provider.objects.update(dialect="qwen")
    assert opened(ann, conversation, tools=True) == []


def test_what_person_or_account_switched_off_is_not_offered(
    ann: User, conversation: Conversation, model: VoiceModel
) -> None:
    AccountSettings.objects.create(account=conversation.account, tools_off=["note", "gone"])
    conversation.call_settings = {"tools_off": ["calculator", "gone"]}
    conversation.save()
    assert opened(ann, conversation, tools=True) == ["current_time", "search_conversations"]
    assert [tool["name"] for tool in shown(conversation.account)] == [
        "calculator",
        "current_time",
        "search_conversations",
    ]


def test_with_everything_switched_off_the_session_says_nothing_of_tools(
    ann: User, conversation: Conversation, model: VoiceModel
) -> None:
    AccountSettings.objects.create(account=conversation.account, tools_off=list(TOOLS))
    assert "tools" not in open_call(ann, conversation, Start(), tools=True).session


@pytest.mark.parametrize("off", ["note", [1], [""], ["x" * 65], ["a"] * 101, {"note": True}])
def test_wrong_switches_are_not_kept(off: object) -> None:
    with pytest.raises(NotSettings):
        parse_settings(orjson.dumps({"tools_off": off}).decode())


def test_switches_of_a_conversation_are_kept() -> None:
    assert parse_settings('{"tools_off": ["note"]}') == {"tools_off": ["note"]}


@pytest.mark.django_db
def test_admins_switch_functions_off_for_an_account(admin_client: Client, ann: User) -> None:
    account = ann.own_account
    page = reverse("admin:realtime_accountsettings_add")
    fields = {"account": account.pk, "own_providers": "on", "tools": ["current_time", "note"]}
    assert admin_client.post(page, fields).status_code == 302
    settings = AccountSettings.objects.get(account=account)
    assert settings.tools_off == ["calculator", "search_conversations"]
    page = reverse("admin:realtime_accountsettings_change", args=[settings.pk])
    html = admin_client.get(page).content.decode()
    assert html.count('name="tools"') == 4
    assert html.count("checked") == 3
    admin_client.post(page, fields | {"tools": list(TOOLS)})
    settings.refresh_from_db()
    assert settings.tools_off == []
