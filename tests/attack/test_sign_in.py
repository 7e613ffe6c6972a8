"""The sign-in of the real site under attack: guessing, telling people apart, floods, planted
sessions, cookies; and production settings as Django's own check sees them."""

from __future__ import annotations

import http.client
import os
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as configured
from django.core.cache import cache
from django.test import Client

from chats.models import User
from tests.servers import free_port
from tests.site import ROOT, Site

pytestmark = pytest.mark.django_db

PER_ACCOUNT = 5
PER_ADDRESS = 10
RESETS = 5
SAID = re.compile(r'<ul class="errorlist.*?</ul>|role="alert".*?</', re.S)
SESSION = configured.SESSION_COOKIE_NAME


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    """The limits that hold where nothing else is said, and nothing counted yet."""
    settings.ACCOUNT_RATE_LIMITS = {}
    cache.clear()


def guess(name: str, password: str = "wrong-password", *, proxy: str = "") -> str:
    """The status of a try by somebody who claims another address each time; and what was said.
    `proxy`: what is in front of the site, and adds the true one."""
    claimed = f"198.51.100.{secrets.randbelow(250)}{', 192.0.2.7' if proxy else ''}"
    answer = Client(REMOTE_ADDR=proxy or "192.0.2.7").post(
        "/accounts/login/",
        {"login": name, "password": password},
        headers={"X-Forwarded-For": claimed, "X-Real-IP": claimed, "Forwarded": f"for={claimed}"},
    )
    said = " ".join(SAID.findall(answer.content.decode()))
    return f"{answer.status_code} {re.sub('<[^>]*>', '', said).strip()}"


def test_a_password_is_not_guessed_whatever_address_is_claimed(ann: User) -> None:
    said = [guess("ann") for _ in range(PER_ACCOUNT + 2)]
    assert len(set(said[:PER_ACCOUNT])) == 1
    assert set(said[PER_ACCOUNT:]).isdisjoint(said[:PER_ACCOUNT])
    # The right one does not help whoever has been guessing.
    assert guess("ann", "ann-password")[:3] != "302"


@pytest.mark.parametrize("proxy", ["", "10.0.0.1"])
def test_one_address_does_not_try_everybody(proxy: str, settings: Any) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1 if proxy else 0
    said = [guess(f"person{number}", proxy=proxy) for number in range(PER_ADDRESS + 3)]
    assert said[:PER_ADDRESS] == [said[0]] * PER_ADDRESS
    assert said[0] not in said[PER_ADDRESS:]


def test_nobody_learns_who_has_an_account(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    User.objects.create_user("ann", password="ann-password")
    said: dict[str, str] = {}
    took: dict[str, list[float]] = {"ann": [], "nobody": []}
    for _ in range(3):
        for name in took:
            before = time.process_time()
            said[name] = guess(name)
            took[name].append(time.process_time() - before)
    assert said["ann"] == said["nobody"]
    # Stretching a password takes far longer than all else, and is done for both.
    assert 0.5 < median(took["ann"]) / median(took["nobody"]) < 2


def test_password_resets_are_no_flood_and_tell_nothing(ann: User) -> None:
    client = Client(REMOTE_ADDR="192.0.2.7")

    def reset(email: str) -> tuple[int, str]:
        answer = client.post("/accounts/password/reset/", {"email": email})
        return answer.status_code, answer.get("Location", "")

    known = [reset(ann.email) for _ in range(RESETS + 2)]
    sent = (302, "/accounts/password/reset/done/")
    assert known[:RESETS] == [sent] * RESETS
    assert [status for status, _ in known[RESETS:]] == [429, 429]
    assert reset("nobody@example.org") == sent


def test_a_mail_server_that_is_away_is_told_and_tells_nothing(
    ann: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "nextvoice.mail.Mail", "127.0.0.1"
    settings.EMAIL_PORT = free_port()
    said = [
        Client().post("/accounts/password/reset/", {"email": email})
        for email in (ann.email, "nobody@example.org")
    ]
    assert [answer.status_code for answer in said] == [503, 503]
    assert said[0].content == said[1].content
    assert b"The mail could not be sent." in said[0].content
    assert "a mail could not be sent: ConnectionRefusedError" in caplog.text


def test_whoever_signs_up_while_no_mail_can_be_sent_is_signed_in(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "nextvoice.mail.Mail", "127.0.0.1"
    settings.EMAIL_PORT = free_port()
    settings.SIGNUP_OPEN, settings.ACCOUNT_EMAIL_VERIFICATION = True, "optional"
    words = {name: "a long enough one" for name in ("password1", "password2")}
    client = Client()
    form = {"email": "new@example.org", "username": "newcomer", **words}
    assert client.post("/accounts/signup/", form).status_code == 302
    assert client.get("/").status_code == 200


def test_a_session_that_was_there_before_is_not_signed_in(ann: User) -> None:
    def visitor(session: str) -> Client:
        client = Client()
        client.cookies[SESSION] = session
        return client

    planted = "a" * 32
    victim = visitor(planted)
    victim.post("/accounts/login/", {"login": "ann", "password": "ann-password"})
    signed_in = victim.cookies[SESSION].value
    assert signed_in != planted
    assert visitor(planted).get("/").status_code == 302
    assert visitor(signed_in).get("/").status_code == 200
    # One that has been signed out stays out.
    victim.post("/accounts/logout/")
    assert visitor(signed_in).get("/").status_code == 302


PRODUCTION = {
    "HTTPS": "true",
    "TRUSTED_PROXIES": "1",
    "ALLOWED_HOSTS": "voice.example.org,127.0.0.1",
    "SECRET_KEY": secrets.token_urlsafe(50),
}


def test_over_https_cookies_are_bound_to_the_host_and_out_of_reach(tmp_path: Path) -> None:
    with Site(tmp_path, **PRODUCTION) as site:
        site.run(
            "from chats.models import User\n"
            "User.objects.create_user('ann', password='ann-password')"
        )
        cookies: dict[str, str] = {}

        def ask(verb: str, path: str, body: str | None = None) -> int:
            headers = {
                "Host": "voice.example.org",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-For": "192.0.2.7",
                "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
                "Origin": "https://voice.example.org",
                "Referer": "https://voice.example.org/",
                "Content-Type": "application/x-www-form-urlencoded",
            }
            connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
            connection.request(verb, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    key, _, rest = value.partition("=")
                    cookies[key], _, how = rest.partition(";")
                    flags = {part.strip().lower() for part in how.split(";")}
                    assert {"secure", "httponly", "samesite=lax", "path=/"} <= flags, value
                    assert not any(flag.startswith("domain") for flag in flags), value
            assert answer.getheader("Strict-Transport-Security") == "max-age=31536000"
            return answer.status

        ask("GET", "/accounts/login/")
        form = {
            "login": "ann",
            "password": "ann-password",
            "csrfmiddlewaretoken": cookies["__Host-csrftoken"],
        }
        assert ask("POST", "/accounts/login/", urlencode(form)) == 302
        assert set(cookies) - {"messages"} == {"__Host-csrftoken", "__Host-sessionid"}
        assert ask("GET", "/") == 200


def test_production_settings_pass_django_s_own_check(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check", "--deploy", "--fail-level", "WARNING"],
        env={
            "PATH": "",
            "ENV_FILE": os.devnull,
            "DATA_DIR": str(tmp_path),
            "STATIC_ROOT": str(tmp_path / "static"),
            **PRODUCTION,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
