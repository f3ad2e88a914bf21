"""Where a message can go and who can be mentioned: the one reader of what an admin writes there.

Slack's ids begin with a capital letter that tells their kind; names of channels are lower-case, at
most 80 letters, digits, hyphens and underscores (Slack's help page on naming channels).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.core.suggestions import did_you_mean, nearest, quote

HOST: Final = "@host"
"""In a rule: a direct message to every host."""
HOST_KEY: Final = "host:"
"""In a decision: `host:<userId>`, one host of this booking."""
WEBHOOK: Final = "webhook:"
MENTIONS: Final = ("none", "host", "here", "channel")

_MAIL: Final = re.compile(r"[^\s@<>,;|]+@[^\s@<>,;|]+\.[^\s@<>,;|.]+")
_CHANNEL: Final = re.compile(r"[^\W_][\w-]{0,79}|_[\w-]{0,79}")
_WEBHOOK_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ID: Final = "(?=[A-Z0-9]*[0-9]|[A-Z]{9,12}$)[A-Z0-9]{1,20}"
CHANNEL_ID: Final = re.compile(f"[CGD]{_ID}")
USER_ID: Final = re.compile(f"[UW]{_ID}")
GROUP_ID: Final = re.compile(f"S{_ID}")
_COPIED: Final = re.compile(rf"<?[#@!]?(?:subteam\^)?([A-Z]{_ID})(?:\|[^<>]*)?>?")
"""An id as Slack writes it into messages: `<#C…|sales>`, `<@U…>`, `<!subteam^S…>`, or with an `@`."""
_ARCHIVES: Final = re.compile(rf"https?://[^/]+/archives/([CGD]{_ID})(?:[/?#]|$)")
_SEVERAL: Final = re.compile(r"[,;\s]+(?=[#@])|[,;]\s*")


MENTION_PATTERN: Final = (
    rf"^\s*({'|'.join(MENTIONS)}|{USER_ID.pattern}|{GROUP_ID.pattern}|{_MAIL.pattern})\s*$"
)
"""What `read_mention` takes, for the schema."""
_NAME_CHARACTER: Final = r"[^\x00-,./:-@\[-^`{-\x7f]"
"""No white space and no marks but "-" and "_": \\w is not the same to every reader of a schema."""
DESTINATION_PATTERN: Final = (
    rf"^\s*(?!host\s*$)(?:#?\s*{_NAME_CHARACTER}{{1,80}}|@\s*(?:[Hh][Oo][Ss][Tt]|{_MAIL.pattern})"
    rf"|[Ww][Ee][Bb][Hh][Oo][Oo][Kk]:\s*{_WEBHOOK_NAME.pattern})\s*$"
)
MAIL_PATTERN: Final = rf"^\s*{_MAIL.pattern}\s*$"
USER_PATTERN: Final = rf"^\s*{USER_ID.pattern}\s*$"
"""What the other readers here take, as far as a schema can say it."""


_ADDRESS: Final = re.compile(r"://|\bhooks\.slack\.com\b", re.IGNORECASE)


class BadDestination(ValueError):
    """Text that is no destination or mention; the message is for the admin."""


def spoken(destination: str, names: Mapping[str, str] | None = None) -> str:
    """A decision's destination for people: a host by name, as far as `names` has it by id, else by id."""
    if not destination.startswith(HOST_KEY):
        return destination
    host = destination.removeprefix(HOST_KEY)
    return f"@{(names or {}).get(host) or host}"


def read_destination(text: str) -> str:
    """The one spelling of a destination: "#name", an id, "@host", "@mail" or "webhook:NAME".

    Mail addresses and channel names come out in lower case, webhook names in upper case.
    Raises BadDestination.
    """
    said = text.strip()
    if _ADDRESS.search(said):
        raise BadDestination(_address(said))
    if CHANNEL_ID.fullmatch(said) or USER_ID.fullmatch(said):
        return said
    if GROUP_ID.fullmatch(said):
        raise BadDestination(
            f"{quote(said)} is a user group; groups can be mentioned (`mention`), not posted to"
        )
    if said.startswith("@"):
        return _person(said)
    if said.lower().startswith(WEBHOOK):
        name = said[len(WEBHOOK) :].strip()
        if not _WEBHOOK_NAME.fullmatch(name):
            raise BadDestination(f"{quote(said)}: a webhook's name has only letters, digits and '_'")
        return WEBHOOK + name.upper()
    return _channel(said)


