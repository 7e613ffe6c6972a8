"""System checks for settings that are dangerous in production: `check --deploy`.

`serve` runs them too: it starts with warnings, but not with errors.
"""

from __future__ import annotations

import shlex
import stat
import sys
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connection

LOCAL = {"127.0.0.1", "localhost", "[::1]", "::1"}
MEMORY = "channels.layers.InMemoryChannelLayer"
# Folders of DATA_DIR with what people said.
PRIVATE = ("media", "live", "spool", "journal")
# Connections for others: the supervisor, commands, a backup.
SPARE_CONNECTIONS = 20
# One each for its writer and its renewer.
BESIDE_A_WORKER = 2


def public_hosts() -> list[str]:
    """The host names that are not this machine's own."""
    return [host for host in settings.ALLOWED_HOSTS if host not in LOCAL]


@register(Tags.security, deploy=True)
def hosts(**options: Any) -> list[CheckMessage]:
    """The site must answer to its own names only, and without DEBUG where others can reach it."""
    found: list[CheckMessage] = []
    if any(host.startswith("*") for host in settings.ALLOWED_HOSTS):
        found.append(
            Error(
                "ALLOWED_HOSTS has '*': links in mails could be made to lead anywhere.",
                hint="Name the hosts that people use, separated by commas.",
                id="realtime.E010",
            )
        )
    if settings.DEBUG and public_hosts():
        found.append(
            Error(
                "DEBUG is on at a site that others reach: error pages show its insides.",
                hint="Leave DEBUG out, or allow 127.0.0.1 and localhost only.",
                id="realtime.E011",
            )
        )
    return found


@register(Tags.security, deploy=True)
def tls(**options: Any) -> list[CheckMessage]:
    """Where others can reach the site, they must use https, and its proxy must be known."""
    if not public_hosts():
        return []
    if not settings.HTTPS:
        return [
            Warning(
                "HTTPS is off: passwords travel in the clear, and browsers refuse the microphone.",
                hint="Put a TLS proxy in front and set HTTPS=true and TRUSTED_PROXIES=1.",
                id="realtime.W012",
            )
        ]
    if not settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        return [
            Warning(
                "HTTPS is on but TRUSTED_PROXIES is 0: requests of a proxy look like plain http.",
                hint="Set TRUSTED_PROXIES to the number of proxies in front.",
                id="realtime.W013",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def secrets(**options: Any) -> list[CheckMessage]:
    """Machines that share a database must share the secrets, too."""
    made = [name for name in ("SECRET_KEY", "KEY_RING") if name in settings.SECRETS_MADE]
    if not made or connection.vendor == "sqlite":
        return []
    return [
        Warning(
            f"{' and '.join(made)} were made up in DATA_DIR, but the database may be shared.",
            hint="Set them for every machine alike; on this one they are files in DATA_DIR.",
            id="realtime.W014",
        )
    ]


@register(Tags.security, deploy=True)
def static_root(**options: Any) -> list[CheckMessage]:
    """Public files must not be above private ones."""
    root, data = Path(settings.STATIC_ROOT).resolve(), Path(settings.DATA_DIR).resolve()
    private = [data, Path(settings.BASE_DIR).resolve(), *(data / name for name in PRIVATE)]
    if not any(each.is_relative_to(root) for each in private):
        return []
    return [
        Error(
            f"STATIC_ROOT is {root}: anybody could fetch recordings, the database or its keys.",
            hint="Leave it out, or name a folder that is for nothing else.",
            id="realtime.E019",
        )
    ]


@register(Tags.security, deploy=True)
def server(**options: Any) -> list[CheckMessage]:
    """Calls must be served by `manage.py serve`."""
    if not any(word.endswith(("/daphne", "runserver")) for word in sys.argv[:2]):
        return []
    return [
        Warning(
            "daphne ends no call properly when it stops, and buffers without limit.",
            hint="Run `python3 manage.py serve` where people use the site.",
            id="realtime.W015",
        )
    ]


@register(Tags.security, deploy=True)
def data(**options: Any) -> list[CheckMessage]:
    """Recordings and texts should be private on this machine. New files are; files of older
    versions keep their mode, in case somebody changed it on purpose."""
    kept = [Path(settings.DATA_DIR) / name for name in PRIVATE]
    if connection.vendor == "sqlite":
        kept.insert(0, Path(connection.settings_dict["NAME"]))
    if not (open_ones := [str(each) for each in kept if _others_may_read(each)]):
        return []
    return [
        Warning(
            f"Everybody on this machine may read what people said: {', '.join(open_ones)}.",
            hint=f"Run: {shlex.join(['chmod', '-R', 'o-rwx', *open_ones])}",
            id="realtime.W019",
        )
    ]


def _others_may_read(path: Path) -> bool:
    try:
        reach = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.absolute().parents)
        return reach and bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False  # it does not exist, or is in memory


def of_workers(workers: int) -> list[CheckMessage]:
    """Checks for several workers on this machine; errors keep `serve` from starting."""
    found: list[CheckMessage] = []
    if workers > 1 and settings.CHANNEL_LAYERS["default"]["BACKEND"] == MEMORY:
        found.append(
            Error(
                f"{workers} workers would not hear of each other: tabs would not see calls.",
                hint="Set REDIS_URL, or serve with one worker.",
                id="realtime.E016",
            )
        )
    most = _most_connections()
    # Each worker has a pool, and so has the supervisor.
    pools = settings.DATABASE_POOL * (workers + 1)
    wanted = pools + BESIDE_A_WORKER * workers + SPARE_CONNECTIONS
    if most is not None and wanted > most:
        found.append(
            Warning(
                f"{workers} workers with DATABASE_POOL={settings.DATABASE_POOL} may want {wanted}"
                f" connections, but the database allows {most}.",
                hint="Lower DATABASE_POOL or raise max_connections.",
                id="realtime.W017",
            )
        )
    return found


def of_static_files() -> list[CheckMessage]:
    """`collectstatic` must know every file: a page that names an unknown one fails. With DEBUG
    pages name files as they are."""
    collected = getattr(staticfiles_storage, "hashed_files", None)
    if collected is None:
        return []
    ignored = apps.get_app_config("staticfiles").ignore_patterns  # type: ignore[attr-defined]
    there = (name for finder in get_finders() for name, _storage in finder.list(ignored))
    if all(name in collected for name in there):
        return []
    return [
        Warning(
            "Static files are not collected, or of an older version: pages will fail.",
            hint="Run “manage.py collectstatic --noinput”, and serve again.",
            id="realtime.W018",
        )
    ]


def _most_connections() -> int | None:
    if connection.vendor != "postgresql":
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW max_connections")
            return int(cursor.fetchone()[0])
    except DatabaseError:
        return None  # it is away: others say so
    finally:
        connection.close()
