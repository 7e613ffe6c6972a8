"""ES modules of a page, without a bundler."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain
from pathlib import Path
from posixpath import dirname, join, normpath

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

# Static and dynamic imports of a module.
IMPORT = re.compile(r"""^(?:import|export)\b[^;"'(]*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)
IMPORT_LATER = re.compile(r"""\bimport\(["'](\.{1,2}/[^"']+)["']\)""")
LINK = '<link rel="modulepreload" href="{}">'
# Not as modules: Firefox never asks again for a module that did not arrive once.
LINK_LATER = '<link rel="preload" as="fetch" crossorigin href="{}" fetchpriority="low">'
LINK_NEXT = '<link rel="modulepreload" href="{}" fetchpriority="low">'


@register.simple_tag
def preloaded(name: str, *later: str, behind: str = "") -> SafeString:
    """Links that preload all that a module imports statically; then `later`, and its dynamic
    imports.

    A browser learns of imports only once it has the module: without these links, each level of
    imports costs another round trip, a third of a second on a phone. Dynamic imports come last, and
    are there when needed even if the site is away by then. `behind` is the module of the page that
    follows, of which all is fetched.
    """
    return _links(name, later, behind) if settings.DEBUG else _kept_links(name, later, behind)


def _links(name: str, later: tuple[str, ...], behind: str) -> SafeString:
    first, last = imported(name, *later)
    links = [format_html(LINK, static(each)) for each in first]
    links += [format_html(LINK_LATER, static(each)) for each in last]
    if behind:
        after = imported(name, behind)[1]
        links += [format_html(LINK_NEXT, static(each)) for each in after]
    return format_html_join("\n  ", "{}", ((link,) for link in links))


# The files of a running site do not change, and every page needs these.
_kept_links = cache(_links)


def imported(name: str, *later: str) -> tuple[list[str], list[str]]:
    """A module's static imports, transitively; and `later` and the dynamic imports, with all that
    those import: names of static files, each one once."""
    imports = cache(_imports)  # each file is read once
    first: list[str] = []
    _reach(name, first, lambda each: imports(each)[0])
    found = first.copy()
    for other in chain(later, *(imports(each)[1] for each in first)):
        _reach(other, found, lambda each: chain(*imports(each)))
    return first[1:], found[len(first) :]


def _reach(name: str, found: list[str], imports: Callable[[str], Iterable[str]]) -> None:
    if name in found:
        return
    found.append(name)
    for other in imports(name):
        _reach(other, found, imports)


def _imports(name: str) -> tuple[list[str], list[str]]:
    """A module's static and dynamic imports."""
    path = finders.find(name)
    source = Path(path).read_text("utf-8") if isinstance(path, str) else ""
    at_once, later = (
        [normpath(join(dirname(name), address)) for address in way.findall(source)]
        for way in (IMPORT, IMPORT_LATER)
    )
    return at_once, later
