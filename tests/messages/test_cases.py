"""Each case is a file: what came in, and beside it every message that must go out.

`NAME.json` holds the webhook's document as `event`, and as needed `previous` (the state known before, in
Copera's form), `type` (as the API gives it), `rules` (parts of a rules file), `message`, `mention`, and
`scene` with further parts. `NAME.slack.json` holds the message and the thread reply.
To write the expected files anew: `ACCEPT_CASES=1 pytest tests/messages/test_cases.py`, then read the diff.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.core.messages.messages import render, render_plain, render_reply
from bridge.core.rules.file import load
from tests.messages import building
from tests.messages.slack_limits import assert_sendable
from tests.payloads import document

CASES = Path(__file__).parent.parent / "cases" / "messages"
NAMES = sorted(path.stem for path in CASES.glob("*.json") if not path.stem.endswith(".slack"))
MENTIONS = ("<!here>", "<!channel>", "<@U012AB3CD>", "<!subteam^S012AB3CD>")


def rules_file(settings: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """A whole rules file with these parts."""
    rest = {"version": 1, "otherwise": {"post": {"to": "#bookings"}}}
    return {**rest, "settings": {"timezone": "Europe/London", **(settings or {})}, **parts}


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """The messages of a case, each checked against Slack's rules."""
    event = case["event"]
    scene = building.scene(
        event["event"],
        previous=case.get("previous"),
        type_=case.get("type"),
        scene=case.get("scene"),
        **{**dict.fromkeys(document()["data"]), **event["data"]},
    )
    rules = load(json.dumps(rules_file(**case.get("rules", {}))).encode()).rules
    mention = case.get("mention", "none")
    message = render(scene, rules, message=case.get("message"), mention=mention)
    reply = render_reply(scene, rules, mention=mention)
    for rendered in (message, reply, render_plain(message)):
        assert_sendable(rendered, mentions=MENTIONS if mention != "none" or "rules" in case else ())
    return {"message": building.as_json(message), "reply": building.as_json(reply)}


@pytest.mark.parametrize("name", NAMES)
def test_message(name: str) -> None:
    """What comes in gives exactly the message and the reply beside it."""
    got = outcome(json.loads((CASES / f"{name}.json").read_text()))
    expected = CASES / f"{name}.slack.json"
    if os.environ.get("ACCEPT_CASES"):
        expected.write_text(json.dumps(got, indent=2, ensure_ascii=False) + "\n")
    assert got == json.loads(expected.read_text())


def test_no_expectation_without_a_case() -> None:
    """A leftover expectation would look as if it were tested."""
    expected = {path.name.removesuffix(".slack.json") for path in CASES.glob("*.slack.json")}
    assert expected == set(NAMES)
