"""What happened to this booking? One grep for its id answers, and shows nobody's data."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from bridge import logs
from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.copera_load import populate
from bridge.sandbox.faults import BrokenJson, Drop, Fault, Refuse, Status
from tests.service.bridge import eventually, running

STEPS = ["event.received", "event.routed", "delivery.settled", "mirror.followed"]


async def test_one_grep_tells_of_a_booking_from_receipt_to_slack_and_feed(tmp_path: Path) -> None:
    """Under the id of the webhook; the last line joins it to the read API's."""
    copera = CoperaStandIn(ids="different")
    populate(copera.calendar)
    await copera.start()
    with structlog.testing.capture_logs() as lines:
        async with running(tmp_path, copera=copera) as bridge:
            mirror = bridge.service.mirror
            assert mirror is not None
            await mirror.refresh()
            copera.subscribe(f"{bridge.service.url}/webhooks/copera")
            day = datetime.now(UTC) + timedelta(days=3)
            alice = {"name": "Alice Booker", "email": "alice@example.com"}
            envelope = copera.calendar.create("Intro Call", start=day, booker=alice)
            await copera.send(envelope)
            name = envelope.payload["data"]["id"]

            async def is_told() -> bool:
                return {line["event"] for line in lines if name in json.dumps(line)} >= set(STEPS)

            await eventually(is_told)
    await copera.stop()
    found = [line for line in lines if name in json.dumps(line)]
    assert [line["log_level"] for line in found] == ["info"] * len(STEPS)
    followed = next(line for line in found if line["event"] == "mirror.followed")
    assert followed["uid"] == envelope.uid
    assert "lice" not in json.dumps(lines)


PERSONAL = ("zaphod", "hunter2", "5550123")
"""What is in nothing but the fields that hold people or secrets."""
ZAPHOD = {
    "booker": {"name": "Zaphod", "email": "zaphod@example.org", "phone": "+15555550123", "timezone": "UTC"},
    "guests": [{"email": "zaphod.too@example.org"}],
    "answers": [{"questionId": "q1", "label": "Topic", "value": "hunter2"}],
    "location": {"type": "CUSTOM", "value": "https://meet.example.org/hunter2"},
}
FAILING = """
version: 1
otherwise: {post: {to: ["#sales", "@zaphod@example.org", "#nowhere", "webhook:OPS"], message: broken}}
messages: {broken: {title: "{{ booking.booker.name }} {{ 1 // (6 - (booking.booker.name | length)) }}"}}
"""
FAULTS: tuple[Fault, ...] = (
    Refuse("invalid_blocks", {"response_metadata": {"messages": ["[ERROR] Zaphod hunter2"]}}),
    Status(503, "Zaphod hunter2"),
    BrokenJson(),
    Drop(accepted=True),
)


async def test_nobody_and_no_secret_is_in_what_operators_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of all levels and with everything failing: the log, /metrics and /readyz hold ids alone."""
    with structlog.testing.capture_logs([structlog.processors.format_exc_info]) as lines:
        hooks = {"OPS": "http://127.0.0.1:1/hunter2"}
        async with running(
            tmp_path, rules=FAILING, slack_webhooks=hooks, bridge_secret="hunter2" * 5
        ) as bridge:
            for number, fault in enumerate(FAULTS):
                bridge.slack.fail_next("chat.postMessage", fault)
                assert await bridge.send("created", number, id=f"b{number}", **ZAPHOD) == 202
            await bridge.send("made_up", 5, **ZAPHOD)
            for body in (b"{zaphod@example.org", b"\xffzaphod", b'[{"zaphod": "hunter2"}]'):
                assert await bridge.post(body) == 400
            await bridge.get("/feeds/hunter2hunter2.ics")
            bridge.rules.write_text("version: 1\nzaphod@example.org: https://hooks.slack.com/hunter2\n")

            def is_through() -> bool:
                return {line["event"] for line in lines} >= {"rules.refused", "message.failed", "gate.shut"}

            await eventually(is_through)
            read = [(await bridge.get(path))[1] for path in ("/metrics", "/readyz")]
    everything = f"{lines}{caplog.text}{read}".lower()
    assert [word for word in PERSONAL if word in everything] == []


def test_a_line_holds_nothing_but_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A value of a kind of ours is written as it shows itself, not field by field: secrets are fields too."""
    logs.configure("info", "json", sys.stderr)
    try:
        structlog.get_logger().info("made", secret=Hidden("hunter2"), count=3, odd="\ud800")
    finally:
        structlog.reset_defaults()
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["secret"], line["count"], line["odd"]) == ("made", "Hidden()", 3, "\ud800")


@dataclass
class Hidden:
    """As dataclasses hide what is not to be read."""

    value: str = field(repr=False)
