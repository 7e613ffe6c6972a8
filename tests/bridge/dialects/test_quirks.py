"""What only some providers require, or send differently."""

from __future__ import annotations

import orjson
import pytest

from realtime.bridge.dialects import DIALECTS, Target
from realtime.bridge.errors import judge
from tests.bridge.dialects.streams import decode, decoded, sent, told

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
CUT = "conversation.item.truncate"
JWT = "eyJhbGciOi.eyJzdWIi.c2ln"


def target(dialect, url, **fields):
    return Target(
        name="T", model="m1", dialect=dialect, **({"key": "key-123456"} | fields), url=url
    )


@pytest.mark.parametrize(
    ("name", "url", "fields", "wanted"),
    [
        (
            "azure_ga",
            "https://res.openai.azure.com",
            {"deployment": "dep"},
            "wss://res.openai.azure.com/openai/v1/realtime?model=dep",
        ),
        (
            "azure_ga",
            "wss://gateway/sub/openai/v1/realtime",
            {},
            "wss://gateway/sub/openai/v1/realtime?model=m1",
        ),
        ("azure_ga", "wss://r/openai/v1", {}, "wss://r/openai/v1/realtime?model=m1"),
        (
            "azure_preview",
            "https://res.openai.azure.com/",
            {"deployment": "dep", "api_version": "2024-10-01-preview"},
            "wss://res.openai.azure.com/openai/realtime"
            "?api-version=2024-10-01-preview&deployment=dep",
        ),
        (
            "azure_preview",
            "wss://r/openai/realtime",
            {},
            "wss://r/openai/realtime?api-version=2025-04-01-preview&deployment=m1",
        ),
        (
            "voice_live",
            "https://r.services.ai.azure.com",
            {},
            "wss://r.services.ai.azure.com/voice-live/realtime?api-version=2026-07-15&model=m1",
        ),
        (
            "minimax",
            "wss://api.minimax.chat",
            {},
            "wss://api.minimax.chat/ws/v1/realtime?model=m1",
        ),
        ("qwen", "wss://h/api-ws/v1/realtime", {}, "wss://h/api-ws/v1/realtime?model=m1"),
        ("glm", "wss://open.bigmodel.cn", {}, "wss://open.bigmodel.cn/api/paas/v4/realtime"),
        ("xai", "wss://api.x.ai/v1", {}, "wss://api.x.ai/v1/realtime?model=m1"),
        ("openai_beta", "ws://speaches:8000", {}, "ws://speaches:8000/v1/realtime?model=m1"),
    ],
)
def test_endpoints(name, url, fields, wanted):
    assert DIALECTS[name]().url(target(name, url, **fields)) == wanted


@pytest.mark.parametrize("name", ["azure_ga", "azure_preview", "voice_live"])
def test_azure_takes_a_key_in_its_own_header_and_a_token_as_bearer(name):
    dialect = DIALECTS[name]()
    assert dialect.headers(target(name, "wss://r")) == {"api-key": "key-123456"}
    entra = dialect.headers(target(name, "wss://r", key=JWT))
    assert entra == {"Authorization": f"Bearer {JWT}"}
    assert dialect.headers(target(name, "wss://r", key="")) == {}


def test_a_workspace_is_named_to_qwen():
    headers = DIALECTS["qwen"]().headers(target("qwen", "wss://h", workspace="ws-1"))
    assert headers == {"Authorization": "Bearer key-123456", "X-DashScope-WorkSpace": "ws-1"}


@pytest.mark.parametrize("name", list(DIALECTS))
def test_the_mark_of_the_beta_is_never_sent(name):
    sent_headers = DIALECTS[name]().headers(target(name, "wss://h/v1/realtime"))
    assert [header for header in sent_headers if header.lower() == "openai-beta"] == []


def update(**session):
    return {"type": "session.update", "event_id": "c", "session": {"type": "realtime", **session}}


