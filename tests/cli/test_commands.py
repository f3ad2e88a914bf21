"""The commands as a person runs them: exact output, and the exit status."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import tomllib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.cli.common import local
from bridge.cli.deliveries import not_retried, summary, waits_for
from bridge.core.reading import read_envelope
from bridge.database import open_database
from bridge.store.delivery import Attempt
from bridge.store.gate_policy import EDITS, TOKEN, WORKSPACE, Gate
from bridge.store.history import DeliveryRecord
from bridge.store.intake import Intake
from tests import payloads
from tests.cli.conftest import Run
from tests.forked import command
from tests.test_readme import commands

GOOD = 'version: 1\nrules: [{post: {to: "#sales"}}]\n'
BAD = 'version: 1\nrules: [{posst: {to: "#sales"}}]\n'
HOOK = 'version: 1\nrules: [{post: {to: "webhook:OPS"}}]\n'
HOST = 'version: 1\nrules: [{post: {to: "@host"}}]\n'
OPS = {"SLACK_WEBHOOK_OPS": "https://hooks.slack.com/services/T/B/X"}
TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1", "COPERA_API_TOKEN": "cp_pat_1"}
BROKEN = {"BRIDGE_PORT": "http", "BRIDGE_SECRET": "short", "BRIDGE_DATABASE_URL": "nothing"}
PLACE = "rules.yaml:2:21: "
NO_HOOK = "rules[0].post.to: the webhook 'OPS' is not configured; set SLACK_WEBHOOK_OPS"
NO_HOST = "rules[0].post.to: no host can be found in Slack; add e-mails or Slack ids under `people`"

CHECKS: dict[str, tuple[str, dict[str, str], int, list[str]]] = {
    "good": (GOOD, {}, 0, ["rules.yaml: no problems"]),
    "good, settings broken": (GOOD, BROKEN, 0, ["rules.yaml: no problems"]),
    "webhook, nothing set up": (HOOK, {}, 0, [f"{PLACE}warning: {NO_HOOK}", "1 warning"]),
    "webhook, none there": (HOOK, TOKENS, 1, [PLACE + NO_HOOK, "1 problem"]),
    "webhook, settings broken": (HOOK, BROKEN, 1, [PLACE + NO_HOOK, "1 problem"]),
    "webhook there": (HOOK, OPS, 0, ["rules.yaml: no problems"]),
    "webhook there, settings broken": (HOOK, OPS | BROKEN, 0, ["rules.yaml: no problems"]),
    "host, nothing set up": (HOST, {}, 0, ["rules.yaml: no problems"]),
    "host, one token": (HOST, {"SLACK_BOT_TOKEN": "xoxb-1"}, 0, [f"{PLACE}warning: {NO_HOST}", "1 warning"]),
    "host, both tokens": (HOST, TOKENS, 0, ["rules.yaml: no problems"]),
    "host, settings broken": (HOST, TOKENS | BROKEN, 0, ["rules.yaml: no problems"]),
}


@pytest.mark.parametrize("name", CHECKS)
def test_check(name: str, tmp_path: Path, run: Run) -> None:
    """What the environment knows decides about webhooks and hosts; broken settings decide nothing else."""
    text, variables, status, expected = CHECKS[name]
    (tmp_path / "rules.yaml").write_text(text)
    found, out, err = run("check", **variables)
    assert (found, out.splitlines(), err) == (status, expected, "")


def test_check_reads_the_file_that_is_meant(tmp_path: Path, run: Run) -> None:
    """Never rules.yaml instead, whatever is wrong with other settings; the answer names the file."""
    (tmp_path / "rules.yaml").write_text(BAD)
    (tmp_path / "other.yaml").write_text(GOOD)
    assert run("check", BRIDGE_RULES="other.yaml", **BROKEN) == (0, "other.yaml: no problems\n", "")
    assert run("check", "other.yaml") == (0, "other.yaml: no problems\n", "")
    missing = "booking-bridge: gone.yaml: No such file or directory\n"
    assert run("check", BRIDGE_RULES="gone.yaml", **BROKEN) == (2, "", missing)
    wrong = "booking-bridge: SLACK_WEBHOOK_OPS: expected the address of a Slack incoming webhook\n"
    assert run("check", SLACK_WEBHOOK_OPS="x", **BROKEN) == (2, "", wrong)


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [(GOOD, 0, "stdin: no problems"), (BAD, 1, "stdin:2:10: rules[0]: unknown key 'posst'")],
)
def test_check_reads_standard_input(
    text: str, status: int, said: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a hook of a version control system hands over what is to be committed."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    found, out, err = run("check", "-")
    assert (found, err) == (status, "")
    assert out.startswith(said)


def test_wrong_settings_are_told_at_once(run: Run) -> None:
    status, out, err = run("events", "list", **BROKEN)
    assert (status, out) == (2, "")
    assert err.splitlines() == [
        "booking-bridge: BRIDGE_DATABASE_URL: expected sqlite:///FILE or"
        " postgresql://USER:PASSWORD@HOST/DATABASE",
        "booking-bridge: BRIDGE_PORT: expected a whole number",
        "booking-bridge: BRIDGE_SECRET: expected 32 characters or more",
    ]


def test_a_database_that_is_not_there(run: Run) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/bridge"
    said = "booking-bridge: BRIDGE_DATABASE_URL: cannot reach PostgreSQL at 127.0.0.1:1: Connection refused\n"
    assert run("events", "list", BRIDGE_DATABASE_URL=url) == (1, "", said)


def test_the_last_event_needs_a_database(tmp_path: Path, run: Run) -> None:
    """Wrong settings are not the same as no event."""
    (tmp_path / "rules.yaml").write_text(GOOD)
    said = "booking-bridge: BRIDGE_PORT: expected a whole number\n"
    assert run("explain", "--last", BRIDGE_PORT="http") == (2, "", said)


def test_send_says_what_the_bridge_will_not_understand(tmp_path: Path, run: Run) -> None:
    """The short form that `explain` takes, for one."""
    file = tmp_path / "event.json"
    file.write_text('{"event": "created", "data": {"bookingTypeTitle": "Intro"}}', encoding="utf-8")
    status, _, errors = run(
        "send", str(file), "--url", "http://127.0.0.1:1/x", COPERA_WEBHOOK_SECRETS="whsec-1"
    )
    assert status == 1
    assert f"{file}: will be kept as unrecognised: data.id: expected text, got nothing" in errors


def test_what_is_unknown_is_said_with_a_way_on(migrated_file: Path, run: Run) -> None:
    status, _, errors = run("events", "show", "nothing", BRIDGE_DATABASE_URL=f"sqlite:///{migrated_file}")
    assert status == 1
    assert "nothing is known of 'nothing'; `booking-bridge events list` shows" in errors


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x/", "http://x:port/", "http://[x", "nothing"])
def test_send_to_no_address_is_wrong_use(tmp_path: Path, run: Run, url: str) -> None:
    (tmp_path / "event.json").write_bytes(payloads.body())
    status, out, err = run("send", "event.json", "--url", url, COPERA_WEBHOOK_SECRETS="whsec-1")
    assert (status, out) == (2, "")
    assert "Invalid value for --url" in err


def test_secrets_with_nothing_in_them_are_missing(tmp_path: Path, run: Run) -> None:
    (tmp_path / "event.json").write_bytes(payloads.body())
    said = (
        "booking-bridge: COPERA_WEBHOOK_SECRETS is missing:"
        " the signing secret of the webhook subscription in Copera\n"
    )
    assert run("send", "event.json", COPERA_WEBHOOK_SECRETS=",") == (2, "", said)


async def _receive(file: Path) -> str:
    database = await open_database(f"sqlite:///{file}")
    intake = Intake(database)
    storing = asyncio.create_task(intake.run())
    body = payloads.body()
    await intake.accept(read_envelope(body), body, "1", "webhook", datetime.now(UTC))
    storing.cancel()
    await database.close()
    return str(json.loads(body)["data"]["id"])


def test_a_table_has_whole_lines_for_grep(tmp_path: Path, migrated_file: Path, run: Run) -> None:
    """However narrow the terminal is: the booking's id and the event's stand in one line, unshortened."""
    shutil.copy(migrated_file, tmp_path / "bridge.db")
    booking = asyncio.run(_receive(tmp_path / "bridge.db"))
    _, found, _ = run("events", "list", "--json")
    event = json.loads(found)[0]
    status, out, _ = run("events", "list")
    heads, line = out.splitlines()
    assert status == 0
    assert heads.split() == ["received", "event", "state", "booking", "id", "problem"]
    assert line.split()[3:] == [event["name"], "received", booking, event["id"]]
    assert line.index(booking) == heads.index("booking")


def python(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), **more}
    encoding = more.get("PYTHONIOENCODING", "utf-8")
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, encoding=encoding, timeout=120
    )


def test_retry_says_which_ids_are_unknown(tmp_path: Path, migrated_file: Path, run: Run) -> None:
    """Each id by name, once, with where to find the right ones; the status says that it failed."""
    url = f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'bridge.db')}"
    code, said, errors = run("deliveries", "retry", "nope", "nix", "nope", BRIDGE_DATABASE_URL=url)
    assert (code, said) == (1, "0 to be tried again by the running bridge\n")
    assert errors.splitlines() == [
        f"booking-bridge: there is no delivery {each!r}; "
        "`booking-bridge deliveries list --state dead` shows the ids"
        for each in ("nope", "nix")
    ]
    assert run("deliveries", "retry", "--all", BRIDGE_DATABASE_URL=url)[0] == 0


def test_retry_says_which_deliveries_are_not_dead() -> None:
    """The state of those that are there is told, and nothing of those that are tried."""
    at = datetime(2026, 7, 6, tzinfo=UTC)
    found = [
        DeliveryRecord(name, "e", "b", "#a", "r", "card", state, 1, at, "", "", "", "", at, None)
        for name, state in (("d1", "dead"), ("d2", "sent"), ("d3", "waiting"), ("d4", "dead"))
    ]
    assert not_retried(["d1", "d2", "d3", "d4"], found, {"d4"}) == [
        "delivery 'd2' is sent; only those that are dead or wait are tried again",
        "delivery 'd4' has nothing to tell: its event was erased after the retention",
    ]


def test_the_list_says_whose_delivery_it_is_and_when_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the zone's name beside every time."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    at = datetime(2026, 7, 6, tzinfo=UTC)
    common = ("d", "e", "b7", "#a", "r", "card")
    why = "http_502: wait"
    try:
        waits = DeliveryRecord(*common, "waiting", 2, at, "", "", "http_502", why, at, None)
        waiting = summary(waits, waits=waits_for(waits, {}, at - timedelta(minutes=1)))
        sent = summary(DeliveryRecord(*common, "sent", 1, at, "C1", "1.0", "", "", at, at))
        calls = (Attempt(at, "webhook", "http_500", 2), Attempt(at, "webhook", "ok", 3))
        hook = DeliveryRecord(
            *common[:3], "webhook:OPS", *common[4:], "sent", 2, at, "", "", "", "", at, at, calls
        )
        posted = summary(hook)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert waiting == [
        "d  waiting  #a  by r  2026-07-06 09:00:00 JST  booking b7",
        "  http_502: wait",
        "  to be tried at 2026-07-06 09:00:00 JST",
    ]
    assert sent == ["d  sent     #a  by r  2026-07-06 09:00:00 JST  booking b7", "  message C1 1.0"]
    assert posted[1:] == ["  2026-07-06 09:00:00 JST webhook: ok, 3 ms"]


def test_the_version_is_what_is_installed_and_deployed(run: Run) -> None:
    """One number, wherever it stands."""
    root = Path(__file__).parents[2]
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert run("--version") == (0, f"booking-bridge {version}\n", "")
    assert f"/booking-bridge:{version}\n" in (root / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")


def test_the_help_gives_no_flag_a_value(run: Run) -> None:
    """`--json <bool>` would be tried as `--json true`, and refused. What a user replaces is in capitals."""
    for name in commands():
        status, out, _ = run(*name.split(), "--help", COLUMNS="200")
        assert status == 0
        assert "<bool>" not in out
        assert re.findall(r"\{[a-z_]+\}", out) == []


@pytest.mark.parametrize("begun", ["bridge.cli.command_line", "bridge.settings.load"])
def test_ctrl_c_while_a_command_starts_is_no_error(
    begun: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """A shell's status for it, and no traceback."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(begun, interrupt)
    assert run("events", "list") == (130, "", "")


