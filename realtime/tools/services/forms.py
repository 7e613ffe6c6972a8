"""The form for services: tidied as it comes in, checked as far as possible, explained."""

from __future__ import annotations

import re
from typing import Any

from asgiref.sync import async_to_sync
from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from realtime.bridge.dialects.target import HEADER_NAME
from realtime.bridge.guard import Forbidden
from realtime.fields import AddressField, TidyField, WordField, explained
from realtime.models import ToolFunction, ToolService
from realtime.models.tools import MOST_PREFIX
from realtime.outbound import SCHEMES, Destination, origin_of
from realtime.providers import endpoints, tidy
from realtime.tools.services.document import BadDocument
from realtime.tools.services.listing import fetched
from realtime.tools.services.openapi import Document, read
from realtime.tools.services.results import ServiceFailed

SHORTEST_SECRET = 6


class ToolServiceForm(forms.ModelForm):
    """A service with a secret that can be set or removed but never read."""

    name = TidyField(label=_("Name"), max_length=80)
    url = AddressField(
        label=_("Address"),
        required=False,
        max_length=500,
        help_text=_(
            "Of an MCP server: its endpoint, such as https://example.org/mcp. Of a plugin: its "
            "base; empty: as the document says. Of image generation: such as "
            "https://api.openai.com/v1."
        ),
        widget=forms.TextInput(attrs={"spellcheck": "false", "class": "vLargeTextField"}),
    )
    document_url = forms.CharField(
        label=_("Fetch the document from"),
        required=False,
        max_length=2000,
        help_text=_("Instead of pasting it. It is fetched once, without the secret."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "class": "vLargeTextField"}),
    )
    auth_name = WordField(label=_("Name of header or parameter"), required=False, max_length=80)
    model = WordField(label=_("Model"), required=False, max_length=120)
    new_secret = forms.CharField(
        label=_("Secret"),
        required=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
        help_text=_("Stored encrypted, and never shown again."),
    )
    remove_secret = forms.BooleanField(label=_("Remove the secret"), required=False)

    class Meta:
        model = ToolService
        fields = [
            "kind",
            "name",
            "prefix",
            "account",
            "accounts",
            "url",
            "document",
            "model",
            "auth",
            "auth_name",
            "passed_on",
            "enabled",
        ]
        widgets = {
            "document": forms.Textarea(
                attrs={"rows": 12, "spellcheck": "false", "class": "vLargeTextField"}
            )
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.sealed_secret and "new_secret" in self.fields:
            self.fields["new_secret"].label = _("New secret")
            self.fields["new_secret"].help_text = _("Leave empty to keep the one that is set.")

    def clean_new_secret(self) -> str:
        try:
            secret = tidy.tidied_key(self.cleaned_data["new_secret"])
        except tidy.Untidy as problem:
            raise explained(problem) from None
        if secret and len(secret) < SHORTEST_SECRET:
            # A shorter one could not be told from ordinary words, and so not be removed from
            # answers.
            raise forms.ValidationError(_("A secret has at least 6 characters."))
        return secret

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return data
        self._clean_prefix(data)
        self._clean_auth(data)
        self._clean_passing_on(data)
        if self._kind(data) == ToolService.Kind.OPENAPI:
            self._clean_document(data)
        if not self.errors:
            self._clean_address(data)
        if not self.errors:
            self._keep_secret_here(data)
        if data.get("account") and data.get("accounts"):
            self.add_error(
                "accounts", _("A service of one account is for that account only. Choose none.")
            )
        return data

    def save(self, commit: bool = True) -> ToolService:
        data = self.cleaned_data
        if data.get("new_secret"):
            self.instance.set_secret(data["new_secret"])
        elif data.get("remove_secret"):
            self.instance.set_secret("")
        saved: ToolService = super().save(commit)
        return saved

    def _kind(self, data: dict[str, Any]) -> str:
        return str(data.get("kind") or self.instance.kind)  # it cannot be changed later

    def _clean_prefix(self, data: dict[str, Any]) -> None:
        if "prefix" not in self.fields or data.get("prefix"):
            return
        base = re.sub(r"[^a-z0-9]", "", data["name"].lower()).lstrip("0123456789") or "tools"
        base = base[: MOST_PREFIX - 2]
        taken = set(ToolService.objects.values_list("prefix", flat=True))
        names = (base, *(f"{base}{number}" for number in range(2, len(taken) + 3)))
        data["prefix"] = next(name for name in names if name not in taken)

    def _clean_auth(self, data: dict[str, Any]) -> None:
        name = data.get("auth_name", "")
        if data["auth"] != ToolService.Auth.HEADER or not name:
            return
        if not HEADER_NAME.issuperset(name):
            self.add_error("auth_name", _("A header's name has only letters, digits and hyphens."))
        elif name.lower() in tidy.RESERVED_HEADERS - {"authorization"}:
            self.add_error("auth_name", _("This header is sent by this site itself."))

    def _clean_passing_on(self, data: dict[str, Any]) -> None:
        if not data.get("passed_on"):
            return
        if self._kind(data) != ToolService.Kind.MCP:
            self.add_error("passed_on", _("Only MCP servers can be called by a provider."))
        elif data["auth"] not in (ToolService.Auth.NONE, ToolService.Auth.BEARER):
            self.add_error("passed_on", _("A provider can send “Authorization: Bearer …” only."))

    def _clean_document(self, data: dict[str, Any]) -> None:
        """Fetch the document if that was asked for, read it, and take the address from it."""
        address = data.get("document_url", "").strip()
        if address and (why := _why_not(address)):
            self.add_error("document_url", why)
            return
        if not address and not data["document"].strip():
            self.add_error(
                "document", _("Paste the document here, or enter above where to fetch it.")
            )
            return
        try:
            if address:
                to = Destination(address, endpoints.vouched_url(address))
                data["document"] = async_to_sync(fetched)(to)
            document: Document = read(data["document"], address or data.get("url", ""))
        except ServiceFailed as problem:
            words = _("It could not be fetched: %(why)s.")
            self.add_error(
                "document_url", forms.ValidationError(words, params={"why": problem.reason})
            )
            return
        except BadDocument as problem:
            self.add_error("document", str(problem))
            return
        if not document.functions:
            first = document.problems[0] if document.problems else ""
            words = _("It has no operation that can be called. %(why)s")
            self.add_error("document", forms.ValidationError(words, params={"why": first}))
        data["url"] = data.get("url") or document.server
        if not data["url"]:
            self.add_error(
                "url", _("The document does not say where the service is: enter its address.")
            )

    def _clean_address(self, data: dict[str, Any]) -> None:
        url = data["url"] = tidy.tidied(data["url"]).rstrip("/")
        if why := _why_not(url):
            self.add_error("url", why)
            return
        if "?" in url:
            self.add_error("url", _("Leave out the ? and what comes after it."))

    def _keep_secret_here(self, data: dict[str, Any]) -> None:
        """Refuse to send secrets to another server than the one they were entered for.

        Nobody may read them here, but whoever runs the new server could.
        """
        before = self.instance.sealed_secret and self.initial.get("url")
        replaced = data.get("new_secret") or data.get("remove_secret")
        if before and not replaced and origin_of(before) != origin_of(data["url"]):
            self.add_error("new_secret", _("The address is for another server: enter its secret."))


def _why_not(url: str) -> str:
    """Why an address cannot be used, and what to do; "" if it can."""
    try:
        if any(sign.isspace() for sign in url):
            raise Forbidden("a space is in the URL", "bad_url")
        if not endpoints.vouched_url(url):
            endpoints.check_outside(url, SCHEMES)
    except Forbidden as problem:
        if problem.fault != "url_not_public":
            return gettext("Enter an address like https://api.example.org/v1.")
        return gettext(
            "Only public addresses with https:// on port 443 can be used. Add the host and "
            "port of another one under Allowed endpoints first."
        )
    return ""


class ToolFunctionForm(forms.ModelForm):
    """Whether a function may be used. Choosing it says that somebody has looked at it."""

    class Meta:
        model = ToolFunction
        fields = ["chosen", "ask"]

    def save(self, commit: bool = True) -> ToolFunction:
        if self.instance.chosen and self.instance.state != ToolFunction.State.GONE:
            self.instance.state = ToolFunction.State.SEEN
        saved: ToolFunction = super().save(commit)
        return saved


class TryForm(forms.Form):
    """Which function to try, with which arguments."""

    function = forms.ModelChoiceField(label=_("Function"), queryset=ToolFunction.objects.none())
    arguments = forms.JSONField(
        label=_("Arguments"),
        initial=dict,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_("As a JSON object."),
    )

    def __init__(self, service: ToolService, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["function"]
        field.queryset = service.functions.exclude(state=ToolFunction.State.GONE)

    def clean_arguments(self) -> dict[str, Any]:
        value = self.cleaned_data["arguments"]
        if value is not None and not isinstance(value, dict):
            raise forms.ValidationError(_("Enter an object, such as {“name”: “Rex”}."))
        return value or {}