EARS = {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}
SPEAKING = {"input": EARS, "output": {"voice": "v", "speed": 1.2}}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "minimax",
            {"modalities": ["text", "audio"], "voice": "v"},
        ),
        (
            "qwen",
            {
                "modalities": ["text", "audio"],
                "voice": "v",
                "turn_detection": {"type": "server_vad"},
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm24",
            },
        ),
        (
            "stepfun",
            {
                "modalities": ["text", "audio"],
                "voice": "v",
                "turn_detection": {"type": "server_vad"},
            },
        ),
        (
            "voice_live",
            {
                "modalities": ["audio", "text"],
                "voice": "v",
                "turn_detection": {"type": "azure_semantic_vad"},
            },
        ),
        (
            "xai",
            {
                "type": "realtime",
                "output_modalities": ["audio"],
                "voice": "v",
                "turn_detection": {
                    "type": "server_vad",
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
        ),
        (
            "glm",
            {
                "modalities": ["audio", "text"],
                "voice": "v",
                "turn_detection": {"type": "server_vad"},
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm",
                "model": "",
                "beta_fields": {"chat_mode": "audio", "tts_source": "e2e", "auto_search": False},
            },
        ),
    ],
)
def test_a_configuration_in_each_providers_words(name, wanted):
    event = update(output_modalities=["audio"], audio=SPEAKING, tracing="auto")
    (told_event,) = told(DIALECTS[name](), event)
    assert told_event["session"] == wanted


def test_glm_is_told_everything_again_with_each_change():
    dialect = DIALECTS["glm"]()
    dialect.url(target("glm", "wss://h"))
    told(dialect, update(audio={"input": {"turn_detection": None}}))
    (again,) = told(dialect, update(instructions="Briefly."))
    assert again["session"]["turn_detection"] == {"type": "client_vad"}
    assert (again["session"]["instructions"], again["session"]["model"]) == ("Briefly.", "m1")
    assert type(again["client_timestamp"]) is int


def test_a_turn_glm_does_not_name_keeps_the_name_it_was_given():
    events = decoded("glm", "glm_call.json")
    started = next(e for e in events if e["type"] == "input_audio_buffer.speech_started")
    ids = {e["item_id"] for e in events if e["type"].startswith("input_audio_buffer.")}
    assert ids == {started["item_id"]}
    (done,) = [e for e in events if e["type"].endswith("transcription.completed")]
    assert done["item_id"] == started["item_id"]


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("speech_started", "speech_started"),
        ("speech_stopped", "speech_stopped"),
        ("speech_stopped", "committed"),
        ("committed", "committed"),
    ],
)
def test_a_turn_glm_does_not_name_is_told_again_under_the_same_name(kind, after):
    events = [each | {"event_id": f"e{n}"} for n, each in enumerate(sent("glm_call.json"))]
    kinds = [each["type"] for each in events]
    again = events[kinds.index(f"input_audio_buffer.{kind}")] | {"event_id": "again"}
    at = kinds.index(f"input_audio_buffer.{after}") + 1
    found = decode(DIALECTS["glm"](), *events[:at], again, *events[at:])
    ids = {e["item_id"] for e in found if e["type"].startswith("input_audio_buffer.")}
    assert len(ids) == 1


def test_the_next_turn_glm_does_not_name_is_another():
    start, stop = ({"type": f"input_audio_buffer.speech_{each}"} for each in ("started", "stopped"))
    found = decode(DIALECTS["glm"](), start, stop, start, stop)
    assert [e["item_id"] == found[0]["item_id"] for e in found] == [True, True, False, False]


@pytest.mark.parametrize("name", ["stepfun"])
def test_tools_are_nested(name):
    tool = {"type": "function", "name": "f", "parameters": {}}
    (event,) = told(DIALECTS[name](), update(tools=[tool]))
    nested = {"type": "function", "function": {"name": "f", "parameters": {}}}
    assert event["session"]["tools"] == [nested]


def test_an_azure_voice_is_an_object():
    voice = {"audio": {"output": {"voice": "en-US-Ava:DragonHDLatestNeural"}}}
    (event,) = told(DIALECTS["voice_live"](), update(**voice))
    wanted = {"type": "azure-standard", "name": "en-US-Ava:DragonHDLatestNeural"}
    assert event["session"]["voice"] == wanted
    created = decoded("voice_live", "voice_live_call.json")[0]["session"]["audio"]
    assert created["output"]["voice"] == "en-US-Ava:DragonHDLatestNeural"
    assert created["input"]["turn_detection"]["type"] == "semantic_vad"


