"""Files in an object store: kept on this machine until it has them, and read in parts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from django.core.files.base import ContentFile
from django.test import Client

from chats.bucket import Bucket, ObjectReader
from chats.models import Conversation, Message, Recording
from chats.spool import StoreAway, spool
from tests.store import ObjectStore, garbles, hangs, loses, refuses

BODY = bytes(range(256)) * 4
KEY = "recordings/ab/ab.mp3"
# The store's errors, as the site has them, but sooner.
OPTIONS: dict[str, Any] = {
    "region_name": "us-east-1",
    "access_key": "key",
    "secret_key": "secret",
    "client_config": Config(
        connect_timeout=0.5,
        read_timeout=0.5,
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    ),
}


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with ObjectStore() as running:
        yield running


def options(store: ObjectStore) -> dict[str, Any]:
    return {**OPTIONS, "endpoint_url": store.url, "bucket_name": store.name}


@pytest.fixture
def bucket(store: ObjectStore) -> Bucket:
    return Bucket(**options(store))


def saved(bucket: Bucket, name: str = KEY, body: bytes = BODY) -> str:
    return str(bucket.save(name, ContentFile(body)))


def content(bucket: Bucket, name: str = KEY) -> bytes:
    with bucket.open(name) as file:
        read: bytes = file.read()
    return read


def down(store: ObjectStore) -> None:
    store.stop()


def failing(how: Any) -> Callable[[ObjectStore], None]:
    def fail(store: ObjectStore) -> None:
        store.fails = how

    return fail


def mend(store: ObjectStore) -> None:
    store.fails = None
    store.start()


def test_what_the_store_takes_is_there_at_once_and_waits_nowhere(
    store: ObjectStore, bucket: Bucket
) -> None:
    assert saved(bucket) == KEY
    assert (store.keys(), spool().names(), content(bucket)) == ({KEY}, [], BODY)
    assert (bucket.exists(KEY), bucket.size(KEY)) == (True, len(BODY))


@pytest.mark.parametrize(
    "fail",
    [down, *(failing(how) for how in (hangs, refuses, loses, garbles))],
    ids=["down", "hangs", "refuses", "loses", "garbles"],
)
def test_what_the_store_does_not_keep_waits_and_can_be_read_until_it_does(
    store: ObjectStore, bucket: Bucket, fail: Callable[[ObjectStore], None]
) -> None:
    fail(store)
    assert saved(bucket) == KEY
    for _ in range(2):
        assert (spool().names(), content(bucket), bucket.size(KEY)) == ([KEY], BODY, len(BODY))
        assert bucket.exists(KEY)
        bucket.ship_waiting()
    mend(store)
    bucket.ship_waiting()
    assert (spool().names(), store.keys(), content(bucket)) == ([], {KEY}, BODY)


def test_nobody_waits_for_a_store_that_took_nothing_the_last_time(
    store: ObjectStore, bucket: Bucket
) -> None:
    store.fails = refuses
    saved(bucket)
    asked = len(store.asked)
    saved(bucket, "recordings/cd/cd.mp3")
    assert (asked > 0, len(store.asked)) == (True, asked)
    mend(store)
    bucket.ship_waiting()
    asked = len(store.asked)
    saved(bucket, "recordings/ef/ef.mp3")
    assert [method for method, _key, _range in store.asked[asked:]] == ["PUT", "HEAD"]
    assert len(store.keys()) == 3


def test_one_that_is_refused_for_good_holds_up_nobody(store: ObjectStore, bucket: Bucket) -> None:
    def refuses_one(store: ObjectStore, environ: Any, start: Any) -> Any:
        answer = refuses if environ["PATH_INFO"].endswith("bad.mp3") else ObjectStore.pass_on
        return answer(store, environ, start)

    store.fails = refuses
    names = ["bad.mp3", *(f"{number}.mp3" for number in range(5))]
    for name in names:
        saved(bucket, name)
    store.fails = refuses_one
    bucket.ship_waiting()
    assert (spool().names(), store.keys()) == (["bad.mp3"], set(names[1:]))


def test_a_newer_file_of_the_same_name_takes_the_place_of_the_one_that_waits(
    store: ObjectStore, bucket: Bucket
) -> None:
    saved(bucket)
    store.fails = refuses
    saved(bucket, body=b"newer")
    assert (content(bucket), bucket.size(KEY)) == (b"newer", 5)
    mend(store)
    bucket.ship_waiting()
    assert (content(bucket), spool().names(), store.keys()) == (b"newer", [], {KEY})


def test_a_deleted_file_is_nowhere(store: ObjectStore, bucket: Bucket) -> None:
    saved(bucket)
    store.fails = refuses
    saved(bucket, body=b"newer")
    with pytest.raises(StoreAway):  # so that it is tried again
        bucket.delete(KEY)
    assert spool().names() == []
    mend(store)
    bucket.delete(KEY)
    assert (store.keys(), bucket.exists(KEY)) == (set(), False)


def test_a_file_that_is_deleted_on_its_way_is_nowhere(store: ObjectStore, bucket: Bucket) -> None:
    def deletes(store: ObjectStore, environ: Any, start: Any) -> Any:
        spool().discard(KEY)
        return store.pass_on(environ, start)

    store.fails = deletes
    saved(bucket)
    assert ([method for method, _key, _range in store.asked], store.keys()) == (
        ["PUT", "HEAD", "DELETE"],
        set(),
    )


def test_a_file_is_brought_by_one_at_a_time(store: ObjectStore, bucket: Bucket) -> None:
    store.fails = hangs
    patient = options(store) | {
        "client_config": OPTIONS["client_config"].merge(Config(read_timeout=60))
    }
    bringing = threading.Thread(target=saved, args=(Bucket(**patient),))
    bringing.start()
    while not store.asked:
        time.sleep(0.01)
    bucket.ship_waiting()
    store.fails = None
    bringing.join()
    bucket.ship_waiting()
    assert [method for method, _key, _range in store.asked].count("PUT") == 1
    assert (store.keys(), spool().names()) == ({KEY}, [])


def test_a_part_is_read_and_not_the_whole(store: ObjectStore, bucket: Bucket) -> None:
    saved(bucket)
    store.asked.clear()
    with bucket.open(KEY) as file:
        file.seek(1000)
        assert file.read(10) == BODY[1000:1010]
        assert store.asked == [("HEAD", KEY, ""), ("GET", KEY, "bytes=1000-")]
        file.seek(0)
        assert file.read() == BODY
        file.seek(-4, 2)
        assert (file.read(), file.read()) == (BODY[-4:], b"")


def test_a_reader_of_what_is_not_there_can_be_closed() -> None:
    """As Python does with whatever is not made as a whole; some versions print what that raises."""

    class Missing:
        @property
        def content_length(self) -> int:
            raise FileNotFoundError

    reader = ObjectReader.__new__(ObjectReader)
    with pytest.raises(FileNotFoundError):
        reader.__init__(Missing())  # type: ignore[misc]
    reader.close()
    assert reader.closed


def test_what_is_not_there_and_what_cannot_be_had_now_are_two_things(
    store: ObjectStore, bucket: Bucket
) -> None:
    saved(bucket)
    for ask in (bucket.open, bucket.size):
        with pytest.raises(FileNotFoundError):
            ask("recordings/no/no.mp3")
    store.fails = refuses
    for ask in (bucket.open, bucket.size, bucket.exists):
        with pytest.raises(StoreAway):
            ask(KEY)


@pytest.mark.django_db(transaction=True)
def test_a_recording_that_cannot_be_had_now_is_asked_for_again(
    store: ObjectStore, settings: Any, client: Client, conversation: Conversation
) -> None:
    given = {"BACKEND": "chats.bucket.Bucket", "OPTIONS": options(store)}
    settings.STORAGES = settings.STORAGES | {"default": given}
    message = Message.objects.create(conversation=conversation, position=1, role="user")
    made = Recording(message=message, state="ready", duration_ms=1000, size=len(BODY))
    made.file.save("r.mp3", ContentFile(BODY))
    client.force_login(conversation.owner)
    store.fails = refuses
    answer = client.get(made.url)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"Nothing is lost" in answer.content
    mend(store)
    assert client.get(made.url).status_code == 200
