"""The forms for providers: one for admins, and one with fewer fields for own keys. Models have
theirs in `model_forms`.

Everything that is typed in is tidied (`providers.tidy`), and errors say what to do about them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.translation import gettext_lazy as _

from realtime.bridge.dialects import DIALECTS, Target
from realtime.bridge.guard import Forbidden
from realtime.fields import (
    AddressField,
    PairsField,
    TidyField,
    WordField,
    explained,
)
from realtime.models import Provider, VoiceModel
from realtime.models.providers import EMBEDDED_URL
from realtime.providers import endpoints, presets, tidy
from realtime.sealing import SealBroken


class ProviderForm(forms.ModelForm):
    """A provider with a key that can be set or removed but never read.

    Fields for admins only are missing here, so own keys cannot set them whatever is posted.
    """

    preset = forms.ChoiceField(label=_("Service"), required=False)
    models_of_preset = forms.MultipleChoiceField(
        label=_("Models"), required=False, widget=forms.CheckboxSelectMultiple
    )
    name = TidyField(label=_("Name"), max_length=80)
    url = AddressField(
        label=_("Address"),
        max_length=2000,
        help_text=_(
            "The endpoint or its base, such as wss://api.example.com/v1. You can paste a whole "
            "address with parameters: it is split up for you."
        ),
        widget=forms.TextInput(
            attrs={"spellcheck": "false", "autocapitalize": "off", "class": "vLargeTextField"}
        ),
    )
    new_key = forms.CharField(
        label=_("Key"),
        required=False,
        max_length=4096,
        # With any other value browsers fill in the person's password for this site.
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
        help_text=_("Stored encrypted. Only its last four characters are ever shown again."),
    )
    remove_key = forms.BooleanField(label=_("Remove the key"), required=False)
    organization = WordField(label=_("Organisation"), required=False, max_length=120)
    project = WordField(label=_("Project"), required=False, max_length=120)
    workspace = WordField(label=_("Workspace"), required=False, max_length=120)
    deployment = WordField(
        label=_("Deployment"),
        required=False,
        max_length=120,
        help_text=_("Where the service asks for one; empty: the model's name."),
    )
    api_version = WordField(label=_("API version"), required=False, max_length=40)
    extra_headers = PairsField(
        label=_("More headers"),
        help_text=_(
            "For gateways: one “Name: value” per line. Values are encrypted like the key; dots "
            "stand for a stored one."
        ),
    )
    extra_query = PairsField(
        label=_("More parameters of the address"),
        separators=":=",
        help_text=_("One “name: value” per line, encrypted as well."),
    )

    hides_values = False  # whether headers or parameters have to be entered again
    inside = False  # whether private addresses and the embedded provider may be entered

    class Meta:
        model = Provider
        fields = [
            "name",
            "dialect",
            "url",
            "organization",
            "project",
            "workspace",
            "deployment",
            "api_version",
            "enabled",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inside = self.inside and not self.instance.own
        self.known = presets.presets(inside=self.inside)
        self.fields["preset"].choices = [  # type: ignore[attr-defined]
            ("", _("Another service")),
            *((preset.id, preset.label) for preset in self.known),
        ]
        self._offer_models()
        if "dialect" in self.fields:  # not for those who may only look
            self.fields["dialect"].label = _("Protocol")
            self.fields["dialect"].choices = dialect_labels()  # type: ignore[attr-defined]
        if self.instance.sealed_key:
            self.fields["new_key"].label = _("New key")
            self.fields["new_key"].help_text = _("Leave empty to keep the key that is set.")
        self.kept_headers = self._kept("headers", "extra_headers")
        self.kept_query = self._kept("query", "extra_query")
        if self.is_bound:
            self._say_what_is_not_shown_back()

    def clean_new_key(self) -> str:
        try:
            return tidy.tidied_key(self.cleaned_data["new_key"])
        except tidy.Untidy as problem:
            raise explained(problem) from None

    def clean_extra_headers(self) -> dict[str, str]:
        return self._pairs("extra_headers", self.kept_headers, tidy.RESERVED_HEADERS)

    def clean_extra_query(self) -> dict[str, str]:
        return self._pairs("extra_query", self.kept_query, tidy.RESERVED_PARAMETERS)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if "url" in data:
            try:
                self._clean_address(data)
            except tidy.Untidy as problem:
                self.add_error("url", explained(problem))
            except forms.ValidationError as problem:
                self.add_error("url", problem)
        if "url" in data and not self.errors:
            self._keep_secrets_here(data)
        return data

    def _keep_secrets_here(self, data: dict[str, Any]) -> None:
        """Refuse to send secrets to another server than the one they were entered for.

        Nobody may read them here, but whoever runs the new server could.
        """
        if self.instance._state.adding or _server(self.initial["url"]) == _server(data["url"]):
            return
        replaced = data.get("new_key") or data.get("remove_key")
        if self.instance.sealed_key and not replaced:
            self.add_error("new_key", _("The address is for another server: enter its key."))
        for field, kept in (
            ("extra_headers", self.kept_headers),
            ("extra_query", self.kept_query),
        ):
            if kept.items() & data[field].items():
                self.add_error(field, _("The address is for another server: enter its values."))

    def save(self, commit: bool = True) -> Provider:
        provider, data = self.instance, self.cleaned_data
        if data.get("new_key"):
            provider.set_key(data["new_key"])
        elif data.get("remove_key"):
            provider.set_key("")
        # Unchanged values are not sealed anew, so that a seal that cannot be opened is not lost.
        if "extra_headers" in self.changed_data or data["extra_headers"] != self.kept_headers:
            provider.set_headers(data["extra_headers"])
        if "extra_query" in self.changed_data or data["extra_query"] != self.kept_query:
            provider.set_query(data["extra_query"])
        saved: Provider = super().save(commit)
        return saved

    def add_models(self) -> None:
        """Create the models that were ticked. Call this once the provider is saved."""
        provider, data = self.instance, self.cleaned_data
        there = set(provider.models.values_list("name", flat=True))
        preset = presets.preset_of(data.get("preset", ""), inside=self.inside)
        if preset is None:
            return
        for model in preset.models:
            if preset.value(model) in data["models_of_preset"] and model.name not in there:
                VoiceModel.objects.create(provider=provider, **model.fields(provider.dialect))

    def _say_what_is_not_shown_back(self) -> None:
        """Only seen when something is wrong: a valid form is not shown again."""
        address = self._posted("url")
        if self._posted("new_key") or tidy.address_of(address) != address:
            self.fields["new_key"].help_text = _("Enter the key again: it is never shown back.")
        if tidy.address_of(address) != address:
            self.fields["url"].help_text = _(
                "Paste the whole address again: its parameters may be secret and are never shown "
                "back."
            )
        for name in ("extra_headers", "extra_query"):
            posted = self._posted(name)
            if any(line.strip() and tidy.KEPT not in line for line in posted.splitlines()):
                self.hides_values = True
                self.fields[name].help_text = _(
                    "Enter the values again: they are never shown back."
                )

    def _posted(self, name: str) -> str:
        return str(self.data.get(self.add_prefix(name)) or "")

    def _offer_models(self) -> None:
        """Any model may be posted; those of the chosen service are shown."""
        field: Any = self.fields["models_of_preset"]
        field.choices = [choice for preset in self.known for choice in preset.choices()]
        chosen = self.data.get("preset") if self.is_bound else self.initial.get("preset")
        field.widget.choices = [
            choice for preset in self.known if preset.id == chosen for choice in preset.choices()
        ]

    def _clean_address(self, data: dict[str, Any]) -> None:
        text = data["url"]
        if tidy.tidied(text) == EMBEDDED_URL:
            data["url"] = EMBEDDED_URL
            if not self.inside:
                raise forms.ValidationError(_("Only the people who run this site can use that."))
            return
        data["url"], parameters = tidy.tidied_address(text)
        for word in presets.placeholders():
            if word in data["url"]:
                raise forms.ValidationError(
                    _("Replace %(word)s in the address with your own."), params={"word": word}
                )
        if len(data["url"]) > 500:
            raise tidy.Untidy("address")
        self._take_parameters(data, parameters)
        vouched = (self.inside and data.get("allow_private")) or self._is_allowed(data)
        if not vouched:
            self._check_outside(data["url"])

    def _take_parameters(self, data: dict[str, Any], parameters: dict[str, str]) -> None:
        """Move the parameters of a pasted address to their own fields."""
        rest: dict[str, str] = {}
        for name, value in parameters.items():
            field = tidy.PARAMETER_FIELDS.get(name)
            if name.lower() in tidy.KEY_PARAMETERS:
                data["new_key"] = data.get("new_key") or tidy.tidied_key(value)
            elif field:
                data[field] = data.get(field) or tidy.tidied_word(value)
            elif name.lower() not in tidy.RESERVED_PARAMETERS:
                rest[name] = value
        lines = "\n".join(f"{name}: {value}" for name, value in rest.items())
        found = tidy.tidied_pairs(lines, {}, reserved=frozenset())
        data["extra_query"] = found | data.get("extra_query", {})

    def _is_allowed(self, data: dict[str, Any]) -> bool:
        """Whether the admins vouch for this host and port."""
        target = Target(name="", url=data["url"], model="m", dialect=data.get("dialect", ""))
        return endpoints.is_allowed(target)

    def _check_outside(self, url: str) -> None:
        try:
            endpoints.check_outside(url)
        except Forbidden:
            raise forms.ValidationError(self._outside_only()) from None

    def _outside_only(self) -> Any:
        if self.inside:
            return _(
                "An address with ws://, with a port other than 443, or inside your network needs "
                "“May be inside the network” ticked."
            )
        return _(
            "Only public addresses with wss:// (or https://) on port 443 can be used here. For "
            "another one, ask the people who run this site."
        )

    def _kept(self, what: str, field: str) -> dict[str, str]:
        try:
            pairs: dict[str, str] = getattr(self.instance, what)()
        except SealBroken:
            self.fields[field].help_text = _(
                "What was stored here can no longer be decrypted. Enter it again."
            )
            return {}
        self.initial[field] = tidy.shown_pairs(pairs)
        return pairs

    def _pairs(self, field: str, kept: dict[str, str], reserved: frozenset[str]) -> dict[str, str]:
        separators: str = self.fields[field].separators  # type: ignore[attr-defined]
        try:
            return tidy.tidied_pairs(
                self.cleaned_data[field], kept, reserved=reserved, separators=separators
            )
        except tidy.Untidy as problem:
            raise explained(problem) from None


class AdminProviderForm(ProviderForm):
    """For the people who run the site: whose it is, who may use it, and the own network."""

    inside = True

    class Meta(ProviderForm.Meta):
        fields = [*ProviderForm.Meta.fields, "account", "accounts", "allow_private"]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.instance.own and data.get("allow_private"):
            self.add_error(
                "allow_private",
                _("This is someone's own key. Add a provider for the account yourself instead."),
            )
        if data.get("account") and data.get("accounts"):
            self.add_error(
                "accounts", _("A provider of one account is for that account only. Choose none.")
            )
        return data


class OwnProviderForm(ProviderForm):
    """For an account's people, with a key of their own: public addresses only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in ("preset", "dialect"):
            self.fields[field].widget.attrs["class"] = "select"

    def clean_name(self) -> str:
        # The form has no account field, so the model's own uniqueness check is skipped.
        name: str = self.cleaned_data["name"]
        others = Provider.objects.filter(account=self.instance.account, name=name)
        if others.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("There is already a provider with this name."))
        return name

    def _post_clean(self) -> None:
        # Whatever the row was before and whatever is posted.
        self.instance.own, self.instance.allow_private = True, False
        super()._post_clean()  # type: ignore[misc]


def _server(url: str) -> tuple[str, str]:
    """What a connection to an address trusts."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def dialect_labels() -> list[tuple[str, str]]:
    """The dialects with their names for people, as choices."""
    labels = [(name, str(dialect.traits.label)) for name, dialect in DIALECTS.items()]
    return sorted(labels, key=lambda choice: choice[1].lower())


def form_data(*, inside: bool) -> dict[str, Any]:
    """What the page needs to fill the form by a preset: for the template's context."""
    return {
        "provider_presets": {each.id: each.for_page() for each in presets.presets(inside=inside)},
        "provider_asks": {
            name: {"fields": list(each.traits.asks), "note": str(each.traits.note)}
            for name, each in DIALECTS.items()
        },
        "preset_links": [(each.id, each.label) for each in presets.presets(inside=inside)],
    }
