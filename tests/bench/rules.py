"""How fast an event goes through many rules, and how fast a large file is checked."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from datetime import UTC, datetime, timedelta

from bridge.core.bookings import Directory, Event, Person
from bridge.core.reading import read_booking
from bridge.core.routing import route
from bridge.core.rules.file import load
from bridge.core.yaml_file.problems import RulesError
from tests.bench.figures import Figure, at_most
from tests.rules.hostile import FILES

_EVENTS = ("created", "confirmed", "cancelled", "rescheduled", "declined", "reassigned", "no_show")
_MESSAGE = """  {name}:
    title: "{{{{ event.emoji }}}} {{{{ event.verb }}}}: {{{{ booking.type }}}}"
    fields:
      When: "{{{{ booking | when }}}}"
      Topic: "{{{{ booking.answers['Topic'] }}}}"
"""


def realistic_rules(n: int) -> str:
    """The text of a rules file with `n` rules, a third of them with regular expressions."""
    rules = "".join(_rule(number) for number in range(n))
    messages = "".join(_MESSAGE.format(name=name) for name in ("sales", "hiring", "support"))
    return (
        "version: 1\nsettings: {timezone: America/Sao_Paulo}\n"
        "people:\n  h1: {name: Ana Lima, email: ana@example.com, slack: U012AB3CD}\n"
        f"rules:\n{rules}otherwise:\n  post: {{to: '#bookings'}}\nmessages:\n{messages}"
    )


def _rule(number: int) -> str:
    team, event = number % 40, _EVENTS[number % len(_EVENTS)]
    whens = (
        f"type: [Team {team} call, 'demo-{number}-*']\n      event: [{event}, cancelled]",
        f"booker: {{email: '/@(acme{number}|globex{number})\\./i'}}",
        f"host: 'host{number}@example.com'\n      status: CONFIRMED",
        f"type: Team {team} call\n      answers: {{Topic: '/\\b(pricing|quote){number % 50}\\b/i'}}",
        f"booker: '*@customer{number}.com'\n      starts_within: {number % 30 + 1}d",
        f"type: Team {team} *\n      day: [mon, tue]\n      time: 09:00-{10 + number % 12}:30",
        f"event: {event}\n      booker: {{name: '/^(Dr|Prof)\\.? .*{number}$/'}}",
        f"guests: {{min: {number % 9 + 2}}}\n      location: MEETING_CHANNEL\n      duration: {{max: 45m}}",
        f"booker: {{email: '/^vip-[0-9]+\\.{number}@/', locale: 'pt*'}}",
        f"type: Panel {number}\n      not: {{booker: '*@internal.example.com'}}",
    )
    message = ("sales", "hiring", "support", "default")[number % 4]
    return (
        f"  - name: rule-{number}\n    when:\n      {whens[number % len(whens)]}\n"
        f"    post: {{to: '#team-{team}', message: {message}}}\n"
    )


def _events() -> list[Event]:
    at = datetime(2026, 7, 6, 9, tzinfo=UTC)
    events = []
    for number in range(50):
        booking = {
            "id": str(number),
            "status": "CONFIRMED",
            "bookingTypeId": "t1",
            "bookingTypeTitle": f"Team {number % 40} call",
            "start": (at + timedelta(hours=7 * number)).isoformat(),
            "durationMinutes": 30,
            "hosts": [{"userId": "h1"}],
            "booker": {"name": f"Dr. Eva {number}", "email": f"eva@acme{number}.com", "locale": "pt-BR"},
            "guests": ["a@example.com"] * (number % 4),
            "answers": [{"questionId": "q1", "label": "Topic", "value": f"pricing{number} for us"}],
            "location": {"type": "MEETING_CHANNEL"},
        }
        name = _EVENTS[number % len(_EVENTS)]
        events.append(Event(json.dumps(number), name, at, read_booking(booking)))
    return events


def routing_time(n: int, rounds: int = 20) -> float:
    """The median time in microseconds that one event takes through `n` rules."""
    rules = load(realistic_rules(n).encode()).rules
    directory = Directory([Person("h1", "Ana Lima", "ana@example.com")], rules.people)
    times = []
    for _ in range(rounds):
        for event in _events():
            start = time.perf_counter_ns()
            route(event, rules, directory=directory)
            times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1000


def checking_time(n: int) -> float:
    """How many seconds checking a file with `n` rules takes."""
    text = realistic_rules(n).encode()
    start = time.perf_counter()
    load(text)
    return time.perf_counter() - start


def hostile_time() -> tuple[float, str]:
    """How many seconds the slowest of the hostile files takes to be refused, and which one it is."""
    times = []
    for name, (text, _) in FILES.items():
        start = time.perf_counter()
        with contextlib.suppress(RulesError):
            load(text.encode())
        times.append((time.perf_counter() - start, name))
    return max(times)


def bench() -> list[Figure]:
    """A figure for each promise of the rules language about speed."""
    worst, name = hostile_time()
    small, large = routing_time(1_000), routing_time(5_000)
    return [
        at_most("one event through 1,000 rules, a third with regular expressions", small, 100, "{:.0f} µs"),
        at_most("… 5,000 rules ÷ 1,000 rules", large / small, 6, "{:.1f}", f"{large:.0f} µs"),
        at_most("checking a file of 1,000 rules", checking_time(1_000), 2, "{:.2f} s"),
        at_most(f"refusing the worst of {len(FILES)} hostile rules files", worst, 1, "{:.2f} s", name),
    ]


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
