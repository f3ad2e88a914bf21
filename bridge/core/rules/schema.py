"""The JSON Schema of rules.yaml, made from the tables that the loader reads with.

It lets editors complete and check the file (YAML's language server takes it from the first line of the
file). What it cannot say, such as whether a message exists, only `check` knows.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bridge.core.rules.condition_keys import PATTERNS, WHEN
from bridge.core.rules.example_keys import SHORT_EVENT
from bridge.core.rules.keys import POSTS
from bridge.core.rules.language import FILE

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PATTERN: Final = (
    "A text or a list of texts, any of which matches. The whole value has to match, case ignored; * and ? "
    "as in file names; between slashes a regular expression, searched anywhere: /…/ or, ignoring case, /…/i."
)


def schema() -> dict[str, Any]:
    """The schema as JSON values."""
    parts = {
        "when": WHEN.schema(),
        "patterns": {"description": _PATTERN, **PATTERNS.kind().schema()},
        "posts": POSTS.kind().schema(),
        "event": SHORT_EVENT.schema(),
    }
    return {"$schema": DIALECT, "title": "rules.yaml of booking-bridge", **FILE.schema(), "$defs": parts}


def schema_text() -> str:
    """The schema as it is printed and shipped."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
