"""What takers meet on the bars of a run: a slippage by the rows of the tables, a share of what each bar traded.

Slippage is `trading.slippage`, the formula that `novation cost` answers with, with volume and volatility of the bars
that had closed by then (`data.trailing`): half a spread and y * sigma * (lots / lots of a day)^exponent, times the
factors that are on. It is found anew each hour, at CME each ten minutes, and handed to the exchange as LIQUIDITY rows;
the exchange does the rest (docs/rules/fills.md). Nobody takes before `LEAST_RETURNS` bars have closed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from novation.data.conditions import LONG_DAYS, RECENT_DAYS
from novation.data.frames import volumes
from novation.data.trailing import LEAST_RETURNS, Trailing
from novation.domain.enums import InstrumentKind
from novation.domain.errors import ConfigError, UnknownInstrument
from novation.domain.liquidity import MOST_LOTS, BarLiquidity
from novation.domain.slippage import BASE, RAMPS
from novation.domain.units import DAY_NS, E8, HOUR_NS, NS, Number, iso, to_decimal
from novation.reference.lookup import Reference
from novation.reference.slippage import calendar_drivers
from novation.research.venue_plan import PlannedLiquidity, VenuePlan
from novation.trading.slippage import Slippage

Array = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Whether a market closes: what settles daily does.
AROUND_THE_CLOCK, IN_SESSIONS = False, True
#: How long ago a bar may have ended for what it says to hold.
_STALE_NS = {AROUND_THE_CLOCK: HOUR_NS, IN_SESSIONS: 5 * DAY_NS}
#: How often what takers pay is found anew.
_EVERY_NS = {AROUND_THE_CLOCK: HOUR_NS, IN_SESSIONS: 600 * NS}
_BPS = Decimal(10_000)
#: Ramps whose driver the calendar tells.
_OF_CALENDAR = ("outside_regular_hours", "minutes_to_settlement", "days_to_roll", "minutes_to_report")


@dataclass(frozen=True, kw_only=True)
class RunSlippage:
    """How a run's takers slip.

    terms: names of assumed terms that count too; "all"; "base": the formula without any factor. impact: y in place of
    the rows'. volume: coins or contracts of a day in place of the bars' own, one number or by symbol. min_bps, max_bps:
    what the slippage is held between, in 1e-4 of the price.
    """

    terms: Any = ()
    impact: Number | None = None
    volume: Number | Mapping[str, Number] | None = None
    min_bps: Number | None = None
    max_bps: Number | None = None
    limits: tuple[float, float] = field(init=False, default=(0.0, math.inf))

    def __post_init__(self) -> None:
        for name in ("impact", "min_bps", "max_bps"):
            given = getattr(self, name)
            if given is not None and to_decimal(given, source="slippage", where=name) < 0:
                raise ConfigError("cannot be negative", source="slippage", where=name, value=str(given))
        by_symbol = self.volume if isinstance(self.volume, Mapping) else {"": self.volume}
        for symbol, given in by_symbol.items():
            if given is not None and to_decimal(given, source="slippage", where="volume") <= 0:
                where = f"volume {symbol}".strip()
                raise ConfigError("is a number above zero", source="slippage", where=where, value=str(given))
        low = Decimal(0) if self.min_bps is None else to_decimal(self.min_bps, source="slippage")
        high = Decimal("Infinity") if self.max_bps is None else to_decimal(self.max_bps, source="slippage")
        if high < low:
            raise ConfigError("lies below min_bps", source="slippage", where="max_bps", value=str(self.max_bps))
        object.__setattr__(self, "limits", (float(low / _BPS), float(high / _BPS)))

    def by_id(self, reference: Reference, symbols: Collection[str]) -> RunSlippage:
        """The same with volumes by public id. Raises `ConfigError` for one of what is not traded."""
        if not isinstance(self.volume, Mapping):
            return self
        found: dict[str, Number] = {}
        for name, volume in self.volume.items():
            try:
                id = reference.resolve(name)
            except UnknownInstrument:
                id = name
            if id not in symbols:
                hint = f"Traded: {', '.join(symbols)}."
                raise ConfigError("is not traded", source="slippage", where=f"volume {name}", hint=hint)
            found[id] = volume
        return dataclasses.replace(self, volume=found)

    @classmethod
    def of(cls, given: Any) -> RunSlippage | None:
        """What an argument says: False, True, or a mapping of the names above."""
        if isinstance(given, RunSlippage) or given is None or given is False:
            return given or None
        if given is True:
            return cls()
        names = ("terms", "impact", "volume", "min_bps", "max_bps")
        if not isinstance(given, Mapping):
            raise ConfigError("is True, False or {name: value}", source="Backtest", where="slippage", value=given)
        for name in given:
            if name not in names:
                raise ConfigError(
                    "is no setting of slippage", source="slippage", where=str(name), hint=f"Known: {', '.join(names)}."
                )
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the manifest keeps them."""
        volume = self.volume
        by_symbol = {name: str(given) for name, given in volume.items()} if isinstance(volume, Mapping) else None
        terms = self.terms if isinstance(self.terms, str) else ",".join(self.terms)
        plain = {"impact": self.impact, "volume": volume, "min_bps": self.min_bps, "max_bps": self.max_bps}
        texts = {name: None if given is None else str(given) for name, given in plain.items()}
        return {"terms": terms, **texts} | ({"volume": by_symbol} if by_symbol is not None else {})


