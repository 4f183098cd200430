"""One series out of several expiries: the held contract's prices, joined at the rolls.

Up to and at a roll's instant the old contract is held, afterwards the new one. The adjustment of a roll is computed
once, there, from prices of both contracts at one time, and applied to every row up to that instant:

    difference   adjusted = price + sum of (new - old) over the rolls at or after the row, in exact 1e-8 units
    ratio        adjusted = price * product of (new / old) over the same rolls, in float64
    unadjusted   adjusted = price

The last segment is therefore the held contract's own price. A roll made later moves the *adjusted* prices of the past,
so what a strategy at time t may see is `as_of(t)`; the unadjusted prices and the roll table up to t never change.

Where the roll's instant has no price of both contracts, the latest earlier instant that has one is taken, not before
the old contract was rolled into; a caution lists those rolls. Nothing is filled.

Rounding (ratio only): price_e8 / 1e8, each new / old, their product from the newest roll back, and the last
multiplication are each rounded once to the nearest float64. 1e-8 units are not restored.

Source: facts/cme.md §9; what pysystemtrade does is told and measured in docs/rules/continuous.md. Not modelled: costs
of the roll, and prices that the two contracts had at different times.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, get_args

import numpy as np
import polars as pl

from novation.data.chain import checked_rolls
from novation.data.frames import Frame, read_e8, read_frame, read_stamps
from novation.data.series import Array, ContractRoll, frozen
from novation.domain.errors import DataError
from novation.domain.units import E8, from_e8, iso, to_ns
from novation.domain.words import counted

Method = Literal["difference", "ratio", "unadjusted"]

#: Columns a price is looked for in, settlements first; the rest are the last prices of their rows.
SETTLEMENT_NAMES = ("settlement", "settle")
PRICE_NAMES = (*SETTLEMENT_NAMES, "price", "close", "final", "last")

#: Said of every series made of closes.
CLOSES_CAUTION = "prices are closes, not the exchange's settlement prices"

_UTC = pl.Datetime("ns", "UTC")
_INT64 = 1 << 63


@dataclass(frozen=True, eq=False)
class MonthPrices:
    """One contract's prices, oldest first: instants in ns UTC and prices in 1e-8. closes: they are no settlements."""

    ts_ns: Array
    price_e8: Array
    closes: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ts_ns", frozen(self.ts_ns))
        object.__setattr__(self, "price_e8", frozen(self.price_e8))
        if len(self.ts_ns) != len(self.price_e8):
            raise ValueError(f"{len(self.ts_ns)} instants for {len(self.price_e8)} prices")
        if (np.diff(self.ts_ns) <= 0).any():
            raise ValueError("instants do not ascend")

    def until(self, as_of_ns: int) -> MonthPrices:
        """The prices up to and at an instant."""
        stop = int(np.searchsorted(self.ts_ns, as_of_ns, side="right"))
        return MonthPrices(self.ts_ns[:stop], self.price_e8[:stop], self.closes)


@dataclass(frozen=True)
class PricedRoll:
    """A roll and the prices it is made at.

    ts_ns: the last instant at which the old month is held. price_ns: when both prices were seen; earlier than `ts_ns`
        where that instant has no price of both.
    adjustment: new - old in 1e-8 (difference), new / old (ratio), 0 (unadjusted).
    """

    ts_ns: int
    old: int
    new: int
    price_ns: int
    price_old_e8: int
    price_new_e8: int
    adjustment: int | float


