from __future__ import annotations

import pytest

from realtime.bridge.guard import Forbidden, check_url, is_allowed

PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "::1", "fd12::1"]
PRIVATE += ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1"]
NEVER = ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254"]
NEVER += ["0.0.0.0", "::", "224.0.0.1", "ff0e::1", "::ffff:169.254.169.254", "64:ff9b:1::1"]
NEVER += ["fec0::1", "5f00::1", "not an address", "", "0x7f000001", "2130706433", "0177.0.0.1"]
PRIVATE += ["100.64.0.1", "100.127.255.254"]
NEVER += ["100.100.100.200", "192.0.0.192", "168.63.129.16", "::ffff:168.63.129.16"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address):
    assert (is_allowed(address, False), is_allowed(address, True)) == (True, True)


@pytest.mark.parametrize("address", PRIVATE)
def test_our_own_network_needs_an_operators_word(address):
    assert (is_allowed(address, False), is_allowed(address, True)) == (False, True)


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_allowed(address):
    assert (is_allowed(address, False), is_allowed(address, True)) == (False, False)


def test_a_public_url_gives_host_port_and_tls():
    url = "wss://api.openai.com/v1/realtime?model=x"
    assert check_url(url, False) == ("api.openai.com", 443, True)


@pytest.mark.parametrize(
    "url",
    [
        "ws://api.openai.com/",
        "wss://api.openai.com:8443/",
        "wss://api.openai.com:22/",
        "https://api.openai.com/",
        "unix:///run/redis.sock",
        "wss:///v1",
        "wss://user:pass@api.openai.com/",
        "wss://api.openai.com/#x",
        "wss://api.openai.com:port/",
        "wss://[::1/",
        "",
    ],
)
def test_other_urls_are_forbidden(url):
    with pytest.raises(Forbidden):
        check_url(url, False)


def test_an_operator_may_vouch_for_plain_text_and_any_port():
    assert check_url("ws://localhost:9000/v1", True) == ("localhost", 9000, False)
    assert check_url("ws://localhost/v1", True) == ("localhost", 80, False)


def test_a_refusal_does_not_repeat_the_url():
    with pytest.raises(Forbidden) as caught:
        check_url("wss://user:canary@host/", True)
    assert "canary" not in str(caught.value)
