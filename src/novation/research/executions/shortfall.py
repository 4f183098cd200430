"""What each order of a run cost against the price it was decided on, in whole minor units, split without a rest.

The measure is the implementation shortfall of Perold (*The implementation shortfall: paper versus reality*, Journal of
Portfolio Management 14(3), 1988): the paper order trades whole at the price of the decision, the real one later, at
worse prices, with fees, or not at all. What it is split into follows the accounts of Wagner and Edwards (1993) and of
Kissell and Glantz (*Optimal Trading Strategies*, 2003): what the market did meanwhile, the spread, the order's own
impact, fees, and the opportunity cost of what was not filled.

The split walks a ladder of prices, each a level at which the filled lots are valued:

    arrival   the last price known when the order was sent
    market    the last price when it was filled                     market - arrival = timing
    quote     that and half the spread, of a taker                  quote - market   = spread
    grid      the quote on the tick in force, against the taker     grid - quote     = rounding
    fill      what it traded at, on the tick in force               fill - grid      = impact

A level's value is summed exactly over the fills and cut down to a minor unit once, so the differences telescope: they
add up to (fill - arrival) to the unit, whatever they are. All costs are positive where they are paid.

An order that waits for a price is one from its trigger on, and what it waited for is its arrival price: a stop that a
gap fills beyond it has that as timing. One that never was triggered has no row, nor has what the exchange refused.
Not modelled: what a decision cost before its order was sent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from novation.domain.enums import EventKind, MarginMethod
from novation.domain.events import DELEVERAGED, LIQUIDATED, LONG_SIDE, MAKER, SHORT_SIDE, Event
from novation.domain.units import E8
from novation.trading.record import Known, RunRecord

_TIERED = MarginMethod.TIERED.name.lower()
#: What a shortfall is made of, in the order in which it is shown.
PARTS = ("spread", "impact", "rounding", "timing", "fees", "opportunity")


class Instrument(msgspec.Struct, frozen=True):
    """What the split has to know of a contract; see `domain.instruments`. steps: tick in force, by row of terms."""

    symbol: str
    contract: str
    tick_e8: int
    lot_e8: int
    lot_value: int
    tiered: bool
    steps: tuple[int, ...]


class Filled(msgspec.Struct, frozen=True):
    """One fill of an order. half_e8: half the spread that a taker paid; step: the tick in force, in grid ticks."""

    ts_ns: int
    lots: int
    ticks: int
    market_e8: int
    half_e8: int
    step: int
    fee: int
    maker: bool


class OrderCost(msgspec.Struct):
    """One order, in integers: lots are positive, `side` is 1 to buy, -1 to sell; prices 1e-8; money minor units.

    forced: "liquidation" or "deleveraging" where the exchange traded for the account; its arrival is the mark that it
    acted on. sequence: of the event that began it.
    """

    venue: str
    sequence: int
    ts_ns: int
    instrument: Instrument
    order: int
    side: int
    limit_ticks: int
    position_side: str | None
    arrival_e8: int
    known: Known
    forced: str | None = None
    fills: list[Filled] = []
    unfilled: int = 0  #: lots that were taken out, or still working at the run's end
    end_e8: int | None = None  #: the last price known then; None where all was filled
    done_ns: int | None = None  #: the last fill or the end; None while it works
    cancelled: bool = False
    clearance: int = 0  #: of a liquidation: what the insurance fund was paid
    waited: bool = False  #: for its trigger, which is its arrival price

    @property
    def filled(self) -> int:
        """Lots that traded."""
        return sum(fill.lots for fill in self.fills)

    @property
    def status(self) -> str:
        """ "filled", "partly filled" or "cancelled" of what has ended, "open" of what has not."""
        if not self.unfilled:
            return "filled"
        if not self.cancelled:
            return "open"
        return "partly filled" if self.fills else "cancelled"

    def value(self, lots: int, price_e8: int) -> int:
        """Worth of lots at a price, cut down to a minor unit."""
        return lots * self.instrument.lot_value * price_e8 // E8

    def filled_at(self, prices_e8: list[int]) -> int:
        """Worth of the fills at a price for each, summed exactly, then cut down to a minor unit."""
        worth = sum(fill.lots * price for fill, price in zip(self.fills, prices_e8, strict=True))
        return worth * self.instrument.lot_value // E8

    @property
    def paid(self) -> int:
        """What the fills are worth at their own prices."""
        return self.filled_at([fill.ticks * self.instrument.tick_e8 for fill in self.fills])

    @property
    def arrival_value(self) -> int:
        """What all lots asked for were worth on arrival, without a sign."""
        return abs(self.value(self.filled + self.unfilled, self.arrival_e8))

    @property
    def filled_value(self) -> int:
        """What the lots filled were worth on arrival, without a sign."""
        return abs(self.value(self.filled, self.arrival_e8))

    def parts(self) -> dict[str, int]:
        """The shortfall by `PARTS`."""
        grid, filled = self.instrument.tick_e8, self.filled
        market = [fill.market_e8 for fill in self.fills]
        quote = [fill.market_e8 + self.side * fill.half_e8 for fill in self.fills]
        ticks = [
            # a resting order moves nothing: whatever lies between the market and its price is the tick
            fill.ticks if fill.maker else on_grid(self.instrument, self.side, at, fill.step)
            for fill, at in zip(self.fills, quote, strict=True)
        ]
        levels = [
            self.value(filled, self.arrival_e8),
            self.filled_at(market),
            self.filled_at(quote),
            self.filled_at([count * grid for count in ticks]),
            self.paid,
        ]
        timing, spread, rounding, impact = (
            self.side * (after - before) for before, after in itertools.pairwise(levels)
        )
        missed = 0
        if self.end_e8 is not None:
            missed = self.side * (self.value(self.unfilled, self.end_e8) - self.value(self.unfilled, self.arrival_e8))
        return {
            "spread": spread,
            "impact": impact,
            "rounding": rounding,
            "timing": timing,
            "fees": sum(fill.fee for fill in self.fills) + self.clearance,
            "opportunity": missed,
        }

    @property
    def shortfall(self) -> int:
        """Perold's measure, apart from its parts: the fills against the arrival price, fees, and what was missed."""
        cost = self.side * (self.paid - self.value(self.filled, self.arrival_e8))
        cost += sum(fill.fee for fill in self.fills) + self.clearance
        if self.end_e8 is not None:
            cost += self.side * (self.value(self.unfilled, self.end_e8) - self.value(self.unfilled, self.arrival_e8))
        return cost


