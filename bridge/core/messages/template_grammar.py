"""What a message template may say: its syntax tree is checked, then made ready for the sandbox.

Only the constructs named here pass. Every name is looked up in `core.messages.views`, so that a slip is
found when rules.yaml is checked and not when a booking arrives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from jinja2 import nodes
from jinja2.visitor import NodeTransformer, NodeVisitor

from bridge.core.messages.filters import FILTERS
from bridge.core.messages.views import ITEMS, ROOTS, SCALARS, SHAPES
from bridge.core.suggestions import did_you_mean, listed, nearest, quote

TESTS: Final = frozenset({"defined", "undefined", "none", "true", "false", "string", "number", "odd", "even"})
_NESTING: Final = 2
_LARGEST: Final = 10**9
_MENTION: Final = re.compile(r"<[!@]")
_OPEN_LINK: Final = re.compile(r"<(?:https?:[^\s<>]*|mailto:[^\s<>]*)?$")
_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.Name),
    *(nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Operand),
    *(nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Compare, nodes.CondExpr),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)
_REFUSED: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Pow: "powers (**) are not available in messages",
    nodes.Slice: "slices are not available in messages; use truncate, first or last",
    nodes.Macro: "macros are not available in messages",
    nodes.Include: "other files cannot be included in messages",
    nodes.Import: "other files cannot be imported in messages",
    nodes.FromImport: "other files cannot be imported in messages",
    nodes.Extends: "messages cannot extend one another",
    nodes.NSRef: "only plain names can be set",
}
_FULL_NAMES: Final[Mapping[str, str]] = {
    name: f"{path}.{name}"
    for path, kind in (("booking.booker", "booker"), ("event", "event"), ("booking", "booking"))
    for name in SHAPES[kind]
}
"""By their last part, the names that are often written without what they belong to."""
_SAME_KIND: Final = frozenset({"default"})
_ITEM_OF: Final = frozenset({"first", "last"})


def check(tree: nodes.Template) -> Sequence[tuple[int, str]]:
    """All problems of a template, as pairs of line (from 1) and words, in order of line."""
    checker = Checker()
    checker.visit(tree)
    return sorted(checker.problems, key=lambda problem: problem[0])


@dataclass
class Checker(NodeVisitor):
    """Walks a tree; `problems` are pairs of line and what is wrong. A visit answers with the value's kind.

    "" is a kind that is not known before the template runs.
    """

    kinds: dict[str, str] = field(default_factory=lambda: dict(ROOTS))
    problems: list[tuple[int, str]] = field(default_factory=list)
    depth: int = 0

    def report(self, line: int, message: str) -> str:
        if (line, message) not in self.problems:
            self.problems.append((line, message))
        return ""

    def visit(self, node: nodes.Node, *args: object, **kwargs: object) -> str:
        if isinstance(node, _ALLOWED):
            return str(super().visit(node, *args, **kwargs) or "")
        if isinstance(node, nodes.Call):
            return self._call(node)
        named = re.sub(r"(?<!^)(?=[A-Z])", " ", type(node).__name__).lower()
        words = _REFUSED.get(type(node), f"'{named}' is not available in messages")
        return self.report(node.lineno, words)

    def _call(self, node: nodes.Call) -> str:
        name = node.node.attr if isinstance(node.node, nodes.Getattr) else _path(node.node)
        hint = f"; write | {name}" if name in FILTERS else ""
        return self.report(node.lineno, f"nothing can be called in messages: {quote(name + '()')}{hint}")

    def visit_Name(self, node: nodes.Name) -> str:  # noqa: N802
        if node.name not in self.kinds:
            hint = self._meant(node.name) or f"; a message knows {listed(ROOTS, 'and')}"
            return self.report(node.lineno, f"unknown name {quote(node.name)}{hint}")
        return self.kinds[node.name]

    def _meant(self, name: str) -> str:
        """A name of this template, or of what a booking or an event has."""
        if full := _FULL_NAMES.get(name):
            return f" (did you mean {quote(full)}?)"
        near = did_you_mean(name, self.kinds)
        found = None if near else nearest(name, _FULL_NAMES)
        return f" (did you mean {quote(_FULL_NAMES[found])}?)" if found else near

    def visit_Getattr(self, node: nodes.Getattr) -> str:  # noqa: N802
        return self._named(node.node, node.attr, node.lineno)

    def visit_Getitem(self, node: nodes.Getitem) -> str:  # noqa: N802
        self.visit(node.arg)
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self._named(node.node, node.arg.value, node.lineno)
        return ITEMS.get(self.visit(node.node), "")

    def _named(self, of: nodes.Node, name: str, line: int) -> str:
        kind, path = self.visit(of), _path(of)
        if kind == "answers":
            return "text"
        if kind in SHAPES:
            if name in SHAPES[kind]:
                return SHAPES[kind][name]
            hint = did_you_mean(name, SHAPES[kind]) or f"; it has {listed(SHAPES[kind], 'and')}"
            return self.report(line, f"{path} has no {quote(name)}{hint}")
        if kind in ITEMS:
            return self.report(line, f"{path} is a list: use a loop, or ({path} | first).{name}")
        if kind in SCALARS or name.startswith("_"):
            return self.report(line, f"{path} is a plain value and has no {quote(name)}")
        return ""

    def visit_Filter(self, node: nodes.Filter) -> str:  # noqa: N802
        kind = self.visit(node.node) if node.node is not None else ""
        for part in (*node.args, *node.kwargs):
            self.visit(part)
        if node.name not in FILTERS:
            hint = did_you_mean(node.name, FILTERS) or f"; there are {listed(FILTERS, 'and')}"
            hint = "; values are escaped, always" if node.name in {"safe", "e", "escape"} else hint
            return self.report(node.lineno, f"unknown filter {quote(node.name)}{hint}")
        self._arguments(node)
        if node.name in _ITEM_OF:
            return ITEMS.get(kind, "")
        return kind if node.name in _SAME_KIND else ""

    def _arguments(self, node: nodes.Filter) -> None:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self.report(node.lineno, "'*' and '**' are not available in messages")
        signature = inspect.signature(FILTERS[node.name])
        try:
            signature.bind(None, None, *node.args, **{str(pair.key): pair.value for pair in node.kwargs})
        except TypeError:
            wanted = listed([quote(name) for name in list(signature.parameters)[2:]], "and")
            self.report(node.lineno, f"filter {quote(node.name)} takes {wanted}")

    def visit_Test(self, node: nodes.Test) -> str:  # noqa: N802
        if node.name not in TESTS:
            hint = did_you_mean(node.name, TESTS) or f"; there are {listed(sorted(TESTS), 'and')}"
            self.report(node.lineno, f"unknown test {quote(node.name)}{hint}")
        if node.name != "defined" or not isinstance(node.node, nodes.Name):
            self.generic_visit(node)
        return "flag"

    def visit_For(self, node: nodes.For) -> str:  # noqa: N802
        item = ITEMS.get(self.visit(node.iter), "")
        if node.recursive:
            self.report(node.lineno, "recursive loops are not available in messages")
        if self.depth == _NESTING:
            self.report(node.lineno, f"loops can be nested {_NESTING} deep, not more")
        self._bind(node.target, item)
        outer, self.kinds["loop"] = self.kinds.get("loop"), "loop"
        self.depth += 1
        for part in (*([node.test] if node.test else []), *node.body):
            self.visit(part)
        self.depth -= 1
        if outer is None:
            del self.kinds["loop"]
        for part in node.else_:
            self.visit(part)
        return ""

    def visit_Assign(self, node: nodes.Assign) -> str:  # noqa: N802
        self._bind(node.target, self.visit(node.node))
        return ""

    def _bind(self, target: nodes.Node, kind: str) -> None:
        if not isinstance(target, nodes.Name):
            self.report(target.lineno, "only one plain name can be set here")
        elif target.name in {*ROOTS, "loop"}:
            message = f"{quote(target.name)} is given and cannot be set; choose another name"
            self.report(target.lineno, message)
        else:
            before = self.kinds.get(target.name, kind)
            self.kinds[target.name] = kind if before == kind else ""

    def visit_Const(self, node: nodes.Const) -> str:  # noqa: N802
        if isinstance(node.value, str):
            self._own_text(node.value, node.lineno)
            return "text"
        if isinstance(node.value, int | float) and not abs(node.value) <= _LARGEST:
            self.report(node.lineno, "this number is too large")
        return "flag" if isinstance(node.value, bool) else "number"

    def visit_TemplateData(self, node: nodes.TemplateData) -> str:  # noqa: N802
        self._own_text(node.data, node.lineno)
        return ""

    def visit_Output(self, node: nodes.Output) -> str:  # noqa: N802
        for part, after in zip(node.nodes, [*node.nodes[1:], None], strict=True):
            self.visit(part)
            if after is None or not isinstance(part, nodes.TemplateData):
                continue
            if found := _OPEN_LINK.search(part.data):
                words = f"{quote(found[0])} and a value make no link; write {{{{ address | link('label') }}}}"
                self.report(part.lineno, words)
        return ""

    def _own_text(self, text: str, line: int) -> None:
        if found := _MENTION.search(text):
            words = "a message mentions nobody by itself; use the filter mention, or 'mention' of the post"
            self.report(line + text.count("\n", 0, found.start()), words)

    def _literal(self, node: nodes.List | nodes.Tuple | nodes.Dict) -> str:
        """Lists hold plain values only: a list in a list could be made to double again and again."""
        pairs = ((item.key, item.value) if isinstance(item, nodes.Pair) else (item,) for item in node.items)
        if any(self.visit(part) not in SCALARS for pair in pairs for part in pair):
            self.report(node.lineno, "a list in a message may hold only plain values")
        return ""

    visit_List = visit_Tuple = visit_Dict = _literal  # noqa: N815

    def visit_CondExpr(self, node: nodes.CondExpr) -> str:  # noqa: N802
        self.visit(node.test)
        kinds = {self.visit(part) for part in (node.expr1, node.expr2) if part is not None}
        return kinds.pop() if len(kinds) == 1 else ""


class Preparer(NodeTransformer):
    """Rewrites a checked tree so that every loop, joining and text of the admin goes through our filters."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.iter = _filter(" each", node.iter)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(" concat", nodes.List(node.nodes, lineno=node.lineno))

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr2 = node.expr2 or nodes.Const("", lineno=node.lineno)
        return node

    def visit_Const(self, node: nodes.Const) -> nodes.Node:  # noqa: N802
        return _filter(" own", node) if isinstance(node.value, str) else node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        if not re.search(r"[&<>]", node.data):
            return node
        return _filter(" own", nodes.Const(node.data, lineno=node.lineno))


def _filter(name: str, of: nodes.Node) -> nodes.Filter:
    return nodes.Filter(cast("nodes.Expr", of), name, [], [], None, None, lineno=of.lineno)


def _path(node: nodes.Node) -> str:
    """How an expression reads: "booking.booker"."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{_path(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return f"{_path(node.node)}[{node.arg.value!r}]"
    return "this"
