"""A stand-in for Slack: the Web API's methods the bridge uses, and incoming webhooks, in memory.

As its own process: `python -m bridge.sandbox.slack --port 8081 --token xoxb-sandbox`, driven over
`/_control/` (see `slack_control`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Annotated

import typer
from aiohttp import web

from bridge.sandbox import server, slack_control
from bridge.sandbox.faults import Fault, Match
from bridge.sandbox.server import Call
from bridge.sandbox.slack_http import HttpApi
from bridge.sandbox.slack_limits import Limits
from bridge.sandbox.slack_records import Content, Limited, Message
from bridge.sandbox.slack_workspace import Channel, Group, User, Workspace

TOKEN = "xoxb-sandbox"  # noqa: S105 - opens nothing but this stand-in


Predicate = Callable[["SlackStandIn"], bool]


class SlackStandIn:
    """A Slack workspace on this machine. What happened in it survives `stop` and a new `start`.

    limits: the rate limits to enforce, None for none. strict: whether Block Kit's rules are
    enforced. calls_kept: how many calls the record holds, None for all. clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        limits: Limits | None = None,
        strict: bool = True,
        calls_kept: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.workspace = Workspace(clock)
        self.workspace.strict = strict
        self._http = HttpApi(self.workspace, token, limits, calls_kept)
        self._http.on_change = self._wake
        self._server = server.LocalServer(self._routes)
        self._waiting: list[tuple[Predicate, asyncio.Future[None]]] = []

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on a port: the given one, else the one it had before, else a free one."""
        await self._server.start(host, port)

    async def stop(self) -> None:
        """Go away, as in an outage; state stays."""
        await self._server.stop()

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", "/api/{method}", self._http.method),
            web.post("/services/{rest:.+}", self._http.webhook),
            *slack_control.routes(self),
        ]

    @property
    def token(self) -> str:
        """The bot token it accepts."""
        return self._http.token

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return self._server.url

    @property
    def api_url(self) -> str:
        """What SLACK_API_URL must be."""
        return f"{self.url}/api/"

    def webhook_url(self, name: str, channel: str | None = None) -> str:
        """Return the address of the incoming webhook of this name, made when new (channel: `name`)."""
        hook = self._http.hooks.get(name) or self._http.hooks.add(name, channel or name.lower())
        return self.url + hook.path

    # The workspace.

    def add_group(self, handle: str, group_id: str, *, disabled: bool = False) -> Group:
        """Add or replace a user group. The app may list them only with the scope usergroups:read."""
        group = self.workspace.groups[group_id] = Group(group_id, handle, disabled)
        return group

    def add_user(self, name: str, email: str, user_id: str = "", *, deleted: bool = False) -> User:
        """Add or replace a person; without an id one is made up."""
        return self.workspace.add_user(name, email, user_id, deleted=deleted)

    def add_channel(
        self,
        name: str,
        channel_id: str = "",
        *,
        private: bool = False,
        archived: bool = False,
        is_member: bool = True,
    ) -> Channel:
        """Add a channel. Change the returned one's `archived`, `is_member`, `members` at will."""
        return self.workspace.add_channel(
            name, channel_id, private=private, archived=archived, is_member=is_member
        )

    def channel(self, name: str) -> Channel:
        """Return a channel by id or name, or a direct conversation by `@Full Name`, user id or e-mail."""
        found = self.workspace.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def say(self, channel: str, user: str, text: str, thread_ts: str | None = None) -> Message:
        """Let a person write in a channel."""
        target = self.channel(channel)
        message = self.workspace.store(target, Content(text), user, "person", thread_ts=thread_ts)
        self._wake()
        return message

    def delete_message(self, channel: str, ts: str) -> None:
        """Delete a message as a person would; KeyError when there is none."""
        self.workspace.delete(self.channel(channel).messages[ts])
        self._wake()

    def grant(self, scopes: Iterable[str]) -> None:
        """Set the scopes of the token."""
        self.workspace.scopes = tuple(scopes)

    def revoke_token(self, error: str = "token_revoked") -> None:
        """Answer every call with this error until `restore_token`."""
        self._http.token_error = error

    def restore_token(self) -> None:
        """Accept the token again."""
        self._http.token_error = None

    # Trouble.

    @property
    def fault(self) -> Fault | None:
        """The standing fault, for every call that no `fail_next` covers."""
        return self._http.faults.standing

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        self._http.faults.standing = fault

    def fail_next(self, method: str, fault: Fault, times: int | None = 1, match: Match | None = None) -> None:
        """Spoil the next calls of a method ("webhook" for incoming webhooks, "*" for any).

        times: how many, None for all until `clear_faults`. match: picks calls by their arguments.
        """
        self._http.faults.order(method, fault, times, match)

    def clear_faults(self) -> None:
        """Behave again."""
        self._http.faults.clear()

    @property
    def limits(self) -> Limits | None:
        """The rate limits enforced; may be set at any time."""
        return self._http.meter.limits

    @limits.setter
    def limits(self, limits: Limits | None) -> None:
        self._http.meter.limits = limits

    # What was seen.

    @property
    def on_message(self) -> Callable[[Message], None] | None:
        """Called with every message when it is posted, edited (`edits`) or deleted (`deleted`)."""
        return self.workspace.on_message

    @on_message.setter
    def on_message(self, callback: Callable[[Message], None] | None) -> None:
        self.workspace.on_message = callback

    @property
    def posted(self) -> int:
        """How many messages were accepted so far."""
        return self.workspace.posted

    def messages(self, channel: str | None = None, *, deleted: bool = False) -> list[Message]:
        """Return the messages as they are now, in the order of acceptance.

        channel: as in `channel()`; an unknown one has no messages. deleted: include deleted ones.
        """
        if channel is None:
            found = self.workspace.messages()
        else:
            target = self.workspace.find(channel)
            found = iter(target.messages.values() if target else ())
        return [message for message in found if deleted or not message.deleted]

    def replies(self, message: Message) -> list[Message]:
        """Return the replies in a message's thread."""
        target = self.workspace.channels[message.channel_id]
        return [target.messages[ts] for ts in target.threads.get(message.ts, ())]

    @property
    def calls(self) -> deque[Call]:
        """The requests so far, the oldest first, as far as they are kept."""
        return self._http.calls

    @property
    def limited(self) -> list[Limited]:
        """Every 429 given."""
        return self._http.limited

    @property
    def violations(self) -> int:
        """How many 429s were the caller's own doing, not a fault's."""
        return sum(limited.reason != "fault" for limited in self._http.limited)

    async def wait_for(self, predicate: Predicate, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Return once the predicate holds; it is asked after every request. TimeoutError otherwise."""
        if predicate(self):
            return
        waiter = (predicate, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            await asyncio.wait_for(waiter[1], timeout)
        except TimeoutError:
            seen = [f"{call.method}: {call.outcome}" for call in list(self.calls)[-10:]]
            raise TimeoutError(f"{self.posted} messages after {timeout} s; last calls: {seen}") from None
        finally:
            self._waiting.remove(waiter)

    def _wake(self) -> None:
        for predicate, future in self._waiting:
            if not future.done() and predicate(self):
                future.set_result(None)


def main(
    port: Annotated[int, typer.Option(help="0: a free one")] = 0,
    host: str = "127.0.0.1",
    token: str = TOKEN,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="no rate limits")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="enforce Block Kit's rules")] = False,
    calls_kept: int = 100_000,
    channel: Annotated[list[str] | None, typer.Option(help="a channel to make, repeatable")] = None,
) -> None:
    """Run the Slack stand-in until it is told to stop; the first line printed is its API address."""
    limits = None if no_limits else Limits()
    slack = SlackStandIn(token=token, limits=limits, strict=strict, calls_kept=calls_kept)
    for name in channel or ():
        slack.add_channel(name)
    asyncio.run(server.run(slack, host, port, lambda: typer.echo(slack.api_url)))


if __name__ == "__main__":
    typer.run(main)
