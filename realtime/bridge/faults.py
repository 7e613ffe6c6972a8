"""What can be wrong with a provider's settings, and what to change: one table.

An end reason of `ends.ENDS` says what the person in a call should do; a fault tells whoever set the
provider up what exactly happened.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .dialects.target import Target
from .errors import judge_opening
from .guard import Forbidden
from .progress import StepName
from .words import gettext_noop as _


@dataclass(frozen=True, slots=True)
class Fault:
    """`message`: what happened. `remedy`: what to change. English, marked for translation, never
    empty."""

    message: str
    remedy: str


FAULTS: dict[str, Fault] = {
    # The address as it is written
    "bad_url": Fault(
        _("The address cannot be used."),
        _("Write it as wss://host/path, without a user name, a password or a # part."),
    ),
    "url_not_public": Fault(
        _("Only wss:// on port 443 can be reached from here."),
        _(
            "Use the service's public wss:// address without a port. An administrator can allow "
            "another host and port."
        ),
    ),
    # Finding and reaching it
    "unknown_host": Fault(
        _("The host's name is not known."),
        _("Check the host in the address for typing errors. Azure: the resource's own name."),
    ),
    "resolver_away": Fault(
        _("The name lookup failed for now."),
        _(
            "Try again. If that does not help, check the DNS settings of the server NextVoice runs "
            "on."
        ),
    ),
    "address_forbidden": Fault(
        _("The host's address is in a private or reserved network."),
        _(
            "Allow its host and port under “Allowed endpoints”, or tick “may be inside the "
            "network” on a provider of the whole site. Link-local and cloud metadata addresses "
            "are never reached."
        ),
    ),
    "closed": Fault(
        _("Nothing can be reached at this address."),
        _(
            "Check the host and the port. An address inside your own network has to be allowed by "
            "an administrator first."
        ),
    ),
    "refused": Fault(
        _("The host is there, but nothing listens on this port."),
        _("Check the port, and whether the service runs. In a container, localhost is itself."),
    ),
    "no_route": Fault(
        _("There is no network route to this host."),
        _("Check the server's network, firewall and, for an IPv6 address, its IPv6 connection."),
    ),
    "broken": Fault(
        _("The connection broke."),
        _(
            "Try again. If that does not help, look for a proxy or firewall between here and the "
            "service."
        ),
    ),
    # TLS
    "tls_name": Fault(
        _("The certificate is for another name."),
        _("Use the name the certificate was made for, not an IP address or an alias."),
    ),
    "tls_expired": Fault(
        _("The certificate has expired."),
        _("Renew the service's certificate, or check this server's clock."),
    ),
    "tls_not_yet": Fault(
        _("The certificate is not valid yet."),
        _("Check this server's clock."),
    ),
    "tls_self_signed": Fault(
        _("The certificate is self-signed."),
        _(
            "Give the service a certificate from an authority, or add its own authority to this "
            "server's trusted certificates (SSL_CERT_FILE)."
        ),
    ),
    "tls_unknown_issuer": Fault(
        _("The certificate was made by an authority that is not trusted here."),
        _(
            "Let the service send its whole certificate chain, or add its authority to this "
            "server's trusted certificates (SSL_CERT_FILE)."
        ),
    ),
    "tls_none": Fault(
        _("The service does not speak TLS here."),
        _("Check the port. For a service without TLS in your own network, write ws:// instead."),
    ),
    # The upgrade
    "not_websocket": Fault(
        _("Something answers here, but it does not speak WebSocket."),
        _("Check the port and the path: the address must be that of the realtime endpoint."),
    ),
    "redirect": Fault(
        _("The service sends us to another address, which is not followed."),
        _("Enter the final address, with the right host, scheme and path."),
    ),
    "bad_request": Fault(
        _("The service refused the request."),
        _("Compare path, model and extra query with the service's documentation."),
    ),
    "refused_key": Fault(
        _("The service refused the key."),
        _(
            "Paste the key again, whole. Check that it is not revoked, and that it belongs to this "
            "service, region and project."
        ),
    ),
    "refused_key_azure": Fault(
        _("Azure refused the key."),
        _("Use key 1 or key 2 of the same resource that the address names."),
    ),
    "no_key": Fault(
        _("The service wants a key, and none is set."),
        _("Add the key of this service."),
    ),
    "not_permitted": Fault(
        _("The key is valid, but not allowed to do this."),
        _(
            "Check that the key's project or plan includes realtime models, that its permissions "
            "are not restricted, and that the service allows this server's address and country."
        ),
    ),
    "not_found": Fault(
        _("The service knows no such path or model."),
        _("Check the address up to its last part, and the model's name."),
    ),
    "not_found_path": Fault(
        _("The service knows no such path."),
        _("Most services want /v1 in the address, such as wss://host/v1/realtime."),
    ),
    "not_found_azure": Fault(
        _("Azure knows no such path or deployment."),
        _(
            "Enter the deployment's name, which need not be the model's. The address is "
            "wss://RESOURCE.openai.azure.com/openai/v1/realtime, or without /v1 for the preview."
        ),
    ),
    "unknown_model": Fault(
        _("The service does not know this model."),
        _("Check the model's name, and that the key's project may use it."),
    ),
    "unknown_deployment": Fault(
        _("Azure does not know this deployment."),
        _(
            "Enter the deployment's name as the Azure portal shows it; a new one takes a few "
            "minutes to work."
        ),
    ),
    "rate": Fault(
        _("The service says there were too many requests."),
        _("Wait a minute and try again, or raise the limits of your plan."),
    ),
    "quota": Fault(
        _("The service says the quota or the credit is used up."),
        _("Check the billing page of your account with the service."),
    ),
    "server_error": Fault(
        _("The service had an error of its own."),
        _("Try again later, and look at the service's status page."),
    ),
    "no_upgrade": Fault(
        _("The service answered with a page instead of a WebSocket."),
        _("Check the path: it must be the realtime endpoint, not the site or its usual API."),
    ),
    # The session
    "wrong_dialect": Fault(
        _("The service no longer speaks the beta form of this protocol."),
        _("Choose the GA dialect, such as openai_ga, and the address that goes with it."),
    ),
    "beta_events": Fault(
        _("The service speaks the older beta form of this protocol."),
        _("Choose the dialect of this service, or openai_beta."),
    ),
    "session_refused": Fault(
        _("The service refused the session."),
        _("Read what the service said. Most often it is the model's name or the dialect."),
    ),
    "session_closed": Fault(
        _("The service closed the connection before a session began."),
        _("Check the model's name and the dialect, and read what the service said."),
    ),
    "settings_refused": Fault(
        _("The service refused the session's settings."),
        _(
            "Compare the model's voice, transcription model and turn detection with what the "
            "service offers. What it said names the setting."
        ),
    ),
    "answer_failed": Fault(
        _("The model could not answer."),
        _("Read what the service said, and try again."),
    ),
    "answer_empty": Fault(
        _("The model's answer was empty."),
        _("Try again. If that does not help, this may not be the service's dialect."),
    ),
    "answer_closed": Fault(
        _("The service closed the connection before it had answered."),
        _("Try again, and read what the service said."),
    ),
    # Silence
    "timeout_dns": Fault(
        _("The name lookup took too long."),
        _("Check the DNS settings of the server NextVoice runs on."),
    ),
    "timeout_tcp": Fault(
        _("The host does not answer."),
        _("Check the host and the port; a firewall may drop the connection silently."),
    ),
    "timeout_tls": Fault(
        _("The TLS handshake was never answered."),
        _("Check the port. A service without TLS needs ws:// in the address."),
    ),
    "timeout_handshake": Fault(
        _("The WebSocket handshake was never answered."),
        _("Check the path, and that proxies in between let WebSockets through."),
    ),
    "timeout_session": Fault(
        _("The connection is open, but no session began."),
        _("Check the dialect: this service may speak another protocol."),
    ),
    "timeout_answer": Fault(
        _("The model did not answer in time."),
        _("Try again. If that does not help, check the dialect, or choose a faster model."),
    ),
    "not_set_up": Fault(
        _("The provider's settings are not complete."),
        _("Add what is missing and save, then test again."),
    ),
}
"""Every fault by its name."""

BY_REASON = {
    "provider_refused_key": "refused_key",
    "provider_unknown_model": "unknown_model",
    "provider_quota": "quota",
    "provider_timeout": "timeout_answer",
}
BY_STATUS = {
    401: "refused_key",
    402: "quota",
    403: "not_permitted",
    404: "not_found",
    429: "rate",
}
CERTIFICATE = {
    9: "tls_not_yet",
    10: "tls_expired",
    18: "tls_self_signed",
    19: "tls_unknown_issuer",
    20: "tls_unknown_issuer",
    21: "tls_unknown_issuer",
    62: "tls_name",
    64: "tls_name",
}
"""Faults by OpenSSL's X509_V_ERR number."""
NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EACCES})


