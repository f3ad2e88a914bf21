"""The doctor on a bridge with exactly one thing broken: it names that thing and the remedy."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.database.upgrade import wanted
from bridge.doctor.findings import Finding
from bridge.sandbox.faults import Drop, Refuse
from bridge.sandbox.slack_workspace import SCOPES
from tests import postgres
from tests.doctor.conftest import World

REMEDY_HTTPS = "Copera sends to public HTTPS addresses only: set BRIDGE_PUBLIC_URL to one (deploy/ has Caddy)"
LOCAL = f"! public address: PUBLIC leads to the bridge on this machine or network only → {REMEDY_HTTPS}"
"""Stand-ins are reached without HTTPS, so every examination here has this notice."""

HEAD = wanted()
MARKS = {"ok": "✓", "notice": "!", "problem": "✗"}

Change = Callable[[World], object]


def line(finding: Finding, world: World) -> str:
    remedy = f" → {finding.remedy}" if finding.remedy else ""
    return world.plain(f"{MARKS[finding.state]} {finding.part}: {finding.says}{remedy}")


def without(*scopes: str) -> Callable[[World], None]:
    return lambda world: world.slack.grant(set(SCOPES) - set(scopes))


def granted(*scopes: str) -> Callable[[World], None]:
    return lambda world: world.slack.grant({*SCOPES, *scopes})


def group(handle: str, group_id: str = "S0LEADS01", *, disabled: bool = False) -> Callable[[World], None]:
    """The rules mention S0LEADS01, and the workspace has this group."""

    def change(world: World) -> None:
        world.slack.add_group(handle, group_id, disabled=disabled)
        rules("lead@example.com", "S0LEADS01")(world)

    return change


def setting(name: str, value: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.environment.pop(name, None)
        if value:
            world.environment[name] = value

    return change


def channel(name: str, **changes: bool) -> Callable[[World], None]:
    def change(world: World) -> None:
        for key, value in changes.items():
            setattr(world.slack.channel(name), key, value)

    return change


def rules(old: str, new: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.rules = world.rules.replace(old, new)

    return change


def addition(text: str) -> Callable[[World], None]:
    return lambda world: setattr(world, "rules", world.rules + text)


def sql(statement: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        with sqlite3.connect(world.file) as connection:
            connection.execute(statement)
        connection.close()

    return change


def all_of(*changes: Callable[[World], None]) -> Callable[[World], None]:
    def change(world: World) -> None:
        for one in changes:
            one(world)

    return change


def leave(world: World) -> None:
    """Somebody leaves the company: Slack keeps them, deactivated."""
    user = world.slack.workspace.user_by_email("host1@example.com")
    assert user is not None
    world.slack.add_user(user.name, user.email, user.id, deleted=True)


def key(world: World) -> None:
    """An integration key instead of a personal token."""
    world.environment["COPERA_API_TOKEN"] = "cp_key_1"
    world.copera.add_token("cp_key_1")


def pipe(world: World) -> None:
    """Which a reader would wait for, for ever."""
    world.environment["BRIDGE_RULES"] = str(world.folder / "pipe")
    os.mkfifo(world.folder / "pipe")


def elsewhere(world: World) -> None:
    world.environment["COPERA_API_URL"] = world.copera.url + "/v9"


BROKEN: dict[str, Change] = {
    "setting misspelt": setting("BRIDGE_RETENTION_DAY", "3"),
    "rules gone": setting("BRIDGE_RULES", "/nowhere/rules.yaml"),
    "rules a pipe": pipe,
    "rules wrong": rules("post: {to: C0HIRING1}", "stop: yes please"),
    "database gone": lambda world: world.file.unlink(),
    "database down": setting("BRIDGE_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/bridge"),
    "database of a later version": sql("UPDATE alembic_version SET version_num = '9999'"),
    "database empty": lambda world: world.file.write_bytes(b""),
    "database no database": lambda world: world.file.write_bytes(b"no database" * 1000),
    "nothing received": sql("DELETE FROM events"),
    "not understood": sql("UPDATE events SET state = 'unrecognised'"),
    "Copera token missing": setting("COPERA_API_TOKEN", ""),
    "Copera token expired": lambda world: world.copera.expire_token(world.copera.token),
    "Copera scope missing": lambda world: world.copera.add_token(world.copera.token, []),
    "Copera directory closed": key,
    "Copera down": lambda world: setattr(world.copera, "fault", Drop()),
    "Copera failing": lambda world: setattr(world.copera, "fault", Refuse("503")),
    "Copera address wrong": elsewhere,
    "clock ahead": lambda world: setattr(world, "clock_error", timedelta(minutes=60)),
    "Slack token wrong": setting("SLACK_BOT_TOKEN", "xoxb-other"),
    "Slack token revoked": lambda world: world.slack.revoke_token(),
    "Slack down": lambda world: world.slack.fail_next("auth.test", Drop()),
    "Slack address wrong": setting("SLACK_API_URL", "http://127.0.0.1:1/api/"),
    "scope chat:write": without("chat:write"),
    "scope channels:read": without("channels:read"),
    "scope channels:history": without("channels:history"),
    "scope groups:history": without("groups:history"),
    "scope im:history": without("im:history"),
    "scope im:write": without("im:write"),
    "scope users:read": without("users:read"),
    "scope users:read.email": without("users:read.email"),
    "channel in two ways": rules('"#sales", "@host"', '"#sales", C0SALES01, "@host"'),
    "channel misspelt": rules("#sales", "#sails"),
    "channel archived": channel("sales", archived=True),
    "channel not joined": channel("sales", is_member=False),
    "channel not joined, no scope": all_of(channel("sales", is_member=False), without("chat:write.public")),
    "private channel not joined": channel("C0HIRING1", is_member=False),
    "host who left": leave,
    "host with an id of nobody": addition("people: {665f7e034b6f9b22a6970d3d: {slack: U0NOBODY1}}\n"),
    "mention unknown to Slack": rules("lead@example.com", "gone@example.com"),
    "mention of an id of nobody": rules("lead@example.com", "U0NOBODY1"),
    "group, no scope": group("sales-leads"),
    "group of nobody": all_of(group("x", "S0OTHER01"), granted("usergroups:read")),
    "group disabled": all_of(group("sales-leads", disabled=True), granted("usergroups:read")),
    "groups not listed": all_of(
        group("x"), lambda world: world.slack.fail_next("usergroups.list", Refuse("fatal_error"))
    ),
    "destination that is nobody": rules('"@host"', "U0NOBODY1"),
    "address without HTTPS": setting("BRIDGE_PUBLIC_URL", "http://bridge.invalid"),
    "address of nobody": setting("BRIDGE_PUBLIC_URL", "http://127.0.0.1:1"),
    "address of something else": lambda world: setattr(world, "health", 502),
}


def _cases(text: str) -> dict[str, list[str]]:
    """By name what is expected; a case is its name, then its lines."""
    cases = [case.splitlines() for case in text.strip().split("\n\n")]
    return {case[0].removeprefix("# "): case[1:] for case in cases}


EXPECTED = _cases(Path(__file__).with_name("broken.txt").read_text().replace("HEAD", HEAD))


async def test_all_is_well(world: World) -> None:
    """Everything in order: a line for each part, and only the address of a test is worth a notice."""
    found = [line(finding, world) for finding in await world.findings()]
    assert found[1].startswith("✓ rules: FOLDER/rules.yaml: 2 rules, valid (file ")
    assert found[2].startswith("✓ disk: ")
    assert found[5].startswith("✓ last webhook: received 0 min ago, ")
    assert [*found[:1], *found[3:5], *found[6:]] == [
        "✓ settings: 9 set, 10 by default",
        "✓ database: sqlite, writable, migrated to " + HEAD,
        "✓ deliveries: 0 waiting, 0 being sent, 0 dead",
        "✓ Copera: the token reads bookings: 10 from 7 days back to 30 days ahead",
        "✓ directory: 3 members",
        "✓ clock: right, by 127.0.0.1",
        "✓ Slack: the token is booking-bridge's in the workspace Sandbox",
        "✓ Slack scopes: all that the bridge uses are granted",
        "✓ channel: #sales (rule sales): the app is a member and can post",
        "✓ channel: C0HIRING1 (rule secret) #hiring: the app is a member and can post",
        "✓ channel: #bookings (otherwise): the app is a member and can post",
        "✓ people: 4 are found in Slack",
        LOCAL,
    ]
    assert world.slack.posted == 0


@pytest.mark.parametrize("name", BROKEN)
async def test_one_broken_thing_is_named_with_its_remedy(world: World, name: str) -> None:
    """Nothing else is blamed, and nothing is posted."""
    BROKEN[name](world)
    found = [line(finding, world) for finding in await world.findings()]
    bad = [one for one in found if not one.startswith("✓") and one != LOCAL]
    assert bad == EXPECTED[name]
    assert world.slack.posted == 0


async def test_a_group_that_is_there_is_named(world: World) -> None:
    """With the scope granted, by the name that people know it by."""
    all_of(group("sales-leads"), granted("usergroups:read"))(world)
    found = [line(finding, world) for finding in await world.findings()]
    assert "✓ user groups: S0LEADS01 (rule sales): is @sales-leads" in found


def test_every_case_is_played() -> None:
    assert list(EXPECTED) == list(BROKEN)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (50 * 2**20, "✗ disk: 0.0 GiB free at FOLDER → make room: without it events are refused, and lost"),
        (500 * 2**20, "! disk: 0.5 GiB free at FOLDER → make room soon"),
        (2 * 2**30, "✓ disk: 2.0 GiB free at FOLDER"),
    ],
)
async def test_little_space_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, free: int, expected: str
) -> None:
    usage = shutil.disk_usage(world.folder)._replace(free=free)
    monkeypatch.setattr("bridge.doctor.database.shutil.disk_usage", lambda folder: usage)
    found = [line(finding, world) for finding in await world.findings()]
    assert found[2].startswith(expected)


async def test_a_dotenv_that_others_can_read_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.folder)
    file = world.folder / ".env"
    file.touch(mode=0o600)
    file.chmod(0o644)
    said = "! settings: .env, with its secrets, can be read by others → chmod 600 .env"
    assert said in [line(finding, world) for finding in await world.findings()]
    file.chmod(0o600)
    assert said not in [line(finding, world) for finding in await world.findings()]


async def test_no_secret_is_shown(world: World) -> None:
    """Whatever is wrong, no line holds a token, a secret or a password."""
    setting("BRIDGE_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/bridge")(world)
    world.slack.revoke_token()
    world.copera.expire_token(world.copera.token)
    said = " ".join(line(finding, world) for finding in await world.findings())
    for secret in ("hunter2", world.slack.token, world.copera.token, "0" * 32):
        assert secret not in said


async def test_postgresql_is_asked_like_sqlite(world: World, postgres_server: postgres.Server) -> None:
    """Migrated and writable; one that only reads is named."""
    url = await asyncio.to_thread(postgres_server.new_database)
    setting("BRIDGE_DATABASE_URL", url)(world)
    found = [line(finding, world) for finding in await world.findings()]
    assert f"✓ database: postgresql, writable, migrated to {HEAD}" in found
    name = url.rpartition("/")[2]
    statement = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    await asyncio.to_thread(postgres_server.execute, statement)
    found = [line(finding, world) for finding in await world.findings()]
    assert [one for one in found if one.startswith("✗")] == [
        "✗ database: postgresql: cannot execute UPDATE in a read-only transaction → see that the database"
        " runs, that BRIDGE_DATABASE_URL names it and that it can be written"
    ]


async def test_webhooks_alone_need_no_token(world: World) -> None:
    """Rules that post to incoming webhooks only are in order without SLACK_BOT_TOKEN."""
    world.rules = "version: 1\notherwise:\n  post: {to: webhook:OPS}\n"
    setting("SLACK_BOT_TOKEN", "")(world)
    setting("SLACK_WEBHOOK_OPS", world.slack.webhook_url("ops", "bookings"))(world)
    found = [line(finding, world) for finding in await world.findings()]
    said = "✓ Slack: SLACK_BOT_TOKEN is not set, and the rules post to incoming webhooks only"
    assert said in found
    assert [one for one in found if not one.startswith("✓")] == [LOCAL]
