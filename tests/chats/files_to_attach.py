"""Files as people, and people of ill will, attach them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

from PIL import Image
from pypdf import PdfWriter

DOCX_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>{dtd}<w:document xmlns:w='
    '"http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
)
DOCX_TAIL = "</w:body></w:document>"


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    """A red picture."""
    content = io.BytesIO()
    Image.new("RGB", size, "#cc3322").save(content, kind, **options)
    return content.getvalue()


def located_photograph() -> bytes:
    """A JPEG taken sideways, with the place where it was taken and words behind its end."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    exif[0x010F] = "CANARYCAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    return picture("JPEG", (64, 32), exif=exif) + b"<script>alert('CANARY')</script>PK\x03\x04"


def huge_png(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def pdf(words: str = "", pages: int = 1, password: str = "") -> bytes:
    """A PDF with these words on each page."""
    body = f"BT /F1 12 Tf 20 100 Td ({words}) Tj ET".encode()
    parts = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{5 + number} 0 R" for number in range(pages))
    parts += [f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>"]
    parts += ["<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    parts += [f"<< /Length {len(body)} >>\nstream\n{body.decode()}\nendstream"]
    page = (
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R"
        " /Resources << /Font << /F1 3 0 R >> >> >>"
    )
    parts += [page] * pages
    content = bytearray(b"%PDF-1.4\n")
    places = []
    for number, part in enumerate(parts, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{part}\nendobj\n".encode()
    start = len(content)
    content += f"xref\n0 {len(parts) + 1}\n0000000000 65535 f \n".encode()
    content += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    content += f"trailer\n<< /Size {len(parts) + 1} /Root 1 0 R >>\nstartxref\n{start}\n".encode()
    content += b"%%EOF\n"
    if not password:
        return bytes(content)
    writer = PdfWriter(clone_from=io.BytesIO(bytes(content)))
    writer.encrypt(password, algorithm="RC4-128")
    locked = io.BytesIO()
    writer.write(locked)
    return locked.getvalue()


def docx(*paragraphs: str, dtd: str = "", body: bytes | None = None) -> bytes:
    """A Word document; `body` in place of its XML."""
    xml = "".join(f"<w:p><w:r><w:t>{each}</w:t></w:r></w:p>" for each in paragraphs)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        whole = (DOCX_HEAD.format(dtd=dtd) + xml + DOCX_TAIL).encode()
        package.writestr("word/document.xml", whole if body is None else body)
    return content.getvalue()


def docx_bomb() -> bytes:
    """A small Word document that is 200 MB unpacked."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package,
        package.open("word/document.xml", "w", force_zip64=True) as body,
    ):
        body.write(DOCX_HEAD.format(dtd="").encode() + b"<w:p>")
        for _ in range(200):
            body.write(b" " * 1_000_000)
        body.write(b"</w:p>" + DOCX_TAIL.encode())
    return content.getvalue()


def zip_bomb() -> bytes:
    """An archive of 100 MB of nothing."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("nothing", bytes(100_000_000))
    return content.getvalue()


BILLION_LAUGHS = (
    '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
