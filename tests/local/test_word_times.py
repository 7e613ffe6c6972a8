from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.local.conversation import Word
from realtime.local.word_times import spread_words, timed_words
from tests.examples import examples


def test_espeak_events_become_words_with_their_spaces() -> None:
    words = timed_words(
        "I think so. Yes", [[0, 1, 0], [2, 5, 100], [8, 2, 450], [12, 3, 900]], 1300
    )
    assert words == [
        Word("I", 0, 100),
        Word(" think", 100, 450),
        Word(" so.", 450, 900),
        Word(" Yes", 900, 1300),
    ]


def test_numbers_said_as_several_words_stay_one_piece() -> None:
    words = timed_words("at 7:25 pm", [[0, 2, 0], [3, 1, 200], [5, 2, 500], [8, 2, 900]], 1200)
    assert [(word.text, word.start_ms) for word in words] == [
        ("at", 0),
        (" 7:25", 200),
        (" pm", 900),
    ]


@settings(max_examples=examples(100))
@given(
    st.text(max_size=60),
    st.lists(st.tuples(st.integers(-2, 70), st.integers(0, 9), st.integers(0, 5000)), max_size=20),
)
def test_timed_words_always_join_to_the_text_in_order(
    text: str, events: list[tuple[int, int, int]]
) -> None:
    events.sort(key=lambda event: event[2])
    words = timed_words(text, [list(event) for event in events], 5000)
    assert "".join(word.text for word in words) == text


@settings(max_examples=examples(100))
@given(st.text(max_size=80), st.floats(1, 60_000))
def test_spread_words_join_to_the_text_and_never_overlap(text: str, ms: float) -> None:
    words = spread_words(text, ms)
    assert "".join(word.text for word in words) == text
    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
