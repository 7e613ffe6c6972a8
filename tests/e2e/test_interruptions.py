"""More than twenty interruptions: where each answer is cut, and how long it still played.

The times are reported, not asserted, since they depend on the machine as much as on our code. Run
with `-rP` to see them.
"""

from __future__ import annotations

import re
import statistics
import wave
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open
from tests.e2e.test_options import until
from tests.site import AUDIO, Site

# A few more than the twenty asked for: one that falls into a pause of the story has no end of
# sound to measure.
INTERRUPTIONS = 24
# Where "Tell me a story." is in its recording, and how long each story may be told.
PHRASE = (1.4, 3.4)
EVERY_SECONDS = 5.0
KINDS = (("microphone", "on"), ("server", "on"), ("speaker", "off"))
SOON_MS = 1500
LISTENER = (Path(__file__).parent / "listener.js").read_text()


def talking_over(folder: Path) -> Path:
    """A recording that asks for a story again and again while the last one is being told."""
    with wave.open(str(AUDIO / "story_then_interrupt.wav"), "rb") as source:
        rate = source.getframerate()
        lead = source.readframes(int(PHRASE[0] * rate))
        phrase = source.readframes(int((PHRASE[1] - PHRASE[0]) * rate))
        quiet = lead[: int((PHRASE[0] - 0.1) * rate) * 2]
        pause = (quiet * 3)[: int((EVERY_SECONDS - PHRASE[1] + PHRASE[0]) * rate) * 2]
        path = folder / "talking_over.wav"
        with wave.open(str(path), "wb") as made:
            made.setparams(source.getparams())
            made.writeframes(lead + (phrase + pause) * (INTERRUPTIONS + 1))
    return path


def test_every_interruption_is_cut_where_it_was_heard(
    visit: Open, site: Site, tmp_path: Path
) -> None:
    with visit(str(talking_over(tmp_path)), script=LISTENER) as page:
        page.get_by_test_id("start-talking").click()
        panel = page.get_by_test_id("call-panel")
        cut = page.get_by_text("Interrupted here").filter(visible=True)
        seconds = EVERY_SECONDS * (INTERRUPTIONS + 6)
        expect(cut).to_have_count(INTERRUPTIONS, timeout=seconds * 1000)
        marks: list[dict[str, Any]] = page.evaluate("window.__listener.marks")
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()
        # The last recordings are made when the call is over.
        until(page, lambda: _kept(page, site)[:INTERRUPTIONS] == [True] * INTERRUPTIONS)
    onset, event = delays(marks)
    assert len(onset) > INTERRUPTIONS / 2
    print(f"{len(onset)} interruptions, milliseconds until the voice was silent:")
    print(f"  from speech onset        {report(onset)}")
    print(f"  from the server's event  {report(event)}")


def delays(marks: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    """For each speech the server noticed: ms until the speaker was silent for a while, since the
    speech began and since the page was told of it."""
    speech, told, silent = ([m["at"] for m in marks if _is(m, who, what)] for who, what in KINDS)
    onset, event = [], []
    for at in told:
        began = max((s for s in speech if s < at), default=None)
        ended = min((s for s in silent if began is not None and s > began), default=None)
        # Without an end soon after, nothing was playing: it was no interruption.
        if began is not None and ended is not None and ended - began < SOON_MS:
            onset.append(ended - began)
            event.append(ended - at)
    return onset, event


def _is(mark: dict[str, Any], who: str, what: str) -> bool:
    return (mark["who"], mark["what"]) == (who, what)


def report(values: list[float]) -> str:
    """p50 and p95."""
    ordered = statistics.quantiles(values, n=20)
    return f"p50 {statistics.median(values):.0f}, p95 {ordered[18]:.0f}"


def _kept(page: Page, site: Site) -> list[bool]:
    """Of each interrupted answer: whether its recording ends where it was heard; there is none of
    one that was interrupted before its sound came."""
    found = re.search(r"/c/([0-9a-f-]{36})/", page.url)
    assert found is not None
    rows: list[bool] = site.run(
        "from chats.models import Message\n"
        f"answers = Message.objects.filter(conversation='{found[1]}', status='interrupted',"
        " role='assistant').select_related('recording')\n"
        "recorded = lambda answer: getattr(answer, 'recording', None)\n"
        "tell([a.heard_ms == (r.duration_ms if (r := recorded(a)) else 0) for a in answers])"
    )
    return rows
