"""X-Forwarded-*: believed from trusted proxies, hop by hop from the end, and from nobody else."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from bridge import settings
from bridge.web.forwarded import Client, client

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("::1")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "proto", "expected"),
    [
        ("203.0.113.9", "198.51.100.1", "https", ("203.0.113.9", "http")),
        ("10.0.0.1", None, None, ("10.0.0.1", "http")),
        ("10.0.0.1", "198.51.100.1", "https", ("198.51.100.1", "https")),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "https", ("198.51.100.1", "https")),
        ("10.0.0.1", "198.51.100.1, 10.0.0.7", "https", ("198.51.100.1", "https")),
        ("10.0.0.1", "10.0.0.8, 10.0.0.7", "https", ("10.0.0.8", "https")),
        ("10.0.0.1", "nonsense", "gopher", ("10.0.0.1", "http")),
        ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.7", "https", ("10.0.0.7", "https")),
        ("10.0.0.1", "[2001:db8::1]:443", "HTTPS", ("2001:db8::1", "https")),
        ("10.0.0.1", "198.51.100.1:5000", "https,http", ("198.51.100.1", "http")),
        ("::1", "2001:db8::1", "https", ("2001:db8::1", "https")),
        ("::ffff:10.0.0.1", "198.51.100.1", "https", ("198.51.100.1", "https")),
        ("10.0.0.1", ",".join(["10.0.0.9"] * 5_000), "https", ("10.0.0.9", "https")),
        ("", "198.51.100.1", "https", ("", "http")),
    ],
)
def test_the_client_is_the_last_address_that_no_proxy_of_ours_wrote(
    peer: str, forwarded: str | None, proto: str | None, expected: tuple[str, str]
) -> None:
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": proto}
    given = {name: value for name, value in headers.items() if value is not None}
    request = make_mocked_request("GET", "/", headers=given).clone(remote=peer)
    assert client(request, TRUSTED) == Client(*expected)


def test_the_setting_takes_addresses_and_networks() -> None:
    loaded = settings.load({"BRIDGE_TRUSTED_PROXIES": "10.0.0.0/8, ::1,"})
    assert list(loaded.bridge_trusted_proxies) == TRUSTED


def test_a_wrong_network_names_the_setting() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load({"BRIDGE_TRUSTED_PROXIES": "10.0.0.1/8"})
    assert caught.value.problems == (
        "BRIDGE_TRUSTED_PROXIES: 10.0.0.1/8 is not an address or network such as 10.0.0.0/8",
    )