def test_a_terminal_without_the_letters_gets_others(tmp_path: Path) -> None:
    """A "…", a "✗" or somebody's name ends no command and no log line; JSON loses nothing."""
    encoding = "latin-1"
    (tmp_path / "rules.yaml").write_text(
        'version: 1\nrules: [{post: {to: "#a", mention: Łukasz}}]\n', "utf-8"
    )
    start = ("-c", "from bridge.cli import main; main()", "check", str(tmp_path / "rules.yaml"))
    said = python(*start, PYTHONIOENCODING=encoding)
    assert (said.returncode, said.stderr) == (1, "")
    assert "'?ukasz' cannot be mentioned" in said.stdout
    problems = json.loads(python(*start, "--json", PYTHONIOENCODING=encoding).stdout)
    assert "'Łukasz' cannot be mentioned" in json.dumps(problems, ensure_ascii=False)


def test_ctrl_c_is_heard_before_the_first_module_that_takes_long() -> None:
    """Where the command is defined, nothing is loaded that a person could interrupt outside of `main`."""
    code = (
        "import sys, bridge.cli\n"
        "print(sorted({'typer', 'pydantic', 'rich', 'yaml', 'structlog'} & sys.modules.keys()))"
    )
    assert python("-c", code).stdout == "[]\n"


