"""Reading a configuration: YAML without its traps, settings from the command line, and errors that name the key.

Differences from PyYAML's own reading: a key given twice is refused; `1e-4` is a number; only true and false are
booleans; `15:30` is a text and not 930; so is a date that no calendar has, for the check of its key to refuse.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import ValidationError

from novation.domain.errors import ConfigError
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


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the rules of this module."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if tag.rpartition(":")[2] not in ("bool", "int", "float")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are texts, each given once."""
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise ConfigError("expected a text as key", source=self.name, where=f"line {line}", value=key)
            if key in seen:
                raise ConfigError(
                    f"key {key!r} is given twice, first in line {seen[key]}", source=self.name, where=f"line {line}"
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|\.nan|\.NaN|[-+]?\.inf", "-+0123456789."),
):
    _Loader.add_implicit_resolver(  # type: ignore[no-untyped-call]
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


def _date(loader: _Loader, node: Any) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)  # type: ignore[no-untyped-call]
    except ValueError:
        return node.value


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)


def parse_yaml(text: str, source: str) -> Any:
    """The value of a YAML text; errors name `source` and the line."""
    loader = _Loader(text)
    loader.name = source
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"is no YAML: {error.problem or error.context}", source=source, where=line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"is no YAML: {str(error).splitlines()[0]}", source=source) from None
    finally:
        loader.dispose()  # type: ignore[no-untyped-call]


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
