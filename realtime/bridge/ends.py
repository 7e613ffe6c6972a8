"""All reasons for which a call can end, in one table. Whatever ends a call names a row of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .words import Translate
from .words import gettext_noop as _

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class End:
    """One way for a call to end.

    `close_code`: WebSocket close code for the browser. `cancels`: whether an answer under way is
    cancelled and its usage waited for before the provider is let go (pointless when the provider is
    what failed). `retryable`: the same call may work if simply started again. `message` and
    `remedy`: English for the person, marked for translation.
    """

    reason: str
    close_code: int
    cancels: bool
    retryable: bool
    severity: Severity
    message: str
    remedy: str


_ROWS = (
    End("hang_up", 1000, True, True, "info", _("The call has ended."), ""),
    End(
        "browser_gone",
        1000,
        True,
        True,
        "info",
        _("The page was closed or lost its connection."),
        _("Start the call again to go on."),
    ),
    End(
        "idle",
        4408,
        True,
        True,
        "info",
        _("Nothing was said for a while, so the call was ended."),
        _("Start the call again to go on."),
    ),
    End(
        "signed_out",
        4401,
        True,
        False,
        "warning",
        _("You have been signed out."),
        _("Sign in and start the call again."),
    ),
    End(
        "not_found",
        4404,
        True,
        False,
        "info",
        _("This conversation is gone."),
        _("It was deleted. Start a new one."),
    ),
    End(
        "taken_over",
        4409,
        True,
        False,
        "info",
        _("The call goes on in another tab or on another device."),
        _("Start it here to take it back."),
    ),
    End(
        "slow_reader",
        4408,
        True,
        True,
        "warning",
        _("Your connection is too slow for the call."),
        _("Check your network and start the call again."),
    ),
    End(
        "flood",
        4429,
        True,
        False,
        "error",
        _("The page sent more than a call can carry."),
        _("Reload the page and start the call again."),
    ),
    End(
        "bad_frame",
        4400,
        True,
        False,
        "error",
        _("The page sent something that cannot be understood."),
        _("Reload the page and start the call again."),
    ),
    End(
        "no_start",
        4408,
        False,
        True,
        "warning",
        _("The call was opened but never started."),
        _("Start the call again."),
    ),
    End(
        "not_resumable",
        4410,
        False,
        True,
        "info",
        _("The call could not be resumed."),
        _("Start the call again to go on."),
    ),
    End(
        "moved",
        4410,
        True,
        True,
        "info",
        _("The call goes on over another connection."),
        _("Start the call again to go on."),
    ),
    End(
        "admin_ended",
        4403,
        True,
        False,
        "warning",
        _("An administrator ended this call."),
        _("Ask your administrator, or start another call."),
    ),
    End(
        "provider_unreachable",
        4502,
        False,
        True,
        "error",
        _("The voice provider cannot be reached."),
        _("Try again in a moment. If that does not help, tell your administrator."),
    ),
    End(
        "provider_refused_key",
        4502,
        False,
        False,
        "error",
        _("The voice provider refused the key."),
        _("Ask your administrator to check the provider's key."),
    ),
    End(
        "provider_unknown_model",
        4502,
        False,
        False,
        "error",
        _("The voice provider does not know this model."),
        _("Choose another model, or ask your administrator to check its name."),
    ),
    End(
        "provider_wrong_dialect",
        4502,
        False,
        False,
        "error",
        _("This provider no longer speaks the beta language it is set up for."),
        _("Choose another model, or ask your administrator to choose OpenAI (GA) as its dialect."),
    ),
    End(
        "provider_quota",
        4502,
        False,
        False,
        "error",
        _("The voice provider's quota or credit is used up."),
        _("Ask your administrator to check the provider's account."),
    ),
    End(
        "provider_error",
        4502,
        False,
        False,
        "error",
        _("The voice provider refused the call."),
        _("Choose another model, or tell your administrator."),
    ),
    End(
        "provider_gone",
        4502,
        False,
        True,
        "error",
        _("The connection to the voice provider broke."),
        _("Start the call again to go on."),
    ),
    End(
        "provider_timeout",
        4504,
        False,
        True,
        "error",
        _("The voice provider did not answer in time."),
        _("Try again in a moment."),
    ),
    End(
        "session_limit",
        1000,
        True,
        True,
        "info",
        _("The call has reached its time limit."),
        _("Start the call again to go on."),
    ),
    End(
        "quota_used_up",
        4402,
        True,
        False,
        "warning",
        _("The usage limit has been reached."),
        _("Ask your administrator if you need more."),
    ),
    End(
        "too_many_calls",
        4402,
        True,
        True,
        "warning",
        _("No more calls are allowed at the same time."),
        _("End another call first, or try again in a moment."),
    ),
    End(
        "call_too_long",
        4408,
        True,
        True,
        "info",
        _("The call lasted as long as a call may."),
        _("Start another one to go on."),
    ),
    End(
        "server_stopping",
        1012,
        True,
        True,
        "warning",
        _("The server is being restarted."),
        _("Start the call again in a moment."),
    ),
    End(
        "server_busy",
        1013,
        True,
        True,
        "warning",
        _("More people are talking right now than the site can serve well."),
        _("Try again in a moment."),
    ),
    End(
        "internal_error",
        1011,
        True,
        True,
        "error",
        _("Something went wrong on our side."),
        _("Start the call again. If that does not help, tell your administrator."),
    ),
)


def ended_event(
    end: End,
    translate: Translate,
    *,
    duration_ms: int = 0,
    provider_message: str | None = None,
    words: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """The `nextvoice.ended` frame. A provider's own message is added to ours. `words`: a translated
    message and remedy that replace those of the table."""
    message, remedy = words or (translate(end.message), translate(end.remedy) if end.remedy else "")
    if provider_message:
        message = f"{message} ({provider_message})"
    return {
        "type": "nextvoice.ended",
        "reason": end.reason,
        "message": message,
        "remedy": remedy,
        "duration_ms": duration_ms,
    }


def goes_on_after(end: End) -> bool:
    """Whether a page that lost its call, which then ended like this, goes on with a new one."""
    return end.retryable and end.reason not in ("hang_up", "idle")


ENDS: dict[str, End] = {row.reason: row for row in _ROWS}
"""Every end by its reason."""
