"""Copera's read API: bookings page by page, one booking, booking types, members.

Knows HTTP and nothing of what is kept. Waits out rate limits and short troubles; what it raises says
in words what to do, and never holds the token.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote

import aiohttp
from aiohttp import hdrs
from yarl import URL

from bridge.core.bookings import BookingType, Person
from bridge.core.pages import next_cursor, only_list, seconds_asked
from bridge.core.reading import read_member, read_type
from bridge.core.sightings import Sighting, alone, listed
from bridge.core.text import line

Read = TypeVar("Read")
Observer = Callable[[str, str, float], None]
"""Told of every request: the endpoint, the status or trouble, and the seconds it took."""

ATTEMPTS: Final = 4
_PAGE: Final = 100
_MEMBERS: Final = 500
_LARGEST: Final = 64 * 2**20  # bytes of one answer: a hundred bookings with very long answers
_LONGEST_WAIT: Final = 60.0
_TIMES: Final = aiohttp.ClientTimeout(total=60, sock_connect=5, sock_read=20)


class CoperaError(Exception):
    """The read API did not give what was asked for; the message says why and what to do."""


class Unreachable(CoperaError):
    """No answer, no sensible answer, or a trouble of Copera's that may pass by itself."""


class Unauthorised(CoperaError):
    """401: the token is wrong, expired or revoked."""


class Forbidden(CoperaError):
    """403: the token lacks a scope."""


class Refused(CoperaError):
    """Another answer that will not change by asking again."""


class BrokenListing(CoperaError):
    """A listing that cannot be read to its end: its cursors lead nowhere or in a circle."""


