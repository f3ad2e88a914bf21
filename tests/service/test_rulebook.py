"""Reading the rules file: what is no file is refused, never waited for."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from bridge.core.yaml_file.problems import RulesError
from bridge.rulebook import Rulebook
from bridge.rules_file import Unreadable, read

PRIVATE = """
version: 1
people: {h1: {name: Ana, slack: "hunter2@example.com"}}
rules:
  - name: a
    when: {booker: {email: "/(hunter2@example.com/"}, host: {hunter2@example.com: 1}}
    post: {to: hunter2@example.com, mention: "https://hooks.slack.com/services/T/B/hunter2"}
  - {name: b, post: {to: "xoxb-1-hunter2 cp_pat_hunter2"}, hunter2@example.com: 1}
"""


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Opening one would block the watcher, and the end of the process, for ever."""
    pipe = tmp_path / "rules.yaml"
    os.mkfifo(pipe)
    with pytest.raises(Unreadable, match="it is not a file"):
        read(pipe)


def test_a_folder_and_nothing_are_named(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(Unreadable, match=why):
            read(path)


async def test_what_others_read_of_a_mistake_names_nobody(tmp_path: Path) -> None:
    """The place and the kind are told to the log, to /readyz and in Slack; addresses and tokens are not."""
    file, told = tmp_path / "rules.yaml", list[str]()
    file.write_text(PRIVATE)
    rulebook = Rulebook(file, webhooks=(), clock=lambda: datetime.now(UTC))
    with pytest.raises(RulesError) as raised:
        await rulebook.open()
    assert len(raised.value.errors) >= 6
    assert "hunter2" not in str(raised.value)
    file.write_text('version: 1\notherwise: {post: {to: "#a"}}\n')
    await rulebook.open()
    file.write_text(PRIVATE)

    async def report(kind: str, text: str) -> None:
        told.append(text)

    with structlog.testing.capture_logs() as lines:
        await rulebook._look(report, lambda: None)
    assert [line["event"] for line in lines] == ["rules.refused"]
    assert "rules.yaml:3:33: people.h1.slack: '…@…' is not a Slack user id" in rulebook.problems[0]
    assert "hunter2" not in f"{lines}{told}{rulebook.problems}"