def test_the_list_says_what_a_delivery_waits_for() -> None:
    """A refused token, a limit or an outage by its reason, once; else when its turn comes."""
    now = datetime.now(UTC)
    soon, later = now + timedelta(seconds=5), now + timedelta(minutes=5)
    refused = Gate(TOKEN, now, failures=1, reason="token_revoked: check it")
    limited = Gate(WORKSPACE, soon, reason="ratelimited: wait")
    failing = Gate("#a", soon, failures=2, reason="http_502: wait")
    paced = Gate("#a", later)

    def waits(*gates: Gate, next_at: datetime = now, destination: str = "#a", problem: str = "") -> str:
        common = (
            "d",
            "e",
            "b",
            destination,
            "r",
            "card",
            "waiting",
            1,
            next_at,
            "",
            "",
            "",
            problem,
            now,
            None,
        )
        return waits_for(DeliveryRecord(*common), {gate.key: gate for gate in gates}, now)

    assert waits() == "due now: sent when its turn comes"
    assert waits(next_at=soon) == f"to be tried at {local(soon)}"
    in_turn = f"sent when its turn comes: the pace allows none before {local(later)}"
    assert waits(paced, next_at=soon) == in_turn
    assert waits(paced, next_at=later + timedelta(seconds=1)).startswith("to be tried at ")
    assert waits(Gate(EDITS, later)) == in_turn
    assert waits(Gate(EDITS, later), destination="webhook:OPS") == "due now: sent when its turn comes"
    assert waits(limited) == f"waits until {local(soon)}: ratelimited: wait"
    assert waits(failing, problem=failing.reason) == f"waits until {local(soon)}"
    assert waits(failing, limited, refused) == "waits until Slack takes the token: token_revoked: check it"
    assert waits(refused, limited, destination="webhook:OPS") == "due now: sent when its turn comes"