def transport_fault(step: StepName, error: Exception) -> str:
    """The fault behind an error of the name look-up, TCP, TLS, or a handshake that is not HTTP."""
    if isinstance(error, Forbidden):
        return error.fault
    if isinstance(error, TimeoutError):
        return f"timeout_{step}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATE.get(error.verify_code, "tls_unknown_issuer")
    if isinstance(error, socket.gaierror):
        return "resolver_away" if error.errno == socket.EAI_AGAIN else "unknown_host"
    if step == "dns":
        return "unknown_host"
    if step == "tls":
        return "tls_none"
    if step == "handshake":
        return "broken" if isinstance(error, ConnectionError) else "not_websocket"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "no_route" if isinstance(error, OSError) and error.errno in NO_ROUTE else "broken"


def refusal_fault(status: int, told: Mapping[str, Any]) -> str:
    """The fault behind an upgrade that was answered with HTTP `status` and this error object."""
    if told and (fault := error_fault(told)) != "session_refused":
        # A 403 may say "unauthorized" too; it is about the key only if it mentions the key.
        about_key = "key" in f"{told.get('code')} {told.get('message')}".lower()
        return fault if fault != "refused_key" or about_key else BY_STATUS.get(status, fault)
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return "server_error"
    if status < 300 or status == 426:
        return "no_upgrade"
    return "redirect" if status < 400 else "bad_request"


