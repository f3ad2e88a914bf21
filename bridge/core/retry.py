"""What to do after a call to Slack: the table of Slack's errors, the schedule, the decision.

The errors are those of docs.slack.dev/reference/methods/chat.postMessage and chat.update, and of its
page on incoming webhooks; the sorting and the remedies are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What an answer of Slack means for the delivery that asked."""

    SENT = "sent"
    LIMITED = "limited"  # the workspace is over its rate: everything waits
    TRANSIENT = "transient"  # not accepted, may be tried again
    UNKNOWN = "unknown"  # may or may not have been accepted
    MESSAGE = "message"  # this message will never be accepted
    BLOCKS = "blocks"  # nor these blocks, but perhaps the text alone
    GONE = "gone"  # the message to be edited is not there any more
    DESTINATION = "destination"  # nothing can be posted there until somebody acts
    TOKEN = "token"  # noqa: S105 - nothing can be sent at all until somebody acts


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call's result. `error` is Slack's code or ours, `retry_after` seconds; `ts` stays text."""

    verdict: Verdict
    error: str = ""
    channel: str = ""
    ts: str = ""
    retry_after: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """Try again at this time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Dead:
    """Give up; `problem` says why and how to mend it."""

    problem: str


SCHEDULE: Final = (1, 5, 15, 60, 180, 600, 1800, 3600)
"""Seconds before each further attempt; the last one repeats."""

PATIENCE: Final = timedelta(hours=24)
"""How long a delivery is tried before it is dead."""

MISSING_SCOPE: Final = "missing_scope"
WAITED: Final = "bridge_waited"
"""Ours: the delivery could not be worked on, through no fault of Slack's or its own."""

NO_NAMES: Final = "network_no_names"
"""Ours: who a host is has to be known first, and Copera has not told it yet."""

FAILED: Final = "bridge_failed"
"""Ours: a mistake in the bridge came up. Tried once more, since it may have been the moment's."""

_LONG: Final = frozenset({"message_limit_exceeded", "team_added_to_org", "org_login_required"})
_TROUBLE: Final = "Slack is in trouble, see status.slack.com; wait"
_INVITE: Final = "invite the app there with /invite"
_RENEW: Final = "check SLACK_BOT_TOKEN, or install the app in the workspace again"
_OURS: Final = "this is a mistake in the message; see `booking-bridge events show`"
_HOOK: Final = "make a new incoming webhook in Slack and set its address"
_POLICY: Final = "ask the channel's or the workspace's owners to let the app post there"
_USER: Final = "correct the e-mail or Slack id in people: of the rules, or the member in Copera"

