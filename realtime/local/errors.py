"""Refusals as the GA `error` event words them."""

from realtime.local.events import Event, event


class Refused(Exception):
    """The client asked for something wrong; becomes one `error` event, the session lives on."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid_value",
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.param, self.kind = message, code, param, kind

    def event(self, client_event_id: str | None) -> Event:
        return event(
            "error",
            error={
                "type": self.kind,
                "code": self.code,
                "message": self.message,
                "param": self.param,
                "event_id": client_event_id,
            },
        )


def missing(param: str) -> Refused:
    return Refused(
        f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
    )


def unknown(param: str) -> Refused:
    return Refused(f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param)


def invalid(param: str, message: str) -> Refused:
    return Refused(f"Invalid value for '{param}': {message}", code="invalid_value", param=param)


def wrong_type(param: str, wanted: str, value: object) -> Refused:
    got = "null" if value is None else type(value).__name__
    return Refused(
        f"Invalid type for '{param}': expected {wanted}, but got {got} instead.",
        code="invalid_type",
        param=param,
    )