def _address(said: str) -> str:
    """Why a web address is no destination. It is not quoted: who knows that of a webhook can post there."""
    if found := _ARCHIVES.match(said):
        return f"a link to a channel is no place here; write its id (did you mean {quote(found[1])}?)"
    return (
        "a web address is no place here: an incoming webhook's is a secret; "
        "set it as SLACK_WEBHOOK_<NAME> and write webhook:NAME"
    )


def _person(said: str) -> str:
    name = said[1:].strip()
    if name.lower() == "host":
        return HOST
    if _MAIL.fullmatch(name):
        return "@" + name.lower()
    if USER_ID.fullmatch(name):
        raise BadDestination(f"{quote(said)}: a user id is written without '@' (did you mean {quote(name)}?)")
    if name.lower() in ("here", "channel", "everyone"):
        raise BadDestination(
            f"{quote(said)} is a mention, not a place; write `mention: {name.lower()}` beside `to`"
        )
    hint = " (did you mean '@host'?)" if nearest(name, ("host",)) else ""
    raise BadDestination(
        f'{quote(said)} is not a person Slack can find; write "@host", "@name@example.com" or a user id{hint}'
    )


def _channel(said: str) -> str:
    name = said.removeprefix("#").strip().lower()
    if not name:
        raise BadDestination('a channel needs a name, such as "#sales"')
    if not said.startswith("#") and _MAIL.fullmatch(name):
        raise BadDestination(f"{quote(said)} is an e-mail; put '@' before it: {quote('@' + name)}")
    if not said.startswith("#") and name == "host":
        raise BadDestination(f"{quote(said)} is not a channel (did you mean '@host'?)")
    if not _CHANNEL.fullmatch(name):
        if (copied := _COPIED.fullmatch(said)) and said.startswith("<"):
            raise BadDestination(f"{quote(said)} is how Slack writes {quote(copied[1])}; write that alone")
        if len(parts := [part for part in _SEVERAL.split(said) if part]) > 1:
            several = ", ".join(f'"{part}"' for part in parts)[:100]
            raise BadDestination(f"{quote(said)} is not a channel name; several are a list: [{several}]")
        near = re.sub(r"[^\w-]+", "-", name).strip("-")[:80]
        hint = f" (did you mean {quote('#' + near)}?)" if _CHANNEL.fullmatch(near) else ""
        raise BadDestination(
            f"{quote(said)} is not a channel name: at most 80 letters, digits, '-' and '_', no spaces{hint}"
        )
    return "#" + name


def read_mention(text: str) -> str:
    """ "none", "host", "here", "channel", a mail address in lower case, a user or a group id.

    Raises BadDestination.
    """
    said = text.strip()
    bare = said.removeprefix("@")
    if said in MENTIONS or USER_ID.fullmatch(said) or GROUP_ID.fullmatch(said):
        return said
    if _MAIL.fullmatch(said):
        return said.lower()
    copied = _COPIED.fullmatch(said)
    meant = bare.lower() if _MAIL.fullmatch(bare) else copied[1] if copied and copied[1][0] in "UWS" else ""
    hint = f" (did you mean {quote(meant)}?)" if meant else did_you_mean(bare, MENTIONS)
    raise BadDestination(
        f"{quote(said)} cannot be mentioned; write host, here, channel, none, "
        f"an e-mail, a user id U… or a user group id S…{hint}"
    )


def read_mail(text: str) -> str:
    """A mail address as written. Raises BadDestination."""
    if not _MAIL.fullmatch(text.strip()):
        raise BadDestination(f"{quote(text)} is not an e-mail address")
    return text.strip()


def read_user(text: str) -> str:
    """A Slack user id. Raises BadDestination."""
    if not USER_ID.fullmatch(text.strip()):
        copied = _COPIED.fullmatch(text.strip().upper())
        meant = copied[1] if copied and copied[1][0] in "UW" else ""
        hint = f" (did you mean {quote(meant)}?)" if meant else "; one looks like U012AB3CD"
        raise BadDestination(f"{quote(text)} is not a Slack user id{hint}")
    return text.strip()
