"""What is made of a file by looking into it, friendly and hostile ones alike."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chats.attachments import documents, pictures, reader
from chats.attachments.sniff import DOCX, Refused, content_type
from tests.chats import files_to_attach as files


def look(tmp_path: Path, content: bytes, name: str) -> dict[str, Any]:
    (tmp_path / "given").write_bytes(content)
    (tmp_path / "out").mkdir(exist_ok=True)
    return reader.read(tmp_path / "given", name, tmp_path / "out")


def refusal(tmp_path: Path, content: bytes, name: str) -> str:
    with pytest.raises(Refused) as refused:
        look(tmp_path, content, name)
    return refused.value.code


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/jpeg"),
        ("GIF", "image/png"),
    ],
)
def test_pictures_are_drawn_anew(tmp_path: Path, kind: str, stored: str) -> None:
    found = look(tmp_path, files.picture(kind), "any name at all")
    assert found == {
        "kind": "image",
        "content_type": stored,
        "width": 40,
        "height": 30,
        "files": {"file": f"file.{stored[6:]}", "thumbnail": "thumbnail.webp"},
        "note": "",
    }
    for name in found["files"].values():
        with Image.open(tmp_path / "out" / name) as drawn:
            assert drawn.size == (40, 30)


def test_a_photograph_loses_its_place_and_what_follows_its_end(tmp_path: Path) -> None:
    found = look(tmp_path, files.located_photograph(), "p.jpg")
    # It was taken sideways, and stands upright now.
    assert (found["width"], found["height"]) == (32, 64)
    for name in found["files"].values():
        content = (tmp_path / "out" / name).read_bytes()
        assert b"CANARY" not in content
        with Image.open(io.BytesIO(content)) as drawn:
            assert (drawn.size, dict(drawn.getexif())) == ((32, 64), {})


def test_a_large_picture_is_made_smaller_for_the_model(tmp_path: Path) -> None:
    noise = Image.effect_noise((3000, 1000), 90).convert("RGB")
    content = io.BytesIO()
    noise.save(content, "JPEG", quality=95)
    found = look(tmp_path, content.getvalue(), "noise.jpg")
    assert (found["width"], found["height"]) == (3000, 1000)
    model = tmp_path / "out" / found["files"]["for_model"]
    with Image.open(model) as drawn:
        assert drawn.format == "JPEG"
        assert max(drawn.size) <= pictures.MODEL_EDGE
    assert model.stat().st_size <= pictures.MODEL_BYTES


def test_what_can_be_seen_through_is_white_for_the_model(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(content, "PNG")
    found = look(tmp_path, content.getvalue(), "clear.png")
    with Image.open(tmp_path / "out" / found["files"]["for_model"]) as drawn:
        assert drawn.getpixel((10, 10)) == (255, 255, 255)


def test_a_phone_s_photograph_with_a_map_of_its_depth_is_no_animation(tmp_path: Path) -> None:
    depth = Image.new("L", (20, 15))
    content = files.picture("MPO", save_all=True, append_images=[depth])
    found = look(tmp_path, content, "p.jpg")
    assert (found["content_type"], found["width"], found["note"]) == ("image/jpeg", 40, "")


def test_of_an_animation_the_first_picture_is_kept(tmp_path: Path) -> None:
    content = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    assert look(tmp_path, content.getvalue(), "a.gif")["note"] == "first_picture"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.png", b"", "empty"),
        ("a.png", files.huge_png(50_000, 50_000), "too_many_pixels"),
        ("a.png", files.huge_png(1_000, 1_000), "broken"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"nonsense", "broken"),
        ("a.jpg", files.picture("JPEG")[:200], "broken"),
        ("a.png", b"these are words", "not_what_it_says"),
        ("a.jpg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "markup"),
        ("a.svg", b"<?xml version='1.0'?>\n<!-- x --><svg/>", "markup"),
        ("a.png", b"\n <!DOCTYPE html><script>alert(1)</script>", "markup"),
        ("a.txt", b"\xef\xbb\xbf<html><body>", "markup"),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "heic"),
        ("a.avif", b"\0\0\0\x18ftypavif\0\0\0\0", "other_picture"),
        ("a.zip", files.zip_bomb(), "archive"),
        ("a.docx", files.zip_bomb(), "archive"),
        ("a.xlsx", files.docx("x"), "archive"),
        ("a.gz", b"\x1f\x8b\x08\0", "archive"),
        ("a.txt", b"\x7fELF\x02\x01\x01\0", "unknown"),
        ("a.txt", b"words\0and a NUL", "unknown"),
        ("a.mp3", b"ID3\x04\0\0", "unknown"),
        ("a.mp3", b"<html><script>alert(1)</script>", "markup"),
        ("a.wav", b"<svg onload='alert(1)'/>", "markup"),
        ("a.docx", files.docx_bomb(), "too_large_inside"),
        ("a.docx", files.docx("&c;", dtd=files.BILLION_LAUGHS), "broken"),
        ("a.docx", files.docx("&a;", dtd=files.OUTSIDE), "broken"),
        ("a.docx", files.docx(body=b"<w:document"), "broken"),
        ("a.docx", files.docx("words")[:-30], "broken"),
        ("a.pdf", files.pdf("secret", password="x"), "locked"),
        ("a.pdf", b"%PDF-1.7\nnothing more", "broken"),
    ],
)
def test_what_cannot_be_attached_is_refused(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    assert refusal(tmp_path, content, name) == code


@pytest.mark.parametrize(
    ("name", "content", "kind", "text"),
    [
        ("a.txt", "Grüße\r\naus Rom".encode(), "text/plain", "Grüße\naus Rom"),
        ("a.txt", "Grüße".encode("utf-16"), "text/plain", "Grüße"),
        ("a.txt", "Grüße".encode("cp1252"), "text/plain", "Grüße"),
        ("a.md", b"# Rome", "text/markdown", "# Rome"),
        ("a.csv", b"a,b\n1,2\n", "text/csv", "a,b\n1,2"),
        ("a.py", b"print(1)", "text/plain", "print(1)"),
        ("a.docx", files.docx("One", "Two &amp; three"), DOCX, "One\nTwo & three"),
        ("a.pdf", files.pdf("Hello from a page"), "application/pdf", "Hello from a page"),
    ],
)
def test_documents_are_read(
    tmp_path: Path, name: str, content: bytes, kind: str, text: str
) -> None:
    assert look(tmp_path, content, name) == {
        "kind": "document",
        "content_type": kind,
        "text": text,
        "cut": False,
        "note": "",
    }


def test_a_document_without_text_is_noted(tmp_path: Path) -> None:
    found = look(tmp_path, files.pdf(), "scan.pdf")
    assert (found["text"], found["note"]) == ("", "no_text")


def test_of_a_long_document_the_beginning_is_kept(tmp_path: Path) -> None:
    found = look(tmp_path, b"word " * 100_000, "long.txt")
    assert (len(found["text"]), found["cut"]) == (documents.MAX_LETTERS - 1, True)


def test_of_ten_thousand_pages_the_first_are_read(tmp_path: Path) -> None:
    found = look(tmp_path, files.pdf("page", pages=10_000), "long.pdf")
    # At most so many; on a slow machine the time is up before.
    assert 0 < found["text"].count("page") <= documents.MAX_PAGES
    assert found["cut"] is True


def test_a_word_document_with_a_table(tmp_path: Path) -> None:
    row = "<w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc></w:tr>"
    body = (files.DOCX_HEAD.format(dtd="") + f"<w:tbl>{row}</w:tbl>" + files.DOCX_TAIL).encode()
    assert look(tmp_path, files.docx(body=body), "t.docx")["text"] == "a"


def test_a_text_may_end_inside_a_letter_of_the_head() -> None:
    assert content_type("é".encode() * 2048 + b"\xc3", "a.txt") == "text/plain"


def test_the_child_reads_a_file_and_needs_no_django(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(files.picture())
    (tmp_path / "out").mkdir()
    code = (
        "import sys; from chats.attachments import reader; reader.main();"
        "assert 'django' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "given"), str(tmp_path / "out")],
        input=json.dumps({"name": "a.png"}),
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )
    assert (done.stderr, json.loads(done.stdout)["width"]) == ("", 40)
