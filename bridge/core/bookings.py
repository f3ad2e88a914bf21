"""Bookings and events as the bridge knows them, and the one reader of Copera's JSON.

Foreign JSON is read here, once, into frozen values; behind this door nobody handles a dict.
Copera may add events, statuses and fields at any time and does not say what guests, locations
and answers hold, so the reader refuses nothing: what it cannot use becomes "" or None, and all
text is cleaned of characters that could harm a message, a calendar, a log line or a page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

Json = object
"""Anything `json.loads` returns."""

PENDING: Final = "PENDING"
CONFIRMED: Final = "CONFIRMED"
CANCELLED: Final = "CANCELLED"
DECLINED: Final = "DECLINED"
COMPLETED: Final = "COMPLETED"
STATUSES: Final = (PENDING, CONFIRMED, DECLINED, CANCELLED, COMPLETED)