def test_check_imports_no_service(tmp_path: Path) -> None:
    """It runs at every commit of somebody's rules, and is to answer at once."""
    (tmp_path / "rules.yaml").write_text(GOOD)
    code = (
        "import sys, atexit\n"
        "from bridge.cli import main\n"
        "heavy = {'aiohttp', 'alembic', 'asyncpg', 'slack_sdk', 'sqlalchemy', 'uvloop'}\n"
        "atexit.register(lambda: print(sorted(heavy & sys.modules.keys())))\n"
        "main()"
    )
    done = python("-c", code, "check", str(tmp_path / "rules.yaml"))
    assert (done.stdout, done.stderr) == ("rules.yaml: no problems\n[]\n", "")


def test_a_port_that_is_taken_ends_with_one_line(tmp_path: Path) -> None:
    """And nothing is said of a service that stops: none has started."""
    (tmp_path / "rules.yaml").write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = python(
            "-c",
            "from bridge.cli import main; main()",
            "serve",
            COPERA_WEBHOOK_SECRETS="whsec-1",
            **TOKENS,
            BRIDGE_SECRET="s" * 32,
            BRIDGE_HOST="127.0.0.1",
            BRIDGE_PORT=str(port),
            BRIDGE_RULES=str(tmp_path / "rules.yaml"),
            BRIDGE_DATABASE_URL=f"sqlite:///{tmp_path / 'bridge.db'}",
        )
    said = f"cannot listen on BRIDGE_HOST 127.0.0.1, BRIDGE_PORT {port}: Address already in use"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"booking-bridge: {said}\n")


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"BRIDGE_DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/bridge"}, 1),
        ({"BRIDGE_DATABASE_URL": "mysql://me:hunter2@127.0.0.1/bridge"}, 2),
        ({"BRIDGE_SECRET": "short"}, 2),
        ({"BRIDGE_RULES": "/nowhere/rules.yaml"}, 2),
    ],
    ids=["database away", "database wrong", "setting wrong", "no rules"],
)
def test_serve_tells_a_supervisor_whether_to_try_again(
    tmp_path: Path, wrong: dict[str, str], status: int
) -> None:
    """2 is for what starting again does not mend: the systemd unit then leaves it."""
    (tmp_path / "rules.yaml").write_text(GOOD)
    fine = {
        "COPERA_WEBHOOK_SECRETS": "whsec-1",
        **TOKENS,
        "BRIDGE_SECRET": "s" * 32,
        "BRIDGE_RULES": str(tmp_path / "rules.yaml"),
        "BRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'bridge.db'}",
    }
    done = command("serve", environment=fine | wrong, folder=tmp_path)
    assert done.returncode == status
    assert "hunter2" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    unit = Path(__file__).parents[2] / "deploy" / "booking-bridge.service"
    assert "RestartPreventExitStatus=2\n" in unit.read_text(encoding="utf-8")


