from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.local import sums
from tests.examples import examples


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("what is two plus three", "5"),
        ("What is 2+3?", "5"),
        ("how much is twenty one times four", "84"),
        ("ninety-nine minus one", "98"),
        ("seven divided by two", "3.5"),
        ("1 / 3", "0.3333"),
        ("two plus three times four", "14"),
        ("(2 + 3) * 4", "20"),
        ("one hundred and five minus five", "100"),
        ("two thousand and twenty plus six", "2026"),
        ("2,000 + 1", "2001"),
        ("minus five plus two", "-3"),
        ("10 \u2212 4", "6"),
        ("3 multiplied by 3", "9"),
        ("1.5 x 4", "6"),
    ],
)
def test_sums_in_words_and_digits(text: str, value: str) -> None:
    assert sums.plain(sums.compute(sums.tokens(text))) == value


@pytest.mark.parametrize(
    "text", ["hello", "i have 3 cats", "plus", "two", "what is plus", "1 2 3", "", "x" * 300]
)
def test_other_texts_are_not_sums(text: str) -> None:
    with pytest.raises(sums.NotASum):
        sums.compute(sums.tokens(text))


@pytest.mark.parametrize("text", ["5 / 0", "zero divided by zero", "999999999999 * 9999999999"])
def test_a_sum_without_an_answer_says_why(text: str) -> None:
    with pytest.raises(sums.CannotCompute):
        sums.compute(sums.tokens(text))


@settings(max_examples=examples(100))
@given(st.text(alphabet="0123456789 +-*/()xa.,", max_size=200) | st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        value = sums.compute(sums.tokens(text))
    except (sums.NotASum, sums.CannotCompute):
        return
    assert Decimal(sums.plain(value)).is_finite()


@pytest.mark.parametrize(
    ("text", "number"),
    [("count to ten", 10), ("count to twenty five please", 25), ("to 7", 7), ("count", None)],
)
def test_the_first_number_of_a_text(text: str, number: int | None) -> None:
    assert sums.number_in(text) == number
