"""Reading a configuration: YAML (`reference.yaml_text`), settings from the command line, errors that name the key."""

from __future__ import annotations

import datetime as dt
import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from novation.domain.errors import ConfigError
from novation.reference.yaml_text import parse_yaml
from novation.research.config.keys import Data, Files
from novation.research.config.types import Section

S = TypeVar("S", bound=Section)

_EXPECTED = {
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "bool_type": "expected true or false",
    "string_type": "expected a text",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping of keys",
    "model_attributes_type": "expected a mapping of keys",
    "missing": "is missing",
    "greater_than_equal": "expected a whole number above 0",
    "from_0": "expected a whole number, 0 or more",
}


def read_yaml(path: Path) -> dict[str, Any]:
    """A configuration file as a mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("no such file", source=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", source=str(path)) from None
    given = parse_yaml(text, path.name)
    if not isinstance(given, dict):
        raise ConfigError("expected a mapping of keys", source=path.name, hint="For example `strategy: my.py:Carry`.")
    return given


def with_settings(values: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """The values with each setting "a.b=c" put in, c read as YAML.

    >>> with_settings({"margin": {"scope": "cross"}}, ["margin.leverage=5"])
    {'margin': {'scope': 'cross', 'leverage': 5}}
    """
    changed = dict(values)
    for setting in settings:
        path, equals, text = setting.partition("=")
        *parents, name = path.strip().split(".")
        if not equals or not name or not all(parents):
            raise ConfigError("expected KEY=VALUE such as margin.leverage=5", source="--set", value=setting)
        place = changed
        for done, parent in enumerate(parents, 1):
            inner = place.get(parent)
            if inner is not None and not isinstance(inner, dict):
                raise ConfigError(f"{'.'.join(parents[:done])} holds no keys", source="--set", value=setting)
            place[parent] = dict(inner or {})
            place = place[parent]
        place[name] = parse_yaml(text, f"--set {path}")
    return changed


def plain(value: Any) -> Any:
    """The same value as JSON knows it: dates as text."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date) else value


# ---------------------------------------------------------------- checking


def validated(values: Mapping[str, Any], source: str, schema: type[S]) -> S:
    """The values as the schema has them, or one ConfigError that names the first wrong key."""
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        problems = error.errors(include_url=False)
    unknown = [problem for problem in problems if _is_unknown(problem)]
    first = (unknown or problems)[0]
    key = _dotted(first["loc"])
    if unknown:
        raise ConfigError("unknown key", source=source, where=key, hint=_nearest(first["loc"], schema))
    kind = "from_0" if first.get("ctx", {}).get("ge") == 0 else first["type"]
    text = _EXPECTED.get(kind) or first["msg"].replace("Input should be", "expected")
    value = None if first["type"] == "missing" else first["input"]
    raise ConfigError(text, source=source, where=key, value=_short(value))


def _is_unknown(problem: Any) -> bool:
    # Of `data` any further key is an instrument's files, unless it holds something else than keys.
    stray = problem["loc"][:1] == ("data",) and len(problem["loc"]) == 2 and problem["loc"][1] not in Data.model_fields
    return problem["type"] == "extra_forbidden" or stray


def _short(value: Any) -> Any:
    return f"{str(value)[:60]}..." if isinstance(value, dict | list) and len(str(value)) > 60 else value


def _dotted(loc: Sequence[Any]) -> str:
    text = ""
    for part in loc:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _names(section: type[Section]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """The sections a field's annotation speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, list):
        for inner in get_args(annotation):
            yield from sections_in(inner)


def key_paths(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Every key of the schema, dotted: `margin`, `margin.leverage`, ..."""
    for name, field in section.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        yield path
        for inner in sections_in(field.annotation):
            yield from key_paths(inner, f"{path}.")


def _nearest(loc: Sequence[Any], schema: type[Section]) -> str:
    """What the writer may have meant: a name of the same section, else the same or a close name of another."""
    *parents, name = [str(part) for part in loc if not isinstance(part, int)]
    section = schema
    for parent in parents:
        by_name = {field.alias or own: field for own, field in section.model_fields.items()}
        if parent in by_name:
            section = next(sections_in(by_name[parent].annotation))
        elif section is Data:
            section = Files
    names = _names(section)
    close = difflib.get_close_matches(name, names, 1, 0.7)
    elsewhere = [path for path in key_paths(schema) if path.rpartition(".")[2] == name]
    if not close and not elsewhere:
        every = {path.rpartition(".")[2]: path for path in key_paths(schema)}
        elsewhere = [every[found] for found in difflib.get_close_matches(name, every, 1, 0.8)]
    if close:
        return f"Did you mean {'.'.join([*parents, close[0]])!r}?"
    if elsewhere:
        return f"Did you mean {elsewhere[0]!r}?"
    close = difflib.get_close_matches(name, names, 1, 0.3)
    nearest = f"The nearest known name is {'.'.join([*parents, close[0]])!r}. " if close else ""
    return f"{nearest}Known{' here' if parents else ''}: {', '.join(names)}."
