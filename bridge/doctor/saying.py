"""`doctor --say`: one test message, the only thing the doctor ever posts."""

from __future__ import annotations

from bridge.core.messages.messages import render_alert
from bridge.core.retry import Verdict
from bridge.core.rules.destinations import HOST, WEBHOOK, BadDestination, read_destination
from bridge.doctor.findings import Finding, ok, problem
from bridge.doctor.workspace import words
from bridge.slack import CallError, Purpose, Slack

_MESSAGE = render_alert("booking-bridge: a test", ["`booking-bridge doctor --say` posted this. All is well."])


async def say(slack: Slack, place: str) -> Finding:
    """Post a test message there, spelled as in the rules. Raises BadDestination."""
    destination = read_destination(place)
    if destination == HOST:
        raise BadDestination("a test message has no host; write #channel, @name@example.com or webhook:NAME")
    try:
        if destination.startswith(WEBHOOK):
            outcome = await slack.post_webhook(destination.removeprefix(WEBHOOK), _MESSAGE)
        else:
            address = await _address(slack, destination)
            outcome = await slack.post(address, _MESSAGE, Purpose("doctor", "post"))
    except CallError as error:
        outcome = error.outcome
    if outcome.verdict is Verdict.SENT:
        return ok("test message", f"posted to {destination}")
    said, remedy = words(outcome)
    return problem("test message", f"{destination}: {said}", remedy)


async def _address(slack: Slack, destination: str) -> str:
    if not destination.startswith("@"):
        return destination
    found = await slack.user_by_email(destination[1:])
    if not found:
        raise BadDestination(f"Slack knows nobody by {destination[1:]}")
    return found
