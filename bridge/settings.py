"""The environment (and `.env`) to frozen `Settings`, with every problem at once.

`NAME_FILE` names a file that holds the value of `NAME`, for mounted secrets.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bridge.setting_values import (
    Secret,
    base_address,
    database_address,
    host,
    lower_case,
    methods_address,
    networks,
    secrets,
    token,
    web_address,
)

_WEBHOOK: Final = "SLACK_WEBHOOK_"

Token = Annotated[Secret, AfterValidator(token)]


class SettingsError(Exception):
    """Settings are wrong or missing; `problems` has one line for each, naming the setting."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Settings(BaseModel):
    """All settings; a field's name in capitals is the name in the environment.

    Rates are messages a second (channel) and a minute (workspace), intervals seconds.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    copera_api_url: Annotated[str, AfterValidator(base_address)] = "https://api.copera.ai/public/v1"
    copera_api_token: Token | None = None
    copera_webhook_secrets: Annotated[tuple[Secret, ...], BeforeValidator(secrets)] = ()
    slack_bot_token: Token | None = None
    slack_api_url: Annotated[str, AfterValidator(methods_address)] = "https://slack.com/api/"
    slack_webhooks: Mapping[str, Secret] = Field(default_factory=dict)
    bridge_rules: Path = Path("rules.yaml")
    bridge_database_url: Annotated[Secret, AfterValidator(database_address)] = Secret("sqlite:///bridge.db")
    bridge_host: Annotated[str, AfterValidator(host)] = "0.0.0.0"  # noqa: S104 - a service in a container listens on all interfaces
    bridge_port: int = Field(8080, ge=0, le=65535)
    bridge_trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(networks)] = ()
    bridge_public_url: Annotated[str, AfterValidator(base_address)] = "http://localhost:8080"
    bridge_secret: Secret | None = Field(None, min_length=32)
    bridge_sync_interval: int = Field(300, ge=5, le=86_400)
    bridge_feed_past_days: int = Field(90, ge=1, le=3_650)
    bridge_retention_days: int = Field(30, ge=1, le=3_650)
    bridge_channel_rate: float = Field(1, ge=0, le=1_000, allow_inf_nan=False)
    bridge_workspace_rate: float = Field(300, ge=0, le=1_000_000, allow_inf_nan=False)
    bridge_log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower_case)] = (
        "info"
    )
    bridge_log_format: Annotated[Literal["auto", "text", "json"], BeforeValidator(lower_case)] = "auto"

    @property
    def can_look_up(self) -> bool:
        """Whether hosts are found in Slack by the e-mail in Copera's directory; that needs both tokens."""
        return self.slack_bot_token is not None and self.copera_api_token is not None


REQUIRED: Final = ("COPERA_WEBHOOK_SECRETS", "BRIDGE_SECRET")
"""Settings that the service cannot do without."""

NAMES: Final = tuple(name.upper() for name in Settings.model_fields if name != "slack_webhooks")
"""Every setting but the incoming webhooks, which are named SLACK_WEBHOOK_<NAME>."""


def environment(variables: Mapping[str, str], dotenv: Path | None = Path(".env")) -> dict[str, str]:
    """The environment over `.env`, without empty values. Raises SettingsError."""
    try:
        written = dotenv_values(dotenv) if dotenv and dotenv.is_file() else {}
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError([f"{dotenv}: cannot read it: {_why(problem)}"]) from None
    merged = {**{key: value or "" for key, value in written.items()}, **variables}
    return {key: value for key, value in merged.items() if value.strip()}


def load(variables: Mapping[str, str], *, required: Iterable[str] = ()) -> Settings:
    """Settings from the environment. Raises SettingsError with one line for each problem.

    `required` are the names that this command cannot do without.
    """
    problems: list[str] = []
    values = _collect(variables, problems)
    told = {_setting(problem) for problem in problems}
    problems += [
        f"{name} is missing: {_PURPOSE.get(name, 'set it')}"
        for name in required
        if name not in told and not str(values.get(name.lower(), "")).strip(" ,")
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


def load_for_rules(variables: Mapping[str, str]) -> Settings:
    """The settings without those that are wrong, when a rules file does not depend on them.

    Raises SettingsError for BRIDGE_RULES and SLACK_WEBHOOK_<NAME>.
    """
    try:
        return load(variables)
    except SettingsError as error:
        wrong = {_setting(problem) for problem in error.problems}
        kept = {name for name in variables if _is_for_rules(name) or _setting(name) not in wrong}
        return load({name: variables[name] for name in kept})


def is_set_up(variables: Mapping[str, str]) -> bool:
    """Whether a bridge is set up here: something but the rules file is set."""
    names = set(map(_setting, variables)) - {"BRIDGE_RULES"}
    return any(name in NAMES or name.startswith(_WEBHOOK) for name in names)


def _is_for_rules(name: str) -> bool:
    return _setting(name) == "BRIDGE_RULES" or name.startswith(_WEBHOOK)


def _setting(said: str) -> str:
    """The setting that a variable or a problem is about."""
    return said.partition(":")[0].removesuffix("_FILE")


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
        value = given.strip() if name == setting else _file(name, given.strip(), problems)
        if not value.isprintable():
            problems.append(f"{setting}: holds a line break or another character that cannot be printed")
        elif not value:
            continue
        elif setting.startswith(_WEBHOOK):
            webhooks[setting.removeprefix(_WEBHOOK).upper()] = _webhook(setting, value, problems)
        else:
            values[setting.lower()] = value
    values["slack_webhooks"] = webhooks
    return values


def _webhook(setting: str, value: str, problems: list[str]) -> Secret:
    try:
        web_address(value)
    except ValueError:
        problems.append(f"{setting}: expected the address of a Slack incoming webhook")
    return Secret(value)


def _file(name: str, path: str, problems: list[str]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        problems.append(f"{name}: cannot read {path}: {_why(problem)}")
        return ""


def _why(problem: OSError | UnicodeDecodeError) -> str:
    return (problem.strerror or "") if isinstance(problem, OSError) else "it is not text"


def _words(location: tuple[int | str, ...], message: str, kind: str) -> str:
    name = str(location[0])
    annotation = Settings.model_fields[name].annotation
    wanted = {
        "int_parsing": "expected a whole number",
        "float_parsing": "expected a number",
        "finite_number": "expected a number",
        "literal_error": f"expected one of {', '.join(map(str, get_args(annotation)))}",
        "too_short": "expected 32 characters or more",
        "string_too_short": "expected 32 characters or more",
    }.get(kind, message.removeprefix("Value error, ").replace("Input should be", "must be"))
    return f"{name.upper()}: {wanted}"
