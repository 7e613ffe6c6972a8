"""What a page's modules import is found, however it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chats.templatetags.modules import imported, preloaded

MODULES = {
    "js/page.js": """// import "./not.js" is only said
import { find } from "./helpers/dom.js";
import {
  one,
  two,
} from './parts/one.js';
import "./parts/alone.js";
export { three } from "./parts/three.js";
const later = () => import("./parts/later.js");
const words = "import a from './parts/words.js'";
""",
    "js/helpers/dom.js": "export const find = 1;\n",
    "js/parts/one.js": 'import { find } from "../helpers/dom.js";\nexport const one = find;\n',
    "js/parts/later.js": 'import { one } from "./one.js";\nimport { last } from "./last.js";\n',
    "js/parts/three.js": 'import { page } from "../page.js";\nexport const three = page;\n',
}


@pytest.fixture(autouse=True)
def modules(settings: Any, tmp_path: Path) -> None:
    for name, source in MODULES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    settings.STATICFILES_DIRS = [tmp_path]
    settings.DEBUG = True


def test_each_module_is_found_once_whatever_imports_it() -> None:
    first, later = imported("js/page.js")
    assert first == [
        "js/helpers/dom.js",
        "js/parts/one.js",
        "js/parts/alone.js",
        "js/parts/three.js",
    ]
    assert later == ["js/parts/later.js", "js/parts/last.js"]


def test_a_page_is_given_a_link_for_each() -> None:
    assert preloaded("js/parts/one.js") == (
        '<link rel="modulepreload" href="/static/js/helpers/dom.js">'
    )


def test_what_is_imported_later_is_fetched_last_and_not_as_a_module() -> None:
    *first, link = preloaded("js/page.js").split("\n  ")
    link_to = '<link rel="preload" as="fetch" crossorigin href="/static/js/parts/{}" '
    link_to += 'fetchpriority="low">'
    assert [each for each in first if "low" in each] == [link_to.format("later.js")]
    assert link == link_to.format("last.js")


def test_of_the_page_behind_all_is_fetched_last() -> None:
    *first, link = preloaded("js/parts/later.js", behind="js/parts/three.js").split("\n  ")
    assert [each for each in first if "low" in each] == [
        '<link rel="modulepreload" href="/static/js/parts/three.js" fetchpriority="low">',
        '<link rel="modulepreload" href="/static/js/page.js" fetchpriority="low">',
    ]
    assert link == (
        '<link rel="modulepreload" href="/static/js/parts/alone.js" fetchpriority="low">'
    )
