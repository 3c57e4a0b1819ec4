"""Where notices may go, and where never."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.notify.addresses import Allowed, NotAllowed, Target, host_entry, parse_url

ALLOWED = Allowed(
    ["oapi.dingtalk.com", "hooks.example.org:8443", "10.1.2.3:8080", "[fd00::1]"], [ipaddress.ip_network("10.9.0.0/16")]
)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://oapi.dingtalk.com/robot/send?a=b", ("https", "oapi.dingtalk.com", 443, "/robot/send?a=b")),
        ("https://OAPI.DingTalk.com:443", ("https", "oapi.dingtalk.com", 443, "/")),
        ("https://hooks.example.org:8443/x", ("https", "hooks.example.org", 8443, "/x")),
        ("https://[fd00:0::1]/x", ("https", "fd00::1", 443, "/x")),
    ],
)
def test_a_listed_host(url: str, target: tuple[str, str, int, str]) -> None:
    assert ALLOWED.url(url) == Target(*target)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.org/", "M002"),
        ("https://oapi.dingtalk.com.evil.org/", "M002"),
        ("https://oapi.dingtalk.com./", "M003"),
        ("https://oapi.dingtalk.com:8443/", "M002"),
        ("https://hooks.example.org/", "M002"),
        ("https://evil.oapi.dingtalk.com/", "M002"),
        ("http://oapi.dingtalk.com/", "M004"),
        ("https://user@oapi.dingtalk.com/", "M003"),
        ("https://oapi.dingtalk.com@evil.org/", "M003"),
        ("https://evil.org\\@oapi.dingtalk.com/", "M003"),
        ("https://evil.org#@oapi.dingtalk.com/", "M003"),
        ("https://oapi.dingtalk.com/#x", "M003"),
        ("https://oapi.dingtalk.com/a b", "M003"),
        ("https://oapi.dingtalk.com/\r\nHost: x", "M003"),
        ("https://oapi。dingtalk。com/", "M003"),
        ("https://oapi.dingtalk.com:0/", "M003"),
        ("https://oapi.dingtalk.com:99999/", "M003"),
        ("file:///etc/passwd", "M003"),
        ("//oapi.dingtalk.com/", "M003"),
        ("", "M003"),
    ],
)
def test_everything_else_is_refused(url: str, code: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        ALLOWED.url(url)
    assert refused.value.code == code


def test_what_is_refused_does_not_tell_the_token() -> None:
    with pytest.raises(NotAllowed) as refused:
        ALLOWED.url("https://example.org/send?access_token=geheim")
    assert "geheim" not in str(refused.value)


def test_plain_only_where_said() -> None:
    assert ALLOWED.url("http://10.1.2.3:8080/x", plain=True).scheme == "http"
    with pytest.raises(NotAllowed):
        ALLOWED.url("http://10.1.2.3:8080/x")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.107.1.1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", True),
        ("10.1.2.4", False),
        ("10.9.255.1", True),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:203.107.1.1", True),
        ("::ffff:10.9.0.1", True),
        ("fd00::1", True),
        ("fd00::2", False),
        ("2400:3200::1", True),
    ],
)
def test_addresses(address: str, allowed: bool) -> None:
    assert ALLOWED.address(ipaddress.ip_address(address)) is allowed


@pytest.mark.parametrize(
    "entry", ["", "a b", "https://x.org", "x.org/", "x.org:0", "x.org:70000", "*.x.org", "用户.cn"]
)
def test_entries_that_are_no_hosts(entry: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        host_entry(entry)
    assert refused.value.code == "M001"


@given(st.text() | st.text(alphabet="https:/@[]#?.abc0%\\ "))
def test_a_url_is_read_or_refused(text: str) -> None:
    try:
        target = parse_url(text, plain=True)
    except NotAllowed:
        return
    assert target.scheme in ("http", "https")
    assert target.host
    assert target.path.startswith("/")
