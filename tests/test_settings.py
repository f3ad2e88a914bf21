"""Settings from the environment: what is taken, and the one line for each that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.setting_values import Secret
from bridge.settings import SettingsError, environment, is_set_up, load, load_for_rules

FINE = {"COPERA_WEBHOOK_SECRETS": "whsec-1", "BRIDGE_SECRET": "s" * 32}
ADDRESS = "expected an address such as https://bridge.example.com"
HOST = "the host is neither a name nor an IP address"
PORT = "the port is not a number from 1 to 65535"
DATABASE = "expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
FILE = "SQLite needs a file and nothing more, as in sqlite:///bridge.db"
KNOWN = "known are sslmode, sslrootcert, sslcert, sslkey, host, application_name"
TOKEN = "a token holds only letters, digits and punctuation of ASCII, and no space"
UNPRINTABLE = "holds a line break or another character that cannot be printed"

WRONG = [
    ("COPERA_API_URL", "http://x:port/", PORT),
    ("COPERA_API_URL", "http://x:/", PORT),
    ("COPERA_API_URL", "http://x:0/", PORT),
    ("COPERA_API_URL", "https://me:hunter2@x/v1", "expected an address without a user, ? and #"),
    ("COPERA_API_URL", "https://x/v1?a=b", "expected an address without a user, ? and #"),
    ("SLACK_API_URL", "http://127.0.0.1:99999/", PORT),
    ("SLACK_API_URL", "slack.com/api", ADDRESS),
    ("SLACK_API_URL", "ftp://slack.com/api/", ADDRESS),
    ("SLACK_API_URL", "https://me:hunter2@x/api/", "expected an address without a user, ? and #"),
    ("SLACK_API_URL", "https://x/api/?a=b", "expected an address without a user, ? and #"),
    ("BRIDGE_PUBLIC_URL", "https://bad host/", HOST),
    ("BRIDGE_PUBLIC_URL", "https://", ADDRESS),
    ("BRIDGE_PUBLIC_URL", "https://a..b", HOST),
    ("BRIDGE_PUBLIC_URL", "http://[::1", ADDRESS),
    ("BRIDGE_PUBLIC_URL", "http://" + "a" * 64, HOST),
    ("BRIDGE_HOST", "every where", HOST),
    ("BRIDGE_HOST", "b" * 64, HOST),
    ("SLACK_WEBHOOK_OPS", "http://[x", "expected the address of a Slack incoming webhook"),
    (
        "SLACK_WEBHOOK_OPS",
        "hooks.slack.com/services/T/B/X",
        "expected the address of a Slack incoming webhook",
    ),
    ("BRIDGE_DATABASE_URL", "bridge.db", DATABASE),
    ("BRIDGE_DATABASE_URL", "mysql://localhost/bridge", DATABASE),
    ("BRIDGE_DATABASE_URL", "sqlite://", FILE),
    ("BRIDGE_DATABASE_URL", "sqlite:///:memory:", FILE),
    ("BRIDGE_DATABASE_URL", "sqlite:///bridge.db?mode=ro", FILE),
    ("BRIDGE_DATABASE_URL", "postgresql://me:hunter2@db:port/bridge", PORT),
    ("BRIDGE_DATABASE_URL", "postgresql://me:hunter2@db:65536/bridge", PORT),
    ("BRIDGE_DATABASE_URL", "postgresql://me:hunter2@[::1/bridge", HOST),
    ("BRIDGE_DATABASE_URL", "postgresql://me:hunter2@[hunter2]/bridge", HOST),
    ("BRIDGE_DATABASE_URL", "postgresql://me:hun@ter2@db/bridge", DATABASE),
    ("BRIDGE_DATABASE_URL", "postgresql://db/b?pool_size=5", f"unknown option pool_size; {KNOWN}"),
    ("BRIDGE_DATABASE_URL", "postgresql://db/b?hunter=2&hunter 2", f"unknown option hunter; {KNOWN}"),
    ("BRIDGE_DATABASE_URL", "postgresql://db/b?hunter 2", f"unknown option after the ?; {KNOWN}"),
    (
        "BRIDGE_DATABASE_URL",
        "postgresql://db/b?sslmode=verify-ca&sslrootcert=/nowhere.pem",
        "sslrootcert: there is no file /nowhere.pem",
    ),
    (
        "BRIDGE_DATABASE_URL",
        "postgresql://db/b?sslmode=on",
        "sslmode: expected one of disable, allow, prefer, require, verify-ca, verify-full",
    ),
    ("BRIDGE_CHANNEL_RATE", "nan", "expected a number"),
    ("BRIDGE_CHANNEL_RATE", "inf", "expected a number"),
    ("BRIDGE_WORKSPACE_RATE", "-inf", "expected a number"),
    ("BRIDGE_CHANNEL_RATE", "-1", "must be greater than or equal to 0"),
    ("BRIDGE_PORT", "http", "expected a whole number"),
    ("BRIDGE_LOG_LEVEL", "loud", "expected one of debug, info, warning, error"),
    ("BRIDGE_TRUSTED_PROXIES", "10.0.0.0/33", "10.0.0.0/33 is not an address or network such as 10.0.0.0/8"),
    ("BRIDGE_SECRET", "hunter2", "expected 32 characters or more"),
    ("SLACK_BOT_TOKEN", "xoxb-hunter2…", TOKEN),
    ("SLACK_BOT_TOKEN", "xoxb-1 hunter2", TOKEN),
    ("COPERA_API_TOKEN", "cp_pat_hunter2é", TOKEN),
    ("SLACK_BOT_TOKEN", "xoxb-1\n2", UNPRINTABLE),
    ("SLACK_BOT_TOKEN", "xoxb-1\x7f2", UNPRINTABLE),
    ("COPERA_API_TOKEN", "cp_pat_1\t2", UNPRINTABLE),
    ("COPERA_WEBHOOK_SECRETS", "one\ntwo", UNPRINTABLE),
    ("BRIDGE_RULES", "rules\0.yaml", UNPRINTABLE),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_wrong_value_is_one_line_that_names_the_setting(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(FINE | {name: value}, required=("COPERA_WEBHOOK_SECRETS", "BRIDGE_SECRET"))
    assert raised.value.problems == (f"{name}: {said}",)
    assert "hunter2" not in repr(raised.value)


RIGHT = [
    ("COPERA_API_URL", "http://[::1]:8090/v1/", "http://[::1]:8090/v1"),
    ("BRIDGE_PUBLIC_URL", "https://bücher.example:8443/base/", "https://bücher.example:8443/base"),
    ("SLACK_API_URL", "http://my_slack:80/api/", "http://my_slack:80/api/"),
    ("BRIDGE_HOST", "::", "::"),
    ("BRIDGE_HOST", "localhost", "localhost"),
    ("BRIDGE_PORT", " 8081\n", 8081),
    ("BRIDGE_CHANNEL_RATE", "0.5", 0.5),
    ("BRIDGE_LOG_LEVEL", "WARNING", "warning"),
    ("SLACK_BOT_TOKEN", "xoxb-1\n", Secret("xoxb-1")),
    ("COPERA_WEBHOOK_SECRETS", " one, ,two\n", (Secret("one"), Secret("two"))),
    *(
        ("BRIDGE_DATABASE_URL", url, Secret(url))
        for url in (
            "sqlite:///bridge.db",
            "sqlite:////var/lib/bridge/a b.db",
            "postgresql:///bridge?host=/run/postgresql",
            "postgresql://me:p/a?s#s@db.example.com:5432/bridge?sslmode=verify-full&application_name=bridge",
            "postgresql+asyncpg://me@[::1]:5432/bridge",
        )
    ),
]


@pytest.mark.parametrize(("name", "value", "expected"), RIGHT)
def test_a_right_value_is_taken_without_the_space_around_it(name: str, value: str, expected: Any) -> None:
    assert getattr(load({name: value}), name.lower()) == expected


@pytest.mark.parametrize("value", [None, "", " ", ",", " , ,"])
def test_nothing_left_is_missing(value: str | None) -> None:
    """A list of secrets with no secret in it is none."""
    variables = {} if value is None else {"COPERA_WEBHOOK_SECRETS": value}
    with pytest.raises(SettingsError) as raised:
        load(environment(variables, None), required=("COPERA_WEBHOOK_SECRETS",))
    assert raised.value.problems == (
        "COPERA_WEBHOOK_SECRETS is missing: the signing secret of the webhook subscription in Copera",
    )


def test_all_problems_are_told_at_once() -> None:
    variables = {"BRIDGE_DATABASE_URL": "postgresql://[", "BRIDGE_PORT": "x", "SLACK_WEBHOOK_OPS": "x"}
    with pytest.raises(SettingsError) as raised:
        load(variables, required=("BRIDGE_SECRET",))
    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        "SLACK_WEBHOOK_OPS",
        "BRIDGE_SECRET is missing",
        "BRIDGE_DATABASE_URL",
        "BRIDGE_PORT",
    ]


def test_a_mounted_secret(tmp_path: Path) -> None:
    """Its file's text, without the line's end; a file that is not there is told once."""
    file = tmp_path / "token"
    file.write_text("xoxb-1\n")
    assert load({"SLACK_BOT_TOKEN_FILE": str(file)}).slack_bot_token == Secret("xoxb-1")
    file.unlink()
    with pytest.raises(SettingsError) as raised:
        load({"SLACK_BOT_TOKEN_FILE": str(file)}, required=("SLACK_BOT_TOKEN",))
    assert raised.value.problems == (f"SLACK_BOT_TOKEN_FILE: cannot read {file}: No such file or directory",)


def test_a_dotenv_that_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's, or no text: a line that says so, without a traceback and what stands there."""
    file = tmp_path / ".env"
    file.write_bytes(b"SLACK_BOT_TOKEN=xoxb-\xff")
    with pytest.raises(SettingsError) as raised:
        environment({}, file)
    assert raised.value.problems == (f"{file}: cannot read it: it is not text",)

    def refuse(_: Path) -> dict[str, str | None]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("bridge.settings.dotenv_values", refuse)
    with pytest.raises(SettingsError) as raised:
        environment({}, file)
    assert raised.value.problems == (f"{file}: cannot read it: Permission denied",)


