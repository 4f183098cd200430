"""From symbols and histories to venues with their feeds: which contract is which dense id, which rules hold when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from novation.data.catalog import load
from novation.data.chain import ContractChain
from novation.data.history import History
from novation.data.recording import Recording
from novation.data.series import ContractRoll, Prepared
from novation.data.settlements import settle_by_bars
from novation.domain.enums import InstrumentKind
from novation.domain.errors import ConfigError, DataError, NoRuleInForce, UnknownInstrument
from novation.domain.instruments import Instrument
from novation.domain.units import DAY_NS, iso, utc_date
from novation.domain.words import counted
from novation.reference.close_out import close_outs
from novation.reference.lookup import Reference
from novation.reference.session_table import SessionTable
from novation.reference.symbols import MONTHS
from novation.research.venue_plan import VenuePlan
from novation.trading.broker import Line
from novation.trading.rollover import PlannedExit, PlannedRoll
from novation.venues import binance_spot, binance_usdm, cme_globex
from novation.venues.venue_rules import VenueRules

RULES: dict[str, VenueRules] = {
    rules.name: rules for rules in (binance_usdm.RULES, cme_globex.RULES, binance_spot.RULES)
}
_ONE_DAY = dt.timedelta(1)
#: Fidelities of a run: the prices of bars, or the order book.
L2, L3 = "L2", "L3"


@dataclass
class Assembly:
    """Everything a run trades."""

    plans: dict[str, VenuePlan] = field(default_factory=dict)
    lines: list[tuple[Line, tuple[str, ...]]] = field(default_factory=list)
    rolls: list[PlannedRoll] = field(default_factory=list)
    exits: list[PlannedExit] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    kind: str = "polars"  #: kind of frame that results return in
    sources: dict[str, History | ContractChain] = field(default_factory=dict)  #: what is read for each symbol

    def plan_exits(self, symbol: str, instrument: Instrument, index: int, end_ns: int, reference: Reference) -> None:
        """Note when a broker closes what is left of a contract, as far as the data go."""
        if instrument.venue == "cme":
            outs = close_outs(reference, instrument, end_ns)
            self.exits += [PlannedExit(out.ts_ns, symbol, index, out.side) for out in outs]

    def left(self, venue: str) -> dict[int, tuple[int, int]]:
        """By instrument of a venue from and until when a broker leaves or enters it: of a roll and of an exit."""
        found: dict[int, tuple[int, int]] = {}
        for leave in (roll for roll in self.rolls if roll.symbol.startswith(f"{venue}:")):
            until_ns = int(self.plans[venue].prepared[leave.old].bars.end_ns[-1])
            found[leave.old] = found[leave.new] = (leave.ts_ns, until_ns)
        for out in (out for out in self.exits if out.symbol.startswith(f"{venue}:")):
            found[out.contract] = (out.ts_ns, int(self.plans[venue].prepared[out.contract].bars.end_ns[-1]) + 1)
        return found

    @property
    def symbols(self) -> list[str]:
        """Public ids of what is traded."""
        return [line.symbol for line, _ in self.lines]


def as_source(given: Any) -> History | ContractChain | Recording:
    """A history as given, or made of a bare frame or path of last prices."""
    return given if isinstance(given, History | ContractChain | Recording) else History(given)


def assemble(
    data: Mapping[str, Any] | None,
    symbols: list[str] | None,
    *,
    reference: Reference,
    start_ns: int | None,
    end_ns: int | None,
    root: Any = None,
    obey_states: bool = True,
    hold_orders: bool = True,
    level: str = "L2",
) -> Assembly:
    """Resolve, prepare and number everything; errors name the symbol.

    obey_states: whether contracts with sessions open, close, halt and have price limits. hold_orders: whether a broker
    keeps the orders sent outside their hours, instead of the exchange refusing them. level: "L2": on bars; "L3": on the
    order book, of recordings.
    """
    if (data is None) == (symbols is None):
        raise ConfigError("give data={symbol: History} or symbols=[...], one of the two", source="Backtest")
    out = Assembly()
    names = list(data) if data is not None else list(symbols or ())
    if not names:
        raise ConfigError("nothing to trade", source="Backtest", where="data" if data is not None else "symbols")
    for given in names:
        symbol = reference.resolve(given, on_ns=start_ns)
        if symbol in out.symbols:
            raise ConfigError("is given twice", source="Backtest", where=given)
        source = as_source(data[given]) if data is not None else load(symbol, root=root)
        recording, source = _recorded(source, given, symbol, reference, start_ns, level)
        out.sources[symbol] = source
        out.kind = source.kind if data is not None else "polars"
        venue = symbol.split(":", 1)[0]
        if venue not in RULES:
            raise UnknownInstrument(given, reason=f"is at {venue}, which is not simulated; known: {', '.join(RULES)}.")
        plan = _plan(out, venue, symbol, reference.currency(symbol))
        if isinstance(source, ContractChain):
            line = _add_chain(out, plan, symbol, source, reference, start_ns, end_ns)
        else:
            line = _add_single(out, plan, symbol, source, reference, start_ns, end_ns)
        if recording is not None and level == L3:
            out.cautions += plan.put_on_book(line.index, recording, reference)
        out.lines.append((line, tuple({given, symbol.split(":", 1)[1]})))
    for plan in out.plans.values():
        if plan.rules.name == "cme":
            plan.rules = msgspec.structs.replace(plan.rules, hold_orders=hold_orders)
            out.cautions += plan.find_states(reference) if obey_states else []
            out.cautions += plan.set_day_margins(reference, obey_states)
    return out


def _recorded(
    source: History | ContractChain | Recording,
    given: str,
    symbol: str,
    reference: Reference,
    start_ns: int | None,
    level: str,
) -> tuple[Recording | None, History | ContractChain]:
    """A recording, where a source is one, and the history that it or the source is."""
    if not isinstance(source, Recording):
        if level == L3:
            raise ConfigError(
                "has no recording of its order book, which level L3 trades on",
                source="data",
                where=given,
                hint="Give nv.Recording(file), or level L2.",
            )
        return None, source
    if reference.is_rolled(symbol):
        raise ConfigError("is a rolled symbol: a recording is of one contract", source="data", where=given)
    return source, source.history(reference.instrument(symbol, on_ns=start_ns))


def _plan(out: Assembly, venue: str, symbol: str, currency: str) -> VenuePlan:
    """The plan of a symbol's venue, whose accounts are in the symbol's currency."""
    rules = RULES[venue]
    if venue not in out.plans:
        out.plans[venue] = VenuePlan(msgspec.structs.replace(rules, asset=currency))
    if out.plans[venue].rules.asset != currency:
        raise ConfigError(
            f"settles in {currency}, what was named before it in {out.plans[venue].rules.asset}",
            source="data",
            where=symbol,
            hint="One run's contracts of a venue have one currency: run them apart.",
        )
    return out.plans[venue]


def _add_single(
    out: Assembly,
    plan: VenuePlan,
    symbol: str,
    source: History,
    reference: Reference,
    start_ns: int | None,
    end_ns: int | None,
) -> Line:
    if reference.is_rolled(symbol):
        raise ConfigError(
            "is a rolled symbol: it needs a ContractChain (several months and their rolls)",
            source="data",
            where=symbol,
            hint="For one month name the contract, e.g. cme:ESZ2026.",
        )
    instrument = reference.instrument(symbol, on_ns=start_ns)
    perpetual, spot = instrument.kind == InstrumentKind.PERPETUAL, instrument.kind == InstrumentKind.SPOT
    if source.settle == "window":
        source = _settled_in_the_window(source, instrument, reference)
    prepared = source.prepare(
        instrument.symbol,
        perpetual=perpetual,
        spot=spot,
        daily_settled=instrument.daily_settled,
        start_ns=start_ns,
        end_ns=end_ns,
    )
    index = plan.add(symbol, instrument, prepared, reference)
    end = int(prepared.bars.end_ns[-1])
    out.plan_exits(symbol, instrument, index, end, reference)
    if outside := _outside_sessions(instrument, prepared, reference):
        out.cautions.append(
            f"{symbol}: {counted(outside, 'bar')} of {len(prepared.bars):,} open outside the exchange's sessions: "
            "wrong stamps or zone, or quotes without trades?"
        )
    out.cautions += [f"{symbol}: {text}" for text in prepared.cautions]
    _check_the_end(instrument, prepared)
    if 0 < instrument.deliver_ns <= end and not prepared.delivery_e8:
        out.cautions.append(_no_final_price(symbol, instrument))
    out.digests[symbol] = prepared.digest
    return Line(symbol, plan.rules.name, instrument, index, plan.terms[index][0])


def _check_the_end(instrument: Instrument, prepared: Prepared) -> None:
    """Refuse a run that begins after the contract's end, and a price below zero where there can be none."""
    begins = int(prepared.bars.start_ns[0])
    if 0 < instrument.deliver_ns <= begins:
        raise ConfigError(
            f"stopped trading at {iso(instrument.deliver_ns)}, before the first bar at {iso(begins)}",
            source="data",
            where=instrument.id,
            hint="Give bars of its life, or name a later contract.",
        )
    if prepared.delivery_e8 < 0 and not instrument.daily_settled:
        raise DataError("must be a price above zero", source=instrument.id, where="delivery")


