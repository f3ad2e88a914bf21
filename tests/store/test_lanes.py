"""Claims: one holder a lane, in order; paced; shut gates; leases that run out; settlements that came late."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from bridge.core.pacing import Pace, channel_pace
from bridge.core.retry import SCHEDULE, Outcome, Verdict
from bridge.courier.watch import _HEARTBEAT
from bridge.store.deliveries import LEASE, SHARE
from bridge.store.delivery import Card, Delivery, Settlement
from bridge.store.gate_policy import TOKEN, WORKSPACE, Claimant
from bridge.store.history import History
from bridge.tables.delivery import events
from tests.store.conftest import Line

CARD = Card("C1", "1.1", "", "all", None, "none")
BLOCKED = Outcome(Verdict.TRANSIENT, "service_unavailable")


def settled(delivery: Delivery, state: str = "sent", outcome: Outcome | None = None) -> Settlement:
    sent = outcome or Outcome(Verdict.SENT)
    card = replace(CARD, shown=delivery.position) if state == "sent" else None
    return Settlement(delivery, state, delivery.claimed_at, 1, "C1", "1.1", card=card, outcome=sent)


async def test_a_booking_is_sent_one_event_after_the_other(line: Line) -> None:
    await line.receive("created", 0)
    await line.receive("cancelled", 1)
    await line.route()
    (first,) = await line.take()
    assert await line.take() == []
    await line.deliveries.settle([settled(first)], "me", line.now)
    (second,) = await line.take()
    assert second.position > first.position


async def test_a_late_event_does_not_overtake_what_is_being_sent(line: Line) -> None:
    """It would post a second card beside the first."""
    await line.receive("cancelled", 5)
    await line.route()
    (later,) = await line.take()
    await line.receive("created", 0)
    await line.route()
    assert await line.take() == []
    await line.deliveries.settle([settled(later)], "me", line.now)
    (late,) = await line.take()
    assert late.overtaken
    assert late.card is not None


async def test_bookings_do_not_wait_for_each_other(line: Line) -> None:
    for number in range(5):
        await line.receive("created", 0, id=f"b{number}")
    await line.route()
    assert len(await line.take()) == 5


async def test_a_dead_delivery_frees_the_way(line: Line) -> None:
    """Tried again later, it does not tell old news after newer ones."""
    await line.receive("created", 0)
    await line.receive("cancelled", 1)
    await line.route()
    (first,) = await line.take()
    refused = Outcome(Verdict.DESTINATION, "not_in_channel")
    await line.deliveries.settle([settled(first, "dead", refused)], "me", line.now)
    (second,) = await line.take()
    await line.deliveries.settle([settled(second)], "me", line.now)
    assert await History(line.database).retry([first.id], line.now) == 1
    (again,) = await line.take()
    assert again.overtaken


async def test_a_paced_channel_gets_its_burst_and_lets_others_pass(line: Line) -> None:
    line.rules = b"""{version: 1, rules: [{name: a, when: {type: A}, post: {to: "#a"}}],
        otherwise: {post: {to: "#b"}}}"""
    for number in range(8):
        await line.receive("created", 0, id=f"a{number}", bookingTypeTitle="A")
    await line.receive("created", 0, id="b")
    await line.route()
    pace = channel_pace(1)
    assert pace is not None
    assert len(await line.take(limit=8, channel=pace)) == 5
    (other,) = await line.take(limit=3, channel=pace)  # those offered first must wait: what is behind them?
    assert other.destination == "#b"
    rest = await line.claim(channel=pace)
    assert rest.deliveries == []
    assert rest.more
    assert rest.due is not None
    line.now = rest.due
    assert len(await line.take(channel=pace)) == 1


async def test_one_destination_does_not_take_all_there_is_to_send_with(line: Line) -> None:
    """However many wait for it and however slow it is: the others behind them are taken, too."""
    line.rules = b"""{version: 1, rules: [{name: a, when: {type: A}, post: {to: "#a"}}],
        otherwise: {post: {to: "#b"}}}"""
    for number in range(40):
        await line.receive("created", 0, id=f"a{number}", bookingTypeTitle="A")
    await line.receive("created", 0, id="b")
    await line.route()
    claimant = Claimant("me", None, None, None)
    claimed = await line.deliveries.claim(claimant, 16, line.now, busy={"#a": 2})
    assert Counter(one.destination for one in claimed.deliveries) == {"#a": SHARE - 2, "#b": 1}
    assert claimed.more
    none = await line.deliveries.claim(claimant, 16, line.now, busy={"#a": SHARE, "#b": 1})
    assert none.deliveries == []
    assert len(await line.take(limit=5)) == 5


async def test_the_workspace_has_a_pace_of_its_own(line: Line) -> None:
    for number in range(4):
        await line.receive("created", 0, id=f"a{number}")
    await line.route()
    assert len(await line.take(workspace=Pace(timedelta(seconds=1), 2))) == 2


async def test_an_outage_is_probed_by_one_call(line: Line) -> None:
    """However many were on their way when it began, it counts once; a success opens for all."""
    for number in range(10):
        await line.receive("created", 0, id=f"b{number}")
    await line.route()
    first = await line.take(limit=5)
    retried = [settled(one, "waiting", BLOCKED) for one in first]
    await line.deliveries.settle(retried, "me", line.now)
    gate = (await line.deliveries.gates.all())["#sales"]
    assert gate.failures == 1
    assert await line.take() == []
    line.now += timedelta(seconds=2)
    (probe,) = await line.take()
    assert probe.probes == {"#sales"}
    assert await line.take() == []
    await line.deliveries.settle([settled(probe)], "me", line.now)
    assert len(await line.take()) == SHARE


async def test_what_waits_out_an_outage_can_be_tried_at_once(line: Line) -> None:
    """Whoever mended the network need not wait for the schedule; what was erased stays dead."""
    ids = [await line.receive("created", 0, id=f"b{number}") for number in range(3)]
    await line.route()
    first, second, _ = await line.take()
    await line.deliveries.settle([settled(first, "waiting", BLOCKED)], "me", line.now)
    await line.deliveries.settle([settled(second, "dead", BLOCKED)], "me", line.now)
    assert await line.take() == []
    async with line.database.write() as connection:
        await connection.execute(update(events).where(events.c.id == ids[1]).values(body=None))
    history = History(line.database)
    assert await history.erased([first.id, second.id]) == {second.id}
    assert await history.retry([], line.now) == 1
    (again,) = await line.take()
    assert (again.id, again.probes) == (first.id, frozenset())
    assert await history.retry([first.id, second.id], line.now) == 0


async def test_a_rate_limit_shuts_the_workspace_and_leaves_no_reason_behind(line: Line) -> None:
    for number in range(3):
        await line.receive("created", 0, id=f"b{number}")
    await line.route()
    (first,) = await line.take(limit=1)
    limited = Outcome(Verdict.LIMITED, "ratelimited", retry_after=7)
    await line.deliveries.settle([settled(first, "waiting", limited)], "me", line.now)
    assert await line.take() == []
    line.now += timedelta(seconds=8)
    assert len(await line.take(workspace=Pace(timedelta(seconds=1), 10))) == 3
    assert (await line.deliveries.gates.all())[WORKSPACE].reason == ""


async def test_who_is_in_a_hurry_waits_as_long_as_slack_asks(line: Line) -> None:
    """For an incoming webhook, too, which has a limit of its own."""
    line.rules = b'version: 1\notherwise: {post: {to: "webhook:TEAM"}}\n'
    await line.receive("created", 0)
    await line.route()
    (first,) = await line.take()
    limited = Outcome(Verdict.LIMITED, "ratelimited", retry_after=40)
    until = line.now + timedelta(seconds=40)
    await line.deliveries.settle([replace(settled(first, "waiting", limited), next_at=until)], "me", line.now)
    line.now += timedelta(seconds=5)
    assert await History(line.database).retry([], line.now) == 1
    assert await line.take() == []
    line.now = until
    assert [delivery.id for delivery in await line.take()] == [first.id]


async def test_a_failing_destination_is_asked_ever_more_seldom(line: Line) -> None:
    """By the schedule of a delivery, each time with another jitter, and by one delivery at a time."""
    for number in range(3):
        await line.receive("created", 0, id=f"b{number}")
    await line.route()
    spread = set()
    for seconds in SCHEDULE:
        taken = await line.take()
        waits = [replace(settled(one, "waiting", BLOCKED), next_at=line.now) for one in taken]
        await line.deliveries.settle(waits, "me", line.now)
        assert len(taken) == (3 if seconds == SCHEDULE[0] else 1)
        ((_, gate),) = [each for each in (await line.deliveries.gates.all()).items() if each[1].failures]
        assert gate.open_at is not None
        pause = (gate.open_at - line.now).total_seconds()
        assert seconds <= pause <= seconds * 1.25
        spread.add(round(pause / seconds, 6))
        line.now = gate.open_at
    assert len(spread) > 1


async def test_an_outage_of_a_day_ends_all_that_waited_as_long(line: Line) -> None:
    """Only one of them is tried at a time: without this the last would be dead after weeks."""
    for number in range(40):
        await line.receive("created", 0, id=f"b{number}")
    await line.route()
    begun = line.now
    given_up = 0
    while line.now < begun + timedelta(hours=27):
        tried = await line.take(limit=1)
        waits = [replace(settled(one, "waiting", BLOCKED), next_at=line.now) for one in tried]
        done = await line.deliveries.settle(waits, "me", line.now)
        given_up += sum(many.count for many in done.given_up)
        line.now += timedelta(minutes=20)
        if line.now - begun == timedelta(hours=20):
            await line.receive("created", 20 * 3600, id="young")
            await line.route()
    assert given_up == 40
    found = await History(line.database).deliveries(limit=100)
    assert [one.booking_id for one in found if one.state == "waiting"] == ["young"]
    (problem,) = {one.problem for one in found if one.state == "dead"}
    assert problem.startswith("tried for 24 hours; service_unavailable")


async def test_a_day_in_which_nothing_was_tried_ends_nothing(line: Line) -> None:
    """The token was refused, or nothing ran: the queue is kept."""
    for number in range(5):
        await line.receive("created", 0, id=f"b{number}")
    await line.route()
    for pause in (timedelta(hours=30), timedelta()):
        (probe, *others) = await line.take()
        assert len(others) == (4 if pause else 0)
        waits = [replace(settled(one, "waiting", BLOCKED), next_at=line.now) for one in (probe, *others)]
        assert (await line.deliveries.settle(waits, "me", line.now)).given_up == ()
        line.now += pause
    assert {one.state for one in await History(line.database).deliveries()} == {"waiting"}


async def test_a_refused_token_opens_by_one_delivery_after_slack_said_yes(line: Line) -> None:
    for number in range(3):
        await line.receive("created", 0, id=f"b{number}")
    await line.route()
    gates = line.deliveries.gates
    (first,) = await line.take(limit=1)
    revoked = Outcome(Verdict.TOKEN, "token_revoked")
    await line.deliveries.settle([settled(first, "waiting", revoked)], "me", line.now)
    line.now += timedelta(hours=1)
    assert await line.take() == []
    assert await gates.claim_token_check(line.now, timedelta(seconds=30))
    assert not await gates.claim_token_check(line.now, timedelta(seconds=30))
    await gates.retry_token(line.now)
    (probe,) = await line.take()
    assert probe.probes == {TOKEN}
    await line.deliveries.settle([settled(probe, "waiting", revoked)], "me", line.now)
    assert (await gates.token()).failures == 2
    assert await line.take() == []


async def test_a_dead_holders_claim_is_taken_over_as_unsure(line: Line) -> None:
    """Only after its lease; then its own late settlement changes nothing, not even the card."""
    await line.receive("created", 0)
    await line.route()
    (claimed,) = await line.take("dead")
    begun = line.now
    assert await line.deliveries.recover(line.now) == 0
    line.now += LEASE + timedelta(seconds=1)
    assert await line.deliveries.recover(line.now) == 1
    (taken,) = await line.take("alive")
    assert taken.unsure_since == begun
    settled_late = await line.deliveries.settle([settled(claimed)], "dead", line.now)
    assert [lost.delivery.id for lost in settled_late.lost] == [claimed.id]
    assert await line.deliveries.renew([claimed.seq], "dead", line.now) == set()
    (record,) = await History(line.database).deliveries()
    assert record.state == "sending"
    await line.deliveries.settle([settled(taken)], "alive", line.now)
    (record,) = await History(line.database).deliveries()
    assert record.state == "sent"


async def test_a_claim_that_is_renewed_is_not_taken_over(line: Line) -> None:
    """And whoever took it over renews nothing of the one who lost it."""
    await line.receive("created", 0)
    await line.route()
    (claimed,) = await line.take("slow")
    for _ in range(4):
        line.now += LEASE * 0.8
        assert await line.deliveries.renew([claimed.seq], "slow", line.now) == {claimed.seq}
        assert await line.deliveries.recover(line.now) == 0
    assert LEASE + timedelta(seconds=_HEARTBEAT) < timedelta(seconds=15)  # within which it is taken over


async def test_what_this_process_works_on_is_not_taken_from_it(line: Line) -> None:
    """A claim whose task vanished is freed at once when nobody else can hold it."""
    for number in range(2):
        await line.receive("created", 0, id=f"b{number}")
    await line.route()
    first, second = await line.take()
    freed = await line.deliveries.recover(line.now, working_on=lambda: [first.seq], exclusive=True)
    assert freed == 1
    (again,) = await line.take()
    assert again.id == second.id


async def test_what_may_be_in_slack_stays_unsure_when_it_dies(line: Line) -> None:
    await line.receive("created", 0)
    await line.route()
    (claimed,) = await line.take()
    dead = replace(settled(claimed, "dead", BLOCKED), unsure_since=line.now)
    await line.deliveries.settle([dead], "me", line.now)
    await History(line.database).retry([], line.now)
    line.now += timedelta(seconds=1)
    (again,) = await line.take()
    assert again.unsure_since is not None


async def test_a_clock_set_back_makes_nobody_wait(line: Line) -> None:
    await line.receive("created", 0)
    await line.route()
    (claimed,) = await line.take()
    waits = replace(settled(claimed, "waiting", BLOCKED), next_at=line.now + timedelta(seconds=1))
    await line.deliveries.settle([waits], "me", line.now)
    line.now -= timedelta(days=30)
    assert await line.take() == []
    await line.deliveries.gates.shift(timedelta(days=30), line.now)
    assert await line.deliveries.mend_times(line.now) == 1
    line.now += timedelta(seconds=2)
    assert len(await line.take()) == 1
