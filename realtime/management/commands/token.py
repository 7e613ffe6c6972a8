"""API tokens from the command line: make one (printed once), list them, revoke one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from chats import audit
from chats.models import User
from realtime.api.keys import Key
from realtime.api.models import model_of
from realtime.api.shapes import ApiError
from realtime.api.token_forms import expiry
from realtime.models import ApiToken, VoiceModel


class Command(BaseCommand):
    help = "Make, list or revoke the tokens with which programs make calls in a person's name."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name or e-mail address")
        parser.add_argument("--name", help="what the new token is for")
        parser.add_argument("--days", type=int, help="how long it works; without: for ever")
        parser.add_argument("--model", help="only this model, as /v1/models names it")
        parser.add_argument("--no-record", action="store_true", help="keep nothing of what is said")
        parser.add_argument("--list", action="store_true", help="list the person's tokens")
        parser.add_argument("--revoke", metavar="ID", help="revoke the token with this id or start")

    def handle(self, *args: Any, **options: Any) -> None:
        user = _user(options["user"])
        if options["list"]:
            for token in user.api_tokens.all():
                self.stdout.write(_line(token))
        elif options["revoke"]:
            token = _token(user, options["revoke"])
            token.revoke()
            audit.record("token.revoked", actor="manage.py", target=token, person=str(user))
            self.stdout.write(f"revoked {token}")
        else:
            self._make(user, options)

    def _make(self, user: User, options: dict[str, Any]) -> None:
        name = (options["name"] or "").strip()
        if not name or len(name) > 80:
            raise CommandError("Say what the token is for: --name NAME (at most 80 characters)")
        if options["days"] is not None and not 0 < options["days"] <= 36500:
            raise CommandError("--days must be from 1 to 36500")
        token, raw = ApiToken.objects.make(
            user,
            name,
            expires=expiry(options["days"]),
            record=not options["no_record"],
            model=_model(user, options["model"]),
        )
        audit.record("token.created", actor="manage.py", target=token, person=str(user))
        self.stderr.write(f"{token} for {user}; it is shown this once:")
        self.stdout.write(raw)


def _user(name: str) -> User:
    found = User.objects.filter(Q(username=name) | Q(email__iexact=name))
    # Many have the email address "", and nobody means them.
    if not name or len(found) != 1:
        raise CommandError(f"There is no one person {name!r}")
    return found[0]


def _token(user: User, which: str) -> ApiToken:
    wanted = Q(pk=int(which)) if which.isascii() and which.isdigit() else Q(start=which)
    found = list(user.api_tokens.filter(wanted))
    if len(found) != 1:
        raise CommandError(f"{user} has no one token {which!r}; see --list")
    return found[0]


def _model(user: User, name: str | None) -> VoiceModel | None:
    if name is None:
        return None
    try:
        return model_of(Key(ApiToken(user=user)), name)[1]
    except ApiError as problem:
        raise CommandError(problem.message) from None


def _line(token: ApiToken) -> str:
    state = "revoked" if token.revoked else "expired" if token.expired else "works"
    used = f"{token.last_used:%Y-%m-%d}" if token.last_used else "never"
    expires = f"{token.expires:%Y-%m-%d}" if token.expires else "never"
    kept = "recorded" if token.record else "not recorded"
    return (
        f"{token.pk:>5}  {token.start}…  {state:<8} used {used:<11} expires {expires:<11} "
        f"{kept:<13} {token.name}"
    )