class Copera:
    """The read API at one address with one token; an asynchronous context manager.

    `skew` is how far Copera's clock was ahead of ours in the last answer, None before the first.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        observer: Observer = lambda endpoint, outcome, seconds: None,
        pause: float = 0.5,
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._clock = clock
        self._observer = observer
        self._pause = pause
        self._session: aiohttp.ClientSession | None = None
        self.skew: timedelta | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        self._session = aiohttp.ClientSession(headers=headers, timeout=_TIMES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def pages(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        type_id: str = "",
        *,
        attempts: int = ATTEMPTS,
        ahead: bool = False,
    ) -> AsyncGenerator[tuple[Sighting, ...]]:
        """All bookings that start in this span, a page at a time. Raises CoperaError.

        With `ahead` the next page is asked for while the caller is busy with this one.
        """
        query = {"limit": str(_PAGE)}
        query |= {"from": _iso(since)} if since else {}
        query |= {"to": _iso(until)} if until else {}
        query |= {"bookingTypeId": type_id} if type_id else {}
        cursors: set[str] = set()
        told: set[int] = set()
        asked: asyncio.Task[tuple[tuple[Sighting, ...], str | None]] | None = None
        try:
            while True:
                page, cursor = await (asked or self._page(query, attempts))
                asked = None
                if cursor is None:
                    yield page
                    return
                if cursor in cursors:
                    raise BrokenListing("Copera's list of bookings goes in a circle: a cursor came twice")
                cursors.add(cursor)
                uids = hash(tuple(one.uid for one in page))
                if uids in told:  # under ever new cursors it would have no end
                    raise BrokenListing("Copera's list of bookings goes in a circle: a page came twice")
                told.add(uids)
                query = {**query, "cursor": cursor}
                if ahead:
                    asked = asyncio.create_task(self._page(query, attempts))
                yield page
        finally:
            if asked is not None:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)

    async def _page(self, query: Mapping[str, str], attempts: int) -> tuple[tuple[Sighting, ...], str | None]:
        """One page, and the cursor of the next; None at the end."""
        read_at = self._clock()
        answer, found = await self._get("/bookings", query, attempts, read=partial(listed, read_at=read_at))
        if found is None:
            raise Unreachable("Copera's list of bookings holds no bookings")
        try:
            return found, next_cursor(answer, empty=not found)
        except ValueError as problem:
            raise BrokenListing(f"Copera says that there are more bookings {problem}") from None

    async def booking(self, uid: str, attempts: int = ATTEMPTS) -> Sighting | None:
        """One booking by its uid, None when there is none. Raises CoperaError."""
        if not uid.strip("."):
            return None
        path, read = f"/bookings/{quote(uid, safe='')}", partial(alone, read_at=self._clock())
        return await self._get(path, {}, attempts, read=read, missing=b"{}")

    async def types(self) -> tuple[BookingType, ...]:
        """All booking types, hidden and inactive ones too. Raises CoperaError."""
        answer = await self._get("/booking-types", {}, ATTEMPTS, read=json.loads)
        items = answer if isinstance(answer, list) else _listed(answer)
        return tuple(found for item in items if (found := read_type(_mapping(item))).id)

    async def members(self) -> tuple[Person, ...]:
        """The workspace's members. Raises CoperaError; Forbidden and Unauthorised are usual here."""
        found: list[Person] = []
        offset = 0
        while True:
            query = {"limit": str(_MEMBERS), "offset": str(offset)}
            answer = _mapping(await self._get("/workspace/members", query, ATTEMPTS, read=json.loads))
            items = _listed(answer)
            found += (person for item in items if (person := read_member(_mapping(item))).id)
            offset += len(items)
            total = answer.get("total")
            if not items or not isinstance(total, int) or offset >= total:
                return tuple(found)

    async def _get(
        self,
        path: str,
        query: Mapping[str, str],
        attempts: int,
        *,
        read: Callable[[bytes], Read],
        missing: bytes | None = None,
    ) -> Read:
        """What `read` makes of an answer; and of `missing`, if that is given, for a 404."""
        for attempt in range(1, attempts + 1):
            try:
                status, body = await self._ask(path, query, allowed=missing is not None)
                return read(missing if status == 404 and missing is not None else body)
            except _Later as later:
                trouble, seconds = str(later), later.seconds
            except (ValueError, RecursionError):
                trouble, seconds = f"Copera's answer to {_endpoint(path)} is not JSON", 0.0
            if attempt < attempts:
                backoff = self._pause * 2**attempt * random.uniform(0.5, 1)  # noqa: S311 - spreads load
                await asyncio.sleep(min(max(seconds, backoff), _LONGEST_WAIT))
        raise Unreachable(trouble)

    async def _ask(self, path: str, query: Mapping[str, str], *, allowed: bool) -> tuple[int, bytes]:
        """The status and body of one answer that is 200, or 404 where that is allowed."""
        if self._session is None:
            raise RuntimeError("Copera is used outside its context")
        url = URL(self._url + path, encoded=True).with_query(query)
        endpoint = _endpoint(path)
        began = perf_counter()
        outcome = "failed"
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                outcome = str(response.status)
                body = await _bounded(response)
        except TimeoutError:
            raise _Later("Copera did not answer in time") from None
        except (aiohttp.ClientError, OSError) as problem:
            raise _Later(f"Copera cannot be reached: {type(problem).__name__}") from None
        finally:
            self._observer(endpoint, outcome, perf_counter() - began)
        self._note_clock(response)
        if response.status != 200 and not (allowed and response.status == 404):
            self._refuse(response, body, endpoint)
        return response.status, body

    def _refuse(self, response: aiohttp.ClientResponse, body: bytes, endpoint: str) -> None:
        """Raise what an answer other than 200 stands for."""
        try:
            answer = _mapping(json.loads(body))
        except (ValueError, RecursionError):
            answer = {}
        status = response.status
        said = line(answer.get("message"), limit=200).replace(self._token, "<token>")
        words = f"Copera answered {status} to {endpoint}" + (f": {said}" if said else "")
        if status == 429 or status >= 500:
            asked = seconds_asked(answer.get("retryAfter"), response.headers.get(hdrs.RETRY_AFTER))
            raise _Later(words, asked)
        if status == 401:
            raise Unauthorised(f"{words}. COPERA_API_TOKEN is wrong, revoked or expired: make a new one")
        if status == 403:
            scope = "access to the directory" if "members" in endpoint else "the scope access_bookings"
            raise Forbidden(f"{words}. COPERA_API_TOKEN lacks {scope}: give it that")
        raise Refused(f"{words}. COPERA_API_URL does not seem to be the API's address: correct it")

    def _note_clock(self, response: aiohttp.ClientResponse) -> None:
        try:
            theirs = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        if theirs.tzinfo is not None:
            self.skew = theirs - self._clock()


class _Later(Exception):
    """A trouble that may pass; `seconds` is what Copera asked us to wait."""

    def __init__(self, message: str, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LARGEST:
            raise Unreachable(f"Copera's answer is larger than {_LARGEST // 2**20} MiB")
    return bytes(body)


def _endpoint(path: str) -> str:
    """The path without what names a booking."""
    return "/bookings/{uid}" if path.startswith("/bookings/") else path


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _listed(answer: object) -> list[object]:
    found = only_list(answer)
    if found is None:
        raise Unreachable("Copera's answer holds no list")
    return found
