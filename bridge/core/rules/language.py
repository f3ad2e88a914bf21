"""The rules language as tables: every key of rules.yaml, what it reads, what it does and examples.

Adding a key is adding a line here; reading, problems, schema and completion follow.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.core import words
from bridge.core.bookings import Person
from bridge.core.rules.amounts import read_length
from bridge.core.rules.destinations import (
    HOST,
    MAIL_PATTERN,
    USER_ID,
    USER_PATTERN,
    read_destination,
    read_mail,
    read_user,
)
from bridge.core.rules.example_keys import EXAMPLE
from bridge.core.rules.grammar import BAD, As, Flag, Reading, Text, form
from bridge.core.rules.keys import DESTINATION_FORM, NAME, POSTS, RULE, UNDER_POST
from bridge.core.rules.message_keys import MESSAGE
from bridge.core.rules.rules import Look, RuleSettings, Show
from bridge.core.rules.tables import Key, ListOf, MapOf, Table, one_of
from bridge.core.suggestions import nearest, quote
from bridge.core.text import fold
from bridge.core.yaml_file.nodes import MapNode

VERSION: Final = "1"
MOST_RULES: Final = 5_000
_EMOJI: Final = re.compile(r":[a-z0-9_+'-]+:(?::skin-tone-[2-6]:)?|[^\x00-\x7f]{1,8}")
_NO_PLACE: Final = re.compile(r"[A-Z]{1,5}|.*\d.*|.*_[Tt]ime")
"""An abbreviation, an offset, a name as Windows has it."""
STRING: Final = {"type": "string"}
_MAIL_FORM: Final = form(STRING, MAIL_PATTERN, "An e-mail address looks like ana@example.com.")
_USER_FORM: Final = form(STRING, USER_PATTERN, "A Slack user id looks like U012AB3CD.")
_EMOJI_FORM: Final = form(
    STRING, rf"^\s*(?:{_EMOJI.pattern.replace('{1,8}', '{1,16}')})\s*$", "An emoji looks like :tada:."
)
"""Some readers of a schema count an emoji as two characters."""


def _version(text: str) -> int:
    if text.strip() != VERSION:
        raise ValueError(f"version {quote(text)} is not known; this bridge reads version {VERSION}")
    return int(VERSION)


def _zone(text: str) -> ZoneInfo:
    name = text.strip()
    known = words.zone(name)
    if known is None or known.key != name:
        meant = known.key if known else _meant_zone(name.replace(" ", "_"))
        hint = f" (did you mean {quote(meant)}?)" if meant else "; one is a place, such as America/Sao_Paulo"
        raise ValueError(f"time zone {quote(name)} is not known{hint}")
    return known


def _meant_zone(place: str) -> str | None:
    """The zone of a misspelt place, or of a city alone; an abbreviation or an offset is no place."""
    if "/" in place:
        return nearest(place, words.zones())
    cities = {zone.rpartition("/")[2]: zone for zone in words.zones() if "/" in zone}
    found = None if _NO_PLACE.fullmatch(place) else nearest(place, cities)
    return cities[found] if found else None


def _emoji(text: str) -> str:
    said = text.strip()
    if not _EMOJI.fullmatch(said):
        bare = said.strip(":").lower()
        hint = f" (did you mean ':{bare}:'?)" if re.fullmatch(r"[a-z0-9_+'-]+", bare) else ""
        raise ValueError(f"{quote(said)} is not an emoji; one looks like ':tada:'{hint}")
    return said


def _alerts(text: str) -> str:
    destination = read_destination(text)
    if destination == HOST:
        raise ValueError("trouble has no host; name a channel, a person or a webhook")
    return destination


def _horizon(text: str) -> timedelta:
    length = read_length(text)
    if not length:
        raise ValueError("a length of time of nothing; to repair nothing, say `repair: off`")
    return length


def _person(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    return Person("", values.get("name", ""), values.get("email", ""), values.get("slack", ""))


def _look(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    if "message" in values:
        place = node.entries["message"][1]
        reading.references.append(("message", values["message"], place, f"{path}.message"))
    return Look(values.get("message"), values.get("emoji", ""))


def _settings(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    if "alerts_to" in values:
        place = node.entries["alerts_to"][1]
        reading.references.append(("destination", values["alerts_to"], place, f"{path}.alerts_to"))
    return RuleSettings(**values)


def _odd_type(name: str) -> str:
    if "*" in name or name.startswith("/"):
        return f"{quote(name)} is no pattern here: a look is found by a type's whole title, slug or id"
    return ""


def _odd_person(name: str) -> str:
    if "@" in name or USER_ID.fullmatch(name.strip()):
        return (
            f"{quote(name)} is not a Copera user id; write that id here, and this as email or slack below it"
        )
    return ""


def _file(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    if not {"rules", "otherwise"} & set(node.entries) and not reading.is_torn(node):
        reading.wrong(node, path, "there are no `rules`, so nothing would ever be posted")
    if "otherwise" in node.entries:
        place = node.entries["otherwise"][0]
        reading.references.append(("otherwise", "", place, "otherwise"))
        values["otherwise_line"] = place.line
    return values


SETTINGS: Final = Table(
    "a mapping of settings",
    {
        "timezone": Key(
            Text("a time zone such as America/Sao_Paulo", _zone, STRING),
            "For text that Slack cannot localise, and for `day` and `time`. Default: UTC.",
            ("America/Sao_Paulo", "Europe/Lisbon"),
        ),
        "alerts_to": Key(
            Text('a destination such as "#bridge-ops"', _alerts, DESTINATION_FORM),
            "Where the bridge reports its own trouble.",
            ("#bridge-ops",),
        ),
        "show": Key(
            Table(
                "a mapping of what to show",
                {
                    "email": Key(Flag(), "E-mail addresses in messages. Default: true.", (True,)),
                    "phone": Key(Flag(), "Telephone numbers in messages. Default: false.", (False,)),
                    "answers": Key(Flag(), "Answers in messages. Default: true.", (True,)),
                },
                lambda values, *_: Show(**values),
            ),
            "Which personal data messages may hold.",
            ({"email": True, "phone": False, "answers": True},),
        ),
        "repair": Key(
            Flag(),
            "Whether what Copera shows and no webhook told is posted, with a note. Default: on.",
            (True,),
        ),
        "repair_horizon": Key(
            Text("a length of time such as 2d", _horizon, STRING),
            "After a longer pause than this, what was missed is not posted any more. Default: 2d.",
            ("2d", "12h"),
        ),
    },
    _settings,
)

PERSON: Final = Table(
    "a mapping with name, email or slack",
    {
        "name": Key(NAME, "The name to show.", ("Ana Lima",)),
        "email": Key(
            Text("an e-mail address", read_mail, _MAIL_FORM),
            "The e-mail in Slack.",
            ("ana@example.com",),
        ),
        "slack": Key(
            Text("a Slack user id", read_user, _USER_FORM),
            "The Slack user id.",
            ("U012AB3CD",),
        ),
    },
    _person,
)

TYPE: Final = Table(
    "a mapping with message or emoji",
    {
        "message": Key(NAME, "One of `messages`.", ("sales",)),
        "emoji": Key(Text("an emoji such as ':tada:'", _emoji, _EMOJI_FORM), "Shown in titles.", (":tada:",)),
    },
    _look,
)

FILE: Final = Table(
    "a mapping with `version` and `rules`",
    {
        "version": Key(
            Text(f"the number {VERSION}", _version, {"enum": [int(VERSION), VERSION]}),
            "The version of the rules language.",
            (1,),
            "`version` is missing; add `version: 1` as the first line",
        ),
        "settings": Key(SETTINGS, "For the whole file."),
        "people": Key(
            As(
                MapOf(PERSON, "a mapping of Copera user id and person", str.strip, _odd_person),
                lambda people: tuple(Person(name, p.name, p.email, p.slack) for name, p in people.items()),
            ),
            "Hosts by their Copera user id; completes Copera's directory and Slack's look-up by e-mail.",
            ({"665f00000000000000000003": {"name": "Ana Lima", "slack": "U012AB3CD"}},),
        ),
        "types": Key(
            MapOf(TYPE, "a mapping of booking type and its look", fold, _odd_type),
            "How each booking type looks, by its title, slug or id.",
            ({"Intro Call": {"message": "sales", "emoji": ":tada:"}},),
        ),
        "rules": Key(ListOf(RULE, "rules", may_be_empty=True, most=MOST_RULES), "Tried in order."),
        "otherwise": Key(
            Table(
                "a mapping with `post`",
                {"post": Key(POSTS, "Where to post, and how.", ({"to": "#bookings"},), "`post` is missing")},
                lambda values, *_: values.get("post", BAD),
                hints=UNDER_POST,
                instead='{post: {to: "…"}}',
            ),
            "Posted when no rule posted and none stopped.",
            ({"post": {"to": "#bookings"}},),
        ),
        "messages": Key(
            MapOf(MESSAGE, "a mapping of name and message", str.strip),
            "Messages by name; `default` is built in.",
        ),
        "examples": Key(
            ListOf(EXAMPLE, "examples", may_be_empty=True),
            "The rules' own tests: run by `check`, at start and before every reload.",
        ),
    },
    _file,
    "The rules of a booking bridge: which booking events are posted where in Slack, and how they look.",
    form=one_of(("rules", "otherwise")),
)
