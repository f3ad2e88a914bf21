"""Message templates: Jinja2 source, compiled once in a sandbox and checked before it is used.

Knows nothing of rules files or Slack's limits: it turns source text into `Template` values or says
what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_ENVIRONMENT = ImmutableSandboxedEnvironment()


class TemplateProblem(Exception):
    """A template that cannot be used: what is wrong, and in which line of its source (from 1)."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template; two templates are equal when their sources are."""

    source: str


@dataclass(frozen=True, slots=True)
class Message:
    """A named message of rules.yaml; what it leaves out is None or empty.

    `fields` are pairs of label and value, `links` pairs of label and address. `blocks` is a list of
    Block Kit blocks as JSON-like values whose every string (but no key) is a Template.
    """

    name: str
    title: Template | None = None
    body: Template | None = None
    fields: tuple[tuple[str, Template], ...] = ()
    footer: Template | None = None
    links: tuple[tuple[str, Template], ...] = ()
    blocks: object | None = field(default=None)


def compile_template(source: str) -> Template:
    """The template in this text. Raises TemplateProblem."""
    try:
        _ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        raise TemplateProblem(error.message or "not a template", error.lineno) from None
    return Template(source)