REMEDIES: Final[Mapping[str, tuple[Verdict, str]]] = {
    **dict.fromkeys(
        ("ratelimited", "rate_limited"),
        (Verdict.LIMITED, "wait; if it recurs, lower BRIDGE_WORKSPACE_RATE, or BRIDGE_CHANNEL_RATE"),
    ),
    **dict.fromkeys(
        ("team_added_to_org", "org_login_required"),
        (Verdict.TRANSIENT, "Slack is moving the workspace into an organisation; wait"),
    ),
    **dict.fromkeys(
        (
            "service_unavailable",
            "request_timeout",
            "external_channel_migrating",
            "streaming_state_conflict",
            "update_failed",
            "fetch_members_failed",
        ),
        (Verdict.TRANSIENT, _TROUBLE),
    ),
    "message_limit_exceeded": (Verdict.TRANSIENT, "the workspace reached Slack's limit of messages; wait"),
    **dict.fromkeys(("fatal_error", "internal_error"), (Verdict.UNKNOWN, _TROUBLE)),
    **dict.fromkeys(
        ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "block_mismatch"),
        (Verdict.BLOCKS, "shorten or correct the blocks of this message in the rules"),
    ),
    **dict.fromkeys(
        ("invalid_attachments", "too_many_attachments", "attachment_payload_limit_exceeded"),
        (Verdict.BLOCKS, _OURS),
    ),
    **dict.fromkeys(("no_text", "msg_too_long", "invalid_payload"), (Verdict.MESSAGE, _OURS)),
    **dict.fromkeys(
        ("invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large"), (Verdict.MESSAGE, _OURS)
    ),
    **dict.fromkeys(
        (
            "invalid_arguments",
            "invalid_arg_name",
            "invalid_json",
            "json_not_object",
            "markdown_text_conflict",
        ),
        (Verdict.MESSAGE, _OURS),
    ),
    **dict.fromkeys(
        (
            "invalid_array_arg",
            "invalid_charset",
            "invalid_form_data",
            "invalid_post_type",
            "missing_post_type",
            "metadata_must_be_sent_from_app",
            "as_user_not_supported",
            "send_on_behalf_not_allowed",
            "too_many_contact_cards",
            "missing_file_data",
            "draft_not_found",
            "draft_has_conflict",
            "draft_already_deleted",
            "draft_already_sent",
            "duplicate_channel_not_found",
            "duplicate_message_not_found",
            "file_not_found",
            "file_deleted",
            "file_is_deleted",
            "file_share_limit_reached",
            "max_file_sharing_exceeded",
            "blocked_file_type",
            "unable_to_share_files",
            "slack_connect_blocked_file_type",
            "slack_connect_clip_sharing_blocked",
            "slack_connect_file_upload_sharing_blocked",
            "invalid_time",
            "time_in_past",
            "time_too_far",
            "restricted_too_many",
            "cant_delete_message",
            "unknown_method",
            "method_deprecated",
            "deprecated_endpoint",
        ),
        (Verdict.MESSAGE, _OURS),
    ),
    **dict.fromkeys(
        ("cannot_reply_to_message", "thread_not_found"), (Verdict.GONE, "the message is not there any more")
    ),
    "restricted_action_thread_locked": (Verdict.MESSAGE, "the thread is closed; nothing to do"),
    "no_dual_broadcast_content_update": (Verdict.MESSAGE, _OURS),
    "cant_broadcast_message": (Verdict.MESSAGE, "remove broadcast: from the rule"),
    **dict.fromkeys(
        ("message_not_found", "cant_update_message", "edit_window_closed"),
        (Verdict.GONE, "the message cannot be edited any more"),
    ),
    "not_in_channel": (Verdict.DESTINATION, _INVITE),
    "channel_not_found": (Verdict.DESTINATION, f"check the name; if it is private, {_INVITE}"),
    "is_archived": (Verdict.DESTINATION, "unarchive the channel, or change the rule"),
    "is_inactive": (Verdict.DESTINATION, "the channel is archived or frozen; change the rule"),
    "channel_is_archived": (Verdict.DESTINATION, "unarchive the channel, or change the rule"),
    "messages_tab_disabled": (
        Verdict.DESTINATION,
        "switch on the Messages tab under App Home of the Slack app",
    ),
    **dict.fromkeys(
        (
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "restricted_action_non_threadable_channel",
            "channel_is_limited_access",
            "method_not_supported_for_channel_type",
            "slack_connect_canvas_sharing_blocked",
            "slack_connect_file_link_sharing_blocked",
            "slack_connect_lists_sharing_blocked",
            "posting_to_channel_denied",
            "posting_to_general_channel_denied",
            "action_prohibited",
            "ekm_access_denied",
        ),
        (Verdict.DESTINATION, _POLICY),
    ),
    **dict.fromkeys(
        ("users_not_found", "user_not_found", "user_not_visible", "user_disabled", "cannot_dm_bot"),
        (Verdict.DESTINATION, _USER),
    ),
    **dict.fromkeys(
        ("invalid_user_combination", "not_enough_users", "too_many_users"), (Verdict.DESTINATION, _USER)
    ),
    **dict.fromkeys(
        ("team_not_found", "too_many_channels"),
        (Verdict.DESTINATION, "use the channel's id (C…) instead of its name"),
    ),
    "no_slack_user": (Verdict.DESTINATION, _USER),
    "no_webhook": (Verdict.DESTINATION, "set SLACK_WEBHOOK_<NAME> to the webhook's address"),
    "no_slack_token": (Verdict.DESTINATION, "set SLACK_BOT_TOKEN; a webhook reaches only its own channel"),
    **dict.fromkeys(
        ("no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled"),
        (Verdict.DESTINATION, _HOOK),
    ),
    **dict.fromkeys(
        (
            "not_authed",
            "invalid_auth",
            "account_inactive",
            "token_revoked",
            "token_expired",
            "not_allowed_token_type",
            "team_access_not_granted",
            "app_access_restricted",
            "access_denied",
            "accesslimited",
            "enterprise_is_restricted",
            "two_factor_setup_required",
            "is_bot",
            "invalid_token",
            "bad_token",
        ),
        (Verdict.TOKEN, _RENEW),
    ),
    MISSING_SCOPE: (Verdict.TOKEN, "add the scope to the Slack app and install it again"),
    "no_permission": (Verdict.DESTINATION, f"{_INVITE}, or add the scope to the Slack app"),
    NO_NAMES: (Verdict.TRANSIENT, "wait; if it lasts, `booking-bridge doctor` says what Copera answers"),
    WAITED: (Verdict.TRANSIENT, "the database was away; wait"),
    FAILED: (Verdict.UNKNOWN, "this is a mistake in booking-bridge; its log says more"),
}
"""Slack's error to what it means and what a person can do about it."""


