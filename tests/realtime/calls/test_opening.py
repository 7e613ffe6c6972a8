"""Who may call with which model."""

from __future__ import annotations

from typing import Any

import pytest

from chats.models import Conversation, User
from realtime.bridge.session import changes_of
from realtime.bridge.start import Start
from realtime.calls.opening import find_conversation, open_call
from realtime.models import CallRecord, Lease, Provider, Quota, VoiceModel
from realtime.providers.targets import Refused

pytestmark = pytest.mark.django_db


def model(name: str = "m", account: Any = None, **fields: Any) -> VoiceModel:
    provider = Provider.objects.create(
        name=f"P {name}", url="wss://voice.example.org", account=account
    )
    return VoiceModel.objects.create(provider=provider, name=name, **fields)


def test_the_default_model_is_chosen_and_configured(conversation: Conversation) -> None:
    model("a")
    model("b", default=True, voices=["marin", "cedar"], transcription_model="t", instructions="Hi")
    opening = open_call(conversation.owner, conversation, Start())
    assert (opening.target.model, opening.target.url) == ("b", "wss://voice.example.org")
    assert opening.session == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": "Hi",
        "audio": {
            "input": {"turn_detection": {"type": "server_vad"}, "transcription": {"model": "t"}},
            "output": {"voice": "marin"},
        },
    }
    record = CallRecord.objects.get()
    assert (str(record.pk), record.state, record.model_name) == (
        opening.call_id,
        "connecting",
        "b",
    )


def test_a_call_knows_where_it_begins_and_the_items_that_were_there(
    conversation: Conversation,
) -> None:
    model("b", default=True)
    another = Conversation.objects.create(owner=conversation.owner, account=conversation.account)
    another.messages.create(position=9.0, role="user", item_id="item_9")
    beside = open_call(another.owner, another, Start())
    opening = open_call(conversation.owner, conversation, Start())
    assert (opening.last_position, opening.taken) == (0.0, frozenset())
    assert Lease.objects.filter(pk=beside.call_id).exists()
    CallRecord.objects.update(state=CallRecord.State.ENDED)
    for position, item_id in ((1.0, "item_1"), (2.5, ""), (2.0, "item_2")):
        conversation.messages.create(position=position, role="user", item_id=item_id)
    opening = open_call(conversation.owner, conversation, Start())
    assert (opening.last_position, opening.taken) == (2.5, {"item_1", "item_2"})


def test_calls_that_begin_at_once_do_not_count_from_the_same_place(
    conversation: Conversation,
) -> None:
    model("b", default=True)
    conversation.messages.create(position=3.0, role="user")
    opened = [open_call(conversation.owner, conversation, Start()) for _ in range(3)]
    # What one that has to make room still says comes before all that the next one says.
    assert [each.last_position for each in opened] == [3.0, 1003.0, 2003.0]


def test_opening_a_call_takes_so_many_queries(
    conversation: Conversation, django_assert_num_queries: Any
) -> None:
    model("b", default=True)
    Quota.objects.create(money_per_day=5, unpriced_allowed=True)
    found = find_conversation(conversation.owner, conversation.pk)
    # The models and the account's settings, the endpoint and the price; other calls of the
    # conversation; between a savepoint's two ends the quotas, places, rates and sums, and the place
    # that is taken; the call's row; what was said before, and where it ended.
    with django_assert_num_queries(15 + 2):
        open_call(conversation.owner, found, Start())


def test_a_chosen_model_voice_and_mode_are_honoured(conversation: Conversation) -> None:
    model("a", default=True)
    other = model("b", voices=["marin", "cedar"])
    start = Start(model=str(other.pk), voice="cedar", manual=True, output_modalities=("text",))
    opening = open_call(conversation.owner, conversation, start)
    assert opening.target.model == "b"
    assert opening.session["output_modalities"] == ["text"]
    assert opening.session["audio"] == {
        "input": {"turn_detection": None},
        "output": {"voice": "cedar"},
    }


@pytest.mark.parametrize("wish", ["0", "999999", "x", "-1", "²"])
def test_an_unknown_model_is_refused(conversation: Conversation, wish: str) -> None:
    model("a")
    with pytest.raises(Refused) as refused:
        open_call(conversation.owner, conversation, Start(model=wish))
    assert refused.value.reason == "provider_unknown_model"
    assert CallRecord.objects.count() == 0


def test_another_account_s_model_is_as_unknown(conversation: Conversation, eve: User) -> None:
    private = model("e", account=eve.own_account)
    with pytest.raises(Refused):
        open_call(conversation.owner, conversation, Start(model=str(private.pk)))
    with pytest.raises(Refused):
        open_call(conversation.owner, conversation, Start())


def test_a_team_s_model_is_for_its_members(conversation: Conversation, bob: User) -> None:
    model("t", account=bob.accounts.get(slug="team"))
    assert open_call(conversation.owner, conversation, Start()).target.model == "t"


def test_a_voice_the_model_lacks_is_refused(conversation: Conversation) -> None:
    model("a", voices=["marin"])
    with pytest.raises(Refused):
        open_call(conversation.owner, conversation, Start(voice="nobody"))


def test_an_audio_format_the_model_lacks_is_refused(conversation: Conversation) -> None:
    lacks = model("a")
    has = model("b", features={"formats": ["audio/pcm", "audio/pcmu"]})
    changes = tuple(changes_of({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}))
    open_call(conversation.owner, conversation, Start(model=str(has.pk), changes=changes))
    with pytest.raises(Refused):
        open_call(conversation.owner, conversation, Start(model=str(lacks.pk), changes=changes))


def test_a_session_s_voice_and_transcription_model_must_be_the_model_s(
    conversation: Conversation,
) -> None:
    model(
        "a",
        voices=["marin"],
        transcription_model="t1",
        features={"transcription_models": ["t2"]},
    )

    def opened(session: dict[str, Any]) -> Any:
        changes = tuple(changes_of(session))
        return open_call(conversation.owner, conversation, Start(changes=changes)).session

    session = opened({"audio": {"input": {"transcription": {"model": "t2", "language": "de"}}}})
    assert session["audio"]["input"]["transcription"] == {"model": "t2", "language": "de"}
    for wrong in (
        {"audio": {"output": {"voice": "nobody"}}},
        {"audio": {"input": {"transcription": {"model": "t3"}}}},
    ):
        with pytest.raises(Refused):
            opened(wrong)


def test_a_key_that_cannot_be_opened_is_refused_without_showing_it(
    conversation: Conversation,
) -> None:
    provider = model("a").provider
    provider.sealed_key = "broken"
    provider.save()
    with pytest.raises(Refused) as refused:
        open_call(conversation.owner, conversation, Start())
    assert (refused.value.reason, "broken" in str(refused.value)) == ("provider_refused_key", False)