USAGE = {
    "minimax": (
        {"total_tokens": 275, "input_tokens": 127, "output_tokens": 148},
        {
            "total_tokens": 275,
            "input_tokens": 127,
            "output_tokens": 148,
            "total_asr_time": 256,
            "total_audio_characters": 256,
        },
    ),
    "qwen": (
        {
            "total_tokens": 377,
            "input_tokens": 336,
            "output_tokens": 41,
            "input_token_details": {"text_tokens": 228, "audio_tokens": 108},
            "output_token_details": {"text_tokens": 9, "audio_tokens": 32},
        },
        {
            "total_tokens": 377,
            "input_tokens": 336,
            "output_tokens": 41,
            "input_tokens_details": {"text_tokens": 228, "audio_tokens": 108},
            "output_tokens_details": {"text_tokens": 9, "audio_tokens": 32},
        },
    ),
    "xai": (None, {"billable_audio_seconds": 4.0, "input_text_messages": 1}),
    "voice_live": (
        {
            "total_tokens": 40,
            "input_tokens": 25,
            "output_tokens": 15,
            "input_token_details": {"text_tokens": 10, "audio_tokens": 15, "cached_tokens": 5},
            "output_token_details": {"text_tokens": 5, "audio_tokens": 8},
        },
        {
            "total_tokens": 40,
            "input_tokens": 25,
            "output_tokens": 15,
            "input_token_details": {"cached_tokens": 5, "text_tokens": 10, "audio_tokens": 15},
            "output_token_details": {"text_tokens": 5, "audio_tokens": 8, "reasoning_tokens": 2},
        },
    ),
    "stepfun": (None, "nothing"),
    "openai_ga": (..., "nothing"),
}
CALLS = {
    "minimax": "minimax_call.json",
    "qwen": "qwen_omni_call.json",
    "xai": "xai_call.json",
    "voice_live": "voice_live_call.json",
    "stepfun": "stepfun_call.json",
    "openai_ga": "ga_call.json",
}


@pytest.mark.parametrize("name", list(USAGE))
def test_usage_is_respelled_and_what_was_said_is_kept(name):
    usage, raw = USAGE[name]
    done = [e for e in decoded(name, CALLS[name]) if e["type"] == "response.done"][-1]
    if usage is ...:
        usage = [e for e in sent(CALLS[name]) if e["type"] == "response.done"][-1]
        usage = usage["response"]["usage"]
    assert done["response"]["usage"] == usage
    assert done.get("raw_usage", "nothing") == raw
    assert "usage" not in done


def test_a_transcription_of_which_no_usage_is_said_is_as_long_as_the_speech():
    events = decoded("qwen", "qwen_omni_call.json")
    (done,) = [e for e in events if e["type"].endswith("transcription.completed")]
    assert done["usage"] == {"type": "duration", "seconds": 0.806}
    assert done["raw_usage"] is None


# What is answered here

WITHOUT = [name for name, cls in DIALECTS.items() if name != "gemini" and not cls.traits.retrieve]


