"""X-Forwarded-*: believed from trusted proxies, hop by hop from the end, and from nobody else."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from bridge import settings
from bridge.web.forwarded import client

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("::1")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "198.51.100.1:5000", "198.51.100.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", ",".join(["10.0.0.9"] * 5_000), "10.0.0.9"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_client_is_the_last_address_that_no_proxy_of_ours_wrote(
    peer: str, forwarded: str | None, expected: str
) -> None:
    given = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = make_mocked_request("GET", "/", headers=given).clone(remote=peer)
    assert client(request, TRUSTED) == expected


def test_the_setting_takes_addresses_and_networks() -> None:
    loaded = settings.load({"BRIDGE_TRUSTED_PROXIES": "10.0.0.0/8, ::1,"})
    assert list(loaded.bridge_trusted_proxies) == TRUSTED


def test_a_wrong_network_names_the_setting() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load({"BRIDGE_TRUSTED_PROXIES": "10.0.0.1/8"})
    assert caught.value.problems == (
        "BRIDGE_TRUSTED_PROXIES: 10.0.0.1/8 is not an address or network such as 10.0.0.0/8",
    )
