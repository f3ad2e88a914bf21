"""`doctor --say`: one test message, the only thing the doctor ever posts."""

from __future__ import annotations

from bridge.core.messages.messages import render_alert
from bridge.core.retry import Verdict
from bridge.core.rules.destinations import HOST, WEBHOOK, BadDestination, read_destination
from bridge.core.slack_values import Purpose
from bridge.doctor.findings import Finding, ok, problem
from bridge.doctor.wording import words
from bridge.slack import CallError, Slack

_MESSAGE = render_alert("booking-bridge: a test", ["`booking-bridge doctor --say` posted this. All is well."])


def read_place(place: str) -> str:
    """A destination, spelled as in the rules, that a test message can go to. Raises BadDestination."""
    destination = read_destination(place)
    if destination == HOST:
        raise BadDestination("a test message has no host; write #channel, @name@example.com or webhook:NAME")
    return destination


async def say(slack: Slack, destination: str) -> Finding:
    """Post a test message at a destination of `read_place`."""
    try:
        if destination.startswith(WEBHOOK):
            outcome = await slack.post_webhook(destination.removeprefix(WEBHOOK), _MESSAGE)
        else:
            address = await _address(slack, destination)
            if not address:
                return problem(
                    "test message", f"{destination}: Slack knows nobody by it", "correct the e-mail"
                )
            outcome = await slack.post(address, _MESSAGE, Purpose("doctor", "post"))
    except CallError as error:
        outcome = error.outcome
    if outcome.verdict is Verdict.SENT:
        return ok("test message", f"posted to {destination}")
    said, remedy = words(outcome)
    return problem("test message", f"{destination}: {said}", remedy)


async def _address(slack: Slack, destination: str) -> str:
    """What Slack is to be told, "" for an e-mail that it does not know. Raises CallError."""
    return await slack.user_by_email(destination[1:]) if destination.startswith("@") else destination
