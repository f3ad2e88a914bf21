"""Events acknowledged per second, verified and on disk, beside a handler that only reads and answers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median

from bridge.sandbox.copera import SECRET
from bridge.web.webhook import PATH
from tests.bench import load
from tests.bench.delivering import channels, event, until, with_rules
from tests.bench.figures import Figure, at_least, at_most, beside
from tests.bench.processes import serving, slack

CONNECTIONS = 64
"""As many as a burst of a busy company's bookings comes over."""

FEW = 32
COUNT = 2000
ROUNDS = 9
OTHERS = 3
"""Rounds of what has no goal."""

LONG = 80_000
"""Events that take seconds: then the bridge lets what came in wait no longer, though there is more."""

KINDS = ("bare", "bare-uvloop", "receiver", "service", "talkative")


@dataclass
class Server:
    """One that is measured, and the address of the Slack that it posts each event to, "" when to none."""

    kind: str
    port: int
    api: str
    told: int = field(default=0)

    def burst(self, connections: int = CONNECTIONS, count: int = COUNT) -> load.Result:
        """So many new events; what they lead to is not part of it, and over before the next burst."""
        result = measure(self.port, f"{self.kind}{self.told}-", connections, count)
        assert set(result.statuses) == {202}, result.statuses
        self.told += count
        if self.api:
            asyncio.run(until(self.api, self.told))
        return result


@contextmanager
def servers() -> Iterator[dict[str, Server]]:
    """All of them, which have answered once; those that wait cost nothing."""
    with ExitStack() as stack:
        started = {}
        for kind in KINDS:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            whole = kind in {"service", "talkative"}
            api = stack.enter_context(slack("--no-limits", *channels())) if whole else ""
            arguments = (with_rules(folder), api) if whole else (folder,) if kind == "receiver" else ()
            port = stack.enter_context(serving(kind, *arguments))
            started[kind] = Server(kind, port, api)
            started[kind].burst(count=500)
        yield started


def measure(port: int, prefix: str, connections: int = CONNECTIONS, count: int = COUNT) -> load.Result:
    """Send new events, prepared before, which rules post to many channels."""
    prepared = [load.request(PATH, event(number, prefix), SECRET) for number in range(count)]
    return asyncio.run(load.run(port, prepared, connections))


def bench() -> list[Figure]:
    """The median of many short rounds' ratios; in each the servers answer a burst, one after the other.

    A machine with neighbours changes its pace from second to second, so what is compared must have run side
    by side. The yardstick is aiohttp as it comes, on asyncio's own loop; beside it stands the same handler on
    uvloop, which the bridge runs on.
    """
    with servers() as started:
        figures = _with_goals(started)
        for said, kind, connections in (
            (f"… with each event in its log, {CONNECTIONS} connections", "talkative", CONNECTIONS),
            (f"… over {FEW} connections", "service", FEW),
        ):
            rounds = _rounds([started["bare"], started[kind]], OTHERS, connections)
            figures.append(_other(said, rounds[kind], rounds["bare"]))
        started["service"].api = ""  # what a flood leads to takes most of a minute
        flood = {kind: [started[kind].burst(count=LONG)] for kind in ("bare", "service")}
        said = f"… {LONG:,} without a pause, routed and posted meanwhile, {CONNECTIONS} connections"
        figures.append(_other(said, flood["service"], flood["bare"]))
    return figures


def _rounds(
    chosen: Sequence[Server], turns: int, connections: int = CONNECTIONS
) -> Mapping[str, list[load.Result]]:
    """Their results by kind, each time in another order."""
    results: dict[str, list[load.Result]] = {server.kind: [] for server in chosen}
    for turn in range(turns):
        first = turn % len(chosen)
        for server in (*chosen[first:], *chosen[:first]):
            results[server.kind].append(server.burst(connections))
    return results


def _with_goals(started: Mapping[str, Server]) -> list[Figure]:
    kinds = KINDS[:4]
    rounds = _rounds([started[kind] for kind in kinds], ROUNDS)
    rates = {kind: [one.rate for one in rounds[kind]] for kind in kinds}
    late = {kind: [one.quantile(0.99) for one in rounds[kind]] for kind in kinds}
    bare, fast = (median(rates[kind]) for kind in kinds[:2])
    figures = []
    for name, kind in (("receiver alone", "receiver"), ("whole service", "service")):
        figures += [
            at_least(
                f"events acknowledged (verified, fsynced), {CONNECTIONS} connections: {name} ÷ bare aiohttp",
                beside(rates[kind], rates["bare"]),
                0.5,
                yardstick=f"{median(rates[kind]):,.0f}/s, bare {bare:,.0f}/s, on uvloop {fast:,.0f}/s",
            ),
            at_most(
                f"… 99 of 100 answered within: {name} ÷ bare aiohttp",
                beside(late[kind], late["bare"]),
                5,
                "{:.1f}",
                f"{median(late[kind]) * 1e3:.1f} ms, bare {median(late['bare']) * 1e3:.1f} ms",
            ),
        ]
    return figures


def _other(said: str, measured: Sequence[load.Result], bare: Sequence[load.Result]) -> Figure:
    """The service in other circumstances; without a goal."""
    rates, yardstick = [one.rate for one in measured], [one.rate for one in bare]
    beside_it = f"{median(rates):,.0f}/s, bare {median(yardstick):,.0f}/s"
    return Figure(f"{said}: whole service ÷ bare aiohttp", f"{beside(rates, yardstick):.2f}", beside_it)


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
