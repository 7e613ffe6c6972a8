"""What a page needs comes in as few rounds as there can be."""

from __future__ import annotations

from tests.e2e.conftest import Open

ASKED = """() => ({
  loaded: performance.getEntriesByType("resource").map((each) => each.name)
    .filter((name) => name.endsWith(".js")).sort(),
  named: [...document.querySelectorAll("script[src], link[rel=modulepreload]")]
    .map((each) => each.src ?? each.href).sort(),
})"""


def test_every_module_is_named_in_the_page_and_nothing_else_is(visit: Open) -> None:
    with visit(None) as page:
        page.wait_for_load_state("networkidle")
        asked = page.evaluate(ASKED)
    assert asked["named"] == asked["loaded"]
    assert len(asked["named"]) > 50
