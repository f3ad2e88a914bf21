"""The environment (and `.env`) to frozen `Settings`, with every problem at once.

`NAME_FILE` names a file that holds the value of `NAME`, for mounted secrets.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

_WEBHOOK: Final = "SLACK_WEBHOOK_"


class SettingsError(Exception):
    """Settings are wrong or missing; `problems` has one line for each, naming the setting."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Secret(SecretStr):
    """A value that no log, error or `repr` may show."""

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected an address such as https://bridge.example.com")
    return value


def _base(value: str) -> str:
    return _web_address(value).rstrip("/")


def _secrets(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(Secret(item.strip()) for item in value.split(",") if item.strip())


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = []
    for item in filter(None, (part.strip() for part in value.split(","))):
        try:
            found.append(ip_network(item))
        except ValueError:
            raise ValueError(f"{item} is not an address or network such as 10.0.0.0/8") from None
    return tuple(found)


Secrets = Annotated[tuple[Secret, ...], BeforeValidator(_secrets)]


class Settings(BaseModel):
    """All settings; a field's name in capitals is the name in the environment.

    Rates are messages a second (channel) and a minute (workspace), intervals seconds.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    copera_api_url: Annotated[str, AfterValidator(_base)] = "https://api.copera.ai/public/v1"
    copera_api_token: Secret | None = None
    copera_webhook_secrets: Secrets = ()
    slack_bot_token: Secret | None = None
    slack_api_url: Annotated[str, AfterValidator(_web_address)] = "https://slack.com/api/"
    slack_webhooks: Mapping[str, Secret] = Field(default_factory=dict)
    bridge_rules: Path = Path("rules.yaml")
    bridge_database_url: Secret = Secret("sqlite:///bridge.db")
    bridge_host: str = "0.0.0.0"  # noqa: S104 - a service in a container listens on all interfaces
    bridge_port: int = Field(8080, ge=0, le=65535)
    bridge_trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)] = ()
    bridge_public_url: Annotated[str, AfterValidator(_base)] = "http://localhost:8080"
    bridge_secret: Secret | None = Field(None, min_length=32)
    bridge_sync_interval: int = Field(300, ge=5, le=86_400)
    bridge_feed_past_days: int = Field(90, ge=1, le=3_650)
    bridge_retention_days: int = Field(30, ge=1, le=3_650)
    bridge_channel_rate: float = Field(1, ge=0, le=1_000)
    bridge_workspace_rate: float = Field(300, ge=0, le=1_000_000)
    bridge_log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = (
        "info"
    )
    bridge_log_format: Annotated[Literal["auto", "text", "json"], BeforeValidator(_lower)] = "auto"


NAMES: Final = tuple(name.upper() for name in Settings.model_fields if name != "slack_webhooks")
"""Every setting but the incoming webhooks, which are named SLACK_WEBHOOK_<NAME>."""


def environment(variables: Mapping[str, str], dotenv: Path | None = Path(".env")) -> dict[str, str]:
    """The environment over `.env`, without empty values."""
    written = dotenv_values(dotenv) if dotenv and dotenv.is_file() else {}
    merged = {**{key: value or "" for key, value in written.items()}, **variables}
    return {key: value for key, value in merged.items() if value.strip()}


def load(variables: Mapping[str, str], *, required: Iterable[str] = ()) -> Settings:
    """Settings from the environment. Raises SettingsError with one line for each problem.

    `required` are the names that this command cannot do without.
    """
    problems: list[str] = []
    values = _collect(variables, problems)
    problems += [
        f"{name} is missing: {_PURPOSE.get(name, 'set it')}"
        for name in required
        if name.lower() not in values
    ]
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [
            _words(item["loc"], item["msg"], item["type"]) for item in error.errors(include_input=False)
        ]
        raise SettingsError(problems) from None
    if problems:
        raise SettingsError(problems)
    return settings


def unknown(variables: Mapping[str, str]) -> list[str]:
    """One line for each variable that looks like a setting of ours but is none."""
    lines = []
    for name in sorted(variables):
        known = name.removesuffix("_FILE") in NAMES
        close = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.8)
        if not known and close and not name.startswith(_WEBHOOK):
            lines.append(f"{name} is not a setting; did you mean {close[0]}?")
    return lines


_PURPOSE: Final = {
    "COPERA_WEBHOOK_SECRETS": "the signing secret of the webhook subscription in Copera",
    "BRIDGE_SECRET": "32 characters or more that sign feed addresses, e.g. from `openssl rand -hex 32`",
    "SLACK_BOT_TOKEN": "the bot token (xoxb-…) of the Slack app",
    "COPERA_API_TOKEN": "a token (cp_pat_… or cp_key_…) with the scope access_bookings",
}


def _collect(variables: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    webhooks: dict[str, Secret] = {}
    for name, given in variables.items():
        setting = name.removesuffix("_FILE")
        if setting not in NAMES and not setting.startswith(_WEBHOOK):
            continue
        if name == setting and f"{name}_FILE" in variables:
            problems.append(f"{name}: set {name} or {name}_FILE, not both")
        value = given if name == setting else _file(name, given, problems)
        if not value:
            continue
        if not setting.startswith(_WEBHOOK):
            values[setting.lower()] = value
        elif urlsplit(value).scheme in {"http", "https"}:
            webhooks[setting.removeprefix(_WEBHOOK)] = Secret(value)
        else:
            problems.append(f"{setting}: expected the address of a Slack incoming webhook")
    values["slack_webhooks"] = webhooks
    return values


def _file(name: str, path: str, problems: list[str]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not text"
        problems.append(f"{name}: cannot read {path}: {why}")
        return ""


def _words(location: tuple[int | str, ...], message: str, kind: str) -> str:
    name = str(location[0])
    annotation = Settings.model_fields[name].annotation
    wanted = {
        "int_parsing": "expected a whole number",
        "float_parsing": "expected a number",
        "literal_error": f"expected one of {', '.join(map(str, get_args(annotation)))}",
        "too_short": "expected 32 characters or more",
        "string_too_short": "expected 32 characters or more",
    }.get(kind, message.removeprefix("Value error, ").replace("Input should be", "must be"))
    return f"{name.upper()}: {wanted}"
