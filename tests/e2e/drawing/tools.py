"""The functions."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from realtime.bridge.tools import Produced, Result
from realtime.tools import Where
from realtime.tools.registry import tool


@tool("draw_chart", "Chart", "Draws a chart.")
def draw_chart(where: Where, title: str) -> Result:
    """Draw a chart.

    title: what it shows
    """
    image = Image.new("RGB", (640, 400), "white")
    draw = ImageDraw.Draw(image)
    for number, height in enumerate((90, 180, 140, 260, 320)):
        left = 60 + 110 * number
        draw.rectangle((left, 360 - height, left + 70, 360), fill="#0b6a5a")
    content = io.BytesIO()
    image.save(content, "PNG")
    return Result("drawn", files=(Produced(f"{title}.png", "image/png", content.getvalue()),))


@tool("send_letter", "Letter", "Sends a letter to somebody.", ask=True)
def send_letter(where: Where, to: str, text: str) -> Result:
    """Send a letter.

    to: to whom
    text: what it says
    """
    return Result('{"sent": true}', {"text": f"Sent to {to}."})
