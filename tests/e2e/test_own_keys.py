"""A personal provider key: added, tested, its errors explained, corrected and deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, picture
from tests.e2e.provider import beside
from tests.realtime.providers.test_connection_test import FINE
from tests.scripted import Refuse
from tests.site import Site

KEY = "sk-canary-0123456789abcdef"
REFUSED = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "color_scheme": "dark",
}
DESKTOP: dict[str, Any] = {}


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_key_is_added_tested_mended_and_deleted(
    site: Site, visit: Open, device: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    with beside([Refuse(401, REFUSED)], FINE) as service:
        site.run(
            "from realtime.models import AllowedEndpoint\n"
            f"AllowedEndpoint.objects.create(host='localhost', port={service.port})"
        )
        with visit(None, **device) as page:
            add(page, service.url, request.node.name)
            page.get_by_role("link", name="Test the connection").click()
            page.get_by_role("button", name="Test connection").click()
            expect(page.locator("[data-verdict]")).to_have_text("The connection does not work yet.")
            failed = page.locator(".connection-step.is-wrong")
            expect(failed).to_contain_text("WebSocket handshake")
            expect(failed).to_contain_text("The service refused the key.")
            expect(failed).to_contain_text("Incorrect API key provided: [key]")
            picture(page, f"{request.node.name}-failed")
            assert fits(page)
            page.get_by_role("button", name="Test connection").click()
            expect(page.locator("[data-verdict]")).to_have_text("Everything works.")
            expect(page.locator(".connection-step.is-fine")).to_have_count(6)
            expect(failed).to_have_count(0)
            picture(page, f"{request.node.name}-works")
            assert KEY not in page.content()
            page.get_by_role("link", name="Back to the providers").click()
            row = page.get_by_test_id("provider").filter(has_text="key …cdef")
            expect(row).to_be_visible()
            picture(page, f"{request.node.name}-list")
            assert fits(page)
            row.get_by_role("link", name="Delete").click()
            page.get_by_role("button", name="Delete").click()
            expect(page.get_by_text("and its key were deleted")).to_be_visible()


def add(page: Page, url: str, name: str) -> None:
    """An own provider; first with a mistake, which costs the key and the header's value."""
    page.goto(f"{page.url}providers/")
    page.get_by_test_id("providers").get_by_role("link", name="Add a provider").first.click()
    page.get_by_label("Address", exact=True).fill(url)
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_text("What else the service needs").click()
    page.get_by_label("More headers").fill("X-Team: hidden-1")
    page.get_by_text("A model that is not in the list").click()
    page.get_by_label("Name").nth(1).fill("scripted-1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Something is not right yet")
    assert "hidden-1" not in page.content()
    assert KEY not in page.content()
    expect(page.get_by_text("Enter the values again")).to_be_visible()
    expect(page.get_by_text("Enter the key again")).to_be_visible()
    picture(page, f"{name}-mistake")
    page.get_by_label("Name").first.fill("Mine")
    page.get_by_label("More headers").fill("X-Team: hidden-1")
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Save").click()


def fits(page: Page) -> bool:
    """Whether nothing is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