def test_a_later_versions_database_is_told_in_a_line(tmp_path: Path, migrated_file: Path, run: Run) -> None:
    """Starting again does not mend it: the status is 2."""
    file = shutil.copy(migrated_file, tmp_path / "bridge.db")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    status, out, err = run("events", "list", BRIDGE_DATABASE_URL=f"sqlite:///{file}")
    assert (status, out) == (2, "")
    assert err.startswith(
        f"booking-bridge: BRIDGE_DATABASE_URL: {file}: the tables are at 9999, this version "
    )
    assert len(err.splitlines()) == 1


def test_serve_refuses_a_webhook_that_is_not_configured(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(HOOK)
    environment = {
        "COPERA_WEBHOOK_SECRETS": "whsec-1",
        "BRIDGE_SECRET": "s" * 32,
        "BRIDGE_RULES": str(tmp_path / "rules.yaml"),
        "BRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'bridge.db'}",
    }
    done = command("serve", environment=environment, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"booking-bridge: {PLACE}{NO_HOOK}",
        "booking-bridge: 1 problem",
    ]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            '{"event": "creatd"}',
            "booking-bridge: event:1:11: event: unknown event 'creatd' (did you mean 'created'?)",
        ),
        (
            '{"event": "booking.moved", "createdAt": "2026-07-06T09:00:00Z", "data": {"id": "1"}}',
            "unrecognised: ",
        ),
    ],
)
def test_explain_tells_the_form_that_is_meant(event: str, said: str, tmp_path: Path, run: Run) -> None:
    """An event without data is in short form, and its slips are told; one with data is Copera's."""
    (tmp_path / "rules.yaml").write_text(GOOD)
    (tmp_path / "event.json").write_text(event)
    status, out, err = run("explain", "event.json", "--rules", "rules.yaml")
    assert (status, out) == (1, "")
    assert said in err


def test_explain_shows_a_host_nobody_knows_as_a_host(tmp_path: Path, run: Run) -> None:
    """In the words of the rules, with an @, not as the bridge keeps it."""
    (tmp_path / "rules.yaml").write_text('version: 1\nrules: [{name: a, post: {to: "@host"}}]\n')
    (tmp_path / "event.yaml").write_text("{event: created, host: h7}")
    status, said, _ = run("explain", "event.yaml", "--rules", "rules.yaml")
    assert status == 0
    assert "  @h7 (by a, card)" in said.splitlines()
    assert "host:" not in said