def _no_final_price(symbol: str, instrument: Instrument) -> str:
    """The caution of a contract whose last price nobody gave."""
    if not instrument.daily_settled:
        return f"{symbol}: no delivery price given: the mark stands in for the mean of the index"
    at = iso(instrument.deliver_ns)
    return f"{symbol}: no final settlement price given: the mark known at {at} stands in for the exchange's price"


def _outside_sessions(instrument: Instrument, prepared: Prepared, reference: Reference) -> int:
    """How many intraday bars open while the exchange is closed; 0 where no table of sessions reaches all of them."""
    bars = prepared.bars
    if instrument.venue != "cme" or int((bars.end_ns - bars.start_ns).max()) >= DAY_NS:
        return 0
    first, last = (utc_date(ns) for ns in (bars.start_ns[0], bars.start_ns[-1]))
    try:
        table = SessionTable.of(reference, instrument.root, first - 4 * _ONE_DAY, last + 5 * _ONE_DAY)
    except NoRuleInForce:
        return 0
    return int((np.searchsorted(table.edges, bars.start_ns, side="right") % 2 == 0).sum())


def _settled_in_the_window(source: History, instrument: Instrument, reference: Reference) -> History:
    """A history whose daily settlements are those of its bars in the product's settlement window."""
    if instrument.venue != "cme":
        raise ConfigError("has no settlement window", source=instrument.id, where="settle", value=source.settle)
    found = settle_by_bars(
        source.last,
        instrument.id,
        stamp=source.stamp,
        tz=source.tz,
        bar=source.bar,
        quotes=source.quotes,
        index=None if source.rate is None else source.index,
        rate=source.rate,
        reference=reference,
    )
    return source.settled_at(found.frame(), found.cautions)


