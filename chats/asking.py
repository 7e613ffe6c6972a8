"""What the running work is about, for the log and the audit trail.

`about(call=..., conversation=..., account=..., user=...)` names what a task or a request works on
from then on. The person who makes a request is known without it, once `request.user` was read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

if TYPE_CHECKING:  # the log is set up before there are models
    from chats.models import User

Ids = dict[str, str | int]
Answer = HttpResponseBase | Awaitable[HttpResponseBase]

_about: ContextVar[Ids] = ContextVar("about", default={})  # noqa: B039 (never changed)
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


def about(**ids: str | int | None) -> None:
    """Name what the running task works on, from now on."""
    given = {f"{name}_id": value for name, value in ids.items() if value is not None}
    _about.set({**_about.get(), **given})


def person_of(request: HttpRequest) -> User:
    """Who asks, for views that only signed-in people reach."""
    assert request.user.is_authenticated
    return request.user


def current() -> HttpRequest | None:
    """The request that is being answered; None outside of one."""
    return _request.get()


def ids(request: HttpRequest | None = None) -> Ids:
    """What the running work is about, as `user_id`, `account_id` and so on; for a request that was
    answered already, what that was about. Makes no query."""
    over: Ids | None = getattr(request, "was_about", None)
    return {**_person(_request.get()), **_about.get()} if over is None else over


def _person(request: HttpRequest | None) -> Ids:
    # Where Django caches the user once somebody has asked. Asking here would be a query per log
    # line.
    for name in ("_cached_user", "_acached_user"):
        pk = getattr(getattr(request, name, None), "pk", None)
        if pk is not None:
            return {"user_id": pk}
    return {}


@contextmanager
def _asking(request: HttpRequest) -> Iterator[None]:
    marks = _request.set(request), _about.set({})
    try:
        yield
    finally:
        # Django logs refused requests only after this.
        request.was_about = ids()  # type: ignore[attr-defined]
        _request.reset(marks[0])
        _about.reset(marks[1])


@sync_and_async_middleware
def remembered(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Answer]:
    """Middleware: the request is `current` while it is answered."""
    if iscoroutinefunction(get_response):

        async def answer_later(request: HttpRequest) -> HttpResponseBase:
            with _asking(request):
                answered: HttpResponseBase = await get_response(request)
                return answered

        return answer_later

    def answer(request: HttpRequest) -> HttpResponseBase:
        with _asking(request):
            answered: HttpResponseBase = get_response(request)
            return answered

    return answer
