"""Message templates: Jinja2 source, checked, compiled once and run in a sandbox.

Knows nothing of rules files or Slack's limits: it turns source text into `Template` values, or says what
is wrong with it. Three walls stand between a template and the machine: only the constructs of
`core.messages.template_grammar` compile; at run time a value leads only to the names of its view, nothing
can be called and only numbers can be reckoned with; and steps and output are counted. Jinja2's own
sandbox stands behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final

import jinja2
from jinja2 import StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.core.messages import printing, template_grammar
from bridge.core.messages.addresses import assembled
from bridge.core.messages.filters import FILTERS, HIDDEN
from bridge.core.messages.markup import Markup
from bridge.core.messages.printing import LONGEST, Face, Misuse, Work, look
from bridge.core.suggestions import quote

LONGEST_SOURCE: Final = 10_000
_WORK: Final = " work"
_LARGEST: Final = 1e12
_MEANT_BY: Final = {
    **dict.fromkeys(
        "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb",
        "; it is a quote from a chat or document, so type ' instead",
    ),
    "?": "; write {{ this if condition else that }}",
    "!": "; write {% if not … %}",
    "&": "; write {% if this and that %}",
}
"""What to write instead of characters that templates do not know."""
_TOO_DEEP: Final = "the template is nested too deeply"


class TemplateProblem(Exception):
    """A template that cannot be used: what is wrong, and in which line of its source (from 1).

    `others` are the further problems of the same template.
    """

    def __init__(self, message: str, line: int = 1, others: tuple[TemplateProblem, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.others = others


class TemplateFailure(Exception):
    """A template that was checked could not be run on this booking; the message says why."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox with every door of its own shut: see `core.printing.look`."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self) -> None:
        super().__init__(
            autoescape=False,
            finalize=pass_context(lambda context, value: printing.shown(context[_WORK], value)),
            undefined=StrictUndefined,
            optimized=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.globals.clear()
        self.filters = {name: _adapted(function) for name, function in {**FILTERS, **HIDDEN}.items()}
        self.tests = {name: test for name, test in self.tests.items() if name in template_grammar.TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return look(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return look(obj, argument)

    def call(self, *_: Any, **__: Any) -> Any:
        raise Misuse("nothing can be called in messages")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str | Markup) and isinstance(right, str | Markup):
            return printing.concat(context[_WORK], [left, right])
        if operator == "**" or not _is_number(left) or not _is_number(right):
            raise Misuse(f"{operator} works on numbers; texts are joined with ~")
        return super().call_binop(context, operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if not _is_number(arg):
            raise Misuse(f"{operator} works on numbers")
        return super().call_unop(context, operator, arg)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _LARGEST


def _adapted(function: Callable[..., object]) -> Callable[..., object]:
    """One of our filters as Jinja2 calls them."""

    @pass_context
    def adapted(context: Context, *args: object, **kwargs: object) -> object:
        work: Work = context[_WORK]
        work.spend(1)
        return function(work, *args, **kwargs)

    return adapted


_SANDBOX: Final = _Sandbox()


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template; two templates are equal when their sources are."""

    source: str
    _compiled: jinja2.Template = field(repr=False, compare=False)

    def render(self, roots: Mapping[str, object], face: Face, zone: tzinfo) -> str:
        """The text in this face, at most about `LONGEST` characters. Raises TemplateFailure.

        `roots` are the values of `core.views.ROOTS`; times are said in `zone`.
        """
        context = self._compiled.new_context({**roots, _WORK: Work(face, zone)})
        pieces: list[str] = []
        room = LONGEST
        try:
            for piece in self._compiled.root_render_func(context):
                pieces.append(piece)
                room -= len(piece)
                if room < 0:
                    break
        except (Misuse, jinja2.UndefinedError) as error:
            raise TemplateFailure(str(error)) from None
        except Exception as error:  # a template must not stop a message, whatever it finds
            raise TemplateFailure(_in_words(error)) from None
        said = "".join(pieces).strip()
        return assembled(said) if face == "address" else said


def _in_words(error: Exception) -> str:
    if isinstance(error, ZeroDivisionError):
        return "a division by zero"
    if isinstance(error, TypeError):
        return "values of different kinds are compared or put together"
    return "the template cannot be run on this booking"


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
    blocks: object | None = None


@lru_cache(maxsize=4096)
def compile_template(source: str) -> Template:
    """The template in this text, made once for all places where it stands.

    Raises TemplateProblem for the first problem, which holds the others.
    """
    if len(source) > LONGEST_SOURCE:
        raise TemplateProblem(f"a template may have {LONGEST_SOURCE:,} characters, this has {len(source):,}")
    try:
        tree = _SANDBOX.parse(source)
        problems = [TemplateProblem(words, line) for line, words in template_grammar.check(tree)]
        if problems:
            raise TemplateProblem(problems[0].message, problems[0].line, tuple(problems[1:]))
        return Template(source, _compiled(template_grammar.Preparer().visit(tree)))
    except TemplateSyntaxError as error:
        raise TemplateProblem(_plainly(error.message or "", source), error.lineno) from None
    except (RecursionError, MemoryError, SyntaxError, OverflowError, ValueError):
        raise TemplateProblem(_TOO_DEEP) from None


def _plainly(said: str, source: str) -> str:
    """Jinja2's words for a slip as an admin would put them."""
    if found := re.search(r"innermost block that needs to be closed is '(\w+)'", said):
        return f"{{% {found[1]} %}} is never closed; write {{% end{found[1]} %}}"
    if said.startswith(("unexpected end of template", "unexpected '}'")):
        return "'{{' is never closed; a value stands between '{{' and '}}'"
    if said.startswith("Expected an expression, got 'end of"):
        return "nothing stands in this {{ … }} or {% … %}"
    if "{{{" in source and said.endswith("got '}'"):
        return "a value stands between two braces, {{ … }}, not between three"
    if found := re.match(r"unexpected char '(.+)' at", said):
        return f"{quote(found[1])} cannot stand in {{{{ … }}}} or {{% … %}}{_MEANT_BY.get(found[1], '')}"
    if found := re.match(r"expected token 'end of (?:print statement|statement block)', got (.*)", said):
        return f"{found[1]} does not fit in here; expected the end of this {{{{ … }}}} or {{% … %}}"
    return said or "this is not a template"


def _compiled(tree: nodes.Template) -> jinja2.Template:
    code = _SANDBOX.compile(tree)
    return jinja2.Template.from_code(_SANDBOX, code, {})
