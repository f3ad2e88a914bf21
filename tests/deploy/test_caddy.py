"""The Caddyfile under a real Caddy, where one is installed: what stays inside, and what its log tells."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

CADDYFILE = Path(__file__).parents[2] / "deploy" / "Caddyfile"
CADDY = shutil.which("caddy")

pytestmark = pytest.mark.skipif(CADDY is None, reason="Caddy is not installed")


def free_port() -> int:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.fixture
def caddy(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Its address and its log. It speaks HTTP here, and no bridge is behind it."""
    port = free_port()
    text = CADDYFILE.read_text("utf-8").replace("{$DOMAIN} {", f"http://127.0.0.1:{port} {{")
    text = text.replace("{\n", "{\n\tadmin off\n", 1).replace("bridge:8080", f"127.0.0.1:{free_port()}")
    (tmp_path / "Caddyfile").write_text(text, encoding="utf-8")
    log = tmp_path / "log"
    command = [str(CADDY), "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    environment = {name: str(tmp_path) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, env=environment)
    try:
        _wait(port, process, log)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(120)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1_200):
        assert process.poll() is None, log.read_text("utf-8")
        with closing(socket.socket()) as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(log.read_text("utf-8"))


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_feed_address_is_not_in_the_log_when_the_bridge_is_away(caddy: tuple[str, Path]) -> None:
    address, log = caddy
    assert status(f"{address}/feeds/sesame.ics") == 502
    for _ in range(1_200):
        if "http.log.error" in log.read_text("utf-8"):
            break
        time.sleep(0.1)
    assert "http.log.error" in log.read_text("utf-8")
    assert "sesame" not in log.read_text("utf-8")


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "//metrics", "/METRICS"])
def test_what_is_for_operators_stays_inside(caddy: tuple[str, Path], path: str) -> None:
    assert status(caddy[0] + path) == 404
