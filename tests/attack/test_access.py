"""Who gets what: every address of the site, asked as everybody (`access.txt` says what is right).

A route or a page of the admin that the table does not know fails here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver

from tests.attack.world import ACTORS, World, make_world

pytestmark = pytest.mark.django_db

TABLE = Path(__file__).with_name("access.txt")
API = ("v1/", "openai/", "realtime")
NEEDS = {
    "": "",
    "add/": "add",
    "<path:object_id>/": "",
    "<path:object_id>/change/": "",
    "<path:object_id>/delete/": "delete",
    "<path:object_id>/history/": "",
}
"""The pages that each model of the admin has, and what one must be allowed to for them."""
POSTED = {"post": "yes", "settings": "{}", "title": "New", "minutes_per_day": "none"}
"""Enough for a person's own forms, and for none of the admin's."""
SIGN_IN = ("/accounts/login/", "/admin/login/")


def _routes(patterns: list[Any], before: str = "") -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from _routes(each.url_patterns, before + str(each.pattern))
        elif isinstance(each, URLPattern):
            yield before + str(each.pattern)


def _table() -> tuple[dict[tuple[str, str], list[str]], dict[str, set[str]]]:
    """What is to be answered, by method and route; and what the admin may do with each model."""
    answers: dict[tuple[str, str], list[str]] = {}
    models: dict[str, set[str]] = {}
    for line in TABLE.read_text().splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[0] == "admin-model":
            models[words[1]] = set(words[2:])
        else:
            assert len(words) == 2 + len(ACTORS), line
            route, method = words[:2]
            answers[method, route] = words[2:]
    return answers, models


ROUTES = sorted(set(_routes(get_resolver().url_patterns)))
ANSWERS, MODELS = _table()


def model_of(route: str) -> tuple[str, str] | None:
    """The model of the admin that a route is about, and which of its usual routes it is."""
    for model in admin.site._registry:
        start = f"admin/{model._meta.app_label}/{model._meta.model_name}/"
        if route.startswith(start) and route.removeprefix(start) in NEEDS:
            return model._meta.label_lower, route.removeprefix(start)
    return None


def _expected(method: str, route: str) -> list[str]:
    if (found := model_of(route)) is None:
        return ANSWERS[method, f"/{route}"]
    label, rest = found
    everybody = ANSWERS["ANY", "/admin/MODEL/"]
    if rest == "<path:object_id>/":  # goes on to its change page, whatever there is
        return [*everybody[:5], "302", everybody[6], "302"]
    needs = "change" if (method, rest) == ("POST", "<path:object_id>/change/") else NEEDS[rest]
    if needs and needs not in MODELS[label]:
        return [*everybody[:7], "403"]
    return [*everybody[:7], "302" if (method, needs) == ("POST", "delete") else "200"]


def test_every_route_is_in_the_table_and_no_other() -> None:
    routes = {f"/{route}" for route in ROUTES if not model_of(route)} | {"/admin/MODEL/"}
    assert {route for _, route in ANSWERS} == routes
    assert set(MODELS) == {model._meta.label_lower for model in admin.site._registry}


def _path(route: str, actor: str, world: World) -> str:
    thread = world.thread_of(actor)
    row = world.rows[found[0]] if (found := model_of(route)) else None
    values = [
        ("c/recordings/", "<uuid:pk>", world.recordings[thread].pk),
        ("c/attachments/", "<uuid:pk>", world.attachments[thread].pk),
        ("c/", "<uuid:pk>", thread.pk),
        ("providers/", "<uuid:pk>", world.provider.pk),
        ("admin/realtime/provider/", "<uuid:pk>", world.provider.pk),
        ("admin/realtime/callrecord/", "<uuid:pk>", world.rows["realtime.callrecord"].pk),
        ("admin/realtime/toolservice/", "<uuid:pk>", world.rows["realtime.toolservice"].pk),
        ("tokens/", "<int:pk>", world.token.pk),
        ("", "<slug:slug>", world.team.slug),
        ("", "<path:name>", world.model.name),
        ("", "<path:rest>", "rest"),
        ("admin/chats/user/", "<id>", world.people["owner"].pk),
        ("admin/r/", "<path:content_type_id>/<path:object_id>", "1/1"),
        ("admin/", "<path:object_id>", row and row.pk),
        ("admin/", "^(?P<app_label>auth|account|chats|realtime)/$", "chats/"),
        ("admin/", "(?P<url>.*)$", "nothing-here/"),
        ("accounts/", r"^confirm-email/(?P<key>[-:\w]+)/$", "confirm-email/guessed/"),
        (
            "accounts/",
            "^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
            "password/reset/key/1-2-3/",
        ),
    ]
    for start, pattern, value in values:
        if route.startswith(start) and pattern in route:
            route = route.replace(pattern, str(value))
    assert not set(route) & set("<^$"), route
    return f"/{route}"


@dataclass
class Visitors:
    """The world and a cookie for everybody in it, for every test of this file."""

    world: World
    cookies: dict[str, str]
    # Each new one would load all middleware again.
    clients = {strict: Client(enforce_csrf_checks=strict) for strict in (False, True)}

    def ask(self, method: str, route: str, actor: str, *, token: bool = True) -> str:
        """What this one is answered; nothing is changed by it. `token`: whether a POST has what
        only pages of the site have."""
        client, headers = self.clients[not token], {}
        client.cookies.clear()
        if route.startswith(API):
            if actor in self.world.keys:
                headers["Authorization"] = f"Bearer {self.world.keys[actor]}"
        elif actor in self.cookies:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.cookies[actor]
        path = _path(route, actor, self.world)
        with transaction.atomic():
            if method == "GET":
                answer = client.get(path, headers=headers)
            elif route.startswith(API):
                answer = client.post(path, "{}", content_type="application/json", headers=headers)
            else:
                answer = client.post(path, POSTED)
            said = _said(answer)
            transaction.set_rollback(True)
        return said


def _said(answer: HttpResponseBase) -> str:
    if answer.status_code == 302 and answer["Location"].startswith(SIGN_IN):
        return "sign-in"
    return str(answer.status_code)


@pytest.fixture(scope="module", autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The files of the one world."""
    place = {"location": str(tmp_path_factory.mktemp("media")), "base_url": None}
    kept = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": place}
    with override_settings(STORAGES=settings.STORAGES | {"default": kept}):
        yield


