"""What is wrong in a compiled strategy: the line of the user's file, the problem, and what is allowed there."""

from __future__ import annotations

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from novation._jit import CompileError
from novation.domain.errors import InvalidInput

ALLOWED = (
    "Allowed: numbers and bools, if, for, while, tuples, fields of my, math and the NumPy functions that Numba knows, "
    "and the functions of novation.engine.strategy"
)


class Source:
    """A user's function: where it stands, and its syntax where its file can be read."""

    def __init__(self, function: Callable[..., Any]) -> None:
        code = function.__code__
        self.function, self.first, self.file = function, code.co_firstlineno, Path(code.co_filename).name
        self.lines = [line for _, _, line in code.co_lines() if line]
        try:
            text, start = inspect.getsourcelines(function)
            tree = ast.parse(textwrap.dedent("".join(text)))
        except (OSError, TypeError, SyntaxError, IndentationError):
            self.nodes: list[ast.AST] = []
        else:
            ast.increment_lineno(tree, start - 1)
            self.nodes = list(ast.walk(tree))

    def where(self, line: int) -> str:
        """A place in the file."""
        return f"{self.file} line {line}"

    def line_of(self, places: Sequence[tuple[str, int]]) -> int | None:
        """The first of the places that lies in the function."""
        last = max(self.lines, default=self.first)
        return next((line for file, line in places if file == self.file and self.first <= line <= last), None)

    def names(self, name: str) -> Iterator[int]:
        """Lines that read a name."""
        return (node.lineno for node in self.nodes if isinstance(node, ast.Name) and node.id == name)

    def fields(self, name: str) -> Iterator[tuple[int, str]]:
        """Lines that ask something for a field, and what they ask."""
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and node.attr == name:
                yield node.lineno, node.value.id if isinstance(node.value, ast.Name) else ""

    def wrong_calls(self) -> Iterator[tuple[int, str]]:
        """Lines that call one of the exchange's functions with arguments that it does not take, and what it takes."""
        for node in self.nodes:
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            called = getattr(self.function.__globals__.get(node.func.id), "py_func", None)
            if called is None or any(isinstance(one, ast.Starred) for one in node.args):
                continue
            takes = inspect.signature(called)
            try:
                takes.bind(*node.args, **{key.arg: None for key in node.keywords if key.arg})
            except TypeError as error:
                yield node.lineno, f"{node.func.id}{takes} is called with something else: {error}"


def placed(function: Callable[..., Any]) -> str:
    """A strategy and where it begins, for errors that come from below it."""
    source = Source(function)
    return f"{source.where(source.first)}, compiled strategy {function.__name__}"


def check_function(function: Callable[..., Any], takes: Sequence[str]) -> None:
    """Refuse what is no plain function of so many arguments."""
    if not inspect.isfunction(function):
        raise InvalidInput("decorates a function", source="compiled", value=function)
    where = placed(function)
    form = f"def {function.__name__}({', '.join(takes)}): ..."
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise InvalidInput("yields or awaits: it would never run", source=where, hint=f"Write {form} without.")
    try:
        inspect.signature(function).bind(*takes)
    except TypeError as error:
        raise InvalidInput(f"cannot be called so: {error}", source=where, hint=f"Write {form}") from None


def explained(
    function: Callable[..., Any],
    error: CompileError,
    name: str,
    fields: Mapping[str, Sequence[str]],
    offered: Sequence[str],
) -> InvalidInput:
    """The error about a strategy that cannot be compiled.

    fields: by argument of the function what it has; an argument without is handed on only. offered: functions of the
    exchange.
    """
    source, problem = Source(function), str(error)
    line = source.line_of(error.places)
    hint = f"{ALLOWED}: {', '.join(offered)}."
    asked = next(source.fields(error.name), None) if error.name else None
    if problem.startswith("no field") and asked is not None:
        line, owner = asked
        has = fields.get(owner)
        if has:
            problem = f"{owner} has no field {error.name!r}"
            near = difflib.get_close_matches(error.name, has, 1)
            hint = (f"Did you mean {near[0]!r}? " if near else "") + f"It has {', '.join(has)}."
        elif has is not None:
            problem = f"{owner} has nothing to read: it is handed on"
            hint = f"E.g. position({owner}, 0). Functions: {', '.join(offered)}."
    elif error.name:
        line = line or next(source.names(error.name), None) or (asked[0] if asked else None)
        near = difflib.get_close_matches(error.name, offered, 1)
        if near:
            hint = f"Did you mean {near[0]!r}? {hint}"
    elif line is None or problem.startswith("Cannot bind"):
        wrong = next(source.wrong_calls(), None)
        if wrong is not None:
            line, problem = wrong
    where = f"{source.where(line or source.first)}, compiled strategy {name}"
    return InvalidInput(f"cannot be compiled: {problem}", source=where, hint=hint)
