"""Copera's webhook sender: signs, posts, and tries three times in all.

Source: the vendor's guide on booking webhooks: a 2xx acknowledges, a 4xx is final, a 5xx, a network
error or a time-out is tried again with exponential backoff. The length of the waits is ours.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import aiohttp

from bridge.core.signature import sign
from bridge.sandbox.copera_calendar import Envelope

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where webhooks go. events: the names wanted, empty for all. times in seconds."""

    url: str
    secret: str
    events: frozenset[str] = frozenset()
    first_wait: float = 0.5
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one envelope: the status of every attempt, None where there was no answer."""

    envelope: Envelope
    statuses: tuple[int | None, ...]

    @property
    def acknowledged(self) -> bool:
        """Whether the receiver took it."""
        return bool(self.statuses) and self.statuses[-1] is not None and self.statuses[-1] < 300


class Sender:
    """Posts envelopes to the subscriptions over one HTTP session, and remembers the receipts."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []
        self.receipts: list[Receipt] = []
        self.on_receipt: Callable[[Receipt], None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, envelope: Envelope, *, copies: int = 1, delay: float = 0.0) -> list[Receipt]:
        """Send to every subscription that wants the event, so many copies one after the other.

        delay: seconds to wait first.
        """
        await asyncio.sleep(delay)
        wanted = [each for each in self.subscriptions if not each.events or envelope.event in each.events]
        return [await self._deliver(envelope, subscription) for subscription in wanted for _ in range(copies)]

    async def send_all(
        self, envelopes: Iterable[Envelope], *, at_once: int = 1, shuffle: int | None = None
    ) -> list[Receipt]:
        """Send many, `at_once` of them at the same time; shuffle: the seed of another order."""
        queue = list(envelopes)
        if shuffle is not None:
            random.Random(shuffle).shuffle(queue)  # noqa: S311 - an order for a test
        queue.reverse()
        receipts: list[Receipt] = []

        async def work() -> None:
            while queue:
                receipts.extend(await self.send(queue.pop()))

        await asyncio.gather(*(work() for _ in range(at_once)))
        return receipts

    async def _deliver(self, envelope: Envelope, to: Subscription) -> Receipt:
        receipt = Receipt(envelope, ())
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(to.first_wait * 2 ** (attempt - 1))
            status = await self._attempt(envelope, to)
            receipt = replace(receipt, statuses=(*receipt.statuses, status))
            if status is not None and status < 500:
                break
        self.receipts.append(receipt)
        if self.on_receipt is not None:
            self.on_receipt(receipt)
        return receipt

    async def _attempt(self, envelope: Envelope, to: Subscription) -> int | None:
        body = envelope.body
        headers = {
            "Content-Type": "application/json",
            "X-Copera-Event": envelope.event,
            "X-Copera-Signature": sign(body, to.secret),
            "X-Copera-Webhook-Version": "1",
        }
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        timeout = aiohttp.ClientTimeout(total=to.timeout)
        try:
            async with self._session.post(to.url, data=body, headers=headers, timeout=timeout) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