@dataclass(frozen=True, eq=False)
class ContinuousSeries:
    """Rows oldest first, all arrays of one length.

    ts_ns: instants. contract: the held month YYYYMM. price_e8: its own price in 1e-8.
    adjusted: int64 in 1e-8 (difference, unadjusted) or float64 in units of the quote currency (ratio).
    rolls: the roll table. cautions: every assumption made, one sentence each.
    """

    method: Method
    ts_ns: Array
    contract: Array
    price_e8: Array
    adjusted: Array
    rolls: tuple[PricedRoll, ...]
    cautions: tuple[str, ...] = ()
    inputs_cautions: tuple[str, ...] = ()  #: those among them that are about the inputs, whatever the rows

    def __len__(self) -> int:
        return len(self.ts_ns)

    def as_of(self, instant: Any) -> ContinuousSeries:
        """The series as it stood at an instant: its rows up to then, adjusted by the rolls up to then.

        Equal to the series built from prices and rolls cut there. instant: as `to_ns` takes it. Raises DataError: no
        row up to then.
        """
        at_ns = _instant(instant, "as_of")
        stop = int(np.searchsorted(self.ts_ns, at_ns, side="right"))
        if not stop:
            raise DataError(
                f"no price up to {iso(at_ns)}; the first is at {iso(int(self.ts_ns[0]))}",
                source="as_of",
                hint="Ask for a later instant.",
            )
        rolls = tuple(roll for roll in self.rolls if roll.ts_ns <= at_ns)
        rows = self.ts_ns[:stop], self.contract[:stop], self.price_e8[:stop]
        return _assemble(self.method, *rows, rolls, self.inputs_cautions)

    def to_frame(self) -> pl.DataFrame:
        """The rows for research: `ts` (UTC), `contract`, `price` and `adjusted` as floats."""
        adjusted = self.adjusted if self.method == "ratio" else self.adjusted / E8
        return pl.DataFrame(
            {
                "ts": pl.Series(self.ts_ns, dtype=pl.Int64).cast(_UTC),
                "contract": pl.Series(self.contract, dtype=pl.Int64),
                "price": pl.Series(self.price_e8 / E8, dtype=pl.Float64),
                "adjusted": pl.Series(adjusted, dtype=pl.Float64),
            }
        )

    def roll_frame(self) -> pl.DataFrame:
        """The roll table: `ts`, `old`, `new`, `price_ts`, `price_old`, `price_new`, `adjustment` as floats."""
        scale = 1 if self.method == "ratio" else E8
        return pl.DataFrame(
            {
                "ts": pl.Series([roll.ts_ns for roll in self.rolls], dtype=pl.Int64).cast(_UTC),
                "old": pl.Series([roll.old for roll in self.rolls], dtype=pl.Int64),
                "new": pl.Series([roll.new for roll in self.rolls], dtype=pl.Int64),
                "price_ts": pl.Series([roll.price_ns for roll in self.rolls], dtype=pl.Int64).cast(_UTC),
                "price_old": pl.Series([roll.price_old_e8 / E8 for roll in self.rolls], dtype=pl.Float64),
                "price_new": pl.Series([roll.price_new_e8 / E8 for roll in self.rolls], dtype=pl.Float64),
                "adjustment": pl.Series([roll.adjustment / scale for roll in self.rolls], dtype=pl.Float64),
            }
        )


def continuous(
    prices: Mapping[int, Any], rolls: Iterable[Any], *, method: Method = "difference", tz: str | None = None
) -> ContinuousSeries:
    """One series of the held contract's prices out of any number of expiries.

    prices: by contract month YYYYMM its `MonthPrices`, a frame or path with a stamp and a price column, or a pair of
        arrays (ts, price) read as such a frame: a price of 100 is 100, not 100 units of 1e-8.
    rolls: ascending (instant, old month, new month), or objects with `ts_ns`, `old` and `new`. Without a roll there
        is exactly one month. Months that no roll names are not used.
    tz: the zone of stamps that have none.

    Raises DataError: rolls that are no chain or go back, a month or a common price that is missing, and for `ratio` a
    price of zero or below at a roll.

    >>> march = [1709510400, 1709596800, 1709683200], [100.0, 101.0, 102.0]  # 2024-03-04 to 06
    >>> june = [1709596800, 1709683200], [105.5, 107.0]
    >>> series = continuous({202403: march, 202406: june}, [("2024-03-05", 202403, 202406)])
    >>> (series.price_e8 / 1e8).tolist(), (series.adjusted / 1e8).tolist()
    ([100.0, 101.0, 107.0], [104.5, 105.5, 107.0])
    """
    if method not in get_args(Method):
        known = ", ".join(repr(name) for name in get_args(Method))
        raise DataError("unknown method", source="method", value=method, hint=f"Known: {known}.")
    plan = _plan(rolls)
    held = [plan[0].old, *(roll.new for roll in plan)] if plan else list(prices)
    if len(held) != 1 and not plan:
        raise DataError(
            f"{counted(len(held), 'month')} given and no roll",
            source="rolls",
            hint="Give the rolls between them, or one month.",
        )
    missing = [month for month in held if month not in prices]
    if missing:
        raise DataError(
            "no prices of a month that the rolls name",
            source="prices",
            value=missing[0],
            hint="Give its prices, or leave its rolls out.",
        )
    months = {month: read_month(prices[month], f"prices[{month}]", tz=tz) for month in held}
    made: list[PricedRoll] = []
    for roll in plan:
        entered = made[-1].ts_ns if made else None
        made.append(_priced(roll, months[roll.old], months[roll.new], entered, method))
    parts = []
    for month, since, until in zip(held, [None, *plan], [*plan, None], strict=True):
        one = months[month]
        first = 0 if since is None else int(np.searchsorted(one.ts_ns, since.ts_ns, side="right"))
        stop = len(one.ts_ns) if until is None else int(np.searchsorted(one.ts_ns, until.ts_ns, side="right"))
        parts.append((one.ts_ns[first:stop], np.full(max(stop - first, 0), month), one.price_e8[first:stop]))
    ts_ns, contract, price_e8 = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not len(ts_ns):
        raise DataError("no price of any month while it is held", source="prices")
    cautions = (CLOSES_CAUTION,) if any(one.closes for one in months.values()) else ()
    return _assemble(method, ts_ns, contract, price_e8, tuple(made), cautions)


