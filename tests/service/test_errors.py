"""Slack's errors, sorted as docs.slack.dev lists them for chat.postMessage, chat.update and webhooks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bridge.core.retry import (
    NO_NAMES,
    PATIENCE,
    SCHEDULE,
    Dead,
    Later,
    Outcome,
    Verdict,
    decide,
    problem,
    sort_error,
)
from bridge.core.slack_answers import api_outcome

NOW = datetime(2026, 7, 6, 9, tzinfo=UTC)
CODES = {
    Verdict.LIMITED: "ratelimited rate_limited",
    Verdict.TRANSIENT: "service_unavailable request_timeout team_added_to_org org_login_required "
    "external_channel_migrating streaming_state_conflict update_failed message_limit_exceeded",
    Verdict.UNKNOWN: "fatal_error internal_error an_error_nobody_has_heard_of",
    Verdict.MESSAGE: "no_text msg_too_long markdown_text_conflict invalid_metadata_format "
    "invalid_metadata_schema metadata_too_large invalid_arguments invalid_arg_name invalid_charset "
    "invalid_form_data invalid_post_type unknown_method method_deprecated invalid_payload",
    Verdict.BLOCKS: "invalid_blocks invalid_blocks_format msg_blocks_too_long block_mismatch "
    "invalid_attachments too_many_attachments attachment_payload_limit_exceeded",
    Verdict.GONE: "message_not_found cant_update_message edit_window_closed cannot_reply_to_message",
    Verdict.DESTINATION: "channel_not_found not_in_channel is_archived is_inactive team_not_found "
    "messages_tab_disabled restricted_action restricted_action_read_only_channel ekm_access_denied "
    "channel_is_limited_access user_not_found users_not_found user_disabled no_active_hooks no_service "
    "channel_is_archived action_prohibited posting_to_general_channel_denied no_permission",
    Verdict.TOKEN: "not_authed invalid_auth account_inactive token_revoked token_expired missing_scope "
    "not_allowed_token_type team_access_not_granted app_access_restricted access_denied accesslimited "
    "enterprise_is_restricted two_factor_setup_required is_bot",
}
CASES = [(verdict, code) for verdict, codes in CODES.items() for code in codes.split()]


@pytest.mark.parametrize(("verdict", "code"), CASES)
def test_an_error_is_sorted_and_has_a_remedy(verdict: Verdict, code: str) -> None:
    assert sort_error(code) is verdict
    assert problem(Outcome(verdict, code)).startswith(f"{code}: ")


@pytest.mark.parametrize("error", ["http_503", "network_timeout", "answer"])
def test_what_slack_did_not_name_is_not_looked_up_there(error: str) -> None:
    """Slack's documentation lists no codes of ours."""
    assert "documentation" not in problem(Outcome(Verdict.UNKNOWN, error))
    assert "status.slack.com" in problem(Outcome(Verdict.UNKNOWN, error))
    assert "documentation" in problem(Outcome(Verdict.UNKNOWN, "brand_new"))


def test_slack_is_not_blamed_for_copera() -> None:
    """Who waits for the hosts' names is sent to what is silent, and goes on trying."""
    outcome = Outcome(Verdict.TRANSIENT, NO_NAMES)
    assert "status.slack.com" not in problem(outcome)
    assert "Copera" in problem(outcome)
    assert isinstance(decide(outcome, 30, NOW, NOW, 0), Later)


def test_a_transient_error_is_tried_for_a_day() -> None:
    """With growing pauses, spread by jitter; then it is dead, with its reason."""
    outcome = Outcome(Verdict.TRANSIENT, "service_unavailable")
    pauses = []
    for attempt in range(1, len(SCHEDULE) + 3):
        decision = decide(outcome, attempt, NOW, NOW, 0.5)
        assert isinstance(decision, Later)
        pauses.append(decision.at - NOW)
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(seconds=3600 * 1.125)
    last = decide(outcome, 30, NOW - PATIENCE, NOW, 0)
    assert isinstance(last, Dead)
    assert last.problem.startswith("tried for 24 hours; service_unavailable")


def test_an_error_nobody_has_heard_of_is_tried_once_more() -> None:
    """Whatever went wrong before it: the first time it may have been a success, which is looked up."""
    outcome = Outcome(Verdict.UNKNOWN, "an_error_nobody_has_heard_of")
    assert isinstance(decide(outcome, 1, NOW, NOW, 0), Later)
    assert isinstance(decide(outcome, 3, NOW, NOW, 0, before="service_unavailable"), Later)
    assert isinstance(decide(outcome, 2, NOW, NOW, 0, before=outcome.error), Dead)
    assert isinstance(decide(outcome, 1, NOW, NOW, 0, before=outcome.error), Later)  # retried by hand
    ours = Outcome(Verdict.UNKNOWN, "network_no_answer")
    assert isinstance(decide(ours, 20, NOW, NOW, 0), Later)


@pytest.mark.parametrize(
    ("messages", "detail"),
    [
        (
            ["[ERROR] must be less than 151 characters [json-pointer:/blocks/0/text/text]"],
            "at /blocks/0/text/text",
        ),
        (["[ERROR] a [json-pointer:/blocks/1]", "[ERROR] b [json-pointer:/blocks/1]"], "at /blocks/1"),
        ([f"[json-pointer:/blocks/{number}]" for number in range(9)], "at /blocks/0, /blocks/1, /blocks/2"),
        (["[ERROR] Alice said /blocks/0 [json-pointer:/alice@example.com]"], ""),
        (["[json-pointer:/blocks/Alice Booker]"], "at /blocks"),
        ("no list", ""),
        ([None, {"x": 1}], ""),
        (None, ""),
    ],
)
def test_where_slack_found_a_mistake_is_told_and_nothing_it_quotes(messages: object, detail: str) -> None:
    data = {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": messages}}
    outcome = api_outcome(SimpleNamespace(data=data, status_code=200, headers={}))
    assert outcome == Outcome(Verdict.BLOCKS, "invalid_blocks", detail=detail)


@pytest.mark.parametrize("metadata", [None, [], "x", {}])
def test_an_error_without_words_is_an_error(metadata: object) -> None:
    data = {"ok": False, "error": "invalid_blocks", "response_metadata": metadata}
    outcome = api_outcome(SimpleNamespace(data=data, status_code=200, headers=None))
    assert outcome == Outcome(Verdict.BLOCKS, "invalid_blocks")
