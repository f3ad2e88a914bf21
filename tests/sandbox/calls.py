"""What a refused call says."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError


async def refusal(call: Awaitable[Any]) -> dict[str, Any]:
    """Return the body of Slack's refusal of this call."""
    with pytest.raises(SlackApiError) as caught:
        await call
    body: dict[str, Any] = caught.value.response.data
    return body


async def error(call: Awaitable[Any]) -> str:
    """Return the error code of Slack's refusal of this call."""
    return str((await refusal(call))["error"])
