"""`manage.py provider`: what a script can rely on."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command

from chats.models import Account
from realtime.models import AccountSettings, Provider, VoiceModel
from realtime.providers.scripted_setup import guess_dialect
from tests.realtime.providers.test_connection_test import FINE
from tests.scripted import Expect, Refuse, ScriptedProvider, Send

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "sk-canary-0123456789abcdef"
URL = "wss://api.openai.com/v1/realtime"


def run(*arguments: str) -> str:
    told = io.StringIO()
    call_command("provider", *arguments, stdout=told, stderr=told)
    assert KEY not in told.getvalue()
    return told.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    text = str(caught.value)
    assert "\n" not in text and KEY not in text
    return text


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", f" {KEY}\n")


def test_it_creates_once_and_then_changes_nothing() -> None:
    arguments = ["OpenAI", "--url", URL, "--model", "gpt-realtime-2.1", "--key-env", "A_KEY"]
    assert run(*arguments, "--default") == (
        f"Created provider 'OpenAI': openai_ga, {URL}.\n"
        "Created model 'gpt-realtime-2.1'.\n"
        "Calls now take 'gpt-realtime-2.1' unless told otherwise.\n"
    )
    provider = Provider.objects.get()
    sealed = provider.sealed_key
    assert (provider.key(), provider.key_end, provider.account) == (KEY, "cdef", None)
    assert run(*arguments, "--default") == (
        "Provider 'OpenAI' is unchanged.\nModel 'gpt-realtime-2.1' is unchanged.\n"
    )
    assert Provider.objects.get().sealed_key == sealed
    # What is known of a model by this name comes with it.
    assert VoiceModel.objects.get().voices[0] == "marin"


def test_spaces_around_names_are_no_part_of_them() -> None:
    arguments = [" OpenAI ", "--url", URL, "--model", " m ", "--default"]
    assert run(*arguments).startswith(f"Created provider 'OpenAI': openai_ga, {URL}.\n")
    said = "Provider 'OpenAI' is unchanged.\nModel 'm' is unchanged.\n"
    assert run(*arguments) == run("OpenAI", "--url", URL, "--model", "m", "--default") == said


def test_it_says_which_fields_changed() -> None:
    run("P", "--url", URL, "--model", "m")
    changed = run("P", "--url", "ws://127.0.0.1:9000/v1", "--key-env", "A_KEY", "--project", "p1")
    assert changed == "Changed provider 'P': project, url, key.\n"
    voices = ["--model", "m", "--voice", "b", "--voice", "a", "--feature", "speed=[0.5,1.5]"]
    assert run("P", *voices) == "Provider 'P' is unchanged.\nChanged model 'm': voices, features.\n"
    model = VoiceModel.objects.get()
    assert (model.voices, model.features["speed"]) == (["b", "a"], [0.5, 1.5])


def test_an_operators_word_is_enough_for_the_own_network() -> None:
    run("P", "--url", "ws://127.0.0.1:9000/v1")
    assert Provider.objects.get().may_be_private is True
    run("P", "--no-private")
    assert Provider.objects.get().may_be_private is False
    run("P", "--url", "ws://127.0.0.1:9000/v1")
    assert Provider.objects.get().may_be_private is False


def test_an_accounts_provider_and_its_default(ann: Any, bob: Any) -> None:
    arguments = ["P", "--url", URL, "--account", "team", "--model", "m", "--default"]
    assert "Calls of 'team' now take 'm'" in run(*arguments)
    assert "Calls of" not in run(*arguments)
    team = Account.objects.get(slug="team")
    assert Provider.objects.get().account == team
    assert AccountSettings.objects.get(account=team).default_model == VoiceModel.objects.get()
    assert VoiceModel.objects.filter(default=True).count() == 0
    run("P", "--url", URL)
    assert Provider.objects.count() == 2


def test_one_model_is_the_sites_default() -> None:
    run("A", "--url", URL, "--model", "one", "--default")
    run("B", "--url", URL, "--model", "two", "--default")
    assert list(VoiceModel.objects.filter(default=True).values_list("name", flat=True)) == ["two"]


def test_the_key_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KEY}\nmore\n"))
    run("P", "--url", URL, "--key-stdin")
    assert Provider.objects.get().key() == KEY


def test_further_headers_come_from_variables() -> None:
    run("P", "--url", URL, "--header-env", "X-Gateway-Key=A_KEY")
    assert Provider.objects.get().headers() == {"X-Gateway-Key": KEY}


def test_parameters_of_the_address_find_their_fields() -> None:
    url = "wss://r.openai.azure.com/openai/realtime?api-version=2025-04-01&deployment=d&tier=x"
    run("Azure", "--url", url)
    row = Provider.objects.get()
    assert (row.dialect, row.api_version, row.deployment) == ("azure_preview", "2025-04-01", "d")
    assert (row.url, row.query()) == ("wss://r.openai.azure.com/openai/realtime", {"tier": "x"})
    assert run("Azure", "--url", url) == "Provider 'Azure' is unchanged.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["P"], "There is no provider 'P' yet: give its --url to make it."),
        ([], "Name the provider, or use --list."),
        (["  ", "--url", URL], "Name the provider, or use --list."),
        (["P", "--url", URL, "--model", " "], "name: This field cannot be blank."),
        (["P", "--url", "no address"], "--url: write an address such as wss://host/v1/realtime."),
        (["P", "--url", "wss://[::1"], "--url: write an address such as wss://host/v1/realtime."),
        (["P", "--url", f"{URL}?api-key={KEY}"], "The address holds a key"),
        (["P", "--url", URL, "--key-env", "NOWHERE"], "--key-env: NOWHERE is not set"),
        (["P", "--url", URL, "--key-env", KEY], "--key-env: it is not set"),
        (["P", "--url", URL, "--account", "none"], "There is no account with the slug 'none'."),
        (["P", "--url", URL, "--voice", "v"], "need a --model"),
        (["P", "--url", URL, "--default"], "--default needs a --model."),
        (["P", "--url", URL, "--model", "m", "--feature", "speed"], "--feature: write speed=JSON"),
        (["P", "--url", URL, "--model", "m", "--feature", "speed=2"], "features: "),
        (["P", "--url", URL, "--header-env", "Host=A_KEY"], "--header-env: Host cannot be"),
        (["P", "--test"], "There is no provider 'P'."),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_nothing_is_done(
    arguments: list[str], told: str
) -> None:
    assert told in refused(*arguments)
    assert Provider.objects.count() == 0


def test_a_test_adds_no_model_and_says_how_one_is_added() -> None:
    run("P", "--url", URL, "--model", "m")
    assert "'P' has no model 'n'; without --test it is added." in refused(
        "P", "--model", "n", "--test"
    )
    assert [model.name for model in Provider.objects.get().models.all()] == ["m"]


def test_an_own_key_is_left_to_its_owners(ann: Any) -> None:
    Provider.objects.create(name="Mine", url=URL, own=True, account=ann.own_account)
    slug = ann.own_account.slug
    assert "own people" in refused("Mine", "--account", slug, "--url", "wss://x.example/v1")
    assert Provider.objects.get().url == URL


def test_the_list_shows_everything_but_keys(ann: Any) -> None:
    assert run("--list") == "There are no providers.\n"
    run("P", "--url", URL, "--model", "m", "--default", "--key-env", "A_KEY")
    run("Q", "--url", "ws://gpu:8000/v1", "--account", ann.own_account.slug)
    shown = run("--list")
    assert f"P  (site, openai_ga, {URL}, key …cdef)\n  m  default\n" in shown
    assert f"Q  ({ann.own_account.slug}, openai_ga, ws://gpu:8000/v1, no key)\n" in shown
    rows = json.loads(run("P", "--list", "--json"))
    assert [(row["name"], row["key_end"], row["models"]) for row in rows] == [
        ("P", "cdef", [{"name": "m", "label": "", "default": True}])
    ]


def test_removing_is_idempotent() -> None:
    run("P", "--url", URL, "--model", "m", "--model", "n")
    assert run("P", "--remove", "--model", "n") == "Removed model 'n'.\n"
    assert run("P", "--remove", "--model", "n") == "There is no model 'n'.\n"
    assert run("P", "--remove") == "Removed provider 'P'.\n"
    assert run("P", "--remove") == "There is no provider 'P'.\n"


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("wss://api.openai.com/v1/realtime", "openai_ga"),
        ("wss://res.openai.azure.com/openai/v1/realtime", "azure_ga"),
        ("wss://res.openai.azure.com/openai/realtime", "azure_preview"),
        ("wss://res.services.ai.azure.com/voice-live/realtime", "voice_live"),
        ("wss://api.x.ai/v1/realtime", "xai"),
        ("wss://dashscope-intl.aliyuncs.com/api-ws/v1/realtime", "qwen"),
        ("wss://evilapi.x.ai.example.org/v1/realtime", "openai_ga"),
        ("ws://localhost:8080/v1/realtime", "openai_ga"),
    ],
)
def test_the_dialect_is_guessed_from_the_address(url: str, dialect: str) -> None:
    assert guess_dialect(url) == dialect


# --test


@contextmanager
def service(script: list[Any]) -> Iterator[ScriptedProvider]:
    """A scripted provider in a thread, because the command has a loop of its own."""
    ready, stop = threading.Event(), threading.Event()
    found = []

    async def serve() -> None:
        import asyncio

        async with ScriptedProvider(script) as provider:
            found.append(provider)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=async_to_sync(serve))
    thread.start()
    assert ready.wait(5)
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join()


def test_a_test_prints_each_step() -> None:
    with service(FINE) as provider:
        arguments = ["P", "--url", provider.url, "--model", "m", "--key-env", "A_KEY"]
        lines = run(*arguments, "--test").splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        f"Created provider 'P': openai_ga, {provider.url}.",
        "Created model 'm'.",
        "✓ Name lookup",
        "✓ Connection",
        "✓ WebSocket handshake",
        "✓ Session",
        "✓ Settings",
        "✓ Answer",
        "Everything works.",
    ]


def test_a_test_of_gemini_prints_the_same_steps() -> None:
    answer = {"serverContent": {"outputTranscription": {"text": "OK."}}}
    done = {"serverContent": {"turnComplete": True}, "usageMetadata": {"totalTokenCount": 3}}
    ready = [Expect("setup"), Send({"setupComplete": {}})]
    with service([*ready, Expect("realtimeInput.text"), Send(answer, done)]) as provider:
        run("G", "--dialect", "gemini", "--url", provider.url, "--model", "m")
        lines = run("G", "--test").splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "✓ Name lookup",
        "✓ Connection",
        "✓ WebSocket handshake",
        "✓ Session",
        "✓ Settings",
        "✓ Answer",
        "Everything works.",
    ]


def test_a_test_that_fails_says_what_to_change_and_exits_so() -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}})
    told = io.StringIO()
    with service([Refuse(401, body.encode())]) as provider:
        run("P", "--url", provider.url, "--model", "m", "--key-env", "A_KEY")
        with pytest.raises(SystemExit) as left:
            call_command("provider", "P", "--test", stdout=told)
    text = told.getvalue()
    assert left.value.code == 1
    assert "✕ WebSocket handshake" in text
    assert "    The service said: “Incorrect API key provided: [key]”" in text
    assert text.endswith("The connection does not work yet.\n")
