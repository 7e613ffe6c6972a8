"""Adding a provider with one's own key, and choosing the model, in the browser."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Open
from tests.e2e.test_options import until

KEY = "sk-canary-0123456789abcdef"
PHONE = {"width": 390, "height": 844}


def add_openai(page: Page) -> None:
    """From the front page to an own provider, as a person does."""
    page.get_by_label("Your account").click()
    page.get_by_role("link", name="Models and keys").click()
    page.get_by_test_id("providers").get_by_role("link", name="Add a provider").first.click()
    page.get_by_label("Service").select_option("openai")
    page.get_by_label("Key", exact=True).fill(f" Bearer {KEY} ")
    page.get_by_role("button", name="Save").click()


def test_choosing_a_service_and_pasting_a_key_is_all_it_takes(visit: Open) -> None:
    with visit(None) as page:
        page.get_by_label("Your account").click()
        page.get_by_role("link", name="Models and keys").click()
        page.get_by_test_id("providers").get_by_role("link", name="Add a provider").first.click()
        service = page.get_by_label("Service")
        service.select_option("azure")
        address = page.get_by_label("Address", exact=True)
        expect(address).to_be_focused()
        selected = "(field) => field.value.slice(field.selectionStart, field.selectionEnd)"
        assert address.evaluate(selected) == "RESOURCE"
        expect(page.get_by_label("Deployment")).to_be_visible()
        service.select_option("openai")
        expect(address).to_have_value("wss://api.openai.com/v1/realtime")
        expect(page.get_by_label("Name").first).to_have_value("OpenAI")
        expect(page.get_by_label("GPT Realtime 2.1", exact=True)).to_be_checked()
        expect(page.get_by_label("GPT Realtime mini")).not_to_be_checked()
        page.get_by_label("Key", exact=True).fill(f" Bearer {KEY} ")
        page.get_by_role("button", name="Save").click()
        provider = page.get_by_test_id("provider").filter(has_text="key …cdef")
        expect(provider).to_contain_text("GPT Realtime 2.1 mini")
        assert KEY not in page.content()
        provider.get_by_role("link", name="Delete").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("and its key were deleted")).to_be_visible()


def test_a_service_that_is_chosen_before_the_scripts_are_there_fills_the_form(visit: Open) -> None:
    with visit(None) as page:
        page.get_by_label("Your account").click()
        page.get_by_role("link", name="Models and keys").click()
        asked: list[Route] = []
        page.route("**/js/app*.js", lambda route: asked.append(route))
        page.get_by_test_id("providers").get_by_role("link", name="Add a provider").first.click()
        page.get_by_label("Service").select_option("azure")
        until(page, lambda: asked)[0].continue_()
        expect(page.get_by_label("Name").first).to_have_value("Azure OpenAI")
        expect(page.get_by_label("Deployment")).to_be_visible()


def test_who_answers_is_chosen_on_the_front_page_and_kept(visit: Open) -> None:
    with visit(None) as page:
        add_openai(page)
        page.get_by_role("link", name="Back to your conversations").click()
        picker = page.get_by_test_id("picker")
        picker.locator("summary").click()
        chosen = page.get_by_test_id("picker-model").locator("option", has_text="2.1 mini")
        page.get_by_test_id("picker-model").select_option(chosen.get_attribute("value"))
        expect(picker.locator("summary")).to_have_text("Who answers: GPT Realtime 2.1 mini")
        expect(picker.get_by_text("10 voices").locator("visible=true")).to_have_count(1)
        page.get_by_test_id("start-typing").click()
        page.get_by_test_id("open-options").click()
        model = page.get_by_test_id("option-model")
        expect(model.locator("option:checked")).to_contain_text("GPT Realtime 2.1 mini")
        expect(page.get_by_test_id("offer")).to_contain_text("10 voices")
        model.select_option(label=model.locator("option", has_text="Demo").first.inner_text())
        expect(page.get_by_test_id("offer")).to_contain_text("alloy, marin, cedar")


def test_without_javascript_a_link_fills_the_form(visit: Open) -> None:
    with visit(None, java_script_enabled=False) as page:
        page.goto(f"{page.url}providers/")
        page.get_by_test_id("providers").get_by_role("link", name="Add a provider").first.click()
        page.get_by_role("link", name="OpenAI", exact=True).click()
        expect(page.get_by_label("Address", exact=True)).to_have_value(
            "wss://api.openai.com/v1/realtime"
        )
        expect(page.get_by_label("GPT Realtime 2.1", exact=True)).to_be_checked()


def test_on_a_phone_the_form_fits_and_can_be_touched(visit: Open) -> None:
    with visit(None, viewport=PHONE, is_mobile=True, has_touch=True, color_scheme="dark") as page:
        page.goto(f"{page.url}providers/")
        page.get_by_test_id("providers").get_by_role("link", name="Add a provider").first.tap()
        page.get_by_label("Service").select_option("openai")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        small = """() => [...document.querySelectorAll(
            "form :is(button, select, summary, textarea, input:not([type=hidden]))")]
          .filter((one) => one.checkVisibility())
          .map((one) => (one.closest("label, .choice") ?? one).getBoundingClientRect().height)
          .filter((height) => height < 44)"""
        assert page.evaluate(small) == []
