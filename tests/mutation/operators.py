"""Mutants of one source file: one expression or statement changed at a time.

What changes: comparisons (their strictness and their sense), arithmetic, ``and`` and ``or``, conditions,
signs, numbers, True and False, smallest and largest, ``break`` and ``continue``; statements that add or call
are left out. What does not: texts, annotations, decorators, what is raised and what an assertion says.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
REVERSED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
NAMED = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "log1p": "expm1",
    "expm1": "log1p",
    "fmax": "fmin",
    "fmin": "fmax",
}


@dataclass(frozen=True)
class Mutant:
    """One change: the bytes from ``start`` to ``end`` of the file become ``text``."""

    path: str
    function: str
    line: int
    start: int
    end: int
    text: str
    old: str
    new: str
    ordinal: int

    @property
    def key(self) -> str:
        """What it is known by in lists: independent of line numbers."""
        nth = f" [{self.ordinal}]" if self.ordinal else ""
        return f"{self.path}::{self.function}: {self.old} -> {self.new}{nth}"

    def applied(self, source: bytes) -> bytes:
        """The mutated file."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(path: str, source: bytes) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for function, node, changed in _changes(ast.parse(source)):
        statement = isinstance(node, ast.stmt)
        old, new = ast.unparse(node), ast.unparse(changed)
        if old == new:
            continue
        key = (function, old, new)
        found.append(
            Mutant(
                path,
                function,
                node.lineno,
                starts[node.lineno - 1] + node.col_offset,
                starts[node.end_lineno - 1] + node.end_col_offset,
                new if statement else f"({new})",
                old if len(old) <= 160 else old[:157] + "...",
                new if len(new) <= 160 else new[:157] + "...",
                seen[key],
            )
        )
        seen[key] += 1
    return found


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """(qualified name of the function, node, what it becomes)."""
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        name, node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = f"{name}.{node.name}".lstrip(".")
            children: list[ast.AST] = list(node.body)
            if not isinstance(node, ast.ClassDef):
                children += [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
                inner_children = [(f"{inner}", c) for c in children]
            else:
                inner_children = [(inner, c) for c in children]
            stack += reversed(inner_children)
            continue
        if _left_alone(node):
            continue
        yield from ((name, node, changed) for changed in _of_node(node))
        stack += reversed([(name, child) for child in _children(node)])


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "op", "ops", "ctx", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign) and any(
        isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
    ):
        return True
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _copied(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _of_node(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            for table in (COMPARED, REVERSED):
                if type(op) in table:
                    yield _copied(node, ops=[*node.ops[:k], table[type(op)](), *node.ops[k + 1 :]])
    elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED and not _text(node):
        yield _copied(node, op=COMPUTED[type(node.op)]())
    elif isinstance(node, ast.AugAssign) and type(node.op) in COMPUTED:
        yield _copied(node, op=COMPUTED[type(node.op)]())
        yield ast.copy_location(ast.Pass(), node)
    elif isinstance(node, ast.BoolOp):
        yield _copied(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from _of_constant(node)
    elif isinstance(node, ast.Break):
        yield ast.copy_location(ast.Continue(), node)
    elif isinstance(node, ast.Continue):
        yield ast.copy_location(ast.Break(), node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.copy_location(ast.Pass(), node)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    if isinstance(node, (ast.IfExp,)) and isinstance(node.test, (ast.Name, ast.Attribute, ast.Call)):
        yield _copied(node, test=ast.UnaryOp(ast.Not(), node.test))


def _of_constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.copy_location(ast.Constant(not value), node)
    elif isinstance(value, int):
        yield ast.copy_location(ast.Constant(value + 1), node)
    elif isinstance(value, float):
        yield ast.copy_location(ast.Constant(value * 2 if value else 1.0), node)


def _of_call(node: ast.Call) -> Iterator[ast.AST]:
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if name in NAMED:
        other = (
            _copied(function, id=NAMED[name])
            if isinstance(function, ast.Name)
            else _copied(function, attr=NAMED[name])
        )
        yield _copied(node, func=other)
    if name in ("abs", "fabs", "sqrt") and len(node.args) == 1:
        yield node.args[0]


def _text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )
