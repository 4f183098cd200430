"""Every error novation raises, drawn once.

    NovationError
      InvalidInput          what was handed in is wrong: says the file or argument, the row, the value, the remedy
        OffGrid             a price or size between two ticks or lots
        ConfigError         a configuration key or value
        DataError           a file or frame of history
      UnknownInstrument     no such symbol, or more than one
      NoRuleInForce         a dated table has no row for the instant asked
      VenueError            the exchange was driven wrongly (a clock that runs back, an unknown account)
      RemoteError           somebody else's server failed

A refusal by the exchange is not an error: it is an `OrderRejected` event with a `RejectReason`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Self

#: Names an UnknownInstrument lists at most.
_NAMED = 8


class NovationError(Exception):
    """Root of the tree; `to_dict()` is what `--json` prints."""

    def to_dict(self) -> dict[str, Any]:
        """The error as plain values: its kind and its one-line message."""
        return {"error": type(self).__name__, "message": str(self)}


class InvalidInput(NovationError):
    """Something handed in is wrong.

    source: the file, frame or argument; where: row, column or key in it; value: what was found;
    hint: what to do. The message is one line made of the parts that are given.
    """

    def __init__(self, problem: str, *, source: str = "", where: str = "", value: Any = None, hint: str = "") -> None:
        self.problem, self.source, self.where, self.value, self.hint = problem, source, where, value, hint
        place = " ".join(part for part in (source, where) if part)
        shown = "" if value is None else f" (found {value!r})"
        message = f"{place}: {problem}{shown}" if place else f"{problem}{shown}"
        if not message.endswith((".", "?", "!")):
            message += "."
        super().__init__(f"{message} {hint}".strip())

    def to_dict(self) -> dict[str, Any]:
        """The parts of the message, each under its name."""
        parts = {"problem": self.problem, "source": self.source, "where": self.where, "hint": self.hint}
        given = {name: part for name, part in parts.items() if part}
        if self.value is not None:
            given["value"] = str(self.value)
        return super().to_dict() | given


class OffGrid(InvalidInput):
    """A price that is no multiple of the tick, or a size that is no multiple of the lot."""


class ConfigError(InvalidInput):
    """A key or value of a configuration."""


class DataError(InvalidInput):
    """A file or frame of history."""


class UnknownInstrument(NovationError):
    """No instrument of that name, or several: `candidates` lists the names it could be.

    known: the names there are, the nearest first, where none is near enough to be a candidate. source, where: the
    file or argument, and the key or column in it, that has the name. hint: what to do, put behind the message.
    """

    def __init__(
        self,
        symbol: str,
        candidates: tuple[str, ...] = (),
        *,
        reason: str = "",
        known: Iterable[str] = (),
        source: str = "",
        where: str = "",
        hint: str = "",
    ) -> None:
        self.symbol, self.candidates, self.reason, self.known = symbol, candidates, reason, tuple(known)
        self.source, self.where, self.hint = source, where, hint
        if reason:
            message = f"{symbol!r} {reason}"
        elif len(candidates) > 1:
            message = f"{symbol!r} could be {', '.join(candidates)}. Say which."
        elif candidates:
            message = f"unknown instrument {symbol!r}; the nearest known name is {candidates[0]}."
        elif self.known:
            more = f" and {len(self.known) - _NAMED} more" if len(self.known) > _NAMED else ""
            message = (
                f"unknown instrument {symbol!r}; known, the nearest first: {', '.join(self.known[:_NAMED])}{more}."
            )
        else:
            message = f"unknown instrument {symbol!r}."
        message = f"{message} {hint}".strip()
        place = " ".join(part for part in (source, where) if part)
        super().__init__(f"{place}: {message}" if place else message)

    @classmethod
    def not_traded(cls, symbol: str, traded: Iterable[str], *, source: str = "", where: str = "") -> Self:
        """The error about a name that is none of the ids traded in a run; says which of them is nearest.

        >>> str(UnknownInstrument.not_traded("ETHUSD", ["binance_um:BTCUSDT", "binance_um:ETHUSDT"]))
        "'ETHUSD' is not traded here; the nearest of 2 traded names is binance_um:ETHUSDT."
        """

        def likeness(id: str) -> float:
            names = (id, id.partition(":")[2])
            return max(difflib.SequenceMatcher(None, symbol.upper(), name.upper()).ratio() for name in names)

        ids = list(traded)
        near = tuple(sorted(ids, key=likeness, reverse=True)[:1])
        if len(ids) > 1:
            reason = f"is not traded here; the nearest of {len(ids)} traded names is {near[0]}."
        else:
            reason = f"is not traded here; traded: {near[0] if near else 'nothing'}."
        return cls(symbol, near, reason=reason, source=source, where=where)

    def at(self, source: str, where: str) -> Self:
        """The same error about the place where the name was written."""
        return type(self)(
            self.symbol,
            self.candidates,
            reason=self.reason,
            known=self.known,
            source=source,
            where=where,
            hint=self.hint,
        )

    def to_dict(self) -> dict[str, Any]:
        """Adds the symbol, the candidates and the place."""
        place = {name: part for name, part in (("source", self.source), ("where", self.where)) if part}
        return super().to_dict() | {"symbol": self.symbol, "candidates": list(self.candidates)} | place


class NoRuleInForce(NovationError):
    """A dated table holds no row for the instrument at the instant."""

    def __init__(self, table: str, key: str, at: str, *, known: str = "", hint: str = "") -> None:
        self.table, self.key, self.at, self.known, self.hint = table, key, at, known, hint
        scope = f" ({known})" if known else ""
        super().__init__(f"{key}: no row of table {table!r} in force at {at}{scope}. {hint}".strip())

    def to_dict(self) -> dict[str, Any]:
        """Adds table, key and instant."""
        return super().to_dict() | {"table": self.table, "key": self.key, "at": self.at, "known": self.known}


class VenueError(NovationError):
    """The exchange was driven in a way it cannot be."""


class RemoteError(NovationError):
    """Another party's server answered wrongly or not at all."""
