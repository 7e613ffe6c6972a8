"""What a page needs comes in as few rounds as there can be."""

from __future__ import annotations

from playwright.sync_api import expect

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


def test_a_page_that_lacks_a_script_says_so(visit: Open) -> None:
    with visit(None, expected=("ERR_FAILED",)) as page:
        told = page.get_by_role("alert").filter(has_text="A part of this page did not arrive.")
        expect(told).to_be_hidden()
        page.route("**/js/panels/menus*.js", lambda route: route.abort())
        page.reload()
        expect(told).to_be_visible()
        page.unroute("**/js/panels/menus*.js")
        told.get_by_role("link").click()
        expect(told).to_be_hidden()
