"""Errors and answers in OpenAI's format."""

from __future__ import annotations

from typing import Any

REQUEST = "invalid_request_error"


class ApiError(Exception):
    """A request that cannot be served. `status` is HTTP's; the rest is OpenAI's error object."""

    def __init__(
        self, status: int, code: str | None, message: str, *, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of an HTTP answer."""
        return {
            "error": {
                "message": self.message,
                "type": REQUEST if self.status < 500 else "server_error",
                "param": self.param,
                "code": self.code,
            }
        }


NO_KEY = ApiError(
    401,
    None,
    "You didn't provide an API key. Make a token on the site's Tokens page and send it in an "
    "Authorization header: Authorization: Bearer YOUR_TOKEN.",
)
# Deliberately the same for every reason, and without any part of the key.
BAD_KEY = ApiError(
    401,
    "invalid_api_key",
    "Incorrect API key provided, or it was revoked or has expired. "
    "Make a new one on the site's Tokens page.",
)
TOO_MANY_BAD = ApiError(
    429, "rate_limit_exceeded", "Too many requests with a wrong API key. Try again in a minute."
)


def no_model(name: str) -> ApiError:
    """The answer for a model that does not exist, or not for this person."""
    shown = "".join(c for c in name if c.isprintable())[:120]
    return ApiError(
        404,
        "model_not_found",
        f"The model '{shown}' does not exist or you do not have access to it. "
        "GET /v1/models lists those you can use.",
        param="model",
    )
