"""Recordings in a bucket: kept, and played from any point, with the settings that users give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.site import Site


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "MEDIA_S3_BUCKET": "recordings",
        "MEDIA_S3_ENDPOINT": f"http://{host}:{port}",
        "MEDIA_S3_REGION": "us-east-1",
        "MEDIA_S3_KEY": "key",
        "MEDIA_S3_SECRET": "secret",
    }
    names = {"region_name": "us-east-1", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
    client = boto3.client("s3", endpoint_url=settings["MEDIA_S3_ENDPOINT"], **names)
    client.create_bucket(Bucket="recordings")
    try:
        yield settings
    finally:
        server.stop()


def test_a_recording_is_kept_in_the_bucket_and_played_from_any_point(
    tmp_path: Path, bucket: dict[str, str]
) -> None:
    with Site(tmp_path, **bucket) as site:
        ann, eve = site.person("ann"), site.person("eve")
        thread = ann.new_conversation()
        url, whole = site.run(
            "from chats.models import Message, Recording\n"
            "from django.utils import timezone\n"
            "from realtime.tracks import encode_file, recording_columns\n"
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
        part = ann.get(url, Range="bytes=100-299")
        assert (part.status, part.body) == (206, bytes.fromhex(whole)[100:300])
        assert ann.get(url).body == bytes.fromhex(whole)
        assert eve.get(url).status == 404
        assert not list((tmp_path / "data").glob("media/**/*.mp3"))
