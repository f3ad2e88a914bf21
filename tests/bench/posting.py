"""The yardstick of delivering: slack_sdk posting the same messages out of memory, and nothing else.

`python -m tests.bench.posting SLACK_URL COUNT CHANNELS` posts so many messages over so many channels, 64 at a
time, none paced, none repeated; it prints the seconds that took and how many were refused by a rate limit.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import aiohttp
import uvloop
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bridge.core.messages.messages import Rendered, render
from bridge.core.messages.samples import samples
from bridge.core.rules.rules import Rules
from bridge.core.slack_values import METADATA
from bridge.courier.courier import PARALLEL


@cache
def message() -> Rendered:
    """The default message of a booking."""
    return render(samples()[0], Rules())


@asynccontextmanager
async def client(url: str) -> AsyncIterator[AsyncWebClient]:
    """slack_sdk over one session, which sends nothing twice."""
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token="xoxb-sandbox", base_url=url, session=session, retry_handlers=[])


async def post(slack: AsyncWebClient, channel: str, event: str) -> None:
    """One message. Raises SlackApiError."""
    said: dict[str, Any] = {"text": message().text, "attachments": message().attachments}
    metadata = {"event_type": METADATA, "event_payload": {"event": event}}
    await slack.chat_postMessage(
        channel=channel, blocks=message().blocks, metadata=metadata, parse="none", unfurl_links=False, **said
    )


async def _some(slack: AsyncWebClient, numbers: Iterator[int], channels: int) -> int:
    """Post until no number is left; how many were refused by a rate limit."""
    refused = 0
    for number in numbers:
        try:
            await post(slack, f"#c{number % channels}", str(number))
        except SlackApiError as problem:
            if problem.response["error"] != "ratelimited":
                raise
            refused += 1
    return refused


async def main(url: str, count: int, channels: int) -> None:
    numbers = iter(range(count))
    async with client(url) as slack:
        begun = time.perf_counter()
        refused = await asyncio.gather(*(_some(slack, numbers, channels) for _ in range(PARALLEL)))
        print(json.dumps({"seconds": time.perf_counter() - begun, "refused": sum(refused)}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
