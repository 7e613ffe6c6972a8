"""ES modules of a page, without a bundler."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = template.Library()

IMPORT = re.compile(r"""^(?:import|export)\b[^;"'(]*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)


@register.simple_tag
def preloaded(name: str) -> SafeString:
    """Links that fetch all that a module imports at once.

    A browser sees what a module imports when it has the module: without these, each level of
    imports is one more way there and back, which on a phone is a third of a second.
    """
    return _links(name) if settings.DEBUG else _kept_links(name)


def _links(name: str) -> SafeString:
    addresses = ((static(each),) for each in imported(name))
    return format_html_join("\n  ", '<link rel="modulepreload" href="{}">', addresses)


# The files of a running site do not change, and every page has these.
_kept_links = cache(_links)


def imported(name: str) -> list[str]:
    """What a module imports, and what that imports: names of static files, each one once."""
    found = [name]
    for each in found:  # which grows
        path = finders.find(each)
        source = Path(path).read_text("utf-8") if isinstance(path, str) else ""
        others = (normpath(join(dirname(each), address)) for address in IMPORT.findall(source))
        found += [other for other in dict.fromkeys(others) if other not in found]
    return found[1:]