def sort_error(error: str) -> Verdict:
    """What an error means; one that is not in the table may have been a success."""
    return REMEDIES.get(error, (Verdict.UNKNOWN, ""))[0]


def problem(outcome: Outcome) -> str:
    """An outcome in words: Slack's reason and the remedy."""
    unlisted = _ON_THE_WAY if outcome.error.startswith(OURS) else "look the error up in Slack's documentation"
    remedy = REMEDIES.get(outcome.error, (None, unlisted))[1]
    detail = f" ({outcome.detail})" if outcome.detail else ""
    return f"{outcome.error or outcome.verdict}{detail}: {remedy}"


def wait(attempts: int, jitter: float, schedule: tuple[int, ...] = SCHEDULE) -> timedelta:
    """How long to wait after this many attempts; `jitter` from 0 to 1 spreads it by a quarter."""
    seconds = schedule[min(max(attempts, 1), len(schedule)) - 1]
    return timedelta(seconds=seconds * (1 + jitter / 4))


def decide(
    outcome: Outcome, attempts: int, failing_since: datetime, now: datetime, jitter: float, before: str = ""
) -> Later | Dead:
    """What becomes of a delivery after a call that did not send it.

    `attempts` counts this one; `failing_since` is the first failure's time; `jitter` from 0 to 1; `before` is
    the error of the attempt before this one.
    """
    if outcome.verdict in {Verdict.MESSAGE, Verdict.DESTINATION, Verdict.GONE}:
        return Dead(problem(outcome))
    if outcome.verdict is Verdict.LIMITED:
        return Later(now + timedelta(seconds=outcome.retry_after or 0))
    if outcome.verdict in {Verdict.TOKEN, Verdict.BLOCKS}:
        return Later(now)
    unlisted = outcome.error not in REMEDIES and not outcome.error.startswith(OURS)
    if attempts > 1 and before == outcome.error and (unlisted or outcome.error == FAILED):
        return Dead(problem(outcome))
    if now - failing_since >= PATIENCE:
        return Dead(f"tried for 24 hours; {problem(outcome)}")
    pause = timedelta(hours=1) if outcome.error in _LONG else wait(attempts, jitter)
    return Later(now + max(pause, timedelta(seconds=outcome.retry_after or 0)))


OURS: Final = ("network", "http_", "answer")
"""How the codes begin that the bridge gives to an outcome for which Slack gave none."""

_ON_THE_WAY: Final = "Slack, or the way to it, is in trouble: see status.slack.com, the network and its proxy"
