import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.local.clauses import LONGEST, ClauseCutter, plain
from tests.examples import examples


def cut(*texts: str) -> list[str]:
    cutter = ClauseCutter()
    pieces = [piece for text in texts for piece in cutter.feed(text)]
    return pieces + cutter.rest()


def test_speaking_can_start_after_the_first_sentence() -> None:
    cutter = ClauseCutter()
    assert cutter.feed("Hello there. How") == ["Hello there."]
    assert cutter.feed(" are you? I") == [" How are you?"]
    assert cutter.rest() == [" I"]


def test_a_long_sentence_is_cut_at_its_comma() -> None:
    assert cut("It is a rather fine day today, and we should go out")[0] == (
        "It is a rather fine day today,"
    )


@pytest.mark.parametrize("text", ["It costs 3.50 now", "Ask Dr. Smith", "1,000 of them", "a.b.c"])
def test_points_inside_words_and_numbers_do_not_cut(text: str) -> None:
    assert cut(text) == [text]


def test_chinese_sentences_need_no_space() -> None:
    assert cut("\u4f60\u597d\u3002\u6211\u5f88\u597d\u3002") == [
        "\u4f60\u597d\u3002",
        "\u6211\u5f88\u597d\u3002",
    ]


@settings(max_examples=examples(100))
@given(st.lists(st.text(max_size=80), max_size=12))
def test_nothing_is_lost_and_no_piece_is_endless(texts: list[str]) -> None:
    pieces = cut(*texts)
    assert "".join(pieces) == "".join(texts)
    assert all(len(piece) <= LONGEST + 80 for piece in pieces)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Hello** you, *dear* one.", "Hello you, dear one."),
        (" How **very", " How very"),
        (" nice** of you.", " nice of you."),
        ("* One\n+ Two\n", "One\nTwo\n"),
        ("## A title\n", "A title\n"),
        ("Press `Esc`, ~~not~~ now.", "Press Esc, not now."),
        ("See [the page](https://example.org/a?b=c).", "See the page."),
        ("2 * 3 is 6, 2**3 is 8, (1+1)*2 is 4.", "2 * 3 is 6, 2**3 is 8, (1+1)*2 is 4."),
        ("C# and number #1 - well_known", "C# and number #1 - well_known"),
    ],
)
def test_marks_of_markdown_are_not_said(written: str, said: str) -> None:
    assert plain(written) == said
