"""`make bench`: every figure beside its yardstick, from the same run on the same machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from bridge import logs
from tests.bench import acknowledging, delivering, feeds, messages, rules

PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "acknowledging": acknowledging.bench,
    "delivering": delivering.bench,
    "rules": rules.bench,
    "messages": messages.bench,
    "feeds": feeds.bench,
}


def main(chosen: list[str]) -> None:
    """Run all parts, or those that are named."""
    logs.configure("error", "text")
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}")
    for name, bench in PARTS.items():
        if not chosen or name in chosen:
            for line in bench():
                print(f"{name}: {line}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
