"""`make bench`: every figure beside its yardstick, from the same run on the same machine.

Without arguments all parts run, in less than five minutes on a quiet machine, and their tables are written to
docs/bench.md and README.md. With names of parts only those run, and these tables stay. `growing` runs only
when it is named, and writes a plot and a table of its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from bridge import logs
from tests.bench import (
    acknowledging,
    delivering,
    feeds,
    growing,
    messages,
    radicale,
    report,
    rules,
    stored,
    webhook,
)
from tests.bench.figures import Figure
from tests.bench.report import ROOT

Part = Callable[[], Sequence[Figure]]

PARTS: dict[str, Part] = {
    "acknowledging": acknowledging.bench,
    "webhook": webhook.bench,
    "delivering": delivering.bench,
    "stored": stored.bench,
    "rules": rules.bench,
    "messages": messages.bench,
    "feeds": feeds.bench,
    "radicale": radicale.bench,
}
BY_NAME: dict[str, Part] = {"growing": growing.bench}
"""What takes minutes of its own."""


def run(chosen: Sequence[str]) -> report.Results:
    """The figures of these parts, printed as they come."""
    results = {}
    for name in chosen:
        began = time.monotonic()
        results[name] = (PARTS | BY_NAME)[name]()
        for figure in results[name]:
            print(f"{name}: {figure.line}")
        print(f"{name}: took {time.monotonic() - began:.0f} s", flush=True)
    return results


def main(chosen: Sequence[str]) -> None:
    """Run all parts and write their tables, or run those that are named."""
    logs.configure("error", "text")
    known = [*PARTS, *BY_NAME]
    unknown = [name for name in chosen if name not in known]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(known)}")
    when = report.machine()
    print(when)
    began = time.monotonic()
    results = run(chosen or list(PARTS))
    took = f"{(time.monotonic() - began) / 60:.1f} minutes"
    print(f"took {took}")
    if not chosen:
        report.write(results, f"{when}; it took {took}", ROOT)


if __name__ == "__main__":
    main(sys.argv[1:])
