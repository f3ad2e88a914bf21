"""What happened to this booking? One grep for its id answers, and shows nobody's data."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.copera_load import populate
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
