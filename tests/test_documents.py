"""The documents lead somewhere: every relative link in them exists, and nothing is left to fill in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md")])
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    """A link that is no web address names a file of the project."""
    links = [link for link in _LINK.findall(document.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_anchors_lead_to_headings(document: Path) -> None:
    """Named as GitHub names a heading: small letters, hyphens for spaces, and nothing else."""
    anchors = re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", document.read_text("utf-8"))
    led = [
        (document.parent / file if file else document, name) for file, name in anchors if "://" not in file
    ]
    assert [(file.name, name) for file, name in led if name not in _headings(file)] == []


def _headings(document: Path) -> set[str]:
    prose = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_nothing_is_left_to_fill_in(document: Path) -> None:
    """Text in code may hold what a user replaces; the rest is finished."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", document.read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r"\b(?:TODO|FIXME|XXX|TBD|FIGURES)\b", prose) == []
