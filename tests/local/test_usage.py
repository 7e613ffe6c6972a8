from realtime.local.conversation import Item, Part
from realtime.local.usage import Tokens, cached, counted, item_tokens, usage


def spoken_item(item_id: str, kind: str, ms: float, text: str = "") -> Item:
    role = "user" if kind == "input_audio" else "assistant"
    return Item("message", id=item_id, role=role, parts=[Part(kind, text, ms=ms)])


def test_heard_audio_is_a_token_per_100_ms_and_its_words_are_free() -> None:
    assert item_tokens(spoken_item("u", "input_audio", 2310, "hello")) == Tokens(audio=24)


def test_spoken_audio_is_a_token_per_50_ms_beside_its_text() -> None:
    item = spoken_item("a", "output_audio", 1000, "12345678")
    assert item_tokens(item) == Tokens(text=2, audio=20)


def test_the_unchanged_start_of_the_prompt_counts_as_cached() -> None:
    first, second = (spoken_item("u1", "input_audio", 1000), spoken_item("u2", "input_audio", 500))
    before, now = counted("be kind!", [first]), counted("be kind!", [first, second])
    known = cached(before, now)
    assert known == Tokens(text=2, audio=10)
    found = usage(now, known, Tokens(text=3, audio=7))
    assert found == {
        "total_tokens": 27,
        "input_tokens": 17,
        "output_tokens": 10,
        "input_token_details": {
            "text_tokens": 2,
            "audio_tokens": 15,
            "image_tokens": 0,
            "cached_tokens": 12,
            "cached_tokens_details": {"text_tokens": 2, "audio_tokens": 10, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 3, "audio_tokens": 7},
    }


def test_other_instructions_leave_nothing_cached() -> None:
    item = spoken_item("u", "input_audio", 1000)
    assert cached(counted("one", [item]), counted("two", [item])) == Tokens()


def test_a_truncated_item_and_all_after_it_are_not_cached() -> None:
    item, later = spoken_item("a", "output_audio", 1000), spoken_item("u", "input_audio", 100)
    before = counted("", [item, later])
    item.parts[0].ms = 400
    assert cached(before, counted("", [item, later])) == Tokens()
