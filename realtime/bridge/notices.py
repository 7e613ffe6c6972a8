"""Things a person should know while the call goes on: `nextvoice.notice`."""

from __future__ import annotations

from dataclasses import dataclass

from .events import Event
from .words import Translate
from .words import gettext_noop as _


@dataclass(frozen=True, slots=True)
class Notice:
    """`message` and `remedy`: English, marked for translation."""

    code: str
    message: str
    remedy: str = ""


_ROWS = (
    Notice(
        "audio_dropped",
        _("The beginning of what you said was lost while the call was connecting."),
        _("Please say it again."),
    ),
    Notice(
        "event_dropped",
        _("Too much was sent while the call was connecting."),
        _("Please send it again."),
    ),
    Notice(
        "turn_lost",
        _("The last thing you said was lost when the connection to the voice provider broke."),
        _("Please say it again."),
    ),
    Notice(
        "setting_refused",
        _("The voice provider refused one of the call's settings."),
        _("Choose another voice or model, or tell your administrator."),
    ),
    Notice(
        "answer_late",
        _("The model has not answered yet."),
        _("Wait a little longer, or ask again."),
    ),
    Notice(
        "answer_failed",
        _("The voice provider could not finish its answer."),
        _("Ask again in a moment."),
    ),
    Notice(
        "answer_filtered",
        _("The voice provider held back its answer, or the rest of it."),
        _("Its content filter did that. Say it in other words."),
    ),
    Notice(
        "answered_in_text",
        _("The model answered in writing instead of speaking."),
        _("Ask again. If that does not help, choose another model."),
    ),
    Notice(
        "rate_limited",
        _("The voice provider is getting too many requests right now."),
        _("Ask again in a moment."),
    ),
    Notice(
        "recording_partial",
        _("The site has no disk space left, so this recording will have gaps."),
        _("You can go on: the words are kept. Please tell your administrator."),
    ),
    Notice(
        "provider_quota",
        _("The voice provider's quota or credit is used up."),
        _("Ask your administrator to check the provider's account."),
    ),
)

NOTICES: dict[str, Notice] = {row.code: row for row in _ROWS}
"""Every notice by its code."""


def notice_event(code: str, translate: Translate) -> Event:
    """The frame for a notice of the table."""
    notice = NOTICES[code]
    return {
        "type": "nextvoice.notice",
        "code": code,
        "message": translate(notice.message),
        "remedy": translate(notice.remedy) if notice.remedy else "",
    }