def test_no_secret_is_shown() -> None:
    loaded = load(
        FINE
        | {
            "SLACK_BOT_TOKEN": "xoxb-hunter2",
            "SLACK_WEBHOOK_OPS": "https://hooks.slack.com/services/hunter2",
            "BRIDGE_DATABASE_URL": "postgresql://me:hunter2@db/bridge",
        }
    )
    assert "hunter2" not in f"{loaded} {loaded!r} {loaded.slack_webhooks}"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, False),
        ({"COPERA_API_TOKEN": "cp_pat_1"}, False),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "COPERA_API_TOKEN": "cp_pat_1"}, True),
    ],
)
def test_hosts_are_looked_up_with_both_tokens(variables: dict[str, str], expected: bool) -> None:
    assert load(variables).can_look_up is expected


def test_a_rules_file_needs_only_what_concerns_it() -> None:
    variables = {"BRIDGE_RULES": "other.yaml", "SLACK_WEBHOOK_ops": "https://hooks.slack.com/x"}
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "COPERA_API_TOKEN": "cp_pat_1"}
    broken = {"BRIDGE_PORT": "http", "BRIDGE_SECRET_FILE": "/nowhere", "SLACK_API_URL": "x"}
    loaded = load_for_rules(variables | tokens | broken)
    assert loaded.can_look_up
    assert (loaded.bridge_rules, set(loaded.slack_webhooks)) == (Path("other.yaml"), {"OPS"})
    with pytest.raises(SettingsError, match="BRIDGE_RULES_FILE"):
        load_for_rules({"BRIDGE_RULES_FILE": "/nowhere", "BRIDGE_PORT": "http"})


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PATH": "/bin", "BRIDGE_RULES": "other.yaml"}, False),
        ({"BRIDGE_SECRET_FILE": "/secret"}, True),
        ({"SLACK_WEBHOOK_OPS": "x"}, True),
    ],
)
def test_whether_a_bridge_is_set_up_here(variables: dict[str, str], expected: bool) -> None:
    assert is_set_up(variables) is expected
