"""The alert rules raise what they are for, and nothing else: alerts_test.yaml, by Prometheus' own tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ALERTS = Path(__file__).parents[2] / "deploy" / "alerts.yaml"
CASES = Path(__file__).with_name("alerts_test.yaml")


def test_every_alert_has_a_case() -> None:
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    text = CASES.read_text()
    assert [rule["alert"] for rule in rules if rule["alert"] not in text] == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Prometheus) is not installed")
def test_alerts_are_raised(tmp_path: Path) -> None:
    (tmp_path / "cases.yaml").write_text(CASES.read_text().replace("ALERTS]", f"{ALERTS}]", 1))
    done = subprocess.run(
        ["promtool", "test", "rules", "cases.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
