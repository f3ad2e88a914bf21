"""`booking-bridge doctor` as a person runs it: its exit status, its JSON, its one message."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bridge import settings
from bridge.doctor.network import examine_address
from tests.doctor.conftest import RULES, World
from tests.forked import command

pytestmark = pytest.mark.no_cover  # what it is about runs in processes of its own


async def run(world: World, *arguments: str, **more: str) -> tuple[int, str, str]:
    """Exit status, output and errors of the command."""
    (world.folder / "rules.yaml").write_text(world.rules)
    environment = {**_outer(), **world.environment, **more}
    done = await asyncio.to_thread(  # it ends with its wait, and leaves nothing to the next test's loop
        command, "doctor", *arguments, environment=environment, folder=world.folder
    )
    return done.returncode, done.stdout, done.stderr


async def run_anew(world: World, **more: str) -> tuple[int, str]:
    """Exit status and output of the command in a Python of its own."""
    (world.folder / "rules.yaml").write_text(world.rules)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", "from bridge.cli import main; main()", "doctor"],
        env={**_outer(), **world.environment, **more},
        cwd=world.folder,
        capture_output=True,
        timeout=300,
    )
    return done.returncode, done.stdout.decode()


def _outer() -> dict[str, str]:
    here = str(Path(__file__).parents[2])
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BRIDGE", "COPERA", "SLACK"))
    }
    return {**kept, "PYTHONPATH": here}


async def test_a_healthy_bridge_ends_with_0(world: World) -> None:
    status, out = await run_anew(world, PYTHONIOENCODING="utf-8")
    assert status == 0
    assert "✓ channel: #sales (rule sales): the app is a member and can post\n" in out
    assert "✗" not in out


async def test_a_problem_ends_with_1_and_its_remedy(world: World) -> None:
    world.rules = RULES.replace("#sales", "#sails")
    status, out, _ = await run(world)
    assert status == 1
    assert "✗ channel: #sails (rule sales): the app sees no such channel\n    → correct the name" in out


async def test_wrong_settings_end_with_2(world: World) -> None:
    status, out, err = await run(world, BRIDGE_SECRET="short", BRIDGE_PORT="http")
    assert (status, out) == (2, "")
    assert "BRIDGE_SECRET: expected 32 characters or more" in err
    assert "BRIDGE_PORT: expected a whole number" in err


async def test_json_is_for_programs(world: World) -> None:
    world.slack.revoke_token()
    status, out, _ = await run(world, "--json")
    found = json.loads(out)
    assert (status, found["ok"]) == (1, False)
    assert [one for one in found["findings"] if one["state"] == "problem"] == [
        {
            "part": "Slack",
            "state": "problem",
            "says": "token_revoked",
            "remedy": "check SLACK_BOT_TOKEN, or install the app in the workspace again",
        }
    ]


async def test_a_terminal_without_marks_gets_letters(world: World) -> None:
    status, out = await run_anew(world, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert status == 0
    assert "+ directory: 3 members" in out


@pytest.mark.parametrize(
    ("place", "channel"),
    [("#sales", "sales"), ("@lead@example.com", "lead@example.com"), ("webhook:OPS", "bookings")],
)
async def test_say_posts_one_message(world: World, place: str, channel: str) -> None:
    """Only with --say, only one, only there."""
    address = world.slack.webhook_url("ops", "bookings")
    status, out, _ = await run(world, "--say", place, SLACK_WEBHOOK_OPS=address)
    assert status == 0
    assert "✓ test message: posted to " in out
    assert world.slack.posted == 1
    assert len(world.slack.messages(channel)) == 1


async def test_say_that_fails_says_why(world: World) -> None:
    status, out, _ = await run(world, "--say", "#nowhere")
    assert status == 1
    assert "✗ test message: #nowhere: channel_not_found\n    → check the name" in out


async def test_say_to_nobody_says_so(world: World) -> None:
    status, out, _ = await run(world, "--say", "@nobody@example.com")
    assert status == 1
    assert "✗ test message: @nobody@example.com: Slack knows nobody by it\n    → correct" in out


@pytest.mark.parametrize("place", ["@host", "a channel"])
async def test_say_to_no_place_is_wrong_use(world: World, place: str) -> None:
    """Told at once, before anybody is asked anything."""
    status, out, err = await run(world, "--say", place)
    assert (status, out) == (2, "")
    assert "--say" in err
    assert world.slack.posted == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_a_certificate_that_nobody_signed_is_named(world: World) -> None:
    """HTTPS counts only with a certificate that Copera would take."""
    files = [world.folder / "key.pem", world.folder / "certificate.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run(
        [*command, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True, timeout=120
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files[1], files[0])
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        finding = await examine_address(session, settings.load({"BRIDGE_PUBLIC_URL": url}))
    await runner.cleanup()
    assert finding.state == "problem"
    assert finding.says.startswith(f"{url}: the certificate is not valid: ")
    assert finding.remedy == "renew it, or let Caddy get one (see deploy/)"
