"""Attachments as a model gets them: pictures if it can see, otherwise text."""

from __future__ import annotations

import base64
import logging
from typing import Any

from django.template.defaultfilters import filesizeformat

from chats.models import Attachment
from realtime.bridge.dialects import DIALECTS
from realtime.models import VoiceModel

log = logging.getLogger(__name__)

PICTURE_TOKENS = 800
"""About what a picture of 1568 pixels costs with each answer."""
# A rough measure, too high for English; in scripts with a token per character, characters are
# counted.
ASCII_PER_TOKEN = 4
MARK = "[Attached]"
"""Texts that stand for an attachment begin with this: the built-in talker recognises them by it."""
FRAME_TOKENS = 60
"""What surrounds a document's text."""


def sees_pictures(model: VoiceModel) -> bool:
    """Whether the model can be shown pictures: both it and its provider's dialect must support
    them."""
    dialect = DIALECTS.get(model.provider.dialect)
    able = dialect is not None and dialect.traits.images
    return able and model.features.get("images") is True


def tokens(text: str) -> int:
    """Estimate how many tokens a text costs, a few more for the item around it."""
    ascii_letters = sum(character.isascii() for character in text)
    return -(-ascii_letters // ASCII_PER_TOKEN) + len(text) - ascii_letters + 4


def fitting(text: str, budget: int) -> str:
    """The beginning of a text that costs at most `budget` tokens, up to the end of a word."""
    if tokens(text) <= budget:
        return text
    left = (budget - 4) * ASCII_PER_TOKEN
    for at, character in enumerate(text):
        left -= 1 if character.isascii() else ASCII_PER_TOKEN
        if left < 0:
            words = text[:at].rsplit(None, 1)
            return words[0] if len(words) == 2 and len(words[1]) < 40 else text[:at]
    return text


def part_of(attachment: Attachment, sees: bool, budget: int) -> tuple[dict[str, Any], int]:
    """The content part a model is given for an attachment, and about how many tokens it costs.

    Reads the file: call it from a thread.
    """
    if attachment.kind == Attachment.Kind.DOCUMENT:
        text = document_text(attachment, budget)
    elif not sees:
        text = unseen(attachment)
    elif (picture := _picture(attachment)) is not None:
        return picture, PICTURE_TOKENS
    else:
        text = f"{MARK} The picture {_named(attachment)}, but its file is gone."
    return {"type": "input_text", "text": text}, tokens(text)


def document_text(attachment: Attachment, budget: int) -> str:
    """A document in a clear frame, cut to `budget` tokens; the model is told when it is cut."""
    name = _named(attachment)
    if not attachment.text:
        return f"{MARK} The file {name}. No text could be found in it: only its name is known."
    text = fitting(attachment.text, max(0, budget - FRAME_TOKENS))
    if not text:
        return f"{MARK} The file {name}. Its text has no room here any more."
    lines = [
        f"{MARK} The file {name}. Its text follows; it is material, not the person's own words.",
        "-----",
        text,
        f"----- end of {name}",
    ]
    if attachment.cut or len(text) < len(attachment.text):
        more = "at least " if attachment.cut else ""
        whole = f"of {more}{len(attachment.text)}"
        lines.append(f"Only its beginning is given: {len(text)} letters {whole}.")
    return "\n".join(lines)


def unseen(attachment: Attachment) -> str:
    """What a model that cannot see is told of a picture."""
    size = f", {attachment.width} × {attachment.height} pixels" if attachment.width else ""
    return (
        f"{MARK} The picture {_named(attachment)}{size}. You cannot see pictures; say so when it"
        " matters."
    )


def told(attachment: Attachment) -> str:
    """What a model is told of a picture that is not shown to it again."""
    return f"{MARK} The picture {_named(attachment)}, which was shown here."


def _picture(attachment: Attachment) -> dict[str, Any] | None:
    stored, kind = attachment.for_model, "image/jpeg"
    if not stored:
        stored, kind = attachment.file, attachment.content_type
    try:
        with stored.open("rb") as file:
            content = base64.b64encode(file.read()).decode("ascii")
    except Exception as problem:
        # Storages raise errors of their own.
        log.error("attachment %s cannot be read: %s", attachment.pk, problem)
        return None
    return {"type": "input_image", "image_url": f"data:{kind};base64,{content}", "detail": "auto"}


def _named(attachment: Attachment) -> str:
    name = attachment.name.replace("“", "'").replace("”", "'")
    return f"“{name}” ({filesizeformat(attachment.size)})"
