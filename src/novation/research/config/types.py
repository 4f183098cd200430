"""What the keys of a configuration are made of: exact value types, and marks that say what a key does.

A key without a mark is carried out. `Fact`: it states a fact of the exchange and becomes an override. `NotBuilt`: it
belongs to a capability that is not there yet, and a value that asks for it is refused when the run begins. `Label`: a
description for people, recorded and without effect.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from novation.domain.errors import InvalidInput
from novation.domain.units import to_ns


@dataclass(frozen=True)
class _Mark:
    """Something said of a key; its words reach the JSON schema."""

    what: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "description": self.words()}

    def words(self) -> str:
        """The description an editor shows."""
        return self.what


class Fact(_Mark):
    """A fact of the exchange: the value given takes the place of the exchange's, and the report lists it."""

    def words(self) -> str:
        """The description an editor shows."""
        return f"{self.what}. Replaces the exchange's own value, which the report lists as an override."


class Label(_Mark):
    """A description for people, without effect."""

    def words(self) -> str:
        """The description an editor shows."""
        return f"{self.what}. Recorded, without effect."


@dataclass(frozen=True)
class NotBuilt(_Mark):
    """A capability that is not there yet. off: the values that do not ask for it."""

    off: tuple[Any, ...] = (None, False)

    def asked(self, value: Any) -> bool:
        """Whether a value asks for the capability."""
        if value in ("", [], {}):
            return False
        return not any(value is off or (value == off and type(value) is type(off)) for off in self.off)

    def words(self) -> str:
        """The description an editor shows."""
        off = dict.fromkeys(json.dumps(value) for value in self.off if not isinstance(value, float))
        return f"{self.what}. Not built yet: refused unless it is {' or '.join(off)}."


class Section(BaseModel):
    """A group of keys. `switch` names the key that puts the whole group out of force when it is false."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    switch: ClassVar[str] = "enabled"

    def dormant(self) -> frozenset[str]:
        """Names of the keys that are out of force, given the others."""
        if self.switch in self.model_fields_set and not getattr(self, self.switch):
            return frozenset(type(self).model_fields)
        return frozenset()

    def given(self, name: str) -> bool:
        """Whether a key was written and is not null."""
        return name in self.model_fields_set and getattr(self, name) is not None

    def marks(self) -> Iterator[tuple[tuple[str, ...], _Mark, Any]]:
        """(key path, mark, value) of every marked key that was written and is in force, in the order of the schema."""
        dormant = self.dormant()
        for name, field in type(self).model_fields.items():
            if name not in self.model_fields_set or name in dormant:
                continue
            value = getattr(self, name)
            key = field.alias or name
            if isinstance(value, Section):
                yield from (((key, *path), mark, found) for path, mark, found in value.marks())
            yield from (((key,), mark, value) for mark in field.metadata if isinstance(mark, _Mark))


# ---------------------------------------------------------------- values


# A null is as good as a key left out, so every check lets it pass.


def _number(value: Any) -> Any:
    if value is not None and not _is_number(value):
        raise PydanticCustomError("expected", "expected a number")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _positive(value: Any) -> Any:
    if value is not None and not (_is_number(value) and value > 0):
        raise PydanticCustomError("expected", "expected a number above 0")
    return value


def _instant(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, dt.date | str):
        raise PydanticCustomError("expected", "expected a date such as 2020-01-31, or an instant with its zone")
    try:
        to_ns(value)
    except InvalidInput as error:
        words = f"{error.problem} {error.hint}".strip()
        raise PydanticCustomError("expected", "{words}", {"words": words}) from None
    return value


def _pin(value: Any) -> Any:
    return {name: _instant(at) for name, at in value.items()} if isinstance(value, dict) else _instant(value)


def _cash(value: Any) -> Any:
    amounts = value.values() if isinstance(value, dict) else [value]
    if value is not None and not all(map(_is_number, amounts)):
        raise PydanticCustomError(
            "expected", "expected an amount, or amounts by currency or venue such as {USDT: 25_000}"
        )
    return value


def _path_or_number(value: Any) -> Any:
    if value is not None and not isinstance(value, str) and not _is_number(value):
        raise PydanticCustomError("expected", "expected a path or a number")
    return value


def _plain(check: Any, *kinds: str) -> Any:
    return PlainValidator(check), WithJsonSchema({"type": [*kinds, "null"]})


#: A number as it was written: an int stays an int, a float is read later by its shortest decimal.
Number = Annotated[Any, *_plain(_number, "number")]
Positive = Annotated[Any, *_plain(_positive, "number")]
#: A date or an instant with its zone.
Instant = Annotated[Any, *_plain(_instant, "string")]
#: An instant, or {venue or table: instant}.
Pin = Annotated[Any, *_plain(_pin, "string", "object")]
#: An amount of the only account, or {currency or venue: amount}.
Cash = Annotated[Any, *_plain(_cash, "number", "object")]
#: A file, or a constant.
PathOrNumber = Annotated[Any, *_plain(_path_or_number, "string", "number")]