def _add_chain(
    out: Assembly,
    plan: VenuePlan,
    symbol: str,
    source: ContractChain,
    reference: Reference,
    start_ns: int | None,
    end_ns: int | None,
) -> Line:
    if not reference.is_rolled(symbol):
        raise ConfigError("is one contract: it needs a History, not a chain of months", source="data", where=symbol)
    chain = source.prepare(symbol, start_ns, end_ns)
    indices: dict[int, int] = {}
    for month, prepared in chain.contracts.items():
        code = MONTHS[month % 100 - 1]
        instrument = reference.instrument(f"{symbol}{code}{month // 100}", on_ns=start_ns)
        indices[month] = plan.add(symbol, instrument, prepared, reference)
        plan.chains[indices[month]] = source
        out.digests[f"{instrument.id}"] = prepared.digest
    out.cautions += [f"{symbol}: {text}" for text in chain.cautions]
    months = sorted(chain.contracts)
    held = chain.rolls[0].old if chain.rolls else months[0]
    out.cautions += _late_rolls(symbol, chain.rolls, plan.instruments, indices, reference)
    for roll in chain.rolls:
        old = indices[roll.old]
        plan.instruments[old] = _trading_until(plan.instruments[old], roll.ts_ns)
    left = {roll.old for roll in chain.rolls}
    for month, prepared in chain.contracts.items():
        if month not in left:
            instrument, end = plan.instruments[indices[month]], int(prepared.bars.end_ns[-1])
            out.plan_exits(symbol, instrument, indices[month], end, reference)
            if 0 < instrument.deliver_ns <= end:
                out.cautions.append(_no_final_price(symbol, instrument))
    for roll in chain.rolls:
        new = indices[roll.new]
        out.rolls.append(
            PlannedRoll(roll.ts_ns, symbol, indices[roll.old], new, plan.instruments[new], plan.terms[new][0])
        )
    index = indices[held]
    return Line(symbol, plan.rules.name, plan.instruments[index], index, plan.terms[index][0])


def _trading_until(instrument: Instrument, leave_ns: int) -> Instrument:
    """A contract that ends after a given calendar has rolled out of it, and after the settlement of that day.

    Daily data carry the last trading day's price at the day's end, so calendars roll hours after the last trade, some a
    day later. A roll beyond that is of a contract that nobody trades any more, and refused.
    """
    settled_ns = (leave_ns // DAY_NS + 1) * DAY_NS
    if instrument.deliver_ns and leave_ns >= (instrument.deliver_ns // DAY_NS + 2) * DAY_NS:
        raise ConfigError(
            f"is rolled out of at {iso(leave_ns)}, but stopped trading at {iso(instrument.deliver_ns)}",
            source="rolls",
            where=instrument.id,
            hint="Roll before the last trading day (`novation roll`).",
        )
    if not 0 < instrument.deliver_ns <= settled_ns:
        return instrument
    return msgspec.structs.replace(instrument, deliver_ns=settled_ns + 1)


def _late_rolls(
    symbol: str,
    rolls: Sequence[ContractRoll],
    instruments: Sequence[Instrument],
    indices: Mapping[int, int],
    reference: Reference,
) -> list[str]:
    """Rolls of a given calendar that a broker would not have waited for."""
    late, ended = [], []
    for roll in rolls:
        instrument = instruments[indices[roll.old]]
        outs = close_outs(reference, instrument, roll.ts_ns)
        if outs:
            late.append(f"{instrument.id} {iso(outs[0].ts_ns)[:10]}")
        if 0 < instrument.deliver_ns < roll.ts_ns:
            ended.append(f"{instrument.id} {iso(instrument.deliver_ns)}")
    found = []
    for which, what in (
        (late, "after the day from which a broker closes deliverable positions"),
        (ended, "after the contract's last trade"),
    ):
        if which:
            some = ", ".join(which[:3])
            found.append(f"{symbol}: {counted(len(which), 'roll')} {what}; carried out as given ({some})")
    return found
