"""A small language for the shapes of JSON: each word returns a check that says what is wrong and where.

The words of the problems are Slack's own, as its `response_metadata.messages` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Check = Callable[[Any, str, list[str]], None]
"""Adds what is wrong with a value, at this JSON pointer, to the list."""


def say(problems: list[str], what: str, at: str) -> None:
    """Note a problem with the place it was found at."""
    problems.append(f"{what} [json-pointer:{at}]")


def text(limit: int, least: int = 1) -> Check:
    """A string of so many characters."""

    def check(value: Any, at: str, problems: list[str]) -> None:
        if not isinstance(value, str):
            say(problems, "must provide a string", at)
        elif len(value) < least:
            say(problems, f"must be more than {least - 1} characters", at)
        elif len(value) > limit:
            say(problems, f"must be less than {limit + 1} characters", at)

    return check


def flag(value: Any, at: str, problems: list[str]) -> None:
    """True or false, nothing that merely looks like it."""
    if not isinstance(value, bool):
        say(problems, "must be a boolean", at)


def number(value: Any, at: str, problems: list[str]) -> None:
    """A whole number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        say(problems, "must be a valid integer", at)


def one_of(*allowed: str) -> Check:
    """One of these words."""

    def check(value: Any, at: str, problems: list[str]) -> None:
        if value not in allowed:
            say(problems, "must be a valid enum value", at)

    return check


def items(check_item: Check, most: int, least: int = 1) -> Check:
    """A list of so many things."""

    def check(value: Any, at: str, problems: list[str]) -> None:
        if not isinstance(value, Sequence) or isinstance(value, str):
            say(problems, "must provide an array", at)
        elif len(value) > most:
            say(problems, f"no more than {most} items allowed", at)
        elif len(value) < least:
            say(problems, f"no fewer than {least} items allowed", at)
        else:
            for index, item in enumerate(value):
                check_item(item, f"{at}/{index}", problems)

    return check


def shape(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these keys and no others; `type` was looked at before."""
    known = {**required, **(optional or {})}

    def check(value: Any, at: str, problems: list[str]) -> None:
        if not isinstance(value, Mapping):
            say(problems, "must provide an object", at)
            return
        for key in required:
            if key not in value:
                say(problems, f"missing required field: {key}", at)
        for key, item in value.items():
            if key in known:
                known[key](item, f"{at}/{key}", problems)
            elif key != "type":
                say(problems, f"invalid additional property: {key}", at)

    return check


def by_type(kinds: Mapping[str, Check]) -> Check:
    """An object whose `type` is one of these."""

    def check(value: Any, at: str, problems: list[str]) -> None:
        if not isinstance(value, Mapping):
            say(problems, "must provide an object", at)
        elif "type" not in value:
            say(problems, "missing required field: type", at)
        elif not isinstance(value["type"], str) or value["type"] not in kinds:
            say(problems, f"unsupported type: {value['type']}", f"{at}/type")
        else:
            kinds[value["type"]](value, at, problems)

    return check
