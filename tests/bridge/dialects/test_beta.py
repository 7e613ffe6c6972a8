"""Translation from GA to the beta API and back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge.dialects.azure_preview import AzurePreview
from realtime.bridge.dialects.beta import (
    item_to_beta,
    item_to_ga,
    response_to_beta,
    response_to_ga,
    session_to_beta,
    session_to_ga,
)
from realtime.bridge.dialects.fit import fit_session
from tests.bridge.dialects.streams import told
from tests.examples import examples

TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
FORMATS = st.sampled_from(
    [{"type": "audio/pcm"}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}],
)
SERVER_VAD = st.fixed_dictionaries(
    {"type": st.just("server_vad")},
    optional={
        "threshold": st.floats(0, 1),
        "silence_duration_ms": st.integers(200, 6_000),
        "prefix_padding_ms": st.integers(0, 1_000),
        "create_response": st.booleans(),
        "interrupt_response": st.booleans(),
    },
)
SEMANTIC_VAD = st.fixed_dictionaries(
    {"type": st.just("semantic_vad"), "eagerness": st.sampled_from(["low", "high", "auto"])}
)
SESSIONS = st.fixed_dictionaries(
    {},
    optional={
        "output_modalities": st.sampled_from([["audio"], ["text"]]),
        "instructions": st.text(max_size=20),
        "max_output_tokens": st.integers(1, 4_096) | st.just("inf"),
        "tools": st.just([TOOL]),
        "tool_choice": st.sampled_from(["auto", "none", {"type": "function", "name": "f"}]),
        "audio": st.fixed_dictionaries(
            {},
            optional={
                "input": st.fixed_dictionaries(
                    {},
                    optional={
                        "format": FORMATS,
                        "turn_detection": st.none() | SERVER_VAD | SEMANTIC_VAD,
                        "noise_reduction": st.none() | st.just({"type": "far_field"}),
                        "transcription": st.none()
                        | st.just({"model": "whisper-1", "language": "de", "prompt": "p"}),
                    },
                ),
                "output": st.fixed_dictionaries(
                    {},
                    optional={
                        "format": FORMATS,
                        "voice": st.sampled_from(["marin", "alloy"]),
                        "speed": st.floats(0.25, 1.5),
                    },
                ),
            },
        ),
    },
)
LOST = {
    "tracing": "auto",
    "truncation": "disabled",
    "include": ["item.input_audio_transcription.logprobs"],
    "prompt": {"id": "p"},
    "reasoning": {"effort": "low"},
    "parallel_tool_calls": True,
}
"""Fields that the beta API does not have, according to the table in `dialects.beta`."""


def bare(session):
    """The session without empty objects."""
    audio = {side: inner for side, inner in session.get("audio", {}).items() if inner}
    return {k: v for k, v in session.items() if k != "audio"} | ({"audio": audio} if audio else {})


@settings(max_examples=examples(60), deadline=None)
@given(SESSIONS)
def test_a_session_comes_back_without_what_the_table_says_is_lost(session):
    fitted = fit_session(session | LOST | {"type": "realtime"}, AzurePreview.traits)
    back = session_to_ga(session_to_beta(fitted))
    wanted = {"type": "realtime", "object": "realtime.session", "tools": []} | bare(session)
    assert back == wanted


def test_the_idle_timeout_is_lost_too():
    turns = {"type": "server_vad", "idle_timeout_ms": 6_000}
    session = {"audio": {"input": {"turn_detection": turns}}}
    flat = session_to_beta(fit_session(session, AzurePreview.traits))
    assert flat == {"turn_detection": {"type": "server_vad"}}


def test_both_modalities_are_asked_for_where_ga_asks_for_audio():
    assert session_to_beta({"output_modalities": ["audio"]}) == {"modalities": ["audio", "text"]}
    assert response_to_beta({"output_modalities": ["audio"]}) == {"modalities": ["audio", "text"]}
    assert response_to_beta({"output_modalities": ["text"]}) == {"modalities": ["text"]}


def test_only_an_assistants_words_have_other_names():
    answer = {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
    assert item_to_beta(answer)["content"] == [{"type": "text", "text": "Hi"}]
    assert item_to_ga(item_to_beta(answer)) == answer
    asked = {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    assert item_to_beta(asked) == item_to_ga(asked) == asked


def test_a_response_is_nested_and_loses_its_temperature():
    flat = {
        "id": "r",
        "modalities": ["audio", "text"],
        "voice": "alloy",
        "output_audio_format": "g711_ulaw",
        "temperature": 0.8,
        "max_output_tokens": "500",
        "output": [{"id": "a", "role": "assistant", "content": [{"type": "audio", "text": "Hi"}]}],
    }
    assert response_to_ga(flat) == {
        "id": "r",
        "output_modalities": ["audio"],
        "audio": {"output": {"voice": "alloy", "format": {"type": "audio/pcmu"}}},
        "max_output_tokens": 500,
        "output": [
            {
                "id": "a",
                "role": "assistant",
                "content": [{"type": "output_audio", "transcript": "Hi"}],
            }
        ],
    }


def test_a_request_for_an_answer_is_flattened():
    (create,) = told(
        AzurePreview(),
        {
            "type": "response.create",
            "event_id": "c",
            "response": {
                "output_modalities": ["audio"],
                "instructions": "Briefly.",
                "max_output_tokens": 300,
                "audio": {"output": {"voice": "alloy", "format": {"type": "audio/pcma"}}},
            },
        },
    )
    assert create["response"] == {
        "instructions": "Briefly.",
        "modalities": ["audio", "text"],
        "max_response_output_tokens": 300,
        "voice": "alloy",
        "output_audio_format": "g711_alaw",
    }