def read_month(given: Any, source: str, *, tz: str | None = None) -> MonthPrices:
    """One contract's prices: `MonthPrices` as they are, a frame, a path, or a pair of arrays (ts, price).

    The price is the first column found of settlement, settle, price, close, final, last. Raises DataError: a column,
    a stamp or a price that is missing or wrong, with its row.
    """
    if isinstance(given, MonthPrices):
        if not len(given.ts_ns):
            raise DataError("no rows", source=source)
        return given
    pair = isinstance(given, tuple | list) and len(given) == 2
    if pair:
        lengths = {len(column) for column in given}
        if len(lengths) != 1:
            raise DataError("has instants and prices of different number", source=source, value=sorted(lengths))
        frame = read_frame(pl.DataFrame({"ts": given[0], "price": given[1]}), source)
    else:
        frame = read_frame(given, source)
    return month_of(frame, tz=tz, closes=False if pair else None)


def month_of(frame: Frame, *, tz: str | None, closes: bool | None = None) -> MonthPrices:
    """One contract's prices out of a frame. closes: whether they are; None goes by the column's name."""
    name = _price_column(frame)
    ts_ns, _, _ = read_stamps(frame, tz)
    if closes is None:
        closes = name.lower() in ("close", "final", "last")
    return MonthPrices(ts_ns, read_e8(frame, name), closes)


def _price_column(frame: Frame) -> str:
    found = frame.find(*PRICE_NAMES)
    if found is None:
        have = ", ".join(frame.data.columns)
        frame.fail("no column with a price", hint=f"Its columns are: {have}. Name one of them settlement or close.")
    return found


# ---------------------------------------------------------------- rolls


def _instant(value: Any, source: str) -> int:
    """`to_ns`, also of a NumPy integer."""
    try:
        return operator.index(value)
    except TypeError:
        return to_ns(value, source=source)


def _plan(rolls: Iterable[Any]) -> tuple[ContractRoll, ...]:
    """The rolls, if they are a chain that goes forward in time and in months."""
    plan = []
    for roll in rolls:
        parts = (roll.ts_ns, roll.old, roll.new) if hasattr(roll, "ts_ns") else tuple(roll)
        if len(parts) != 3:
            raise DataError("a roll is (instant, old month, new month)", source="rolls", value=parts)
        at, old, new = parts
        at_ns = _instant(at, "rolls")
        plan.append(ContractRoll(at_ns, int(old), int(new), at_ns))
    for roll in plan:
        if roll.new <= roll.old:
            raise DataError(
                f"the roll at {iso(roll.ts_ns)} goes back from {roll.old} to {roll.new}",
                source="rolls",
                hint="Roll into a later month.",
            )
    return checked_rolls(plan, "continuous")


