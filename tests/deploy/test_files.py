"""What stands under deploy/ is true: metrics and settings exist, and nothing is left out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.core.retry import REMEDIES, Verdict
from bridge.metrics import Metrics
from bridge.settings import NAMES, REQUIRED, Settings, load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
METRIC = re.compile(r"\b(booking_bridge_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
GROUPED = re.compile(r"\bby \(([^)]*)\)")
SETTING = re.compile(r"\b(?:BRIDGE|COPERA|SLACK)_[A-Z0-9_]+\b")


def samples() -> dict[str, set[str]]:
    """Every name that /metrics can show, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in Metrics().registry.collect():
        kind = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric.type, [""])
        for suffix in kind:
            found[metric.name + suffix] = {"le"} if suffix == "_bucket" else set()
    for collector in vars(Metrics()).values():
        for name in found:
            if getattr(collector, "_name", None) and name.startswith(collector._name):
                found[name] |= set(collector._labelnames)
    return found


def expressions() -> Iterator[str]:
    """Every PromQL expression of the dashboard and of the alert rules."""
    for panel in json.loads((DEPLOY / "dashboard.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def documents(name: str) -> list[Any]:
    return [document for document in yaml.safe_load_all((DEPLOY / name).read_text()) if document]


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_expressions_ask_for_what_is_measured(expression: str) -> None:
    """Metrics and labels exist; counters are read as rates."""
    known = samples()
    asked = METRIC.findall(expression)
    assert asked or expression == 'up{job="booking-bridge"} == 0'
    for name, selector in asked:
        assert name in known
        assert set(LABEL.findall(selector)) <= known[name]
        if name.endswith(("_total", "_bucket")):
            assert re.search(rf"(?:rate|increase)\({name}", expression)
    grouped = {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")}
    assert grouped <= set().union(*(known[name] for name, _ in asked))


def test_every_metric_is_looked_at() -> None:
    """No metric is gathered that neither the dashboard nor an alert shows."""
    shown = {name for expression in expressions() for name, _ in METRIC.findall(expression)}
    families = {metric.name for metric in Metrics().registry.collect()}
    assert {name for name in families if not any(one.startswith(name) for one in shown)} == set()


def test_the_alert_on_the_token_knows_every_error_that_stops_sending() -> None:
    (expression,) = (one for one in expressions() if "invalid_auth" in one)
    (named,) = re.findall(r'outcome=~"([^"]*)"', expression)
    stopping = {error for error, (verdict, _) in REMEDIES.items() if verdict is Verdict.TOKEN}
    assert set(named.split("|")) == stopping


def test_the_first_trouble_is_seen() -> None:
    """Prometheus sees no increase in a series that appears with 1: those of alerts begin with 0."""
    metrics = Metrics()
    before = metrics.text().decode()
    assert "_created" not in before
    metrics.count_event("created", "not_stored")
    metrics.count_event("made.up.by.somebody", "not_stored")
    metrics.slack_calls.labels("chat.postMessage", "token_revoked").inc()
    for line in metrics.text().decode().splitlines():
        if line.endswith(" 1.0") and "_total" in line:
            assert line.removesuffix("1.0") + "0.0" in before


def test_every_alert_says_what_to_do() -> None:
    for group in documents("alerts.yaml")[0]["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert rule["annotations"]["summary"]
            assert rule["annotations"]["description"]


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml", "booking-bridge.service", "README.md"])
def test_settings_exist(name: str) -> None:
    """A name that is no setting would be ignored in silence."""
    named = {found.removesuffix("_FILE") for found in SETTING.findall((DEPLOY / name).read_text())}
    assert named
    assert named <= set(NAMES)


def test_compose_mounts_every_secret_it_names() -> None:
    compose = documents("compose.yaml")[0]
    bridge = compose["services"]["bridge"]
    files = {value for name, value in bridge["environment"].items() if name.endswith("_FILE")}
    assert files == {f"/run/secrets/{name}" for name in bridge["secrets"]}
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
    subnet = compose["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert bridge["environment"]["BRIDGE_TRUSTED_PROXIES"] == subnet


def started_with(environment: Mapping[str, str], folder: Path) -> Settings:
    """The settings from the image's own environment and this one; a folder plays the mounted files."""
    secrets = {"BRIDGE_SECRET": "s" * 32, "BRIDGE_DATABASE_URL": "postgresql://bridge:x@database/bridge"}
    dockerfile = (ROOT / "Dockerfile").read_text()
    block = re.findall(r"^ENV ((?:.*\\\n)*.*)$", dockerfile, re.MULTILINE)
    given = dict(re.findall(r"(BRIDGE_\w+)=(\S+)", " ".join(block)))
    assert given
    for name, value in environment.items():
        given[name] = value
        if name.endswith("_FILE"):
            file = folder / Path(value).name
            file.write_text(secrets.get(name.removesuffix("_FILE"), "anything") + "\n")
            given[name] = str(file)
    return load(given, required=REQUIRED)


def test_the_image_starts_with_the_settings_of_compose(tmp_path: Path) -> None:
    """What the image sets and what a file gives would be two values for one setting: it refuses to start."""
    environment = dict(documents("compose.yaml")[0]["services"]["bridge"]["environment"])
    environment["BRIDGE_PUBLIC_URL"] = "https://bridge.example.com"  # asked of the environment, by DOMAIN
    loaded = started_with(environment, tmp_path)
    assert loaded.bridge_database_url.get_secret_value().startswith("postgresql:")


def test_the_image_starts_with_the_settings_of_kubernetes(tmp_path: Path) -> None:
    deployment = next(one for one in documents("kubernetes.yaml") if one["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    loaded = started_with({each["name"]: each["value"] for each in container["env"]}, tmp_path)
    assert loaded.bridge_database_url.get_secret_value().startswith("postgresql:")


def test_compose_bounds_what_each_container_may_do() -> None:
    """No new privileges, and logs that are turned over: one disk holds them and the database."""
    for service in documents("compose.yaml")[0]["services"].values():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}
        assert not service.get("privileged")


def test_kubernetes_mounts_rules_as_a_folder() -> None:
    """With a subPath a changed ConfigMap never arrives; and no probe may depend on Slack."""
    deployment = next(one for one in documents("kubernetes.yaml") if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    mounts: Mapping[str, Any] = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    assert not any("subPath" in mount for mount in mounts.values())
    settings = {each["name"]: each["value"] for each in container["env"]}
    assert settings["BRIDGE_RULES"].startswith(mounts["rules"]["mountPath"] + "/")
    secrets = [value for name, value in settings.items() if name.endswith("_FILE")]
    assert all(value.startswith(mounts["secrets"]["mountPath"] + "/") for value in secrets)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == "/healthz"


def test_kubernetes_selects_its_own_pods() -> None:
    """A selector that misses would open the network policy, and leave the service without pods."""
    every = {one["kind"]: one["spec"] for one in documents("kubernetes.yaml") if "spec" in one}
    template = every["Deployment"]["template"]
    labels = template["metadata"]["labels"]
    assert every["Service"]["selector"] == labels
    policy = every["NetworkPolicy"]
    for selector in (
        every["Deployment"]["selector"],
        every["PodDisruptionBudget"]["selector"],
        policy["podSelector"],
    ):
        assert selector == {"matchLabels": labels}
    names = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} <= names
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert all(rule.get("to") for rule in policy["egress"])  # without it a rule allows every address


def test_no_secret_stands_in_the_clear() -> None:
    """Secrets are named as files everywhere."""
    secret = re.compile(
        r"(BRIDGE_SECRET|BRIDGE_ADMIN_TOKEN|BRIDGE_DATABASE_URL|\w+_TOKEN|\w+_SECRETS)(?:: |=|, value: )(\S+)"
    )
    for name in ("compose.yaml", "kubernetes.yaml", "booking-bridge.service"):
        found = secret.findall((DEPLOY / name).read_text())
        assert [value for _, value in found if not value.startswith("sqlite:")] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_understood_and_confined(tmp_path: Path) -> None:
    """systemd knows every line, and finds little that the service could still do."""
    unit = tmp_path / "booking-bridge.service"
    text = (DEPLOY / unit.name).read_text()
    unit.write_text(text.replace("/opt/booking-bridge/bin/booking-bridge", "/bin/true"))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=120)
    assert unit.name not in checked.stderr
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    rated = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert rated.returncode == 0, rated.stdout[-300:]
