"""YAML without its traps, for configurations and product files.

Differences from PyYAML's own reading: a key given twice is refused; `1e-4` is a number; only true and false are
booleans; `15:30` is a text and not 930; so is a date that no calendar has, for the check of its key to refuse.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from novation.domain.errors import ConfigError


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
