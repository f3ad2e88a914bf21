"""Why an event goes where it goes, as data and as lines to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bridge.core.bookings import Event
from bridge.core.routing import Decision, Match, Step


def explain(event: Event, decision: Decision) -> dict[str, Any]:
    """The decision as JSON values: the event in short, a step for every rule, and every destination."""
    booking = event.booking
    return {
        "event": {
            "name": event.name,
            "at": event.at.isoformat(),
            "booking": booking.id,
            "type": booking.type_title or booking.type_id,
            "status": booking.status,
            "start": booking.start.isoformat() if booking.start else None,
        },
        "steps": [asdict(step) for step in decision.trace],
        "destinations": [asdict(match) for match in decision.matches],
    }


def explain_lines(event: Event, decision: Decision, names: Mapping[str, str] | None = None) -> list[str]:
    """The decision for people: a line for every rule, then one for every destination.

    `names` may give better texts for destinations, such as a host's name for "host:…".
    """
    said = [f"{event.name}: {event.booking.type_title or event.booking.type_id or 'a booking'}"]
    said += [f"  {line}" for step in decision.trace for line in step_lines(step)]
    if decision.matches:
        said += ["posts to"]
        said += [f"  {_destination(match, names or {})}" for match in decision.matches]
    else:
        said += ["posts nowhere"]
    return said


def step_lines(step: Step) -> list[str]:
    """What became of one rule; a miss has a second line with what was wanted and what there is."""
    rule = f"{step.rule} (line {step.line})" if step.line else step.rule
    if not step.reached:
        return [f"- {rule}: not reached, an earlier rule stopped"]
    if step.matched:
        return [f"✓ {rule}: matched" + (", and stopped here" if step.stopped else "")]
    about = f"{step.path}: " if step.path else ""
    return [f"✗ {rule}: skipped", f"    {about}wanted {step.wanted}, got {step.got}"]


def _destination(match: Match, names: Mapping[str, str]) -> str:
    details = [f"by {match.rule}", match.style, f"message {match.message}" if match.message else ""]
    details += [f"mentions {match.mention}" if match.mention != "none" else ""]
    details += ["shown in the channel too" if match.broadcast else "", "was a host" if match.former else ""]
    return f"{names.get(match.destination, match.destination)} ({', '.join(filter(None, details))})"
