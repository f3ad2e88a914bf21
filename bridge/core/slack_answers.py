"""Slack's refusals as outcomes, from whatever shape an answer has.

Facts from docs.slack.dev on rate limits and on sending messages with incoming webhooks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from bridge.core.retry import Outcome, Verdict, sort_error

_POINTER: Final = re.compile(r"json-pointer:(/(?:blocks|attachments)(?:/(?:\d{1,3}|[a-z_]{1,20})){0,8})")
_MOST_POINTERS: Final = 3


def api_outcome(response: Any) -> Outcome:
    """An error of the Web API; the response may be of several shapes when a proxy answers."""
    data = getattr(response, "data", None)
    data = data if isinstance(data, dict) else {}
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    headers = {str(k).lower(): v for k, v in (getattr(response, "headers", None) or {}).items()}
    error = str(data.get("error") or "")[:100]
    if status == 429 or error in {"ratelimited", "rate_limited"}:
        return Outcome(
            Verdict.LIMITED, error or "ratelimited", retry_after=_seconds(headers.get("retry-after"))
        )
    if error:
        detail = f"needed: {data['needed']}" if data.get("needed") else _pointers(data)
        return Outcome(sort_error(error), error, detail=detail)
    if status < 300:  # half of an answer, or a page of somebody else's
        return Outcome(Verdict.UNKNOWN, "answer_not_understood", detail=f"HTTP {status}" if status else "")
    if status >= 500:
        return Outcome(Verdict.UNKNOWN, f"http_{status}", retry_after=_seconds(headers.get("retry-after")))
    return Outcome(Verdict.TRANSIENT, f"http_{status}")


def webhook_outcome(status: int, body: str, headers: Mapping[str, Any]) -> Outcome:
    """Incoming webhooks answer in plain text; see docs.slack.dev on sending messages with them."""
    lower = {str(key).lower(): value for key, value in headers.items()}
    error = body.strip()[:100]
    if status == 200 and error == "ok":
        return Outcome(Verdict.SENT)
    if status == 429:
        return Outcome(Verdict.LIMITED, "ratelimited", retry_after=_seconds(lower.get("retry-after")))
    if status >= 500:
        return Outcome(Verdict.UNKNOWN, f"http_{status}")
    verdict = sort_error(error)
    if verdict is Verdict.TOKEN:  # the webhook's token is the webhook
        verdict = Verdict.DESTINATION
    if verdict is Verdict.UNKNOWN:
        return Outcome(Verdict.MESSAGE if 400 <= status < 500 else Verdict.UNKNOWN, f"http_{status}")
    return Outcome(verdict, error)


def _pointers(data: Mapping[str, Any]) -> str:
    """Where in the message the mistakes are, by Slack's `response_metadata`; what it quotes is left out."""
    metadata = data.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    found = _POINTER.findall(" ".join(map(str, messages))) if isinstance(messages, list) else []
    return f"at {', '.join(dict.fromkeys(found[:_MOST_POINTERS]))}" if found else ""


def _seconds(value: object) -> float | None:
    """Retry-After in seconds, at most an hour; None when it is missing or odd."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return None if math.isnan(seconds) else min(max(seconds, 0), 3600)
