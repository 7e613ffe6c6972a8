from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge.items import Items
from tests.examples import examples

CHAIN = [f"item_{n}" for n in range(8)]


def placed(pairs):
    items = Items()
    for item_id, previous in pairs:
        items.place(item_id, previous)
    return items


def test_items_stand_in_the_order_of_their_predecessors():
    assert placed([("a", None), ("b", "a"), ("c", "b")]).order() == ["a", "b", "c"]


def test_an_item_put_in_between_stands_there():
    assert placed([("a", None), ("c", "a"), ("b", "a")]).order() == ["a", "b", "c"]


def test_without_a_predecessor_an_item_goes_last():
    assert placed([("a", None), ("b", "a"), ("c", None)]).order() == ["a", "b", "c"]


def test_items_after_one_that_never_came_are_last_and_in_order():
    items = placed([("y", "x"), ("x", "lost"), ("a", None)])
    assert items.order() == ["a", "x", "y"]


def test_an_id_is_taken_also_by_what_never_came():
    assert set(placed([("a", None), ("c", "b")]).ids()) == {"a", "b", "c"}


def test_items_in_a_circle_are_shown_once():
    assert sorted(placed([("a", "b"), ("b", "a")]).order()) == ["a", "b"]


def test_an_item_cannot_follow_itself():
    assert placed([("a", "a")]).order() == []


def test_a_deleted_item_leaves_its_followers_in_place():
    items = placed([("a", None), ("b", "a"), ("c", "b")])
    items.delete("b")
    assert items.order() == ["a", "c"]
    assert items.get("b") is None


def test_an_item_only_mentioned_has_no_place():
    items = Items()
    items.touch("a")
    assert items.order() == []
    assert items.get("a") is not None


def test_a_long_conversation_is_no_recursion():
    ids = [str(n) for n in range(5000)]
    pairs = list(zip(ids, [None, *ids], strict=False))
    assert placed(pairs).order() == ids


@settings(max_examples=examples(40), deadline=None)
@given(st.permutations(range(8)), st.lists(st.integers(0, 7), max_size=8))
def test_any_arrival_order_and_any_repeats_give_the_same_order(arrival, repeats):
    pairs = list(zip(CHAIN, [None, *CHAIN], strict=False))
    arrived = [pairs[n] for n in arrival] + [pairs[n] for n in repeats]
    assert placed(arrived).order() == CHAIN
