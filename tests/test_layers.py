"""The floor plan: the core does no I/O, imports go down only, and siblings do not know each other."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_cover  # it reads the code, and runs none of it

PACKAGE = Path(__file__).parents[1] / "bridge"

LAYERS = (
    {"cli"},
    {"sandbox"},
    {"app"},
    {"readiness", "warm_up"},
    {"web", "router", "courier", "mirror", "doctor", "rulebook", "alerts", "retention", "repair"},
    {"store", "slack", "copera"},
    {"database", "migrations"},
    {
        *("tables", "settings", "rules_file", "current_knowledge", "logs", "metrics", "tasks"),
        *("log_throttle", "fencing", "pacer", "garbage_collector"),
    },
    {"setting_values"},
    {"core"},
)
"""From high to low; siblings do not import each other."""

PURE = {
    "__future__", "base64", "binascii", "bisect", "collections", "contextlib", "dataclasses", "datetime",
    "difflib", "enum", "functools", "hashlib", "hmac", "inspect", "itertools", "json", "math", "operator",
    "re", "string", "struct", "textwrap", "typing", "unicodedata", "urllib", "uuid", "zlib", "zoneinfo",
}  # fmt: skip
"""Modules of the standard library that touch nothing outside the process."""
CALCULATORS = {"icalendar", "jinja2", "markupsafe", "msgspec", "pydantic", "re2", "yaml"}
"""Libraries that the core uses for calculation."""
FORBIDDEN = {
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("uuid", "uuid1"),
    ("uuid", "uuid4"),
}
"""Calls that read the clock or draw at random."""


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part(module: str) -> str:
    """The part that a module of ours belongs to: `cli` of `bridge.cli.send`; "" for the package itself."""
    return [*module.split("."), ""][1]


def module_of(file: Path) -> str:
    names = list(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def imports(file: Path) -> tuple[str, ...]:
    """Every module that a file imports at run time, in functions too; not what only a type checker sees."""
    return tuple(_imports(parsed(file)))


def _imports(tree: ast.Module) -> Iterator[str]:
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" if module == "bridge" else module for alias in node.names)


def floor(name: str) -> int:
    return next((number for number, names in enumerate(LAYERS) if name in names), -1)


@pytest.mark.parametrize("file", files(), ids=module_of)
def test_imports_go_down(file: Path) -> None:
    """A part imports only what lies below it; a new part needs a place in LAYERS."""
    mine = part(module_of(file))
    assert not mine or floor(mine) >= 0, f"{mine} has no place in LAYERS"
    for module in imports(file):
        theirs = part(module)
        if module.split(".")[0] != "bridge" or theirs in {mine, "__version__", ""}:
            continue
        assert floor(theirs) > floor(mine), f"{module_of(file)} imports {module}"


@pytest.mark.parametrize("file", sorted((PACKAGE / "core").rglob("*.py")), ids=module_of)
def test_the_core_does_no_io(file: Path) -> None:
    """No network, files, environment, clock, randomness or asyncio, by import or by call."""
    for module in imports(file):
        top = module.split(".")[0]
        if top == "bridge":
            assert module.startswith("bridge.core"), module
        else:
            assert top in PURE | CALCULATORS, module
            assert module != "urllib.request"
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            assert (name, node.func.attr) not in FORBIDDEN, f"line {node.lineno}: {node.func.attr}()"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "input", "print"}, f"line {node.lineno}: {node.func.id}()"


def test_only_one_module_speaks_to_slack() -> None:
    """slack_sdk is imported by bridge/slack.py alone, and only it knows the SDK's habits."""
    users = {
        module_of(file) for file in files() for module in imports(file) if module.startswith("slack_sdk")
    }
    assert users - {"bridge.slack"} == set()


def test_the_names_of_the_standard_library_are_right() -> None:
    assert set(sys.stdlib_module_names) >= PURE
