"""A stand-in for Copera: the read API, and the sender of webhooks.

As its own process: `python -m bridge.sandbox.copera --port 8082`, driven over `/_control/` (see
`copera_control`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer

from bridge.sandbox import copera_control, copera_load, server
from bridge.sandbox.copera_api import ACCESS, BASE, Api
from bridge.sandbox.copera_calendar import Calendar, Envelope, Ids
from bridge.sandbox.copera_sender import Receipt, Sender, Subscription
from bridge.sandbox.faults import ANY, Fault, Match
from bridge.sandbox.server import Call

TOKEN = "cp_pat_sandbox"  # noqa: S105 - opens nothing but this stand-in
SECRET = "whsec-sandbox"  # noqa: S105


class CoperaStandIn:
    """A Copera workspace on this machine. What happened in it survives `stop` and a new `start`.

    `calendar` holds the state and changes it; what an operation returns goes to `send`.
    ids: whether a webhook's `data.id` equals the API's `uid`. calls_kept: bounds `calls`.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        ids: Ids = "different",
        calls_kept: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.calendar: Calendar = Calendar(ids=ids, clock=clock)
        self.token = token
        self._api = Api(self.calendar, calls_kept)
        self._sender = Sender()
        self._server = server.LocalServer(lambda: [*self._api.routes(), *copera_control.routes(self)])
        self.add_token(token)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on a port: the given one, else the one it had before, else a free one."""
        await self._server.start(host, port)

    async def stop(self) -> None:
        """Go away, as in an outage; state stays."""
        await self._sender.close()
        await self._server.stop()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return self._server.url

    @property
    def api_url(self) -> str:
        """What COPERA_API_URL must be."""
        return self.url + BASE

    # Tokens.

    def add_token(self, token: str, scopes: Iterable[str] = (ACCESS,)) -> None:
        """Accept a token with these scopes. One that begins with `cp_key_` never reads the directory."""
        self._api.tokens[token] = frozenset(scopes)

    def expire_token(self, token: str) -> None:
        """Answer 401 to this token from now on."""
        self._api.tokens.pop(token, None)

    @property
    def members_refusal(self) -> int:
        """The status a `cp_key_` token gets from the directory: 403, or set it to 401."""
        return self._api.members_refusal

    @members_refusal.setter
    def members_refusal(self, status: int) -> None:
        self._api.members_refusal = status

    @property
    def types_key(self) -> str | None:
        """The key under which /booking-types lists, which no guide names; None for a bare list."""
        return self._api.types_key

    @types_key.setter
    def types_key(self, key: str | None) -> None:
        self._api.types_key = key

    # Bookings and webhooks.

    def load(self, count: int, *, around: datetime | None = None, seed: int = 1, days: int = 60) -> list[str]:
        """Add so many made-up bookings around a time (now), without webhooks; return their uids."""
        return copera_load.load(
            self.calendar, count, around=around or datetime.now(UTC), seed=seed, days=days
        )

    def subscribe(
        self,
        url: str,
        secret: str = SECRET,
        events: Iterable[str] = (),
        *,
        first_wait: float = 0.5,
        timeout: float = 5.0,
    ) -> None:
        """Send webhooks to this address. events: none means all; times in seconds."""
        self._sender.subscriptions.append(Subscription(url, secret, frozenset(events), first_wait, timeout))

    def unsubscribe(self) -> None:
        """Send no webhooks any more, as when an administrator removes the subscriptions."""
        self._sender.subscriptions.clear()

    async def send(self, envelope: Envelope, *, copies: int = 1, delay: float = 0.0) -> list[Receipt]:
        """Send a webhook, three attempts at most; to withhold it, do not call this.

        copies: how often, one after the other. delay: seconds to wait before.
        """
        return await self._sender.send(envelope, copies=copies, delay=delay)

    async def send_all(
        self, envelopes: Iterable[Envelope], *, at_once: int = 1, shuffle: int | None = None
    ) -> list[Receipt]:
        """Send many, `at_once` at the same time; shuffle: the seed of another order."""
        return await self._sender.send_all(envelopes, at_once=at_once, shuffle=shuffle)

    @property
    def receipts(self) -> list[Receipt]:
        """What became of every webhook."""
        return self._sender.receipts

    @property
    def on_receipt(self) -> Callable[[Receipt], None] | None:
        """Called when a webhook was acknowledged or given up."""
        return self._sender.on_receipt

    @on_receipt.setter
    def on_receipt(self, callback: Callable[[Receipt], None] | None) -> None:
        self._sender.on_receipt = callback

    # Trouble, and what was seen.

    @property
    def fault(self) -> Fault | None:
        """The standing fault, for every request that no `fail_next` covers."""
        return self._api.faults.standing

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        self._api.faults.standing = fault

    def fail_next(
        self, fault: Fault, path: str = ANY, times: int | None = 1, match: Match | None = None
    ) -> None:
        """Spoil the next requests, of any path or of one in `copera_api` (BOOKINGS, BOOKING, …).

        times: how many, None for all until `clear_faults`. match: picks requests by their query.
        """
        self._api.faults.order(path, fault, times, match)

    def clear_faults(self) -> None:
        """Behave again."""
        self._api.faults.clear()

    @property
    def calls(self) -> deque[Call]:
        """The requests so far, the oldest first, as far as they are kept."""
        return self._api.calls


def main(
    port: Annotated[int, typer.Option(help="0: a free one")] = 0,
    host: str = "127.0.0.1",
    token: str = TOKEN,
    bookings: Annotated[int, typer.Option(help="how many to make up")] = 0,
    seed: int = 1,
    same_ids: Annotated[bool, typer.Option("--same-ids", help="webhooks use the API's uid")] = False,
    webhook: Annotated[str, typer.Option(help="where to send webhooks")] = "",
    secret: Annotated[str, typer.Option(help="what webhooks are signed with")] = SECRET,
) -> None:
    """Run the Copera stand-in until it is told to stop; the first line printed is its API address."""
    copera = CoperaStandIn(token=token, ids="equal" if same_ids else "different", calls_kept=100_000)
    copera_load.populate(copera.calendar)
    copera.load(bookings, seed=seed)
    if webhook:
        copera.subscribe(webhook, secret)
    asyncio.run(server.run(copera, host, port, lambda: typer.echo(copera.api_url)))


if __name__ == "__main__":
    typer.run(main)