class SlippageUsed(msgspec.Struct, frozen=True, kw_only=True):
    """The terms that one symbol's takers paid by, for the report. on: name -> what it was and whence."""

    symbol: str
    on: dict[str, str]
    off: list[str]
    unknown: list[str]


def check_participation(given: Number | None) -> int:
    """A share of a bar in 1e-8, 0 for none."""
    if given is None:
        return 0
    share = to_decimal(given, source="Backtest", where="participation")
    if not 0 < share <= 1:
        raise ConfigError(
            "is a share of what a bar traded, above 0 and at most 1",
            source="Backtest",
            where="participation",
            value=str(given),
        )
    if share * E8 < 1:
        raise ConfigError("is below 1e-8", source="Backtest", where="participation", value=str(given))
    return int(share * E8)


def plan_liquidity(
    plan: VenuePlan,
    reference: Reference,
    *,
    slippage: RunSlippage | None,
    participation_e8: int,
    touch_e8: int = 0,
    seed: int = 0,
    spread_bps: Number | None,
    unbounded: Mapping[int, tuple[int, int]] = MappingProxyType({}),
) -> tuple[list[SlippageUsed], list[str]]:
    """Give each instrument of a venue what its takers meet; the terms by symbol, and cautions.

    spread_bps: the whole spread in place of the rows'. unbounded: by instrument, from and until when its bars have
    whatever is asked for: a contract that is left, and the one that is entered then. Raises `ConfigError`,
    `NoRuleInForce`, `InvalidInput`.
    """
    found: dict[str, _Told] = {}
    cautions: list[str] = []
    for index, symbol in enumerate(plan.symbols):
        of = BarLiquidity(slips=False, participation_e8=participation_e8, touch_e8=touch_e8, seed=seed)
        planned = PlannedLiquidity(of)
        if participation_e8:
            planned.traded_lots = _traded_lots(plan, index)
            since_ns, until_ns = unbounded.get(index, (0, 0))
            opened_ns = plan.prepared[index].bars.start_ns
            planned.traded_lots[(opened_ns >= since_ns) & (opened_ns < until_ns)] = MOST_LOTS
        if slippage is not None and plan.instruments[index].kind == InstrumentKind.SPOT:
            raise ConfigError(
                "is spot, of which no table of slippage has rows",
                source="Backtest",
                where="slippage",
                value=symbol,
                hint="Give spread_bps and participation, or run the futures with slippage by themselves.",
            )
        if slippage is not None:
            told = found.setdefault(symbol, _Told())
            exponent, planned.rows = _slipping(plan, index, reference, slippage, spread_bps, told, cautions)
            low, high = slippage.limits
            planned.of = replace(of, slips=True, exponent=exponent, least=low, most=high)
        plan.liquidity[index] = planned
    used = [told.used(symbol, spread_bps, slippage) for symbol, told in found.items() if slippage is not None]
    return used, list(dict.fromkeys(cautions))


def digest_of(planned: PlannedLiquidity) -> str:
    """BLAKE2b-128 of the rows, which depend on bars before the run."""
    state = hashlib.blake2b(digest_size=16)
    if planned.rows is not None:
        stamps, columns = planned.rows
        for name, values in (("ts_ns", stamps), *sorted(columns.items())):
            state.update(name.encode() + values.astype("<i8").tobytes())
    return state.hexdigest()