@pytest.fixture(scope="module")
def visitors(django_db_setup: None, django_db_blocker: Any, own_data: None) -> Iterator[Visitors]:
    """One world for all: making it takes longer than asking for a page."""
    with django_db_blocker.unblock(), transaction.atomic():
        world, cookies = make_world(), {}
        for name, person in world.people.items():
            client = Client()
            client.force_login(person)
            cookies[name] = client.cookies[settings.SESSION_COOKIE_NAME].value
        yield Visitors(world, cookies)
        transaction.set_rollback(True)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"/{route}")
def test_everybody_gets_what_is_theirs_and_nothing_else(route: str, visitors: Visitors) -> None:
    said = {
        method: [visitors.ask(method, route, actor) for actor in ACTORS]
        for method in ("GET", "POST")
    }
    assert said == {method: _expected(method, route) for method in ("GET", "POST")}


POSTS = [
    (route, actor)
    for route in ROUTES
    for actor in ("owner", "admin")
    if not route.startswith(API) and _expected("POST", route)[ACTORS.index(actor)] in ("200", "302")
]


def test_no_form_that_another_site_posts_is_taken(visitors: Visitors) -> None:
    """Every address that takes a POST of somebody signed in, without the token of our pages."""
    said = {
        (route, actor): visitors.ask("POST", route, actor, token=False) for route, actor in POSTS
    }
    assert {what for what, status in said.items() if status != "403"} == set()
