"""The rules file: there, and in order."""

from __future__ import annotations

from bridge.core.rules.file import load
from bridge.core.rules.rules import Rules
from bridge.core.yaml_file.problems import RulesError
from bridge.doctor.findings import Finding, notice, ok, problem
from bridge.rules_file import Unreadable, read
from bridge.settings import Settings

_SHOWN = 3


def examine_rules(settings: Settings) -> tuple[Finding, Rules | None]:
    """Whether the rules file can be used, and the rules when it can."""
    path = settings.bridge_rules
    try:
        loaded = load(
            read(path),
            name=path.name,
            webhooks=settings.slack_webhooks,
            can_look_up=settings.can_look_up,
        )
    except Unreadable as error:
        return problem("rules", str(error), "set BRIDGE_RULES to the rules file, and let it be read"), None
    except RulesError as error:
        lines = [each.text(path.name) for each in error.errors]
        more = f" (and {len(lines) - _SHOWN} more)" if len(lines) > _SHOWN else ""
        said = "; ".join(lines[:_SHOWN]) + more
        return problem("rules", said, f"correct the file; `booking-bridge check {path}` shows all"), None
    count = len(loaded.rules.rules)
    said = f"{path}: {count} rule{'s' * (count != 1)}, valid (file {loaded.rules.hash})"
    if loaded.warnings:
        first = loaded.warnings[0].text(path.name)
        more = f" (and {len(loaded.warnings) - 1} more)" if len(loaded.warnings) > 1 else ""
        said = f"{said}; {first}{more}"
        return notice("rules", said, f"see `booking-bridge check {path}`"), loaded.rules
    return ok("rules", said), loaded.rules