# -- what bars tell -------------------------------------------------------------------------------------------------


def _volume(plan: VenuePlan, index: int, asked: str) -> Floats:
    """The volume of each bar of an instrument."""
    bars, id = plan.prepared[index].bars, plan.instruments[index].id
    if "volume" not in bars.extra:
        hint = "Give bars with a column volume" + (", or slippage={'volume': ..}." if asked == "slippage" else ".")
        raise ConfigError("the bars have no volume", source=id, where=asked, hint=hint)
    return _checked(volumes(bars.extra["volume"]), bars.start_ns, id)


def _checked(volume: Floats, start_ns: Array, id: str) -> Floats:
    wrong = ~(np.isfinite(volume) & (volume >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        where = f"bar of {iso(int(start_ns[row]))}"
        raise ConfigError("volume is below zero or no number", source=id, where=where, value=float(volume[row]))
    return volume


def _traded_lots(plan: VenuePlan, index: int) -> Array:
    """Whole lots that each bar traded."""
    lots = np.floor(_volume(plan, index, "participation") * (E8 / plan.instruments[index].lot_e8) + 1e-6)
    return np.minimum(lots, MOST_LOTS).astype(np.int64)


def _trailing(plan: VenuePlan, index: int) -> Trailing:
    """The bars of an instrument and those before them, of a chain those of its product."""
    chain = plan.chains.get(index)
    if chain is not None:
        return chain.trailing()
    prepared, id = plan.prepared[index], plan.instruments[index].id
    bars, earlier = prepared.bars, prepared.earlier
    volume = volumes(bars.extra["volume"]) if "volume" in bars.extra else None
    start_ns, end_ns, close_e8 = bars.start_ns, bars.end_ns, bars.close_e8
    if earlier is not None:
        start_ns = np.concatenate([earlier.start_ns, start_ns])
        end_ns = np.concatenate([earlier.end_ns, end_ns])
        close_e8 = np.concatenate([earlier.close_e8, close_e8])
        if volume is not None and earlier.volume is not None:
            volume = np.concatenate([earlier.volume, volume])
    if volume is not None:
        volume = _checked(volume, start_ns, id)
    return Trailing.of([(start_ns, end_ns, close_e8, volume)])


# -- slippage -------------------------------------------------------------------------------------------------------


def _slipping(
    plan: VenuePlan,
    index: int,
    reference: Reference,
    asked: RunSlippage,
    spread_bps: Number | None,
    told: _Told,
    cautions: list[str],
) -> tuple[float, tuple[Array, dict[str, Array]]]:
    """The exponent of an instrument's slippage, and its LIQUIDITY rows."""
    instrument, symbol = plan.instruments[index], plan.symbols[index]
    bars = plan.prepared[index].bars
    trailing = _trailing(plan, index)
    every_ns = _EVERY_NS[instrument.daily_settled]
    anew = np.diff(bars.start_ns // every_ns, prepend=-1) != 0
    anew[np.argmax(trailing.known(bars.start_ns))] = True  # the first at which enough is known
    chosen = np.flatnonzero(anew)
    at_ns, mid = bars.start_ns[chosen], bars.open_e8[chosen] / E8
    volume = _day_volume(plan, index, asked, trailing, at_ns)
    volatility = trailing.volatility(at_ns, RECENT_DAYS)
    ratio = np.full(len(at_ns), np.nan)
    long_known = trailing.reaches(at_ns, LONG_DAYS) & (volatility > 0)
    ratio[long_known] = volatility[long_known] / trailing.volatility(at_ns, LONG_DAYS)[long_known]
    lasts_ns = _STALE_NS[instrument.daily_settled] + 2 * int(np.median(bars.end_ns - bars.start_ns))
    why = _Why(
        few=~trailing.known(at_ns),
        stale=~trailing.fresh(at_ns, lasts_ns),
        quiet=~(np.isfinite(volume) & (volume > 0)),
        zero=mid == 0,
    )
    known = ~(why.few | why.stale | why.quiet | why.zero)
    costs_by_day = _rows_in_force(symbol, reference, asked, at_ns)
    drivers = {"volatility_ratio": ratio} | _given_drivers(plan, index, chosen, at_ns)
    wanted = {name for costs in costs_by_day.values() for name in costs.on}
    if instrument.daily_settled and wanted & set(_OF_CALENDAR):
        drivers |= _calendar(reference, next(iter(costs_by_day.values())), at_ns, instrument.contract_month)
    columns = {name: np.zeros(len(at_ns), np.int64) for name in ("bid_e8", "ask_e8", "impact_bid_e8", "impact_ask_e8")}
    lots = np.zeros(len(at_ns), np.int64)
    hour, month = (at_ns // HOUR_NS) % 24, at_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64) % 12
    day = at_ns // DAY_NS
    for first_day, costs in costs_by_day.items():
        later = [other for other in costs_by_day if other > first_day]
        rows = (day >= first_day) & known & (day < min(later) if later else True)
        if not rows.any():
            continue
        price = np.abs(mid[rows])
        given = {name: values[rows] for name, values in drivers.items() if np.isfinite(values[rows]).any()}
        half = costs.half_spread(price, None if spread_bps is None else float(spread_bps))
        y = costs.base("impact").coefficient if asked.impact is None else float(asked.impact)
        for side, paid, whole in ((1, "ask_e8", "impact_ask_e8"), (-1, "bid_e8", "impact_bid_e8")):
            found = costs.factors(side, given, hour[rows], month[rows] + 1)
            spread = found.both * found.wider * half * price
            moved = found.both * found.deeper * y * costs.daily(volatility[rows]) * price
            columns[paid][rows] = _whole_e8(spread)
            columns[whole][rows] = _whole_e8(moved)
            told.unknown |= set(found.unknown)
            for name, factor in found.each.items():
                told.hear(name, factor)
        told.hear("half_spread", half)
        lots[rows] = np.clip(volume[rows] * (E8 / instrument.lot_e8), 1, MOST_LOTS).astype(np.int64)
    columns["traded_lots"] = lots
    cautions += why.words(symbol, at_ns)
    cautions += _assumed(symbol, costs_by_day)
    exponents = {costs.base("exponent").coefficient for costs in costs_by_day.values()}
    if len(exponents) > 1:
        raise ConfigError(
            "the exponent of its slippage changes inside the run", source=symbol, hint="Pin the rows: rules_as_of."
        )
    told.costs = costs_by_day[max(costs_by_day)]
    return exponents.pop(), (at_ns, columns)


def _whole_e8(price: Floats) -> Array:
    """Prices in whole 1e-8, up: against the taker."""
    scaled = np.broadcast_to(price, np.shape(price)) * E8
    return np.minimum(np.ceil(scaled * (1 - 1e-12) - 1e-6), 1 << 53).astype(np.int64)


def _day_volume(plan: VenuePlan, index: int, asked: RunSlippage, trailing: Trailing, at_ns: Array) -> Floats:
    """Coins or contracts of a day by each instant: as given, else by the bars before it."""
    given = asked.volume
    if isinstance(given, Mapping):
        given = given.get(plan.symbols[index])
    if given is not None:
        return np.full(len(at_ns), float(given))
    if trailing.volume is None:
        _volume(plan, index, "slippage")
    return trailing.day_volume(at_ns, sessions=plan.instruments[index].daily_settled)


def _rows_in_force(symbol: str, reference: Reference, asked: RunSlippage, at_ns: Array) -> dict[int, Slippage]:
    """By the first day (since 1970-01-01) on which they are in force: the terms of a symbol."""
    found: dict[int, Slippage] = {}
    before: Slippage | None = None
    venue = symbol.partition(":")[0]
    for day in np.unique(at_ns // DAY_NS).tolist():
        looked_ns = reference.looked_up_at(f"{venue}/slippage", symbol, day * DAY_NS)
        if looked_ns != day * DAY_NS and before is not None:
            break  # pinned
        costs = Slippage.of(symbol, at_ns=looked_ns, terms=asked.terms, reference=reference)
        if before is None or (costs.on, costs.off, costs.tick) != (before.on, before.off, before.tick):
            found[day] = before = costs
    return found


def _given_drivers(plan: VenuePlan, index: int, chosen: Array, at_ns: Array) -> dict[str, Floats]:
    """Drivers that the history tells: the rate settled last, and columns of the bars by a driver's name, each known
    since the bar before closed."""
    prepared, found = plan.prepared[index], {}
    if len(prepared.funding_ns):
        row = np.searchsorted(prepared.funding_ns, at_ns, side="right") - 1
        fresh = (row >= 0) & (at_ns - prepared.funding_ns[np.maximum(row, 0)] <= DAY_NS)
        found["funding_rate"] = np.where(fresh, prepared.funding_rate_e8[np.maximum(row, 0)] / E8, np.nan)
    for name in RAMPS:
        if name in prepared.bars.extra:
            told = volumes(prepared.bars.extra[name])
            found[name] = np.where(chosen > 0, told[np.maximum(chosen - 1, 0)], np.nan)
    return found


def _calendar(reference: Reference, costs: Slippage, at_ns: Array, month: int) -> dict[str, Floats]:
    """What the calendar of a CME product says of each instant."""
    found = {name: np.full(len(at_ns), np.nan) for name in _OF_CALENDAR}
    for row, ts_ns in enumerate(at_ns.tolist()):
        for name, value in calendar_drivers(reference, costs.product, ts_ns, month).items():
            found[name][row] = min(value, 1e9)
    return found


# -- what is said ---------------------------------------------------------------------------------------------------


@dataclass
class _Told:
    """What the terms of one symbol were, through all its contracts."""

    costs: Slippage | None = None
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def hear(self, name: str, values: Floats) -> None:
        """Widen the range of a term."""
        low, high = self.ranges.get(name, (math.inf, -math.inf))
        self.ranges[name] = min(low, float(np.min(values))), max(high, float(np.max(values)))

    def used(self, symbol: str, spread_bps: Number | None, asked: RunSlippage) -> SlippageUsed:
        """What each term that counted was, and where it is from."""
        on: dict[str, str] = {}
        costs = self.costs
        if costs is None or not self.ranges:
            return SlippageUsed(symbol=symbol, on=on, off=[], unknown=[])
        spread = "half_spread" if "half_spread" in costs.on else "half_spread_bps"
        source = "given" if spread_bps is not None else costs.on[spread].source
        low, high = self.ranges["half_spread"]
        on["half_spread"] = f"{low * 1e4:.3g} to {high * 1e4:.3g} bp: {source}"
        for name, term in costs.on.items():
            if name in BASE:
                if name in ("impact", "exponent"):
                    given = name == "impact" and asked.impact is not None
                    on[name] = f"{asked.impact}: given" if given else f"{term.coefficient:g}: {term.source}"
            elif name in self.ranges:
                low, high = self.ranges[name]
                on[name] = f"x {low:.3f} to {high:.3f} on {term.on}: {term.source}"
        return SlippageUsed(symbol=symbol, on=on, off=list(costs.off), unknown=sorted(self.unknown - set(self.ranges)))


class _Why(NamedTuple):
    """Why nobody takes, at each look at the market: too few bars, none lately, no volume, a price of zero."""

    few: npt.NDArray[np.bool_]
    stale: npt.NDArray[np.bool_]
    quiet: npt.NDArray[np.bool_]
    zero: npt.NDArray[np.bool_]

    def words(self, symbol: str, at_ns: Array) -> list[str]:
        """Cautions of a symbol."""
        found = []
        if self.few.any():
            first = "the end" if self.few.all() else iso(int(at_ns[np.argmin(self.few)]))
            found.append(
                f"{symbol}: nobody takes before {first}: less than {LEAST_RETURNS + 1} bars say what it would cost"
            )
        past = self.few.copy()
        for which, reason in (
            (self.stale, "no bar closed lately"),
            (self.quiet, "nothing traded in the day before"),
            (self.zero, "the price is zero"),
        ):
            if count := int((which & ~past).sum()):
                found.append(f"{symbol}: nobody takes at {count:,} of {len(at_ns):,} looks at the market: {reason}")
            past |= which
        return found


def _assumed(symbol: str, costs_by_day: Mapping[int, Slippage]) -> list[str]:
    """A caution of assumed terms that count."""
    assumed = {costs.on[name].key for costs in costs_by_day.values() for name in costs.on if costs.on[name].assumed}
    return [f"{symbol}: assumed terms of slippage count: {', '.join(sorted(assumed))}"] if assumed else []