@pytest.mark.parametrize("name", WITHOUT)
def test_items_are_given_back_from_what_was_seen(name):
    dialect = DIALECTS[name]()
    item = {"id": "u", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    decode(dialect, {"type": "conversation.item.created", "item": item})
    words = {"item_id": "u", "content_index": 0, "transcript": "Hello."}
    decode(dialect, {"type": "conversation.item.input_audio_transcription.completed"} | words)
    ask = {"type": "conversation.item.retrieve", "event_id": "c", "item_id": "u"}
    assert told(dialect, ask) == []
    (answer,) = dialect.answers()
    assert answer["type"] == "conversation.item.retrieved"
    assert answer["item"]["content"] == [{"type": "input_audio", "transcript": "Hello."}]
    assert told(dialect, ask | {"item_id": "nobody"}) == []
    (answer,) = dialect.answers()
    assert answer["error"]["event_id"] == "c"
    assert judge(answer["error"]).kind == "benign"
    assert not dialect.answers()


@pytest.mark.parametrize("name", [n for n in WITHOUT if not DIALECTS[n].traits.truncate])
def test_cutting_an_answer_is_answered_here(name):
    dialect = DIALECTS[name]()
    place = {"item_id": "a", "content_index": 0, "audio_end_ms": 700}
    assert told(dialect, {"type": "conversation.item.truncate", "event_id": "c"} | place) == []
    (answer,) = dialect.answers()
    assert answer.pop("event_id") != "c"
    assert answer == {"type": "conversation.item.truncated"} | place


def test_words_that_only_an_answers_item_has_are_told_as_said():
    item = {"id": "a1", "type": "message", "role": "assistant"}
    done = item | {"content": [{"type": "audio", "transcript": "All of it."}]}
    events = decode(
        DIALECTS["openai_beta"](),
        {"type": "response.created", "response": {"id": "r1"}},
        {"type": "response.audio.delta", "response_id": "r1", "item_id": "a1", "delta": "AAAA"},
        {"type": "response.output_item.done", "response_id": "r1", "item": done},
        {"type": "response.done", "response": {"id": "r1", "status": "completed"}},
    )
    (said,) = [e for e in events if e["type"] == "response.output_audio_transcript.done"]
    assert (said["item_id"], said["transcript"]) == ("a1", "All of it.")
    part = {"type": "output_audio", "transcript": "All of it."}
    assert events[-1]["response"]["output"][0]["content"] == [part]


@pytest.mark.parametrize(
    ("words", "read"),
    [('"Hello \\ud83d"', "Hello \ufffd"), ('"a", "logprob": NaN', "a"), ('"\\ud83d\\ude00"', "😀")],
)
def test_words_that_end_in_half_a_character_and_numbers_that_are_none_are_read(words, read):
    """Providers that split text anywhere send such, and other JSON parsers read it."""
    frame = f'{{"type": "response.output_text.delta", "item_id": "a1", "delta": {words}}}'
    for form in (frame, frame.encode()):
        assert [e["delta"] for e in DIALECTS["openai_ga"]().decode(form)] == [read]


@pytest.mark.parametrize("name", ["openai_ga", "openai_beta", "glm"])
@pytest.mark.parametrize(
    ("start", "stop", "read"),
    [
        pytest.param(500, 900, [500, 900], id="whole"),
        pytest.param(500.7, 900.2, [500, 900], id="more exact"),
        pytest.param(None, None, [2000, 3000], id="not said"),
        pytest.param(-1.0, 1e300, [], id="no times"),
    ],
)
def test_speech_is_followed_whatever_is_said_of_when_it_was(name, start, stop, read):
    dialect = DIALECTS[name]()
    list(dialect.audio(bytes(48 * 3000)))
    turn = {"item_id": "u1"}
    events = decode(
        dialect,
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": start, **turn},
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": stop, **turn},
    )
    times = [each.get("audio_start_ms", each.get("audio_end_ms")) for each in events]
    assert times == read


@pytest.mark.parametrize("transcript", [{}, {"transcript": None}])
def test_a_turn_that_is_written_down_without_a_word_is_over_and_paid(transcript):
    kind = "conversation.item.input_audio_transcription.completed"
    usage = {"type": "duration", "seconds": 1.2}
    told = {"type": kind, "item_id": "u1", "usage": usage} | transcript
    (event,) = decode(DIALECTS["openai_ga"](), told)
    assert (event["transcript"], event["usage"]) == ("", usage)


def test_a_session_begins_once():
    begun = {"type": "session.created", "session": {"id": "s1"}}
    dialect = DIALECTS["openai_ga"]()
    events = decode(dialect, begun | {"event_id": "e1"}, begun | {"event_id": "e2"})
    assert ([event["event_id"] for event in events], dialect.skipped) == (["e1"], 1)


def test_calls_of_one_answer_that_glm_does_not_name_are_told_apart():
    said = {"type": "response.function_call_arguments.done", "response_id": "r1", "name": "f"}
    items = [{"id": id, "type": "function_call", "name": "f", "call_id": id} for id in "ab"]
    added = {"type": "response.output_item.added", "response_id": "r1"}
    events = decode(
        DIALECTS["glm"](),
        {"type": "response.created", "response": {"id": "r1"}},
        *(added | {"item": item} for item in items),
        *(said | {"arguments": f'{{"n":{n}}}'} for n in (1, 2, 3)),
        {"type": "response.done", "response": {"id": "r1", "status": "completed"}},
    )
    done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert [each["arguments"] for each in done] == ['{"n":1}', '{"n":2}', '{"n":3}']
    assert [each["call_id"] for each in done[:2]] == ["a", "b"]


@pytest.mark.parametrize("name", ["openai_ga", "openai_beta"])
@pytest.mark.parametrize("told", ["at_their_end", "in_the_item", "in_the_response"])
def test_arguments_that_come_as_an_object_are_its_words(name, told):
    given = {"city": "Zürich", "days": [1, 2]}
    call = {"id": "f1", "type": "function_call", "name": "f", "call_id": "c1"}
    place = {"response_id": "r1", "item_id": "f1", "output_index": 0, "call_id": "c1"}
    end = {"type": "response.function_call_arguments.done", "arguments": given}
    whole = {"type": "response.output_item.done", "item": call | {"arguments": given}}
    done = {"id": "r1", "status": "completed", "output": [call | {"arguments": given}]}
    events = decode(
        DIALECTS[name](),
        {"type": "response.created", "response": {"id": "r1"}},
        {"type": "response.output_item.added", **place, "item": call},
        *([end | place] if told == "at_their_end" else []),
        *([whole | place] if told == "in_the_item" else []),
        {"type": "response.done", "response": done if told == "in_the_response" else {"id": "r1"}},
    )
    asked = [e for e in events if e["type"] == "response.function_call_arguments.done"]
    asked += [e["item"] for e in events if e["type"] == "response.output_item.done"]
    asked += [item for e in events[-1:] for item in e["response"]["output"]]
    assert {e["arguments"] for e in asked} == {'{"city":"Zürich","days":[1,2]}'}


@pytest.mark.parametrize("name", ["openai_ga", "openai_beta"])
def test_nothing_follows_itself(name):
    item = {"id": "u1", "type": "message", "role": "user", "content": []}
    added = {"type": "conversation.item.added", "item": item, "previous_item_id": "u1"}
    committed = {"type": "input_audio_buffer.committed", "item_id": "u1"}
    events = decode(DIALECTS[name](), added, committed, committed | {"previous_item_id": "u1"})
    assert {event["previous_item_id"] for event in events} == {None}


def test_a_turn_that_is_committed_once_it_is_answered_keeps_its_place():
    items = [{"id": id, "type": "message", "role": "user", "content": []} for id in ("u0", "u1")]
    answer = {"id": "a1", "type": "message", "role": "assistant", "content": []}
    made = [{"type": "conversation.item.created", "item": item} for item in (*items, answer)]
    committed = {"type": "input_audio_buffer.committed", "item_id": "u1"}
    assert decode(DIALECTS["openai_beta"](), *made, committed)[-1]["previous_item_id"] == "u0"


def test_minimax_gets_the_words_instead_of_the_last_audio_before_the_next():
    dialect = DIALECTS["minimax"]()
    decode(dialect, *sent("minimax_call.json"))
    create, delete, _ = map(orjson.loads, dialect.audio(bytes(960)))
    assert create["type"] == "conversation.item.create"
    assert create["previous_item_id"] == "msg_001"
    words = {"type": "input_text", "text": "hello how are you"}
    assert create["item"]["content"] == [words]
    assert (delete["type"], delete["item_id"]) == ("conversation.item.delete", "msg_001")
    echo = {"type": "conversation.item.created", "item": create["item"] | {"object": "x"}}
    gone = {"type": "conversation.item.deleted", "item_id": "msg_001"}
    assert decode(dialect, echo, gone) == []
    # A person who deletes the turn deletes what stands for it.
    (deleted,) = told(
        dialect, {"type": "conversation.item.delete", "event_id": "c", "item_id": "msg_001"}
    )
    assert deleted["item_id"] == create["item"]["id"]
    gone["item_id"] = create["item"]["id"]
    assert [e["item_id"] for e in decode(dialect, gone)] == ["msg_001"]
    assert [orjson.loads(frame)["type"] for frame in dialect.audio(bytes(960))] == [
        "input_audio_buffer.append"
    ]


def test_what_is_written_to_qwen_becomes_an_instruction():
    dialect = DIALECTS["qwen"]()
    told(dialect, update(instructions="Be kind."))
    content = [{"type": "input_text", "text": "Hello."}]
    item = {"id": "w", "type": "message", "role": "user", "content": content}
    create = {"type": "conversation.item.create", "event_id": "c", "item": item}
    (event,) = told(dialect, create)
    assert event["type"] == "session.update"
    assert event["session"]["instructions"].startswith("Be kind.")
    assert event["session"]["instructions"].endswith("User: Hello.")
    assert [e["type"] for e in dialect.answers()] == [
        "conversation.item.added",
        "conversation.item.done",
    ]
    delete = {"type": "conversation.item.delete", "event_id": "d", "item_id": "w"}
    (event,) = told(dialect, delete)
    assert event["session"]["instructions"] == "Be kind."
    assert [e["type"] for e in dialect.answers()] == ["conversation.item.deleted"]


def test_a_picture_for_qwen_follows_some_sound():
    dialect = DIALECTS["qwen"]()
    url = "data:image/jpeg;base64,/9j/4AAQ"
    item = {"id": "p", "type": "message", "role": "user"}
    item |= {"content": [{"type": "input_image", "image_url": url}]}
    create = {"type": "conversation.item.create", "event_id": "c", "item": item}
    first, second = told(dialect, create)
    assert first["type"] == "input_audio_buffer.append"
    assert second == {"type": "input_image_buffer.append", "image": "/9j/4AAQ"}


def test_a_self_hosted_server_is_answered_in_the_language_it_speaks():
    ga, beta = DIALECTS["openai_beta"](), DIALECTS["openai_beta"]()
    decode(ga, sent("localai_call.json")[0])
    decode(beta, sent("beta_call.json")[0])
    event = update(output_modalities=["audio"])
    assert told(ga, event)[0]["session"] == {"type": "realtime", "output_modalities": ["audio"]}
    assert told(beta, event)[0]["session"] == {"modalities": ["audio", "text"]}


def test_a_server_that_gives_all_items_one_id_has_each_told_apart():
    """LocalAI did so for a long time."""
    one, answer = "item_unique_id", {"type": "message", "role": "assistant", "content": []}
    dialect = DIALECTS["openai_beta"]()
    place = {"response_id": "resp_unique_id", "item_id": one, "output_index": 0}

    def exchange(question, said):
        content = [{"type": "input_audio", "transcript": question}]
        item = {"id": one, "type": "message", "role": "user", "content": content}
        words = {"item_id": one, "transcript": question}
        added = {"type": "response.output_item.added", "response_id": "resp_unique_id"}
        return decode(
            dialect,
            {"type": "input_audio_buffer.committed", "item_id": one},
            {"type": "conversation.item.added", "item": item, "previous_item_id": one},
            {"type": "conversation.item.input_audio_transcription.completed", **words},
            {"type": "response.created", "response": {"id": "resp_unique_id"}},
            added | {"output_index": 0, "item": answer | {"id": one}},
            {"type": "conversation.item.added", "item": answer | {"id": one}},
            {"type": "response.output_audio_transcript.delta", **place, "delta": said},
            {
                "type": "response.done",
                "response": {"id": "resp_unique_id", "output": [{"id": one}]},
            },
        )

    events = exchange("One?", "One.") + exchange("Two?", "Two.")
    added = [e["item"]["id"] for e in events if e["type"] == "conversation.item.added"]
    heard = [e["item_id"] for e in events if e["type"] == TRANSCRIBED]
    said = [e["response"]["output"] for e in events if e["type"] == "response.done"]
    assert added == [heard[0], said[0][0]["id"], heard[1], said[1][0]["id"]]
    assert (len(set(added)), added[0]) == (4, one)
    assert [each["content"][0]["transcript"] for [each] in said] == ["One.", "Two."]
    cut = {"content_index": 0, "audio_end_ms": 10}
    (asked,) = told(dialect, {"type": CUT, "item_id": added[1], **cut})
    assert asked["item_id"] == one
    (done,) = decode(dialect, {"type": "conversation.item.truncated", "item_id": one, **cut})
    assert done["item_id"] == added[1]


def test_a_request_for_approval_that_is_named_anew_is_answered_under_its_own_name():
    dialect = DIALECTS["openai_ga"]()
    dialect.taken({"req_1"})
    call = {"name": "f", "arguments": "{}", "server_label": "s"}
    request = {"id": "req_1", "type": "mcp_approval_request", **call}
    later = {"id": "mcp_1", "type": "mcp_call", "approval_request_id": "req_1", **call}
    kind = "response.output_item.added"
    asked, called = decode(dialect, {"type": kind, "item": request}, {"type": kind, "item": later})
    assert "req_1" != asked["item"]["id"] == called["item"]["approval_request_id"]
    answer = {"type": "mcp_approval_response", "approval_request_id": asked["item"]["id"]}
    create = {"type": "conversation.item.create", "item": answer | {"id": "a", "approve": True}}
    assert told(dialect, create)[0]["item"]["approval_request_id"] == "req_1"


def test_xai_transcripts_grow_and_a_revision_waits_for_the_end():
    events = decoded("xai", "xai_call.json")
    deltas = [e["delta"] for e in events if e["type"].endswith("transcription.delta")]
    assert deltas == ["What is", " the time"]
    assert [e["type"] for e in events].count("session.created") == 1


def test_xai_errors_are_judged_by_their_words():
    error = {"type": "invalid_request", "code": "xyz_17", "message": "Incorrect API key provided"}
    (event,) = decode(DIALECTS["xai"](), {"type": "error", "error": error})
    assert judge(event["error"]).reason == "provider_refused_key"
