"""`make bench`: every figure beside its yardstick, from the same run on the same machine.

Without arguments all parts run, in less than five minutes on a quiet machine, and their tables are written to
docs/bench.md and README.md. With names of parts only those run, and nothing is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from bridge import logs
from tests.bench import acknowledging, delivering, feeds, messages, radicale, report, rules, stored, webhook
from tests.bench.figures import Figure
from tests.bench.report import ROOT

Part = Callable[[], Sequence[Figure]]

PARTS: Mapping[str, Part] = {
    "acknowledging": acknowledging.bench,
    "webhook": webhook.bench,
    "delivering": delivering.bench,
    "stored": stored.bench,
    "rules": rules.bench,
    "messages": messages.bench,
    "feeds": feeds.bench,
    "radicale": radicale.bench,
}


def run(chosen: Sequence[str]) -> report.Results:
    """The figures of these parts, printed as they come."""
    results = {}
    for name in chosen:
        results[name] = PARTS[name]()
        for figure in results[name]:
            print(f"{name}: {figure.line}", flush=True)
    return results


def main(chosen: Sequence[str]) -> None:
    """Run all parts and write their tables, or run those that are named."""
    logs.configure("error", "text")
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    when = report.machine()
    print(when)
    results = run(chosen or list(PARTS))
    if not chosen:
        report.write(results, when, ROOT)


if __name__ == "__main__":
    main(sys.argv[1:])
