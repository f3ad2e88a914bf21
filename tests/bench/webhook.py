"""Acknowledging beside Debian's `webhook`, on the same bodies: HMAC checked, `/bin/true` run.

It answers when the command has ended, as the bridge does when the event is on disk. It stores nothing.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.sandbox.copera import SECRET
from tests.bench import load
from tests.bench.acknowledging import CONNECTIONS, measure
from tests.bench.delivering import channels, with_rules
from tests.bench.figures import Figure
from tests.bench.processes import serving, slack

WHAT = f"events acknowledged, {CONNECTIONS} connections, whole service ÷ Debian's `webhook`"
HOOK = {
    "id": "copera",
    "execute-command": "/bin/true",
    "include-command-output-in-response": True,
    "success-http-response-code": 202,
    "trigger-rule": {
        "match": {
            "type": "payload-hmac-sha256",
            "secret": SECRET,
            "parameter": {"source": "header", "name": "X-Copera-Signature"},
        }
    },
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@contextmanager
def webhook(program: str) -> Iterator[int]:
    """Debian's server in a process of its own; its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        hooks = Path(folder) / "hooks.json"
        hooks.write_text(json.dumps([HOOK]), encoding="utf-8")
        place = ["-ip", "127.0.0.1", "-port", str(port), "-urlprefix", "webhooks"]
        command = [program, "-hooks", str(hooks), *place]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _wait(port: int) -> None:
    """Until the port is listened on."""
    for _ in range(100):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


def _both(program: str) -> tuple[load.Result, load.Result]:
    with (
        tempfile.TemporaryDirectory() as folder,
        slack("--no-limits", *channels()) as api,
        serving("service", with_rules(folder), api) as port,
    ):
        ours = measure(port, "w")
    with webhook(program) as port:
        theirs = measure(port, "w")
    assert set(ours.statuses) == set(theirs.statuses) == {202}, (ours.statuses, theirs.statuses)
    return ours, theirs


def bench() -> list[Figure]:
    """The ratio, of one round each, or how to get it."""
    program = shutil.which("webhook")
    if program is None:
        return [Figure(WHAT, "not measured", "not installed: apt-get install webhook")]
    mine, his = (result.rate for result in _both(program))
    return [Figure(WHAT, f"{mine / his:.2f}", f"{mine:,.0f}/s, webhook {his:,.0f}/s")]


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