def error_fault(error: Mapping[str, Any]) -> str:
    """The fault behind an `error` object that came instead of the session, or in it."""
    words = f"{error.get('code')} {error.get('type')} {error.get('message')}".lower()
    if "beta_api_shape_disabled" in words:
        return "wrong_dialect"
    if "rate_limit" in words:
        return "rate"
    return BY_REASON.get(judge_opening(error), "session_refused")


def close_fault(reason: str, end_reason: str) -> str:
    """The fault behind a connection that was closed with this close reason, which `errors` judged
    to be `end_reason`."""
    if "beta_api_shape_disabled" in reason.lower():
        return "wrong_dialect"
    return BY_REASON.get(end_reason, "session_closed")


def advice(name: str, target: Target) -> Fault:
    """What to say about a fault, given the target's key, dialect and address."""
    azure = target.dialect.startswith("azure")
    if name == "refused_key" and not target.key:
        name = "no_key"
    elif name == "refused_key" and azure:
        name = "refused_key_azure"
    elif name == "not_found" and azure:
        name = "not_found_azure"
    elif name == "unknown_model" and azure:
        name = "unknown_deployment"
    elif name == "not_found" and "/v1" not in urlsplit(target.url).path:
        name = "not_found_path"
    return FAULTS.get(name, FAULTS["session_refused"])
