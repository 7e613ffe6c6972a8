from __future__ import annotations

from realtime.bridge.dialects.names import Names


def begun(item_id: str) -> dict:
    return {"type": "input_audio_buffer.speech_started", "item_id": item_id}


def renamed(names: Names, event: dict) -> dict:
    names.rename(event)
    return event


def test_an_item_with_an_earlier_ones_id_gets_a_name_of_ours() -> None:
    names = Names()
    names.taken = {"item_1"}
    ours = renamed(names, begun("item_1"))["item_id"]
    assert ours != "item_1"
    assert renamed(names, begun("item_2"))["item_id"] == "item_2"
    assert names.tell({"type": "conversation.item.delete", "item_id": ours})["item_id"] == "item_1"


def test_what_a_provider_was_told_of_keeps_its_id() -> None:
    names = Names()
    names.taken = {"item_1"}
    names.tell({"type": "conversation.item.create", "item": {"id": "item_1"}})
    added = {"type": "conversation.item.added", "item": {"id": "item_1"}, "previous_item_id": None}
    assert renamed(names, added)["item"]["id"] == "item_1"


def test_an_answer_is_given_items_by_the_providers_ids() -> None:
    names = Names()
    names.taken = {"item_1"}
    ours = renamed(names, begun("item_1"))["item_id"]
    text = {"type": "message", "id": ours}
    given = [{"type": "item_reference", "id": ours}, text, "no item"]
    event = {"type": "response.create", "response": {"input": given}}
    told = names.tell(event)["response"]["input"]
    assert told == [{"type": "item_reference", "id": "item_1"}, text, "no item"]
    assert given[0] == {"type": "item_reference", "id": ours}
