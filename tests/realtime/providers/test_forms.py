"""The form of a provider: what is pasted into it, what it refuses, and how services fill it."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from realtime.bridge.dialects import DIALECTS, Target, dialect_for
from realtime.bridge.guard import check_url
from realtime.features import check_features, within
from realtime.fields import PROBLEMS
from realtime.models import AllowedEndpoint, Provider, VoiceModel
from realtime.providers.forms import AdminProviderForm, OwnProviderForm, form_data
from realtime.providers.model_forms import VoiceModelForm
from realtime.providers.presets import PRESETS, placeholders, preset_of, presets
from realtime.providers.targets import target_for
from realtime.providers.tidy import KEPT

pytestmark = pytest.mark.django_db

KEY = "sk-canary-0123456789abcdef"


def filled(form: type[Any] = AdminProviderForm, **fields: Any) -> Any:
    data = {"name": "P", "dialect": "openai_ga", "url": "wss://api.example.org/v1", "enabled": "on"}
    return form(data | fields)


def saved(**fields: Any) -> Provider:
    form = filled(**fields)
    assert form.errors == {}
    provider: Provider = form.save()
    return provider


def test_a_leading_space_in_an_azure_deployment_does_no_harm() -> None:
    provider = saved(
        dialect="azure_preview",
        url="https://me.openai.azure.com/openai/realtime",
        deployment=" my-deployment ",
        api_version="\u200b2025-04-01-preview\r\n",
    )
    target = target_for(VoiceModel.objects.create(provider=provider, name="gpt-realtime"))
    assert (target.deployment, target.api_version) == ("my-deployment", "2025-04-01-preview")
    query = parse_qs(urlsplit(dialect_for(target).url(target)).query)
    assert query["deployment"] == ["my-deployment"]


def test_a_whole_address_is_taken_apart_into_the_fields() -> None:
    form = filled(
        dialect="azure_preview",
        url="wss://me.openai.azure.com/openai/realtime?api-version=2025-04-01-preview"
        f"&deployment=d&model=m&api-key={KEY}&route=eu",
    )
    assert form.errors == {}
    provider = form.save()
    assert provider.url == "wss://me.openai.azure.com/openai/realtime"
    assert (provider.api_version, provider.deployment) == ("2025-04-01-preview", "d")
    assert (provider.key(), provider.query()) == (KEY, {"route": "eu"})


def test_what_stands_in_a_field_wins_over_the_address() -> None:
    provider = saved(
        url="wss://api.example.org/v1?deployment=old&key=sk-old-000000&route=eu",
        deployment="new",
        new_key=KEY,
        extra_query="route: us",
    )
    assert (provider.deployment, provider.key()) == ("new", KEY)
    assert provider.query() == {"route": "us"}


@pytest.mark.parametrize("form", [AdminProviderForm, OwnProviderForm])
def test_nothing_secret_is_shown_back_when_something_is_wrong(form: type[Any]) -> None:
    secrets = (KEY, "hidden-1", "hidden-2", "hidden-3", "hidden-4")
    bad = filled(
        form,
        name="",
        url="wss://me:hidden-1@api.example.org/v1?route=hidden-2&deployment=d",
        new_key=KEY,
        extra_headers=f"X-Team: hidden-3\nX-Kept: {KEPT}\nhidden-4",
        extra_query="route=hidden-2",
    )
    assert not bad.is_valid()
    page = bad.as_p()
    assert [each for each in secrets if each in page] == []
    assert bad["extra_headers"].value() == f"X-Team:\nX-Kept: {KEPT}"
    assert bad["extra_query"].value() == "route:"
    assert bad["url"].value() == "wss://api.example.org/v1"
    helps = [str(bad.fields[name].help_text) for name in ("new_key", "extra_headers", "url")]
    assert [each.split(":")[0] for each in helps] == [
        "Enter the key again",
        "Enter the values again",
        "Paste the whole address again",
    ]


def test_what_was_not_shown_back_is_asked_for_before_it_is_saved() -> None:
    form = filled(extra_headers="X-Team:")
    assert form.errors == {"extra_headers": ["“X-Team”: " + PROBLEMS["pair_value"].split(": ")[1]]}


def test_a_form_that_hid_nothing_asks_for_nothing_again() -> None:
    form = filled(url="no address", extra_headers=f"X-Kept: {KEPT}")
    helps = [str(field.help_text) for field in form.fields.values()]
    again = [each for each in helps if each.startswith(("Enter", "Paste"))]
    assert (form.is_valid(), again) == (False, [])
    assert form["url"].value() == "no address"


def test_no_browser_fills_in_a_password_of_this_site_as_the_key() -> None:
    assert 'autocomplete="new-password"' in str(filled()["new_key"])


@pytest.mark.parametrize(
    "field", ["organization", "project", "workspace", "deployment", "api_version", "new_key"]
)
@pytest.mark.parametrize("value", ["a\r\nX-Evil: y", "a\nb", "a\0b", "clé", "a b"])
def test_what_would_inject_a_header_is_refused_in_the_form(field: str, value: str) -> None:
    form = filled(**{field: value})
    assert list(form.errors) == [field]


@pytest.mark.parametrize(
    ("field", "lines"),
    [
        ("extra_headers", "Host: example.org"),
        ("extra_headers", "Authorization: Bearer x"),
        ("extra_headers", "Sec-WebSocket-Key: x"),
        ("extra_headers", "X-A: 1\nx-a: 2"),
        ("extra_headers", "no colon"),
        ("extra_headers", "X-A: a\rb"),
        ("extra_query", "model: other"),
        ("extra_query", "a: 1\na: 2"),
    ],
)
def test_headers_and_parameters_that_cannot_be_are_refused(field: str, lines: str) -> None:
    assert list(filled(**{field: lines}).errors) == [field]


def test_headers_are_sealed_and_only_their_names_shown() -> None:
    provider = saved(extra_headers="X-Key: secret-value", extra_query="token=secret-token")
    assert "secret" not in provider.sealed_headers + provider.sealed_query
    assert (provider.headers(), provider.query()) == (
        {"X-Key": "secret-value"},
        {"token": "secret-token"},
    )
    page = AdminProviderForm(instance=Provider.objects.get()).as_p()
    assert ("X-Key" in page, "token" in page, "secret" in page) == (True, True, False)


def test_a_seal_of_another_field_does_not_open() -> None:
    provider = saved(extra_headers="X-Key: secret-value")
    provider.sealed_query = provider.sealed_headers
    provider.save()
    form = AdminProviderForm(instance=Provider.objects.get())
    assert "can no longer be decrypted" in str(form.fields["extra_query"].help_text)


@pytest.mark.parametrize("url", ["ws://voice.internal:8000/v1", "wss://10.0.0.5/v1"])
def test_an_admin_says_that_an_address_is_inside(url: str) -> None:
    assert list(filled(url=url).errors) == ["url"]
    assert filled(url=url, allow_private="on").errors == {}


def test_an_endpoint_that_admins_allow_can_be_anybody_s() -> None:
    url = "ws://voice.internal:8000/v1"
    assert list(filled(OwnProviderForm, url=url).errors) == ["url"]
    AllowedEndpoint.objects.create(host="voice.internal", port=8000)
    assert filled(OwnProviderForm, url=url).errors == {}


def test_an_own_key_stays_outside_when_an_admin_edits_it(ann: Any) -> None:
    provider = Provider.objects.create(
        account=ann.own_account, own=True, name="P", url="wss://api.example.org/v1"
    )
    data = {"name": "P", "dialect": "openai_ga", "account": ann.own_account.pk}
    for fields in ({"url": "embedded:"}, {"url": "ws://10.0.0.5/v1", "allow_private": "on"}):
        form = AdminProviderForm(data | fields, instance=provider)
        assert "url" in form.errors


def test_a_provider_of_one_account_is_for_no_others(ann: Any) -> None:
    form = filled(account=ann.own_account.pk, accounts=[ann.own_account.pk])
    assert list(form.errors) == ["accounts"]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.id)
def test_every_preset_fills_a_form_that_can_be_saved(preset: Any) -> None:
    fields = {name: value for name, value in preset.initial().items() if value not in ("", False)}
    if preset.replace:
        assert filled(**fields, allow_private="on").errors["url"]
        fields["url"] = preset.url.replace(preset.replace, "mine")
    form = filled(**fields)
    assert form.errors == {}
    provider = form.save()
    form.add_models()
    made = list(provider.models.values_list("name", flat=True))
    assert made == sorted(model.name for model in preset.models if model.usual)
    for model in provider.models.all():
        model.full_clean()
        if not provider.embedded:
            target = target_for(model)
            check_url(dialect_for(target).url(target), allow_private=False)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.id)
def test_a_preset_s_models_are_well_said(preset: Any) -> None:
    names = [model.name for model in preset.models]
    assert len(set(names)) == len(names)
    assert [check_features(model.features) for model in preset.models] == [None] * len(names)
    assert [m.usual for m in preset.models].count(True) >= min(1, len(names))
    if preset.replace:
        assert preset.replace in preset.url and preset.replace in placeholders()


def test_presets_know_when_models_end() -> None:
    ends = {
        (preset.id, model.name): model.ends
        for preset in PRESETS
        for model in preset.models
        if model.ends
    }
    assert ends["openai", "gpt-realtime"] == date(2027, 1, 20)
    assert ends["azure", "gpt-realtime-2.1"] == date(2027, 6, 25)
    assert ends["gemini", "gemini-live-2.5-flash-native-audio"] == date(2026, 12, 13)


def test_what_is_inside_is_offered_to_admins_only() -> None:
    assert (preset_of("embedded", inside=False), preset_of("nonsense", inside=True)) == (None, None)
    inside = {preset.id for preset in presets(inside=True)}
    outside = {preset.id for preset in presets(inside=False)}
    assert inside - outside == {"embedded"}
    assert set(form_data(inside=False)["provider_presets"]) == outside


def test_a_dialect_s_lacks_are_taken_from_a_preset_s_features() -> None:
    traits = DIALECTS["minimax"].traits
    features = {"turn_detection": ["server_vad"], "tools": True, "speed": [0.5, 1.5]}
    assert (traits.tools, traits.speed) == (False, False)
    assert within(features, traits) == {"turn_detection": ["server_vad"]}


def test_a_model_s_features_come_and_go_as_fields() -> None:
    provider = saved()
    kept = {"formats": ["audio/pcm"], "text": True, "speed": [0.5, 1.2], "tools": True}
    model = VoiceModel.objects.create(provider=provider, name="m", features=kept)
    form = VoiceModelForm(instance=model)
    assert (form.initial["slowest"], form.initial["fastest"]) == (0.5, 1.2)
    assert form.initial["abilities"] == ["text", "tools"]
    data = {"name": "m", "abilities": ["images"], "languages": "en, de", "max_output_tokens": "50"}
    form = VoiceModelForm(data, instance=model)
    assert form.errors == {}
    assert form.save().features == {
        "formats": ["audio/pcm"],
        "images": True,
        "languages": ["en", "de"],
        "max_output_tokens": 50,
    }


@pytest.mark.parametrize("field", ["voices", "languages", "transcription_models"])
def test_a_name_that_no_database_holds_is_refused(field: str) -> None:
    form = VoiceModelForm({"name": "m", field: "en, d\0e"}, instance=VoiceModel(provider=saved()))
    assert form.errors == {field: ["Null characters are not allowed."]}


def test_one_speed_alone_is_refused() -> None:
    model = VoiceModel(provider=saved(), name="m")
    assert list(VoiceModelForm({"name": "m", "slowest": "0.5"}, instance=model).errors) == [
        "fastest"
    ]


def test_the_address_a_target_gets_is_the_one_that_was_checked() -> None:
    target = Target(name="P", url=saved(url="https://gate.example.org/eu/v1/").url, model="m")
    assert dialect_for(target).url(target) == "wss://gate.example.org/eu/v1/realtime?model=m"
