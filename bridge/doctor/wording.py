"""What came of a call to Slack, for people."""

from __future__ import annotations

from bridge.core import retry
from bridge.core.retry import Outcome, Verdict


def words(outcome: Outcome) -> tuple[str, str]:
    """What happened, and the remedy."""
    if outcome.error.startswith(retry.OURS):
        return f"no sensible answer ({outcome.error})", "look at the network, a proxy and SLACK_API_URL"
    said, _, remedy = retry.problem(outcome).partition(": ")
    if outcome.detail:
        said, _, remedy = retry.problem(outcome).rpartition("): ")
        said += ")"
    if outcome.verdict is Verdict.LIMITED:
        remedy = "wait a minute and ask again"
    return said, remedy