def _priced(
    roll: ContractRoll, old: MonthPrices, new: MonthPrices, entered_ns: int | None, method: Method
) -> PricedRoll:
    """A roll with the latest prices of both months at one time, between the roll before and this one."""
    common, at_old, at_new = np.intersect1d(old.ts_ns, new.ts_ns, assume_unique=True, return_indices=True)
    last = int(np.searchsorted(common, roll.ts_ns, side="right")) - 1
    if last < 0 or (entered_ns is not None and common[last] < entered_ns):
        since = "" if entered_ns is None else f" since {roll.old} was rolled into at {iso(entered_ns)}"
        raise DataError(
            f"{roll.old} and {roll.new} have no price at one time{since}, up to their roll at {iso(roll.ts_ns)}",
            source="rolls",
            hint="Roll later, or give prices of both months before the roll.",
        )
    price_old, price_new = int(old.price_e8[at_old[last]]), int(new.price_e8[at_new[last]])
    if method == "difference":
        adjustment: int | float = price_new - price_old
    elif method == "unadjusted":
        adjustment = 0
    elif price_old > 0 and price_new > 0:
        adjustment = price_new / price_old
    else:
        _refuse_ratio(roll, price_old, price_new)
    return PricedRoll(roll.ts_ns, roll.old, roll.new, int(common[last]), price_old, price_new, adjustment)


def _refuse_ratio(roll: ContractRoll, price_old: int, price_new: int) -> NoReturn:
    raise DataError(
        f"the roll {roll.old} to {roll.new} at {iso(roll.ts_ns)} is made at {_shown(price_old)} and "
        f"{_shown(price_new)}; a ratio needs both above zero",
        source="rolls",
        hint='Use method="difference".',
    )


def _shown(price_e8: int) -> str:
    return f"{from_e8(price_e8).normalize():f}"


# ---------------------------------------------------------------- adjustment


def _assemble(
    method: Method,
    ts_ns: Array,
    contract: Array,
    price_e8: Array,
    rolls: tuple[PricedRoll, ...],
    inputs_cautions: tuple[str, ...],
) -> ContinuousSeries:
    """The series of these rows and rolls: everything in it depends on nothing else."""
    segment = np.searchsorted(np.array([roll.ts_ns for roll in rolls], dtype=np.int64), ts_ns, side="left")
    if method == "ratio":
        newest_first = itertools.accumulate((roll.adjustment for roll in reversed(rolls)), operator.mul, initial=1.0)
        factors = np.array(list(newest_first)[::-1], dtype=np.float64)
        adjusted = price_e8 / E8 * factors[segment]
        adjusted.flags.writeable = False
    else:
        shifts = list(itertools.accumulate((int(roll.adjustment) for roll in reversed(rolls)), initial=0))[::-1]
        widest = max(abs(int(price_e8.min())), abs(int(price_e8.max())))
        if max(map(abs, shifts)) + widest >= _INT64:
            raise DataError("the adjusted prices are too large to count in 1e-8", source="continuous")
        adjusted = frozen(price_e8 + np.array(shifts, dtype=np.int64)[segment])
    cautions = (*inputs_cautions, *_cautions(method, ts_ns, price_e8, adjusted, rolls))
    return ContinuousSeries(
        method, frozen(ts_ns), frozen(contract), frozen(price_e8), adjusted, rolls, cautions, inputs_cautions
    )


def _cautions(
    method: Method, ts_ns: Array, price_e8: Array, adjusted: Array, rolls: tuple[PricedRoll, ...]
) -> Iterable[str]:
    earlier = [roll for roll in rolls if roll.price_ns < roll.ts_ns]
    if earlier:
        shown = "; ".join(
            f"{roll.old} to {roll.new} {iso(roll.ts_ns)}, prices of {iso(roll.price_ns)}" for roll in earlier
        )
        yield (
            f"{len(earlier)} of {counted(len(rolls), 'roll')} priced earlier than made, at the latest instant with "
            f"prices of both contracts: {shown}"
        )
    if method == "ratio":
        below = np.flatnonzero(price_e8 <= 0)
        if len(below):
            yield (
                f"the series crosses zero: {counted(len(below), 'price')} of zero or below, first "
                f"{_shown(int(price_e8[below[0]]))} at {iso(int(ts_ns[below[0]]))}; returns across zero mean nothing, "
                'use method="difference"'
            )
    elif method == "difference":
        pushed = int(((adjusted <= 0) & (price_e8 > 0)).sum())
        if pushed:
            yield (
                f"{counted(pushed, 'adjusted price')} of zero or below where the contract's own price is above: "
                "returns in percent mean nothing there"
            )
