"""Trades of a source carried out again on the exchange: its orders at its own prices, the market's marks in between.

*Prices.* What a source traded at is a given fact: at each of its instants a bar opens at its price, with no spread, so
that a market order fills there; an order that the source says rested is a limit order that a print goes through. Orders
of one instant follow each other by a few nanoseconds, after whatever the market did at that instant.

*Marks* stay the exchange's. Bars held from end to end are tested at the mark's extremes. Of a bar in which a position
changes nobody knows which extreme came first: it is tested at its close alone, and if an extreme would have liquidated
what was held in a part of it, that is said as possible. An entry inside a bar meets the mark nearest to its price that
the bar had; at no other order of the source is the mark touched.

*Sizes.* What lies between two lots is left out. An order that the exchange refuses is not carried out, and the exits
close no more than is held. An exit above the largest order goes out in several. A liquidation of all that is held ends
a trade: what the source did with it afterwards is not carried out.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import numpy as np

from novation.data.feed import build_feed
from novation.data.series import ARRAYS, Bars, Prepared
from novation.data.trade_files import Execution, RoundTrip
from novation.domain import commands
from novation.domain.enums import (
    EventKind,
    MarginMethod,
    MarginScope,
    MarketEventKind,
    PositionSide,
    RejectReason,
    Side,
)
from novation.domain.events import LIQUIDATED as BY_LIQUIDATION
from novation.domain.events import Event
from novation.domain.instruments import Instrument, Terms
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8, asset_decimals, from_e8, from_scaled, iso
from novation.research.audit.findings import MARGIN_CALL, POSSIBLE, REFUSED, Finding, off_step, spoken, whole_lots
from novation.research.audit.market import Market
from novation.research.audit.played import Account, Liquidation, Played, shares, value_of
from novation.venues.venue import Venue

#: Between two orders of one instant: each has room for the print that fills an order which rests.
_APART_NS = 4


@dataclass(frozen=True)
class _Leg:
    """One order of the source. last: the exit after which the source holds nothing."""

    trip: int
    order: Execution
    entry: bool
    last: bool
    at_ns: int = 0


def legs_of(trips: Sequence[RoundTrip]) -> list[_Leg]:
    """All orders in order of time, exits of what was held before first, each with an instant of its own."""
    found: list[tuple[tuple[int, int, int], _Leg]] = []
    for i, trip in enumerate(trips):
        orders = [(entry, True) for entry in trip.entries] + [(exit, False) for exit in trip.exits]
        for k, (order, entry) in enumerate(orders):
            last = not entry and trip.exit_ns is not None and k == len(orders) - 1
            turn = 1 if entry else 0 if order.ts_ns > trip.entry_ns else 2
            found.append(((order.ts_ns, turn, i), _Leg(i, order, entry, last)))
    found.sort(key=lambda pair: pair[0])
    apart: dict[int, int] = defaultdict(int)
    legs = []
    for _, leg in found:
        place = apart[leg.order.ts_ns]
        apart[leg.order.ts_ns] += 1
        legs.append(_Leg(leg.trip, leg.order, leg.entry, leg.last, leg.order.ts_ns + 1 + _APART_NS * place))
    return legs


class Replay:
    """One venue, one account, and round trips that it trades; `run` carries them out."""

    def __init__(
        self,
        venue: Venue,
        indices: dict[str, int],
        played: Sequence[Played],
        account: Account,
        terms: dict[str, tuple[Terms, ...]],
    ) -> None:
        """indices: dense ids by instrument. terms: as the venue has them, for the feed."""
        self.venue, self.indices, self.played, self.account = venue, indices, list(played), account
        self.terms = terms
        self.legs = legs_of([one.trip for one in self.played])
        self._orders: dict[int, Played] = {}
        self._ruined: list[Played] = []
        self._refused: Event | None = None
        self._cancelled: Event | None = None

    # -- the market it meets ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Carry everything out."""
        end_ns = self._attach()
        venue = self.venue
        venue.advance(self.legs[0].at_ns - 2 if self.legs[0].at_ns > 1 else 0)
        self._open_account()
        for leg in self.legs:
            self._hear(venue.advance(leg.at_ns))
            self._carry_out(leg)
        if any(one.held for one in self.played):
            self._hear(venue.advance(max(end_ns, venue.clock_ns)))
        marks = venue.table("market")["mark_e8"]
        for one in self.played:
            one.end_mark_e8 = int(marks[self.indices[one.instrument.id]])

    def _attach(self) -> int:
        """Give the venue the history of all it trades, and the source's prices; the last instant of them."""
        prepared: dict[int, Prepared] = {}
        extra: list[np.ndarray] = []
        end_ns = self.legs[-1].at_ns + _APART_NS
        held: dict[int, int] = defaultdict(int)
        by_index: dict[int, list[_Leg]] = defaultdict(list)
        for leg in self.legs:
            by_index[self._index(leg)].append(leg)
        instruments = self.venue.instruments
        for i, legs in by_index.items():
            market = self.played[legs[0].trip].market
            stays = any(self.played[leg.trip].trip.exit_ns is None for leg in legs)
            bars = market.bars
            until = int(bars.end_ns[-1]) + 1 if stays and bars is not None else legs[-1].at_ns
            end_ns = max(end_ns, until)
            prepared[i] = _told(market.between(legs[0].order.ts_ns, until), [leg.order.ts_ns for leg in legs])
            open_trips: set[int] = set()
            for leg in legs:
                extra.append(self._prints(i, leg, market, flat=not open_trips))
                (open_trips.add if leg.entry else (open_trips.discard if leg.last else open_trips.add))(leg.trip)
            held[i] = len(open_trips)
        rows = {
            i: [(t.effective_ns, self.venue.first_terms[i] + k) for k, t in enumerate(self.terms[instruments[i].id])]
            for i in by_index
        }
        steps = {i: [(t.effective_ns, t.tick_step) for t in self.terms[instruments[i].id]] for i in by_index}
        feed = build_feed(
            prepared,
            settlement_tick_e8={i: instruments[i].tick_e8 for i in by_index},
            terms=rows,
            tick_steps=steps,
            zone=self.venue.rules.zone,
            deliveries={i: instruments[i].deliver_ns for i in by_index},
        )
        merged = np.concatenate([feed, *extra])
        merged = merged[np.lexsort((merged["instrument"], merged["kind"], merged["ts_ns"]))]
        self.venue.attach(merged)
        return end_ns

    def _index(self, leg: _Leg) -> int:
        return self.indices[self.played[leg.trip].instrument.id]

    def _prints(self, index: int, leg: _Leg, market: Market, *, flat: bool) -> np.ndarray:
        """The rows by which a market stands at the price of an order."""
        price = int((leg.order.price * E8).to_integral_value())
        rows = np.zeros(2 if leg.order.maker else 1, MARKET_DTYPE)
        rows["instrument"], rows["last_e8"] = index, price
        rows["ts_ns"][0], rows["kind"][0] = leg.at_ns, MarketEventKind.BAR_OPEN
        if flat and leg.entry:
            rows["mark_e8"][0] = _mark_at(market, leg.order.ts_ns, price)
        if leg.order.maker:
            side = self._side(leg)
            tick = market.instrument.tick_e8 * self._terms_at(market.instrument, leg.order.ts_ns).tick_step
            rows["last_e8"][0] = price + side * tick  # it rests, as the market stands on the far side of it
            rows["ts_ns"][1], rows["kind"][1], rows["start_ns"][1] = leg.at_ns + 1, MarketEventKind.BAR_CLOSE, leg.at_ns
            rows["last_low_e8"][1] = price - tick if side > 0 else price
            rows["last_high_e8"][1] = price if side > 0 else price + tick
        return rows

    def _terms_at(self, instrument: Instrument, ts_ns: int) -> Terms:
        rows = self.terms[instrument.id]
        return next((row for row in reversed(rows) if row.effective_ns <= ts_ns), rows[0])

    def _side(self, leg: _Leg) -> Side:
        side = self.played[leg.trip].trip.side
        return side if leg.entry else Side(-side)

    # -- the account --------------------------------------------------------------------------------------------------

    def _open_account(self) -> None:
        self.venue.submit(commands.transfer(0, self.account.deposit))
        if self.account.hedge:
            self.venue.submit(commands.set_hedge_mode(0, True))
        if self.account.scope == MarginScope.ISOLATED:
            for index, instrument in enumerate(self.venue.instruments):
                if instrument.method == MarginMethod.TIERED:
                    self.venue.submit(commands.set_margin_scope(0, index, MarginScope.ISOLATED))
        self._leverage: dict[int, int] = {}

    def _set_leverage(self, one: Played, index: int, leg: _Leg) -> bool:
        """Set a trade's leverage; False where the exchange offers less."""
        if one.instrument.method != MarginMethod.TIERED or one.leverage is None:
            return True
        wanted = int(one.leverage.to_integral_value(ROUND_CEILING))
        if self._leverage.get(index) == wanted:
            return True
        for event in self.venue.submit(commands.set_leverage(0, index, wanted)):
            if event.kind == EventKind.COMMAND_REJECTED:
                reason = RejectReason(event.reason)
                text = f"leverage {wanted}: {spoken(reason)}"
                beyond = reason == RejectReason.LEVERAGE_ABOVE_BRACKET
                if beyond:
                    text = f"leverage {wanted} is beyond the exchange's {event.cost}"
                limit = Decimal(event.cost) if beyond else None
                self._note(one, REFUSED, text, leg.order.ts_ns, reason=reason.name, value=one.leverage, limit=limit)
                return not beyond
        self._leverage[index] = wanted
        return True

    # -- orders -------------------------------------------------------------------------------------------------------

    def _carry_out(self, leg: _Leg) -> None:
        one, index = self.played[leg.trip], self._index(leg)
        if leg.entry and one.gone:
            one.too_late += leg.order.qty * E8 / one.instrument.lot_e8
            return
        if leg.entry:
            finding = off_step(one.instrument, leg.order)
            if finding:
                one.findings.append(finding)
            lots = whole_lots(one.instrument, leg.order.qty)
            if lots == 0 or not self._set_leverage(one, index, leg):
                return
            before = one.held
            self._place(one, index, leg, lots)
            self._add_margin(one, index, leg, abs(one.held - before))
            self._look_for_possible(one, index, leg)
            return
        if not one.held:
            return
        self._look_for_possible(one, index, leg)
        lots = abs(one.held) if leg.last else min(abs(one.held), whole_lots(one.instrument, leg.order.qty))
        if not leg.last and (finding := off_step(one.instrument, leg.order)):
            one.findings.append(finding)
        most = self._terms_at(one.instrument, leg.order.ts_ns).max_lots
        if lots > most:
            text = f"an exit of {one.instrument.qty(lots):g} is above the largest order, {one.instrument.qty(most):g}"
            reason = RejectReason.QTY_ABOVE_MAX.name
            self._note(one, REFUSED, text, leg.order.ts_ns, reason=reason)
        while lots > 0 and one.held:
            before = one.held
            self._place(one, index, leg, min(lots, most))
            lots -= abs(before - one.held)
            if one.held == before:
                return

    def _place(self, one: Played, index: int, leg: _Leg, lots: int) -> None:
        side = self._side(leg)
        position = PositionSide.BOTH
        if self.account.hedge:
            position = PositionSide.LONG if one.trip.side > 0 else PositionSide.SHORT
        reduce_only = not leg.entry and not self.account.hedge
        if leg.order.maker:
            step = self._terms_at(one.instrument, leg.order.ts_ns).tick_step
            grid = one.instrument.tick_e8 * step
            exact = int((leg.order.price * E8).to_integral_value())
            ticks = (exact // grid if side > 0 else -(-exact // grid)) * step
            order = commands.place_limit(0, index, side, lots, ticks, reduce_only=reduce_only, position_side=position)
        else:
            order = commands.place_market(0, index, side, lots, reduce_only=reduce_only, position_side=position)
        self._refused = self._cancelled = None
        events = self.venue.submit(order)
        accepted = [event.order for event in events if event.kind == EventKind.ORDER_ACCEPTED]
        self._orders |= dict.fromkeys(accepted, one)
        self._hear(events)
        if leg.order.maker and accepted and self._cancelled is None:
            self._hear(self.venue.advance(leg.at_ns + 1))
        if self._refused is not None:
            self._say_refused(one, leg, self._refused)

    def _say_refused(self, one: Played, leg: _Leg, event: Event) -> None:
        reason, instrument = RejectReason(event.reason), one.instrument
        what = "entry" if leg.entry else "exit"
        value: Decimal | None = None
        limit: Decimal | None = None
        if reason in (RejectReason.QTY_ABOVE_MAX, RejectReason.QTY_BELOW_MIN):
            value, limit = (from_e8(abs(lots) * instrument.lot_e8) for lots in (event.amount, event.cost))
        elif reason in (
            RejectReason.MIN_NOTIONAL,
            RejectReason.POSITION_LIMIT,
            RejectReason.INSUFFICIENT_MARGIN,
        ):
            decimals = asset_decimals(instrument.asset)
            value, limit = from_scaled(event.amount, decimals), from_scaled(event.cost, decimals)
        text = f"{what} of {leg.order.qty.normalize():f}: {spoken(reason)}"
        if value is not None and limit is not None:
            text += f", {value.normalize():f} against {limit.normalize():f}"
        self._note(one, REFUSED, text, leg.order.ts_ns, reason=reason.name, value=value, limit=limit)

    def _add_margin(self, one: Played, index: int, leg: _Leg, lots: int) -> None:
        """A leverage between two whole numbers: the margin that the next higher one leaves out."""
        wanted = one.leverage
        isolated = self.account.scope == MarginScope.ISOLATED and one.instrument.method == MarginMethod.TIERED
        if not isolated or wanted is None or wanted == wanted.to_integral_value() or not lots:
            return
        whole = wanted.to_integral_value(ROUND_CEILING)
        text = f"leverage {wanted.normalize():f} is no whole number: {whole} and margin added"
        reason = RejectReason.LEVERAGE_ABOVE_BRACKET.name
        if not any(finding.text == text for finding in one.findings):
            self._note(one, REFUSED, text, leg.order.ts_ns, reason=reason, value=wanted, limit=whole)
        price = int((leg.order.price * E8).to_integral_value())
        value = Decimal(abs(value_of(lots, price, one.instrument)))
        side = PositionSide.BOTH
        if self.account.hedge:
            side = PositionSide.LONG if one.trip.side > 0 else PositionSide.SHORT
        amount = int(value / wanted - value / whole)
        self._hear(self.venue.submit(commands.adjust_margin(0, index, amount, position_side=side)))

    def _note(
        self,
        one: Played,
        kind: str,
        text: str,
        ts_ns: int,
        *,
        reason: str = "",
        value: Decimal | None = None,
        limit: Decimal | None = None,
    ) -> None:
        one.findings.append(Finding(kind=kind, text=text, at=iso(ts_ns), reason=reason, value=value, limit=limit))

    def _look_for_possible(self, one: Played, index: int, leg: _Leg) -> None:
        """Say where an extreme of a bar that a position was held in a part of would have liquidated it."""
        ts_ns, bars = leg.order.ts_ns, one.market.bars
        row = one.market.bar_at(ts_ns)
        if not one.held or row is None or bars is None or int(bars.start_ns[row]) == ts_ns:
            return
        if one.instrument.method != MarginMethod.TIERED or any(f.kind == POSSIBLE for f in one.findings):
            return
        positions = [p for p in self.venue.account(0).positions if p.instrument == index and p.lots]
        price = next((p.liquidation_e8 for p in positions if p.lots * one.held > 0), 0)
        # a long and a short position of a cross account have one price, on the side where the larger one loses
        cross = self.account.scope == MarginScope.CROSS
        net = sum(p.lots for p in positions) if cross else one.held
        extreme = int((bars.mark_low_e8 if net > 0 else bars.mark_high_e8)[row])
        if net and price and extreme and (extreme <= price if net > 0 else extreme >= price):
            text = (
                f"the mark reached {from_e8(extreme).normalize():f} in the bar of {iso(bars.start_ns[row])}, of which "
                f"it was held in a part; it liquidates at {from_e8(price).normalize():f}"
            )
            self._note(one, POSSIBLE, text, ts_ns, value=from_e8(extreme), limit=from_e8(price))

    # -- what happened ------------------------------------------------------------------------------------------------

    def _holders(self, index: int, sign: int) -> list[Played]:
        id = self.venue.instruments[index].id
        return [one for one in self.played if one.instrument.id == id and one.held * sign > 0]

    def _hear(self, events: Iterable[Event]) -> None:
        for event in events:
            kind = event.kind
            if kind == EventKind.FILL:
                self._hear_fill(event)
            elif kind == EventKind.FUNDING:
                holders = self._holders(event.instrument, event.lots)
                for one, part in zip(
                    holders, shares(event.amount, [abs(one.held) for one in holders] or [1]), strict=False
                ):
                    one.funding += part
            elif kind == EventKind.LIQUIDATION:
                self._hear_liquidation(event)
            elif kind == EventKind.INSURANCE and self._ruined:
                weights = [max(1, abs(one.liquidations[-1].lots)) for one in self._ruined]
                for one, part in zip(self._ruined, shares(event.amount, weights), strict=True):
                    one.deficit += part
                    one.liquidations[-1].deficit += part
            elif kind == EventKind.DELIVERY:
                self._hear_delivery(event)
            elif kind == EventKind.MARGIN_CALL:
                self._hear_margin_call(event)
            elif kind == EventKind.ORDER_REJECTED:
                self._refused = event
            elif kind == EventKind.ORDER_CANCELLED:
                self._cancelled = event

    def _book(self, one: Played, event: Event, lots: int, fee: int) -> None:
        one.held += lots
        ticks = one.instrument.tick_e8 * one.instrument.lot_value // E8
        one.flow -= lots * event.price_ticks * ticks
        one.fee += fee

    def _hear_fill(self, event: Event) -> None:
        if not event.flags & BY_LIQUIDATION:
            one = self._orders[event.order]
            self._book(one, event, event.lots, event.fee)
            if event.lots * one.trip.side > 0:
                one.entered += event.lots
            return
        self._ruined = self._holders(event.instrument, -event.lots)
        weights = [abs(one.held) for one in self._ruined]
        lots, fees = shares(event.lots, weights), shares(event.fee, weights)
        for one, part, fee in zip(self._ruined, lots, fees, strict=True):
            self._book(one, event, part, fee)
            one.liquidations.append(Liquidation(event.ts_ns, event.price_e8, event.price_ticks, part))

    def _hear_liquidation(self, event: Event) -> None:
        weights = [max(1, abs(one.liquidations[-1].lots)) for one in self._ruined]
        for one, part in zip(self._ruined, shares(event.fee, weights), strict=True):
            one.clearance += part
            one.liquidations[-1].clearance += part
            one.liquidations[-1].mark_e8 = event.price_e8

    def _hear_delivery(self, event: Event) -> None:
        holders = self._holders(event.instrument, event.lots)
        fees = shares(event.fee, [abs(one.held) for one in holders] or [1])
        for one, fee in zip(holders, fees, strict=False):
            one.flow += value_of(one.held, event.price_e8, one.instrument)
            one.fee += fee
            one.held, one.delivered = 0, True

    def _hear_margin_call(self, event: Event) -> None:
        for one in self.played:
            if one.held and (event.instrument < 0 or self.indices[one.instrument.id] == event.instrument):
                if any(finding.kind == MARGIN_CALL for finding in one.findings):
                    continue
                decimals = asset_decimals(one.instrument.asset)
                text = (
                    f"margin call: equity {from_scaled(event.equity, decimals):,.2f}, maintenance "
                    f"{from_scaled(event.maintenance, decimals):,.2f}"
                )
                self._note(one, MARGIN_CALL, text, event.ts_ns)


def _told(prepared: Prepared, instants: Sequence[int]) -> Prepared:
    """A history whose bars with an order of the source inside have no extremes: nobody knows which came first."""
    bars = prepared.bars
    if not len(bars):
        return prepared
    rows = np.searchsorted(bars.start_ns, np.array(instants, np.int64), side="right") - 1
    stamps = np.array(instants, np.int64)
    inside = (rows >= 0) & (bars.start_ns[rows] < stamps) & (stamps < bars.end_ns[rows])
    touched = np.unique(rows[inside])
    if not len(touched):
        return prepared
    arrays = {name: getattr(bars, name).copy() for name in ARRAYS}
    for edge in ("high", "low"):
        arrays[f"{edge}_e8"][touched] = bars.close_e8[touched]
        arrays[f"mark_{edge}_e8"][touched] = bars.mark_close_e8[touched]
    return dataclasses.replace(prepared, bars=Bars(**arrays))


def _mark_at(market: Market, ts_ns: int, price_e8: int) -> int:
    """The mark that an entry meets: of its bar the one nearest to its price; 0, as it is, where the bar opens then."""
    row, bars = market.bar_at(ts_ns), market.bars
    if row is None or bars is None or not int(bars.mark_open_e8[row]):
        return price_e8
    if int(bars.start_ns[row]) == ts_ns:
        return 0
    return min(max(price_e8, int(bars.mark_low_e8[row])), int(bars.mark_high_e8[row]))
