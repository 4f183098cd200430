"""A product's dated contracts and the rolls between them.

A contract's bars run from the bar that opens where it is rolled into, to the end of the day on which it is
rolled out of. A roll needs a price of both contracts at one time: each has a bar that opens at the roll.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from novation.data.bars import bar_length, daily_closes, gap_frame, period_text, read_candles, weekday_gaps
from novation.data.frames import kind_of, read_e8, read_frame, read_index, read_stamps, volumes
from novation.data.series import Array, Bars, ContractRoll, Prepared, PreparedChain, known_before
from novation.data.trailing import Trailing
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS, HOUR_NS, iso, to_ns
from novation.domain.words import counted

_NONE: Array = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class ContractHistory:
    """One contract while it is held: its bars, the mark equal to the last price, and its daily settlements.

    step_ns: the bar length by which gaps are found; 0 where a bar is a day from its first price to midnight.
    """

    bars: Bars
    settlement_ns: Array
    settlement_e8: Array
    step_ns: int = 0
    prior_ns: Array = field(default_factory=lambda: _NONE)  #: ends and closes of bars before the first one
    prior_e8: Array = field(default_factory=lambda: _NONE)
    prior_settlement_ns: Array = field(default_factory=lambda: _NONE)  #: those given for before the first bar
    prior_settlement_e8: Array = field(default_factory=lambda: _NONE)


class ContractChain:
    """Bars of several months of one product, and when the held one changes.

    bars: by contract month YYYYMM a frame as `History` takes it for `last`.
    rolls: (instant, old month, new month) ascending; both months need a bar that opens at the instant. The old
        one is kept to the end of that day (UTC), of bars of at most an hour to the end of the next.
    settlement: by month a frame of `ts` and `settlement`; without it the last close of each day in the data's
        own clock stands in.
    index: of equity index futures, the cash index as in `History`.
    stamp, tz, bar: as in `History`.
    """

    kind: str  #: kind of frame that results return in
    source: str  #: what errors call the data
    rolls: tuple[ContractRoll, ...]
    contracts: dict[int, ContractHistory]
    cautions: tuple[str, ...]
    unpriced_days: Array  #: starts of days that the source lists without a price
    index: tuple[Array, Array] = (_NONE, _NONE)

    def __init__(
        self,
        bars: Mapping[int, Any],
        rolls: Sequence[tuple[Any, int, int]],
        *,
        settlement: Mapping[int, Any] | None = None,
        index: Any = None,
        stamp: Literal["open", "close"] = "open",
        tz: str | None = None,
        bar: str | None = None,
    ) -> None:
        if not bars:
            raise DataError("no contract given", source="bars")
        if stamp not in ("open", "close"):
            raise DataError("must be 'open' or 'close'", source="stamp", value=stamp)
        if bar is not None:
            bar_length(bar)
        kinds = {kind_of(given, f"bars[{month}]") for month, given in bars.items()}
        self.kind = "polars" if kinds & {"path", "polars"} else min(kinds)
        self.source, self.unpriced_days = "bars", _NONE
        stamped = [(to_ns(at, source="rolls"), int(old), int(new)) for at, old, new in rolls]
        self.rolls = checked_rolls([ContractRoll(ts, old, new, ts) for ts, old, new in stamped], self.source)
        in_chain = {month for roll in self.rolls for month in (roll.old, roll.new)} or set(bars)
        missing = sorted(in_chain - set(bars))
        if missing:
            raise DataError(
                "no bars of a month that the rolls name",
                source="bars",
                value=missing[0],
                hint="Give its bars, or leave its rolls out.",
            )
        self.cautions = ("no mark prices given: the last price stands in for the mark",)
        if not in_chain <= set(settlement or {}):
            self.cautions += (
                "daily settlement is the last given close of each day in the data's own clock, "
                "not the exchange's settlement price",
            )
        if index is not None:
            self.index = read_index(read_frame(index, "index"), tz)
        self.contracts = {}
        for month in sorted(in_chain):
            self.contracts[month] = self._held(month, bars[month], (settlement or {}).get(month), stamp, tz, bar)

    @classmethod
    def of_contracts(
        cls,
        contracts: Mapping[int, ContractHistory],
        rolls: Sequence[ContractRoll],
        *,
        source: str,
        cautions: tuple[str, ...],
        unpriced_days: Array,
    ) -> ContractChain:
        """A chain whose contracts are already cut to where they are held (what importers build).

        unpriced_days: starts in ns of the days that the source lists without a price.
        """
        chain = cls.__new__(cls)
        chain.kind, chain.source = "polars", source
        chain.cautions, chain.unpriced_days = cautions, unpriced_days
        chain.rolls = checked_rolls(rolls, source)
        chain.contracts = dict(contracts)
        return chain

    def trailing(self) -> Trailing:
        """What the bars say that were held, one contract after the other, of all there is."""
        parts = []
        for month in sorted(self.contracts):
            bars = self.contracts[month].bars
            volume = volumes(bars.extra["volume"]) if "volume" in bars.extra else None
            parts.append((bars.start_ns, bars.end_ns, bars.close_e8, volume))
        return Trailing.of(parts)

    def prepare(self, symbol: str, start_ns: int | None = None, end_ns: int | None = None) -> PreparedChain:
        """The contracts and rolls of [start_ns, end_ns), each contract cut to the period.

        A day's bar is kept when all of it lies in the period, a settlement when its day's end does. Raises
        DataError: a period outside the data.
        """
        source = self.source if symbol in self.source else f"{symbol} {self.source}"
        first = min(int(held.bars.start_ns[0]) for held in self.contracts.values())
        until = max(int(held.bars.end_ns[-1]) for held in self.contracts.values())
        begin, end = (first if start_ns is None else start_ns), (until if end_ns is None else end_ns)
        for name, instant in (("start", begin), ("end", end)):
            # A period of whole days may begin before the first price of its first day.
            if not first // DAY_NS * DAY_NS <= instant <= until:
                raise DataError(
                    f"{name} {iso(instant)} is outside the data, {period_text(first, until)}",
                    source=source,
                    hint="Choose a period inside it, or give more data.",
                )
        prepared = {
            month: cut
            for month in sorted(self.contracts)
            if (cut := _cut(self.contracts[month], begin, end, self.index)) is not None
        }
        if not prepared:
            raise DataError(f"no bar in {period_text(begin, end)}", source=source)
        rolls = tuple(roll for roll in self.rolls if _happens(roll, prepared))
        unpriced = int(((self.unpriced_days >= begin) & (self.unpriced_days < end)).sum())
        found: tuple[str, ...] = (
            (f"{counted(unpriced, 'day')} with rows but no price: no bar, not filled",) if unpriced else ()
        )
        missing = sum(int(cut.gaps["missing"].sum()) for cut in prepared.values())
        if missing:
            intraday = any(held.step_ns % DAY_NS for held in self.contracts.values())
            what = f"{counted(missing, 'bar')} missing" if intraday else f"{counted(missing, 'weekday')} without a bar"
            found += (f"{what}, holidays included: not filled",)
        return PreparedChain(prepared, rolls, self.cautions + found + _roll_cautions(rolls))

    def _held(
        self, month: int, given: Any, settlement: Any, stamp: str, tz: str | None, bar: str | None
    ) -> ContractHistory:
        """One month's bars between its rolls, with the settlements of those days."""
        frame = read_frame(given, f"bars[{month}]")
        candles = read_candles(frame, stamp=stamp, tz=tz, bar=bar, positive=False)
        entry = next((roll for roll in self.rolls if roll.new == month), None)
        leave = next((roll for roll in self.rolls if roll.old == month), None)
        begin, stop = 0, len(candles.start_ns)
        for roll in (entry, leave):
            if roll is not None and not (candles.start_ns == roll.ts_ns).any():
                raise DataError(
                    f"no bar of {month} opens at the roll {roll.old} to {roll.new}",
                    source=frame.source,
                    where=iso(roll.ts_ns),
                    hint="Roll where both months have a bar that opens.",
                )
        if entry is not None:
            begin = int(np.searchsorted(candles.start_ns, entry.ts_ns))
        if leave is not None:
            days = 2 if candles.step_ns <= HOUR_NS else 1  # an order of the roll may have to wait for its market
            stop = int(np.searchsorted(candles.start_ns, (leave.ts_ns // DAY_NS + days) * DAY_NS))
        keep = slice(begin, stop)
        bars = Bars.of(candles.start_ns, candles.end_ns, candles.prices_e8, candles.prices_e8, candles.extra()).cut(
            keep
        )
        if settlement is None:
            stamps, prices = daily_closes(candles)
        else:
            settled = read_frame(settlement, f"settlement[{month}]")
            stamps, _, _ = read_stamps(settled, tz)
            prices = read_e8(settled, settled.column("settlement", "settle", "price", "close"))
        inside = (stamps > bars.start_ns[0]) & (stamps <= bars.end_ns[-1])
        first = int(bars.start_ns[0])
        prior = known_before(candles.end_ns, candles.prices_e8[3], first)
        given_before = known_before(stamps, prices, first) if settlement is not None else (_NONE, _NONE)
        return ContractHistory(bars, stamps[inside], prices[inside], candles.step_ns, *prior, *given_before)


def checked_rolls(rolls: Sequence[ContractRoll], source: str) -> tuple[ContractRoll, ...]:
    """The rolls, if each leaves the contract that the one before entered, at a later time."""
    for before, roll in itertools.pairwise(rolls):
        if roll.old != before.new:
            raise DataError(
                f"the roll at {iso(roll.ts_ns)} leaves {roll.old}, but {before.new} is held since {iso(before.ts_ns)}",
                source=source,
                where="rolls",
            )
        if roll.ts_ns <= before.ts_ns:
            raise DataError(
                f"the roll {roll.old} to {roll.new} at {iso(roll.ts_ns)} comes after one at {iso(before.ts_ns)}",
                source=source,
                where="rolls",
                hint="Sort them by time.",
            )
    return tuple(rolls)


def _cut(held: ContractHistory, begin: int, end: int, index: tuple[Array, Array]) -> Prepared | None:
    """A contract within a period, or None where it has no bar there."""
    first = int(np.searchsorted(held.bars.start_ns, begin))
    stop = int(np.searchsorted(held.bars.end_ns, end, side="right"))
    if stop <= first:
        return None
    bars = held.bars.cut(slice(first, stop))
    inside = (held.settlement_ns > bars.start_ns[0]) & (held.settlement_ns <= bars.end_ns[-1])
    daily = held.step_ns % DAY_NS == 0
    gaps = weekday_gaps(bars) if daily else gap_frame(bars.start_ns, bars.end_ns, held.step_ns)
    earlier = np.concatenate([held.prior_ns, held.bars.end_ns]), np.concatenate([held.prior_e8, held.bars.close_e8])
    prior, settled = (_NONE, _NONE), (_NONE, _NONE)
    if 0 < held.step_ns <= HOUR_NS:  # of longer bars nobody asks (`data.market_states`)
        prior = known_before(*earlier, int(bars.start_ns[0]))
        settled = known_before(held.prior_settlement_ns, held.prior_settlement_e8, int(bars.start_ns[0]))
    return Prepared(
        bars,
        _NONE,
        _NONE,
        _NONE,
        held.settlement_ns[inside],
        held.settlement_e8[inside],
        (),
        gaps,
        index_ns=index[0][index[0] <= end],
        index_e8=index[1][index[0] <= end],
        prior_ns=prior[0],
        prior_e8=prior[1],
        prior_settlement_ns=settled[0],
        prior_settlement_e8=settled[1],
    )


def _roll_cautions(rolls: tuple[ContractRoll, ...]) -> tuple[str, ...]:
    """What was done to the rolls that their calendar does not say."""
    cautions = []
    moved = [roll for roll in rolls if roll.ts_ns // DAY_NS < roll.calendar_ns // DAY_NS]
    if moved:
        shown = "; ".join(
            f"{roll.old} to {roll.new} {iso(roll.ts_ns)}, calendar {iso(roll.calendar_ns)}" for roll in moved
        )
        cautions.append(
            f"{len(moved)} of {counted(len(rolls), 'roll')} made on an earlier day than the calendar's, the latest "
            f"with prices of both contracts at one time: {shown}"
        )
    apart = [roll for roll in rolls if roll.file_ns]
    if apart:
        shown = "; ".join(
            f"{roll.old} to {roll.new} calendar {iso(roll.calendar_ns)}, file {iso(roll.file_ns)}" for roll in apart
        )
        cautions.append(
            f"{len(apart)} of {counted(len(rolls), 'roll')}: the contract that the price file holds changes at another "
            f"time than the calendar says, which is followed: {shown}"
        )
    left_out = sum(roll.left_out for roll in rolls)
    if left_out:
        cautions.append(
            f"{counted(left_out, 'price')} of old contracts, earlier on the day of a roll than the roll, in no bar"
        )
    return tuple(cautions)


def _happens(roll: ContractRoll, prepared: dict[int, Prepared]) -> bool:
    """Whether both contracts of a roll have the bar that opens at it."""
    return all(
        month in prepared and bool((prepared[month].bars.start_ns == roll.ts_ns).any())
        for month in (roll.old, roll.new)
    )
