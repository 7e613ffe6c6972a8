"""A provider and its models as `manage.py provider` asks for them: created, changed or left
alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models, transaction

from chats import audit
from chats.models import Account
from realtime.bridge.dialects import DIALECTS
from realtime.features import usual_features, within
from realtime.models import AccountSettings, Provider, VoiceModel
from realtime.models.providers import EMBEDDED_URL
from realtime.providers import tidy
from realtime.providers.presets import PRESETS
from realtime.sealing import SealBroken


class Wrong(Exception):
    """The wish cannot be fulfilled; one line for the operator, without any secret."""


@dataclass(frozen=True)
class Wish:
    """What to have afterwards. None: unchanged, or the default of a new row.

    `fields`: plain columns of the provider. `models`: names, the default first; `model_fields`:
    columns they all get; `features`: features to set on them.
    """

    name: str
    account: str | None = None
    url: str | None = None
    dialect: str | None = None
    private: bool | None = None
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict)
    models: Sequence[str] = ()
    model_fields: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    default: bool = False


def find(name: str, account: str | None) -> Provider | None:
    """The provider of this name, of the site or of the account with this slug. Raises Wrong."""
    return Provider.objects.filter(name=name, account=account_of(account)).first()


def account_of(slug: str | None) -> Account | None:
    """The account with this slug. Raises Wrong."""
    if slug is None:
        return None
    account = Account.objects.filter(slug=slug).first()
    if account is None:
        raise Wrong(f"There is no account with the slug {slug!r}.")
    return account


def apply(wish: Wish) -> list[str]:
    """Fulfil the wish; returns what was done, a line for each row. Doing it again changes nothing.

    Raises Wrong, and then nothing was done.
    """
    with transaction.atomic():
        provider = find(wish.name, wish.account)
        if provider is not None and provider.own:
            raise Wrong("That is a key of the account's own people. Choose another name.")
        done = [_provider(wish, provider)]
        provider = find(wish.name, wish.account)
        assert provider is not None
        done += [_model(wish, provider, name) for name in wish.models]
        if wish.default:
            done += _default(wish, provider)
        return done


def remove(name: str, account: str | None, models: Sequence[str]) -> list[str]:
    """Remove a provider, or only these models of it; returns what was done."""
    provider = find(name, account)
    if provider is None:
        return [f"There is no provider {name!r}."]
    if not models:
        _audit("provider.deleted", provider)
        provider.delete()
        return [f"Removed provider {name!r}."]
    done = []
    for each in models:
        deleted, _ = provider.models.filter(name=each).delete()
        done.append(f"Removed model {each!r}." if deleted else f"There is no model {each!r}.")
    return done


def guess_dialect(url: str) -> str:
    """The dialect of a known service's address; OpenAI's for every other."""
    host, best, most = "", "openai_ga", -1
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # not an address, which is reported elsewhere
        return best
    known = [(name, each.traits.url_hint) for name, each in DIALECTS.items()]
    known += [(preset.dialect, preset.url) for preset in PRESETS]
    for dialect, hint in known:
        told = urlsplit(hint)
        # Words in capitals stand for something that everybody has their own of.
        usual = ".".join(part for part in told.netloc.split(".") if not part.isupper())
        if "." in usual and (host == usual or host.endswith(f".{usual}")):
            score = len(told.path) if parts.path.startswith(told.path) else 0
            if score > most:
                best, most = dialect, score
    return best


def _provider(wish: Wish, provider: Provider | None) -> str:
    made = provider is None
    if provider is None:
        if not wish.url:
            raise Wrong(f"There is no provider {wish.name!r} yet: give its --url to make it.")
        provider = Provider(name=wish.name.strip(), account=account_of(wish.account))
        provider.dialect = guess_dialect(wish.url)
    changed = _set(provider, _provider_fields(wish, provider))
    changed += _set_secrets(wish, provider)
    if not made and not changed:
        return f"Provider {provider.name!r} is unchanged."
    _check(provider)
    provider.save()
    _audit("provider.added" if made else "provider.changed", provider, fields=changed)
    if made:
        return f"Created provider {provider.name!r}: {provider.dialect}, {provider.url}."
    return f"Changed provider {provider.name!r}: {', '.join(changed)}."


def _provider_fields(wish: Wish, provider: Provider) -> dict[str, Any]:
    fields = dict(wish.fields)
    if wish.dialect is not None:
        fields["dialect"] = wish.dialect
    if wish.url is not None:
        fields["url"], parameters = _address(wish.url)
        for name, value in parameters.items():
            if name.lower() in tidy.KEY_PARAMETERS:
                raise Wrong("The address holds a key: give it with --key-env or --key-stdin.")
            if name in tidy.PARAMETER_FIELDS:
                fields.setdefault(tidy.PARAMETER_FIELDS[name], value)
        if provider._state.adding or fields["url"] != provider.url:
            # An operator's word is enough for the own network.
            fields["allow_private"] = True
    if wish.private is not None:
        fields["allow_private"] = wish.private
    return fields


def _address(url: str) -> tuple[str, dict[str, str]]:
    if tidy.tidied(url) == EMBEDDED_URL:
        return EMBEDDED_URL, {}
    try:
        address, parameters = tidy.tidied_address(url)
    except tidy.Untidy:
        raise Wrong("--url: write an address such as wss://host/v1/realtime.") from None
    return address, {name: value for name, value in parameters.items() if name != "model"}


def _set_secrets(wish: Wish, provider: Provider) -> list[str]:
    """Seal secrets that differ from what is there; returns their names."""
    changed = []
    if wish.key is not None:
        try:
            key = tidy.tidied_key(wish.key)
        except tidy.Untidy:
            raise Wrong("The key has characters that no key has.") from None
        if _opened(provider.key) != key:
            provider.set_key(key)
            changed.append("key")
    query = {}
    if wish.url is not None and tidy.tidied(wish.url) != EMBEDDED_URL:
        rest = _address(wish.url)[1].items()
        query = {name: value for name, value in rest if name not in tidy.PARAMETER_FIELDS}
    for what, given in (("headers", dict(wish.headers)), ("query", query)):
        if given and _opened(getattr(provider, what)) != given:
            getattr(provider, f"set_{what}")(given)
            changed.append(what)
    return changed


def _opened(read: Any) -> Any:
    try:
        return read()
    except SealBroken:
        return None


def _model(wish: Wish, provider: Provider, name: str) -> str:
    model = provider.models.filter(name=name).first()
    made = model is None
    if model is None:
        model = VoiceModel(provider=provider, **_known(provider.dialect, name))
    changed = _set(model, wish.model_fields)
    changed += _set(model, {"features": model.features | dict(wish.features)})
    if not made and not changed:
        return f"Model {name!r} is unchanged."
    _check(model)
    model.save()
    return f"Created model {name!r}." if made else f"Changed model {name!r}: {', '.join(changed)}."


def _known(dialect: str, name: str) -> dict[str, Any]:
    """What is known about a model of this name, or what most models can do."""
    for preset in PRESETS:
        for model in preset.models:
            if (preset.dialect, model.name) == (dialect, name):
                return model.fields(dialect)
    return {"name": name, "features": within(usual_features(), DIALECTS[dialect].traits)}


def _default(wish: Wish, provider: Provider) -> list[str]:
    names = list(wish.models) or list(provider.models.values_list("name", flat=True)[:1])
    if not names:
        raise Wrong("--default needs a --model.")
    model = provider.models.get(name=names[0])
    account = provider.account
    if account is not None:
        settings, _ = AccountSettings.objects.get_or_create(account=account)
        if settings.default_model_id == model.pk:
            return []
        settings.default_model = model
        settings.save()
        return [f"Calls of {account.slug!r} now take {model.name!r} unless told otherwise."]
    # Models of accounts have defaults of their own.
    others = VoiceModel.objects.filter(default=True, provider__account=None).exclude(pk=model.pk)
    changed = others.update(default=False)
    if model.default and not changed:
        return []
    model.default = True
    model.save()
    return [f"Calls now take {model.name!r} unless told otherwise."]


def _set(row: models.Model, fields: Mapping[str, Any]) -> list[str]:
    """Set the columns that differ; returns their names."""
    changed = [name for name, value in fields.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, fields[name])
    return [name.replace("_", " ") for name in changed]


def _audit(action: str, provider: Provider, **detail: Any) -> None:
    account = provider.account
    audit.record(action, actor="manage.py", account=account, target=provider, **detail)


def _check(row: models.Model) -> None:
    try:
        row.full_clean()
    except ValidationError as problem:
        name, messages = next(iter(problem.message_dict.items()))
        raise Wrong(f"{name}: {messages[0]}") from None
