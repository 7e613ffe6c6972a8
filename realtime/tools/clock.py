"""What time it is, here and elsewhere."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import orjson
from django.conf import settings
from django.utils import timezone as clock
from django.utils.translation import gettext_lazy as _

from realtime.bridge.tools import Result, ToolFailed
from realtime.tools.registry import Where, tool


@tool("current_time", _("Clock"), _("Tells the time and date, anywhere."))
def current_time(where: Where, timezone: str = "") -> Result:
    """Tell the current time and date, here or in a time zone.

    timezone: an IANA name such as Europe/Rome, or a large city; empty for the person's own.
    """
    zone = zone_of(timezone) if timezone.strip() else zone_at(where)
    now = clock.now().astimezone(zone)
    told = {
        "time": f"{now:%H:%M}",
        "date": f"{now:%A}, {now.day} {now:%B} {now.year}",
        "timezone": zone.key,
    }
    return Result(
        orjson.dumps(told).decode(),
        {"text": f"{told['time']}, {told['date']} ({told['timezone']})"},
    )


def zone_at(where: Where) -> ZoneInfo:
    """The person's time zone, or the site's if theirs is unknown."""
    return ZoneInfo(_zones().get(where.time_zone.lower(), settings.TIME_ZONE))


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name, or the one named after this city. Raises ToolFailed."""
    wanted = "_".join(name.split()).lower()
    known = _zones()
    found = known.get(wanted) or known.get(f"/{wanted}")
    if found is None:
        raise ToolFailed(f"There is no time zone {name[:64]!r}. Use a name such as Europe/Rome.")
    return ZoneInfo(found)


@cache
def _zones() -> dict[str, str]:
    names = sorted(available_timezones())
    cities = {f"/{name.rpartition('/')[2].lower()}": name for name in names if "/" in name}
    return cities | {name.lower(): name for name in names}
