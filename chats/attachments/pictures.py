"""Pictures, drawn anew: whatever else was in the file (place, time, camera, code) stays behind."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from chats.attachments.sniff import PICTURES, Refused

MAX_PIXELS = 64_000_000
"""Refused above this; the largest photographs of phones have 50 million."""
MAX_UNDRAFTED = 36_000_000
"""The same for formats that cannot be decoded at a reduced size."""
MAX_EDGE = 4096
MODEL_EDGE = 1568
"""Models scale longer edges down themselves, after charging for them."""
MODEL_BYTES = 300_000
THUMBNAIL_EDGE = 480

# We check sizes ourselves, with the numbers above.
Image.MAX_IMAGE_PIXELS = None


def redraw(path: Path, content_type: str, out: Path) -> dict[str, Any]:
    """Write `file`, `thumbnail` and, where it differs, `for_model` into the folder `out`.

    Returns content type, size in pixels and the names of what was written. Raises `Refused`.
    """
    try:
        with Image.open(path, formats=[PICTURES[content_type]]) as image:
            jpeg = content_type == "image/jpeg"
            # A JPEG with more than one picture has a phone's depth or brightness map in it.
            animated = not jpeg and bool(getattr(image, "is_animated", False))
            picture = _drawn(image, jpeg)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        raise Refused("broken") from None
    lossless = content_type in ("image/png", "image/gif") or picture.mode == "RGBA"
    file = _png(picture) if lossless else _jpeg(picture, 90)
    kind = "png" if lossless else "jpeg"
    (out / f"file.{kind}").write_bytes(file)
    (out / "thumbnail.webp").write_bytes(_thumbnail(picture))
    files = {"file": f"file.{kind}", "thumbnail": "thumbnail.webp"}
    if max(picture.size) > MODEL_EDGE or len(file) > MODEL_BYTES or picture.mode == "RGBA":
        (out / "model.jpeg").write_bytes(_for_model(picture))
        files["for_model"] = "model.jpeg"
    return {
        "kind": "image",
        "content_type": f"image/{kind}",
        "width": picture.width,
        "height": picture.height,
        "files": files,
        "note": "first_picture" if animated else "",
    }


def _drawn(image: Image.Image, jpeg: bool) -> Image.Image:
    """The first picture of a file, upright, in sRGB, at most `MAX_EDGE` pixels long."""
    width, height = image.size
    most = MAX_PIXELS if jpeg else MAX_UNDRAFTED
    if width * height > most or not width or not height:
        raise Refused("too_many_pixels")
    profile = image.info.get("icc_profile")
    if jpeg:
        image.draft("RGB", (MAX_EDGE, MAX_EDGE))
    image.thumbnail((MAX_EDGE, MAX_EDGE), Image.Resampling.LANCZOS)
    picture = ImageOps.exif_transpose(image)
    seen_through = picture.has_transparency_data
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            turned = ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB")
            picture = turned if turned is not None else picture
    picture = picture.convert("RGBA" if seen_through else "RGB")
    # None of the file's metadata goes along.
    picture.info = {}
    return picture


def _for_model(picture: Image.Image) -> bytes:
    small = _on_white(picture)
    edge = MODEL_EDGE
    while True:
        small.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        for quality in (85, 75, 60):
            content = _jpeg(small, quality)
            if len(content) <= MODEL_BYTES:
                return content
        edge = edge * 4 // 5


def _thumbnail(picture: Image.Image) -> bytes:
    small = picture.copy()
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    return _saved(small, "WEBP", quality=80)


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture.copy()
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white


def _png(picture: Image.Image) -> bytes:
    return _saved(picture, "PNG")


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    return _saved(picture, "JPEG", quality=quality, progressive=True)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()