def half_spread_of(execution: Mapping[str, Any], market_e8: int) -> int:
    """Half the stated spread of a run at a market's price, in 1e-8, as a taker is charged it (docs/rules/fills.md).

    execution: the settings of that name in the manifest.

    >>> half_spread_of({"spread_bps": "1"}, 5_000_000_000_000)
    250000000
    """
    spread_e8 = int(Decimal(execution["spread_bps"]).scaleb(4))
    return -(-abs(market_e8) * spread_e8 // (2 * E8))


def on_grid(instrument: Instrument, side: int, price_e8: int, step: int) -> int:
    """A price on the tick in force, in ticks, up for a buy and down for a sell; of coins at least that tick."""
    grid = instrument.tick_e8 * step
    ticks = (-(-price_e8 // grid) if side > 0 else price_e8 // grid) * step
    return max(ticks, step) if instrument.tiered else ticks


def order_costs(record: RunRecord) -> list[OrderCost]:
    """Every order that a run's exchange accepted and every trade that it forced, in order of venue and sequence."""
    return [cost for venue in record.venues for cost in _of_venue(record, venue)]


def _of_venue(record: RunRecord, venue: str) -> Iterator[OrderCost]:
    about, execution = record.manifest["venues"][venue], record.manifest["execution"]
    instruments = [_instrument(given) for given in about["instruments"]]
    in_force = [0] * len(instruments)
    first_terms = [sum(len(i.steps) for i in instruments[:at]) for at in range(len(instruments))]
    prices = record.venues[venue].prices
    at_end: dict[int, int] = {}
    priced: dict[int, tuple[int, Known]] = {}
    halves: dict[int, int] = {}
    for sequence, instrument, price_e8, known, half_e8 in zip(
        *(prices[name].tolist() for name in ("sequence", "instrument", "price_e8", "known", "half_e8")), strict=True
    ):
        if sequence < 0:
            at_end[instrument] = price_e8
        elif known == Known.MET:
            halves[sequence] = half_e8
        else:
            priced[sequence] = price_e8, Known(known)
    costs: dict[int, OrderCost] = {}
    by_order: dict[int, OrderCost] = {}
    by_trade: dict[int, OrderCost] = {}
    triggers: dict[int, int] = {}
    for event in _events(record, venue):
        kind, index = event.kind, event.instrument
        if kind == EventKind.TERMS_CHANGED:
            in_force[index] = event.amount - first_terms[index]
        elif kind == EventKind.ORDER_ACCEPTED and event.price_e8:
            triggers[event.order] = event.price_e8
        elif kind == EventKind.ORDER_TRIGGERED and event.order in triggers:
            cost = _sent(venue, event, instruments[index], triggers[event.order], Known.BEFORE)
            cost.waited = True
            costs[cost.sequence] = by_order[cost.order] = cost
        elif kind == EventKind.ORDER_ACCEPTED and event.sequence in priced:
            cost = _sent(venue, event, instruments[index], *priced[event.sequence])
            costs[cost.sequence] = by_order[cost.order] = cost
        elif kind == EventKind.FILL:
            forced = not event.order
            if forced:
                cost = _forced(venue, event, instruments[index])
                costs[cost.sequence] = by_trade[event.trade] = cost
            elif event.order in by_order:
                cost = by_order[event.order]
            else:
                continue
            half_e8 = halves.get(event.sequence)
            if half_e8 is None:
                half_e8 = half_spread_of(execution, event.price_e8)
            _fill(cost, event, half_e8, cost.instrument.steps[in_force[index]])
        elif kind == EventKind.ORDER_AMENDED and event.order in by_order:
            cost = by_order[event.order]
            cost.unfilled = abs(event.lots)
            cost.limit_ticks = event.price_ticks
        elif kind == EventKind.ORDER_CANCELLED and event.order in by_order:
            cost = by_order[event.order]
            cost.cancelled, cost.done_ns = True, event.ts_ns
            cost.end_e8 = priced[event.sequence][0]
        elif kind == EventKind.LIQUIDATION and event.trade in by_trade:
            by_trade[event.trade].clearance = event.fee
        elif kind == EventKind.TAKEN_OVER and event.trade in by_trade:
            _without_spread(by_trade[event.trade])
    names = {id(instrument): at for at, instrument in enumerate(instruments)}
    for cost in costs.values():
        if cost.unfilled and not cost.cancelled:
            cost.end_e8 = at_end[names[id(cost.instrument)]]
        yield cost


def _events(record: RunRecord, venue: str) -> Iterator[Event]:
    """The events that orders are made of."""
    kinds = (
        EventKind.ORDER_ACCEPTED,
        EventKind.ORDER_CANCELLED,
        EventKind.ORDER_AMENDED,
        EventKind.ORDER_TRIGGERED,
        EventKind.FILL,
        EventKind.LIQUIDATION,
        EventKind.TAKEN_OVER,
        EventKind.TERMS_CHANGED,
    )
    events = record.venues[venue].events
    for values in events[np.isin(events["kind"], [int(kind) for kind in kinds])].tolist():
        yield Event(*values)


def _instrument(given: Mapping[str, Any]) -> Instrument:
    return Instrument(
        symbol=given["symbol"],
        contract=given["id"],
        tick_e8=given["tick_e8"],
        lot_e8=given["lot_e8"],
        lot_value=given["lot_value"],
        tiered=given["method"] == _TIERED,
        steps=tuple(terms["tick_step"] for terms in given["terms"]),
    )


def _sent(venue: str, event: Event, instrument: Instrument, arrival_e8: int, known: Known) -> OrderCost:
    """An order as it arrived."""
    return OrderCost(
        venue=venue,
        sequence=event.sequence,
        ts_ns=event.ts_ns,
        instrument=instrument,
        order=event.order,
        side=1 if event.lots > 0 else -1,
        limit_ticks=event.price_ticks,
        position_side=_position_side(event.flags),
        arrival_e8=arrival_e8,
        known=known,
        unfilled=abs(event.lots),
    )


def _forced(venue: str, event: Event, instrument: Instrument) -> OrderCost:
    """A trade that the exchange made for the account: it arrives at the mark that it was made on."""
    cost = _sent(venue, event, instrument, event.price_e8, Known.BEFORE)
    cost.limit_ticks = 0
    cost.forced = "deleveraging" if event.flags & DELEVERAGED and not event.flags & LIQUIDATED else "liquidation"
    return cost


def _fill(cost: OrderCost, event: Event, half_e8: int, step: int) -> None:
    maker = bool(event.flags & MAKER)
    spared = maker or bool(event.flags & DELEVERAGED)  # closed at a bankruptcy price: nobody was asked for a quote
    half_e8 = 0 if spared else half_e8
    lots = abs(event.lots)
    cost.fills.append(Filled(event.ts_ns, lots, event.price_ticks, event.price_e8, half_e8, step, event.fee, maker))
    cost.unfilled -= lots
    cost.done_ns = event.ts_ns


def _without_spread(cost: OrderCost) -> None:
    """The insurance fund took over at the bankruptcy price: no spread was paid."""
    cost.fills = [Filled(f.ts_ns, f.lots, f.ticks, f.market_e8, 0, f.step, f.fee, f.maker) for f in cost.fills]


def _position_side(flags: int) -> str | None:
    return "long" if flags & LONG_SIDE else "short" if flags & SHORT_SIDE else None
