"""Recordings in a bucket: kept, and played from any point, with the settings that users give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import Site
from tests.store import ObjectStore


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with ObjectStore() as running:
        yield running


def test_a_recording_is_kept_in_the_bucket_and_played_from_any_point(
    tmp_path: Path, store: ObjectStore
) -> None:
    with Site(tmp_path, **store.settings) as site:
        ann, eve = site.person("ann"), site.person("eve")
        thread = ann.new_conversation()
        url, whole = site.run(
            "from chats.models import Message, Recording\n"
            "from django.utils import timezone\n"
            "from realtime.keeping.tracks import encode_file, recording_columns\n"
            "from pathlib import Path\n"
            f"message = Message.objects.create(conversation_id={thread!r}, item_id='i',"
            " role='user', position=1)\n"
            "row = Recording.objects.create(message=message)\n"
            f"pcm = Path({str(tmp_path)!r}) / 'a.pcm'\n"
            "pcm.write_bytes(bytes(48000))\n"
            "encoded = encode_file(pcm, str(row.pk))\n"
            "Recording.objects.filter(pk=row.pk).update(**recording_columns(encoded))\n"
            "row.refresh_from_db()\n"
            "tell([row.url, row.file.open('rb').read().hex()])"
        )
        store.asked.clear()
        part = ann.get(url, Range="bytes=100-299")
        assert [asked for method, _key, asked in store.asked if method == "GET"] == ["bytes=100-"]
        assert (part.status, part.body) == (206, bytes.fromhex(whole)[100:300])
        assert ann.get(url).body == bytes.fromhex(whole)
        assert eve.get(url).status == 404
        for folder in ("media", "spool"):
            assert not list((tmp_path / "data" / folder).glob("**/*"))
