"""allauth's forms, adapted."""

from typing import Any

from allauth.account import forms
from django.utils.translation import gettext_lazy as _


class LoginForm(forms.LoginForm):  # type: ignore[misc]
    """People sign in with their name or their address; password managers keep either as a name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        login = self.fields["login"]
        login.label = _("Username or email")
        login.widget.attrs["autocomplete"] = "username"
        del login.widget.attrs["placeholder"]  # which says the same
        self.fields["remember"].label = _("Remember me")
