"""A frame of targets is a strategy."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any, Literal

from novation.domain.errors import ConfigError, DataError, UnknownInstrument
from novation.domain.units import DAY_NS, iso, to_ns
from novation.trading.strategy import Strategy
from novation.trading.views import Bar

#: An integer below this was not meant as ns since 1970.
_EARLIEST_NS = 365 * DAY_NS


class Targets(Strategy):
    """Hold what a frame says.

    frame: pandas or polars, one row a change. Either wide (`ts` or a DatetimeIndex, then one column per symbol), or
    long (`ts`, `symbol`, `target`). Missing values change nothing. unit: "qty" (signed quantity), "notional" (quote
    currency) or "weight" (share of equity). A target stamped t trades at the first price after t, never at one of t
    itself, so a signal taken from the bar that opens at t cannot see its own future.
    """

    def __init__(self, frame: Any, unit: Literal["qty", "notional", "weight"] = "qty") -> None:
        super().__init__()
        if unit not in ("qty", "notional", "weight"):
            raise ConfigError("unit is qty, notional or weight", source="Targets", value=unit)
        self._unit = unit
        self._rows = _read(frame)
        self._next: dict[str, int] = {}
        self._schedules: dict[str, tuple[list[int], list[float]]] = {}

    def on_start(self) -> None:
        """Sort the rows by symbol; what is due before the first price is sent at once if it needs no price."""
        self._schedules = {}
        for ns, symbol, value in self._rows:
            name = self._named(symbol)
            stamps, values = self._schedules.setdefault(name, ([], []))
            if stamps and ns < stamps[-1]:
                raise DataError("stamps are not sorted", source="Targets", where=f"{symbol} {iso(ns)}")
            stamps.append(ns)
            values.append(value)
        self._next = dict.fromkeys(self._schedules, 0)
        if self._unit == "qty":
            for symbol in self._schedules:
                self._apply(symbol, self.now_ns + 1)

    def _named(self, symbol: str) -> str:
        """The public id of a column or a row's symbol."""
        try:
            return self.broker.line(symbol).symbol
        except UnknownInstrument:
            raise UnknownInstrument.not_traded(symbol, self.broker.symbols, source="Targets") from None

    def on_bar(self, bar: Bar) -> None:
        """Trade to the newest target stamped before this instant."""
        if bar.symbol in self._schedules:
            self._apply(bar.symbol, bar.ts_ns)

    def on_stop(self) -> None:
        """Say what was never due."""
        late = sum(len(stamps) - self._next[symbol] for symbol, (stamps, _) in self._schedules.items())
        if late:
            self.broker.rounded["targets stamped at or after the last close, never traded"] = late

    def _apply(self, symbol: str, now_ns: int) -> None:
        stamps, values = self._schedules[symbol]
        due = bisect_left(stamps, now_ns, lo=self._next[symbol])
        if due > self._next[symbol]:
            self._next[symbol] = due
            size: dict[str, Any] = {self._unit: values[due - 1]}
            self.broker.target(symbol, **size)


def _read(frame: Any) -> list[tuple[int, str, float]]:
    """Rows (ns, symbol, value) of a wide or long frame."""
    if type(frame).__module__.startswith("pandas"):
        frame = frame.reset_index() if "ts" not in frame.columns else frame
        names = [str(name) for name in frame.columns]
        columns = {name: list(frame.iloc[:, i]) for i, name in enumerate(names)}
    elif type(frame).__module__.startswith("polars"):
        names = list(frame.columns)
        columns = {name: frame[name].to_list() for name in names}
    else:
        raise DataError("expected a pandas or polars frame", source="Targets", value=type(frame).__name__)
    stamp = names[0] if "ts" not in names else "ts"
    instants = [_stamp(value, row) for row, value in enumerate(columns[stamp])]
    if set(names) == {stamp, "symbol", "target"}:
        cells = [
            (ns, str(symbol), value)
            for ns, symbol, value in zip(instants, columns["symbol"], columns["target"], strict=True)
        ]
    else:
        cells = [(ns, name, columns[name][row]) for row, ns in enumerate(instants) for name in names if name != stamp]
    return [(ns, name, _target(value, name, ns)) for ns, name, value in cells if value is not None and value == value]


def _target(value: Any, symbol: str, ns: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.inf
    if not math.isfinite(number):
        raise DataError(
            "expected a number",
            source="Targets",
            where=f"{symbol} {iso(ns)}",
            value=value,
            hint="Give columns ts and one per symbol, or ts, symbol, target.",
        )
    return number


def _stamp(value: Any, row: int) -> int:
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    ns = to_ns(value, source="Targets", where=f"row {row + 1:,}")
    if not ns >= _EARLIEST_NS:
        raise DataError(
            "is no instant after 1970",
            source="Targets",
            where=f"row {row + 1:,}",
            value=value,
            hint="Give a DatetimeIndex or a column ts of aware datetimes.",
        )
    return ns
