"""Costs of a call: the sum beside the clock, each turn, the remaining quota, and its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, picture
from tests.e2e.provider import opened, scripted
from tests.e2e.test_options import ANSWER_MS, PHONE, new_conversation, talk
from tests.scripted import Expect, Hear, Send, Step, audio_delta, response_created, response_done
from tests.site import Site

HALF = bytes(24_000)
PRICE = """
from datetime import timedelta
from decimal import Decimal
from django.utils import timezone
from realtime.models import Price, Quota
Price.objects.filter(model__in=["scripted-1", "t"]).delete()
Quota.objects.all().delete()
"""
PRICED = """
since = timezone.now() - timedelta(days=1)
Price.objects.create(model="scripted-1", since=since, text_in=4, text_cached=1, text_out=16,
    audio_in=32, audio_cached=1, audio_out=500)
Price.objects.create(model="t", kind="transcription", since=since, per_minute="0.006")
"""


@pytest.fixture(scope="module")
def site(own_site: Site) -> Site:
    return own_site


def answer(name: str, audio_tokens: int, status: str = "completed") -> Send:
    """An answer to a conversation of 3 200 tokens, most of them cached."""
    usage = {
        "input_tokens": 3200,
        "output_tokens": audio_tokens + 10,
        "input_token_details": {
            "text_tokens": 1200,
            "audio_tokens": 2000,
            "cached_tokens": 2600,
            "cached_tokens_details": {"text_tokens": 1000, "audio_tokens": 1600},
        },
        "output_token_details": {"audio_tokens": audio_tokens, "text_tokens": 10},
    }
    place = {"item_id": f"item_{name}", "response_id": f"resp_{name}"}
    return Send(
        response_created(f"resp_{name}"),
        audio_delta(HALF, **place),
        response_done(f"resp_{name}", status, usage=usage),
    )


@contextmanager
def money(
    site: Site, *steps: Step, priced: bool = True, quota: str = "", used: str = ""
) -> Iterator[None]:
    """A provider that plays these steps, its prices, and a quota of the site."""
    with scripted(site, opened(*steps)):
        site.run(PRICE + (PRICED if priced else "") + quota)
        try:
            yield
        finally:
            site.run(PRICE)


def asked(*answers: Send) -> list[Step]:
    """Each answer when somebody has typed something."""
    steps: list[Step] = []
    for each in answers:
        steps += [Expect("response.create", seconds=30), each]
    return steps


def ask(page: Page) -> None:
    page.get_by_test_id("call-type").fill("And now?")
    page.keyboard.press("Enter")


def open_costs(page: Page) -> Any:
    page.get_by_test_id("call-cost").click()
    panel = page.get_by_test_id("cost")
    expect(panel).to_be_visible()
    return panel


def test_money_counts_up_and_each_turn_says_why(visit: Open, site: Site) -> None:
    steps = asked(answer("1", 40), answer("2", 20))
    quota = "Quota.objects.create(money_per_day=5, minutes_per_day=90, call_minutes=60)"
    with money(site, *steps, quota=quota), visit("sum.wav") as page:
        new_conversation(page)
        talk(page)
        sum_ = page.get_by_test_id("call-cost")
        expect(sum_).to_have_text("$0.00")
        ask(page)
        # 200*4 + 1000*1 + 10*16 + 400*32 + 1600*1 + 40*500 millionths
        expect(sum_).to_have_text("$0.0364", timeout=ANSWER_MS)
        ask(page)
        expect(sum_).to_have_text("$0.0627", timeout=ANSWER_MS)
        expect(sum_).to_have_attribute("aria-label", "Cost so far: $0.0627. Show the details")
        sum_.focus()
        page.keyboard.press("Enter")
        panel = page.get_by_test_id("cost")
        expect(page.get_by_test_id("cost-total")).to_have_text("$0.0627")
        expect(page.get_by_test_id("cost-why")).to_have_text(
            "The largest part is for speech heard. "
            "Each answer re-reads the conversation: 3,200 tokens, most of it at the lower price."
        )
        expect(page.get_by_test_id("cost-context")).to_have_text(
            "The conversation is now 3,230 tokens long."
        )
        expect(page.get_by_test_id("cost-next")).to_contain_text("The next turn costs about $0.0")
        left = page.get_by_test_id("cost-left")
        expect(left).to_contain_text("of $5.00 left")
        expect(left).to_contain_text("min of 90 min left")
        expect(left).to_contain_text("This call may last until")
        turns = page.get_by_test_id("cost-turn")
        expect(turns).to_have_count(2)
        expect(turns.nth(1)).to_contain_text("$0.0364")
        turns.nth(1).locator("summary").click()
        expect(turns.nth(1)).to_contain_text("Speech spoken40 tokens$0.02")
        expect(turns.nth(1)).to_contain_text("Speech heard before, at the lower price1,600 tokens")
        picture(page, "money-desktop-light")
        page.emulate_media(color_scheme="dark")
        picture(page, "money-desktop-dark")
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        expect(sum_).to_be_focused()
        page.get_by_test_id("call-resize").click()
        expect(sum_).to_be_visible()
        picture(page, "money-full-dark")
        # A call of no length at all is not worth a word at its end.
        expect(page.get_by_test_id("call-timer")).not_to_have_text("0:00")
        page.get_by_test_id("hang-up").click()
        expect(page.locator("#toasts")).to_contain_text("It cost $0.0627.")


def test_four_fifths_are_told_and_the_end_says_what_to_do(visit: Open, site: Site) -> None:
    steps = asked(answer("1", 200), answer("2", 200))
    # Other tests have used this site today.
    quota = (
        "from realtime.money.spending import Scope, spent\n"
        "used = spent(Scope(), timezone.now().date()).amount\n"
        "Quota.objects.create(money_per_day=(used + Decimal('0.14')).quantize(Decimal('1e-6')))"
    )
    with money(site, *steps, quota=quota), visit("sum.wav") as page:
        new_conversation(page)
        talk(page)
        ask(page)
        panel = page.get_by_test_id("call-panel")
        notice = panel.locator("[data-call-notice]")
        expect(notice).to_contain_text("nearly used up", timeout=ANSWER_MS)
        expect(page.get_by_test_id("call-cost")).to_have_attribute("data-warn", "")
        picture(page, "money-warning")
        ask(page)
        error = page.get_by_test_id("call-error")
        expect(error).to_be_visible(timeout=ANSWER_MS)
        expect(error).to_contain_text(
            re.compile(r"This site's budget for today \(0\.\d+ USD\) is used up\.")
        )
        expect(error).to_contain_text(re.compile(r"It resets on \d{4}-\d\d-\d\d"))
        expect(error).to_contain_text("Ask your administrator if you need more.")
        picture(page, "money-end")
        page.get_by_test_id("call-dismiss").click()
        page.get_by_test_id("start-call").click()
        expect(error).to_be_visible(timeout=ANSWER_MS)
        expect(error).to_contain_text("is used up.")
        picture(page, "money-refusal")


def test_what_has_no_price_says_so_and_what_is_free_too(visit: Open, site: Site) -> None:
    with money(site, *asked(answer("1", 40)), priced=False), visit("sum.wav") as page:
        new_conversation(page)
        talk(page)
        ask(page)
        expect(page.get_by_test_id("call-cost")).to_have_text("no price", timeout=ANSWER_MS)
        open_costs(page)
        turn = page.get_by_test_id("cost-turn")
        turn.locator("summary").click()
        expect(turn).to_contain_text("There is no price for scripted-1.")
        expect(turn).to_contain_text("Speech spoken40 tokens")
    with visit("sum.wav") as page:
        new_conversation(page)
        talk(page)
        expect(page.get_by_test_id("call-cost")).to_have_text("free", timeout=ANSWER_MS)


def test_on_a_phone_only_the_table_of_what_if_scrolls(visit: Open, site: Site) -> None:
    rights = (
        "from chats.models import User\n"
        "User.objects.filter(username='ann').update(is_staff={0}, is_superuser={0})\n"
    )
    site.run(
        rights.format(True) + "from realtime.money.ledger import Entry, Payer, record\n"
        "payer = Payer(provider_name='A provider')\n"
        "record(Entry(payer=payer, model='scripted-1', kind='transcription',"
        " upstream_session='s', key='k', raw={'seconds': 1}))"
    )
    with visit(None, viewport=PHONE, is_mobile=True, has_touch=True) as page:
        page.goto(f"{site.url}/admin/realtime/price/what-if/")
        expect(page.locator("#result_list")).to_contain_text("A provider")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    site.run(rights.format(False))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_sum_and_the_turns_fit(visit: Open, site: Site, scheme: str) -> None:
    quota = "Quota.objects.create(money_per_day=5, money_per_month=60)"
    phone = {"viewport": PHONE, "is_mobile": True, "has_touch": True, "color_scheme": scheme}
    spoken = [
        Hear(24_000, seconds=30),
        Send(
            {
                "type": "input_audio_buffer.speech_started",
                "item_id": "item_u",
                "audio_start_ms": 0,
            },
            {"type": "input_audio_buffer.speech_stopped", "item_id": "item_u", "audio_end_ms": 500},
            {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": None},
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": "item_u",
                "content_index": 0,
                "transcript": "Two plus three.",
                "usage": {"type": "duration", "seconds": 0.5},
            },
        ),
    ]
    with money(site, *spoken, answer("1", 40, "cancelled"), quota=quota):
        with visit("sum.wav", **phone) as page:
            new_conversation(page)
            talk(page)
            sum_ = page.get_by_test_id("call-cost")
            expect(sum_).to_have_text("$0.0364", timeout=ANSWER_MS)
            picture(page, f"money-phone-call-{scheme}")
            sum_.tap()
            turns = page.get_by_test_id("cost-turn")
            expect(turns).to_have_count(2)
            expect(turns.nth(0)).to_contain_text("interrupted")
            expect(turns.nth(1)).to_contain_text("Writing down what you said")
            expect(turns.nth(1)).to_contain_text("< $0.0001")
            turns.nth(0).locator("summary").tap()
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            small = """() => [...document.querySelectorAll("#cost :is(button, summary)")]
              .map((one) => one.getBoundingClientRect().height).filter((height) => height < 44)"""
            assert page.evaluate(small) == []
            picture(page, f"money-phone-{scheme}")
            # What was used has a page, whose content scrolls and nothing around it.
            page.goto(f"{site.url}/usage/")
            expect(page.locator("table").first).to_be_attached()
            assert page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0


DEAR = """
from django.utils import timezone
from chats.models import User
from realtime.models import Price
from realtime.money.ledger import Entry, Payer, record
ann = User.objects.get(username="ann")
Price.objects.create(model="dear", since=timezone.now(), currency="VND", text_in=200_000)
raw = {"input_tokens": 80_000_003, "input_token_details": {"text_tokens": 80_000_003}}
record(Entry(Payer(ann.own_account.pk, "ann", ann.pk, "ann"), "dear", "s", "dear", raw=raw))
"""


def test_an_amount_stands_in_one_piece(visit: Open, site: Site) -> None:
    site.run(DEAR)
    lines = """one => { const range = document.createRange(); range.selectNodeContents(one);
        return range.getClientRects().length; }"""
    with visit(None) as page:
        page.goto(f"{site.url}/usage/")
        dear = page.locator(".figures__one data").filter(has_text="VND")
        expect(dear).to_have_text("16,000,000.60 VND")
        assert dear.evaluate(lines) == 1
