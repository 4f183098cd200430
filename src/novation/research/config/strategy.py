"""A strategy by name: "file.py:Name" beside the configuration, or "package.module:Name"."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from novation.domain.errors import ConfigError
from novation.trading.strategy import Strategy


def load_strategy(text: str, params: Mapping[str, Any], folder: Path, source: str) -> Any:
    """The strategy that `text` names, made with `params`.

    Name stands for a Strategy class, a strategy made by `@novation.compiled`, or a function that returns either.
    folder: what a file is relative to. source: the configuration, for errors.
    """
    place, _, name = text.rpartition(":")
    if not place or not name.isidentifier():
        raise ConfigError(
            'expected "file.py:Class" or "package.module:Class"', source=source, where="strategy", value=text
        )
    module = _from_file(folder / place, source) if place.endswith(".py") else _from_package(place, source)
    made = _named(module, name, place, source)
    if isinstance(made, type) and issubclass(made, Strategy):
        _check_params(made, params, source)
    if callable(made):
        try:
            inspect.signature(made).bind(**params)
        except TypeError as error:
            raise ConfigError(f"{name}: {error}", source=source, where="params") from None
        made = made(**params)
    elif params:
        raise ConfigError(f"{name} takes none", source=source, where="params", value=", ".join(params))
    if not _is_strategy(made):
        raise ConfigError(
            "is no Strategy, no compiled strategy and returns none",
            source=source,
            where="strategy",
            value=text,
        )
    return made


def strategy_digest(text: str, folder: Path) -> str | None:
    """BLAKE2b of the file a strategy is in, None where it has none."""
    place = text.rpartition(":")[0]
    path: Path | None = folder / place
    if not place.endswith(".py"):
        module = sys.modules.get(place)
        path = Path(module.__file__) if module is not None and module.__file__ else None
    if path is None or not path.is_file():
        return None
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _is_strategy(value: Any) -> bool:
    return isinstance(value, Strategy) or (hasattr(value, "bind") and not isinstance(value, type))


def _from_file(path: Path, source: str) -> types.ModuleType:
    """Run a file as a module of its own; its folder is importable, as for a script.

    It is not kept in `sys.modules`, so a file called like a library does not hide it.
    """
    if not path.is_file():
        raise ConfigError("no such file", source=source, where="strategy", value=str(path))
    path = path.resolve()
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    before = sys.modules.get(path.stem)
    sys.modules[path.stem] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    finally:
        if before is None:
            del sys.modules[path.stem]
        else:
            sys.modules[path.stem] = before
    return module


def _from_package(name: str, source: str) -> types.ModuleType:
    parent = ""
    for part in name.split("."):
        parent = f"{parent}.{part}" if parent else part
        if importlib.util.find_spec(parent) is None:
            raise ConfigError(
                f"no module {parent!r}", source=source, where="strategy", hint='For a file write "file.py:Class".'
            )
    return importlib.import_module(name)


def _named(module: types.ModuleType, name: str, place: str, source: str) -> Any:
    if hasattr(module, name):
        return getattr(module, name)
    known = [
        found
        for found, value in vars(module).items()
        if _is_strategy(value)
        or (isinstance(value, type) and issubclass(value, Strategy) and value.__module__ == module.__name__)
    ]
    near = difflib.get_close_matches(name, known, 1) or known[:1]
    raise ConfigError(
        f"{place} has no {name!r}",
        source=source,
        where="strategy",
        hint=f"Did you mean {near[0]!r}?" if near else "It has no strategy at all.",
    )


def _check_params(kind: type[Strategy], params: Mapping[str, Any], source: str) -> None:
    """Names and types of parameters against the class attributes they set; an __init__ of its own checks for itself."""
    if kind.__init__ is not Strategy.__init__:
        return
    known = kind.parameters()
    for name, value in params.items():
        where = f"params.{name}"
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known) or 'none'}."
            raise ConfigError(f"is no parameter of {kind.__name__}", source=source, where=where, hint=hint)
        expected = _expected(known[name])
        if expected and (isinstance(value, bool) != (expected[0] is bool) or not isinstance(value, expected)):
            words = {bool: "true or false", str: "a text"}.get(expected[0], "a number")
            raise ConfigError(
                f"expected {words}, as its default {known[name]!r}", source=source, where=where, value=value
            )


def _expected(default: Any) -> tuple[type, ...]:
    if isinstance(default, bool):
        return (bool,)
    if isinstance(default, int | float):
        return (int, float)
    return (str,) if isinstance(default, str) else ()
