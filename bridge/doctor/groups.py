"""The user groups that the rules mention: whether Slack knows them, and whether they reach anyone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.core.slack_values import Group
from bridge.doctor.findings import Finding, notice, ok, problem
from bridge.doctor.wording import words
from bridge.slack import CallError, Slack

SCOPE: Final = "usergroups:read"
"""Only the doctor needs it: a message mentions a group without it, so no rule asks for it."""
_PART: Final = "user groups"


async def examine_groups(slack: Slack, named: Mapping[str, str]) -> list[Finding]:
    """A line for each user group, by its id (S…) with who names it; nothing when none is named."""
    if not named:
        return []
    try:
        known = {group.id: group for group in await slack.groups()}
    except CallError as error:
        said, remedy = words(error.outcome)
        if error.outcome.error == "missing_scope":
            said, remedy = f"the token lacks the scope {SCOPE}", f"add {SCOPE} to have them checked"
        which = ", ".join(f"{group} ({who})" for group, who in named.items())
        return [notice(_PART, f"{which}: could not be checked: {said}", remedy)]
    return [_examined(f"{name} ({who})", known.get(name)) for name, who in named.items()]


def _examined(label: str, group: Group | None) -> Finding:
    if group is None:
        remedy = "correct the id in the rules; a group's menu in Slack has *Copy group ID*"
        return problem(_PART, f"{label}: Slack knows no such user group, so nobody is mentioned", remedy)
    if group.is_disabled:
        remedy = "enable it in Slack, or mention somebody else in the rules"
        return problem(_PART, f"{label}: @{group.handle} is disabled, so nobody is mentioned", remedy)
    return ok(_PART, f"{label}: is @{group.handle}")
