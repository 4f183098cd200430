"""The exchange a second time, from docs/rules alone: plain Python, exact numbers, no speed.

It imports nothing of novation but `novation.domain`, so that it can only agree with the compiled exchange where the
pages under docs/rules say what happens.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import floor, trunc
from typing import Any, Protocol

import msgspec
import numpy as np

from novation.domain.account import InsurancePool
from novation.domain.assets import Asset, AssetTerms
from novation.domain.book import BookRules
from novation.domain.commands import Command
from novation.domain.digest import Line, state_digest
from novation.domain.enums import (
    BarPath,
    CancelReason,
    EventKind,
    InstrumentKind,
    MarginMethod,
    MarginScope,
    MarketEventKind,
    MarketPhase,
    MarkRule,
    OrderKind,
    QueueModel,
    TriggerPrice,
)
from novation.domain.errors import VenueError
from novation.domain.events import EVENT_FORMAT, ISOLATED, LONG_SIDE, MAKER, SHORT_SIDE, Event
from novation.domain.instruments import Instrument, Terms
from novation.domain.liquidity import BarLiquidity, Ladder
from novation.domain.market import NO_LIMIT_E8, MarketEvent
from novation.domain.units import E8, asset_decimals
from tests.reference import bar_liquidity as bar_liquidity_
from tests.reference import (
    bar_stops,
    book,
    checks,
    commands,
    conditional,
    elections,
    halting,
    impact,
    ladder,
    level_replay,
    margin,
    marking,
    phases,
    replay,
)
from tests.reference.book import Book
from tests.reference.liquidation import run_test
from tests.reference.state import Account, Ledger, Market, Order, Position, Pricing

#: What an event of these kinds is about is one position, not an instrument or an account.
OF_ONE_POSITION = frozenset(
    {
        EventKind.ORDER_ACCEPTED,
        EventKind.ORDER_CANCELLED,
        EventKind.FILL,
        EventKind.FUNDING,
        EventKind.SETTLEMENT,
        EventKind.MARGIN_CALL,
        EventKind.LIQUIDATION,
        EventKind.INSURANCE,
        EventKind.DELEVERAGED,
        EventKind.MARGIN_ADJUSTED,
        EventKind.DELIVERY,
        EventKind.TAKEN_OVER,
        EventKind.ORDER_TRIGGERED,
        EventKind.ORDER_AMENDED,
    }
)


class Rules(Protocol):
    """The choices of a venue that the pages name."""

    call_policy: int
    call_ratio_e8: int
    deficit_to_fund: bool
    asset: str
    default_leverage: int
    hedge_mode: bool
    liquidation_target_e8: int
    profit_withdrawable: bool
    hold_orders: bool
    liquidation_priority: int
    deleveraging: int


class Exchange:
    """One exchange with its instruments, accounts and ledger; `events` is everything that ever happened."""

    def __init__(
        self,
        rules: Rules,
        instruments: Sequence[Instrument],
        terms: Sequence[Sequence[Terms]],
        *,
        accounts: int = 1,
        spread_e8: int = 0,
        pools: Sequence[InsurancePool] = (),
        ladders: Mapping[str, Ladder] | None = None,
        marked: Mapping[str, MarkRule] | None = None,
        pro_rata: bool = False,
        assets: Sequence[Asset] = (),
        books: Mapping[str, BookRules] | None = None,
        impacts: Mapping[str, Any] | None = None,
        bar_liquidity: Mapping[str, BarLiquidity] | None = None,
        bar_path: int = BarPath.WORST,
    ) -> None:
        self.rules, self.bar_path = rules, bar_path
        #: Lists by *slot*: 2 * instrument, the only position or the long one, and 2 * instrument + 1, the short one.
        self.instruments = [i for i in instruments for _ in range(2)]
        self.dated = [list(rows) for rows in terms for _ in range(2)]
        self.spread_e8 = spread_e8
        self.clock_ns = self.order_sequence = self.trade_sequence = 0
        self.markets = [market for _ in instruments for market in [Market()] * 2]
        self.accounts = [Account([self._new(i) for i in self.instruments]) for _ in range(accounts)]
        self.orders: dict[int, Order] = {}  #: every working order, in order of arrival
        self.pools = list(pools) or [
            InsurancePool(name="", instruments=tuple(i.id for i in instruments), unlimited=True)
        ]
        self.funds = [pool.balance for pool in self.pools]
        self.ledger = Ledger(deposits=sum(self.funds))
        self.assets = list(assets) or [Asset(name=rules.asset, decimals=asset_decimals(rules.asset))]
        self.index_e8, self.asset_rows = [0] * len(self.assets), [0] * len(self.assets)
        self.brought, self.exchanged = [0] * len(self.assets), [0] * len(self.assets)
        for a in self.accounts:
            a.balances = [0] * len(self.assets)
        self.asset_unit = 10 ** asset_decimals(rules.asset)
        self.marked, self.pro_rata = dict(marked or {}), pro_rata
        self.pricing = [Pricing() for _ in instruments]
        self.feed: list[MarketEvent] = []
        self.ladders, self.impacts = dict(ladders or {}), dict(impacts or {})
        self.bar_liquidity = {name: bar_liquidity_.BarState(of, name) for name, of in (bar_liquidity or {}).items()}
        self.books = {name: Book(rules) for name, rules in (books or {}).items()}
        self.flows: dict[int, replay.Flow] = {}  #: by instrument, not by slot
        self.countdowns: dict[tuple[int, int], int] = {}  #: by account and instrument, when it ends
        self.looked_at: set[int] = set()  #: instruments whose protected orders by the last price are looked at next
        self.settled: int | None = None  #: trade date of a settlement at this instant
        self.events: list[Event] = []  #: only ever added to
        self._events_hasher, self._events_hashed = hashlib.blake2b(digest_size=16), 0

    def _new(self, instrument: Instrument) -> Position:
        """A position without anything in it; what is bought for cash is backed by all that it cost."""
        if instrument.kind == InstrumentKind.SPOT:
            return Position(1, int(MarginScope.ISOLATED))
        return Position(self.rules.default_leverage)

    # -- doors ------------------------------------------------------------------------------------------------------

    def attach_flow(
        self,
        instrument: int,
        rows: np.ndarray,
        slots: int = 0,
        *,
        queue: QueueModel = QueueModel.BACK,
        exponent_e8: int = 2 * E8,
        by_fills: bool = False,
    ) -> None:
        """Let recorded flow happen in an instrument's book, from now on; queue, exponent_e8: of levels."""
        if not self.has_book(2 * instrument):
            raise VenueError(f"{self.instruments[2 * instrument].id} has no order book")
        self.flows[instrument] = replay.Flow(
            2 * instrument, rows, slots, self.clock_ns, level_replay.Model(queue, exponent_e8)
        )
        self.flows[instrument].by_fills = by_fills

    def submit(self, command: Command) -> list[Event]:
        """Carry out one command now and return what happened."""
        start = len(self.events)
        for _, flow in sorted(self.flows.items()):
            replay.happen(self, flow)
        commands.carry_out(self, command)
        return self.events[start:]

    def advance(self, until_ns: int, market: Iterable[MarketEvent] = ()) -> list[Event]:
        """Let time pass up to an instant; return everything that happened."""
        start = len(self.events)
        self.feed = sorted([*self.feed, *market], key=lambda row: (row.ts_ns, row.kind, row.instrument))
        while True:
            stamps = [x.next_ns for x in self.pricing if x.next_ns]
            stamps += [order.expire_ns for order in self.orders.values() if order.expire_ns]
            stamps += [market.resume_ns for market in self.markets if market.resume_ns]
            stamps += [order.countdown_ns for order in self.orders.values() if order.countdown_ns]
            stamps += [row.ts_ns for row in self.feed[:1]]
            recorded = [flow.next_ns for flow in self.flows.values() if flow.next_ns is not None]
            ahead = min(stamps + recorded, default=until_ns + 1)
            if ahead > until_ns:
                break
            self._pass_time(ahead)
            if ahead in stamps:
                rows = [row for row in self.feed if row.ts_ns == self.clock_ns]
                self.feed = self.feed[len(rows) :]
                self._instant(rows)
            for _, flow in sorted(self.flows.items()):
                replay.happen(self, flow)
        self._pass_time(until_ns)
        return self.events[start:]

    def _pass_time(self, now_ns: int) -> None:
        ladder.heal(self, self.clock_ns, now_ns)
        self.clock_ns = now_ns

    # -- one instant (docs/rules/order.md) ----------------------------------------------------------------------------

    def _instant(self, rows: list[MarketEvent]) -> None:
        rows = [msgspec.structs.replace(row, instrument=2 * row.instrument) for row in rows]
        by_kind = {kind: [row for row in rows if row.kind == kind] for kind in MarketEventKind}
        self.settled = None
        for order in list(self.orders.values()):
            if 0 < order.expire_ns <= self.clock_ns:
                self.drop(order, CancelReason.EXPIRED)
            elif 0 < order.countdown_ns <= self.clock_ns:
                self.drop(order, CancelReason.COUNTDOWN)
        halting.resume(self)
        for row in by_kind[MarketEventKind.TERMS]:
            self._change_terms(row)
        for row in by_kind[MarketEventKind.HALT]:
            self._change_phase(row)
        if by_kind[MarketEventKind.BAR_CLOSE]:
            self._close_bars(by_kind[MarketEventKind.BAR_CLOSE])
        for row in by_kind[MarketEventKind.PHASE]:
            self._change_phase(row)
        for row in by_kind[MarketEventKind.LIMITS]:
            self._change_limits(row)
        for row in by_kind[MarketEventKind.LIQUIDITY]:
            self.bar_liquidity[self.instruments[row.instrument].id].states(row)
        for row in by_kind[MarketEventKind.BAR_OPEN]:
            if bars := bar_liquidity_.state(self, row.instrument):
                bars.opens(row)
            self.markets[row.instrument].last_e8 = self.markets[row.instrument].centre_e8 = row.last_e8
            self.markets[row.instrument].open_ns = self.clock_ns
            self.set_mark(row.instrument, row.mark_e8)
        for row in by_kind[MarketEventKind.MARK]:
            self.set_mark(row.instrument, row.mark_e8)
        for row in by_kind[MarketEventKind.ASSET_INDEX]:
            self.index_e8[row.asset], self.asset_rows[row.asset] = row.index_e8, row.terms
        for row in by_kind[MarketEventKind.INDEX]:
            marking.take_index(self, row)
        marking.settle_due(self)
        for row in by_kind[MarketEventKind.FUNDING]:
            self.set_mark(row.instrument, row.mark_e8)
            self.pay_funding(row.instrument, row.rate_e8)
        for row in by_kind[MarketEventKind.STATUS]:
            marking.change_status(self, row)
        for row in by_kind[MarketEventKind.SETTLEMENT]:
            self._settle(row)
        self._test_all(at_check=True)
        elections.elect(self, TriggerPrice.MARK)
        self._openings()
        elections.end_with_positions(self)
        bar_stops.openings(self)

    def _change_terms(self, row: MarketEvent) -> None:
        self.markets[row.instrument].terms = row.terms - self.first_terms(row.instrument)
        if self.terms_of(row.instrument).calls_due:
            self.markets[row.instrument].deadline_ns = self.clock_ns
        self.emit(EventKind.TERMS_CHANGED, -1, row.instrument, amount=row.terms)
        for order in list(self.orders.values()):
            if order.price_ticks % self.terms_of(order.instrument).tick_step:
                self.drop(order, CancelReason.OFF_TICK_BY_NEW_TERMS)

    def _change_phase(self, row: MarketEvent) -> None:
        before = self.markets[row.instrument].phase
        phases.change_phase(self, row)
        self.markets[row.instrument].resume_ns = 0
        if self.has_book(row.instrument):
            elections.phase_changed(self, row.instrument, before)

    def _change_limits(self, row: MarketEvent) -> None:
        before = self.markets[row.instrument].limits_e8
        phases.change_limits(self, row)
        changed = self.markets[row.instrument].limits_e8 != before
        if changed and self.has_book(row.instrument) and phases.is_open(self, row.instrument):
            elections.open_with_auction(self, row.instrument)

    def _close_bars(self, rows: list[MarketEvent]) -> None:
        rows = [row for row in rows if not self.has_book(row.instrument)]
        if not rows:
            return
        for row in rows:
            market = self.markets[row.instrument]
            market.closing_e8 = row.last_e8
            if row.mark_e8:
                market.low_e8, market.high_e8 = row.mark_low_e8, row.mark_high_e8
        self._test_all(at_check=False)
        if bar_stops.close_bars(self, rows):
            self._test_all(at_check=False)
        for row in rows:
            self.markets[row.instrument].last_e8 = row.last_e8
            self.markets[row.instrument].closing_e8 = None
            self.set_mark(row.instrument, row.mark_e8)

    def set_mark(self, i: int, mark_e8: int) -> None:
        """A new mark without extremes; 0 says that none was given."""
        market = self.markets[i]
        if mark_e8:
            market.mark_e8 = mark_e8
        market.low_e8 = market.high_e8 = market.mark_e8
        conditional.follow(self, i, TriggerPrice.MARK)

    def pay_funding(self, i: int, rate_e8: int, share_of_ns: int = 0) -> None:
        """Pay a rate on every position of an instrument, at its mark; share_of_ns: the interval whose share is paid."""
        mark = self.markets[i].mark_e8

        def received(lots: int) -> int:
            amount = int(abs(margin.value(self.instruments[i], mark, lots)) * abs(rate_e8) / E8)
            return -amount if (lots > 0) == (rate_e8 > 0) else amount

        everyone = [(account, slot) for account in range(len(self.accounts)) for slot in (i, i + 1)]
        lots = [self.accounts[account].positions[slot].lots for account, slot in everyone]
        booked = received(-sum(lots))
        self.ledger.outside += booked
        payments = [received(held) for held in lots]
        if share_of_ns:
            opened = [self.accounts[account].positions[slot].opened_ns for account, slot in everyone]
            held = [min(self.clock_ns - since, share_of_ns) for since in opened]
            payments = [trunc(Fraction(whole * ns, share_of_ns)) for whole, ns in zip(payments, held, strict=True)]
            self.ledger.outside -= booked + sum(payments)
            booked = -sum(payments)
        self.ledger.rounding -= booked + sum(payments)
        for (account, slot), amount in zip(everyone, payments, strict=True):
            a, p = self.accounts[account], self.accounts[account].positions[slot]
            if p.lots:
                if p.scope == MarginScope.ISOLATED:
                    p.margin += amount
                else:
                    a.wallet += amount
                self.emit(
                    EventKind.FUNDING,
                    account,
                    slot,
                    lots=p.lots,
                    price_e8=mark,
                    rate_e8=rate_e8,
                    amount=amount,
                    flags=ISOLATED if p.scope == MarginScope.ISOLATED else 0,
                )

    def _settle(self, row: MarketEvent) -> None:
        i = row.instrument
        self.settled = row.trade_date
        self.markets[i].settlement_ticks = row.price_ticks
        everyone = [(account, a, slot) for account, a in enumerate(self.accounts) for slot in (i, i + 1)]
        for account, a, slot in everyone:
            p = a.positions[slot]
            if p.lots or p.cost:
                before, worth = p.cost, margin.traded_value(self.instruments[i], row.price_ticks, p.lots)
                a.wallet += worth - before
                p.cost = worth
                self.emit(
                    EventKind.SETTLEMENT,
                    account,
                    slot,
                    lots=p.lots,
                    price_ticks=row.price_ticks,
                    cost=before,
                    amount=worth - before,
                )
                self.forget(account, slot)

    def _test_all(self, at_check: bool) -> None:
        for account in range(len(self.accounts)):
            run_test(self, account, at_check)

    def _openings(self) -> None:
        for order in list(self.orders.values()):
            elections.end_with_positions(self)
            i = order.instrument
            if self.has_book(i) or order.trigger or order.id not in self.orders:
                continue
            if self.has_ladder(i):
                ladder.meet(self, order)
                continue
            last, price = self.markets[i].last_e8, order.price_ticks * self.instruments[i].tick_e8
            if order.kind == OrderKind.MARKET and self.markets[i].halt and not order.held:
                self.drop(order, CancelReason.MARKET_HALTED)
            elif not self.opens_now(i) or phases.waits(self, order.account, order.after):
                continue
            elif order.kind == OrderKind.MARKET:
                if not phases.is_locked(self, i, order.side):
                    self._meet_market_order(order)
            elif phases.may_trade(self, i, price) and order.side * (price - last) > 0:
                ticks = phases.within_limits(self, i, self.to_tick(i, last, order.side))
                ticks = min(ticks, order.price_ticks) if order.side > 0 else max(ticks, order.price_ticks)
                lots, slips = bar_liquidity_.left(self, i, order.lots), bar_liquidity_.slips(self, i)
                if slips and phases.is_locked(self, i, order.side):
                    lots = 0
                elif slips:
                    lots, ticks = self.most_within(i, order.side, lots, order.price_ticks, order.filled)
                if lots:
                    self.execute(order, ticks, last, maker=not slips, lots=lots)

    def _meet_market_order(self, order: Order) -> None:
        lots = bar_liquidity_.left(self, order.instrument, order.lots)
        ticks = self.opening_ticks(order.instrument, order.side, lots, order.filled)
        if ticks is None:
            return
        held = self.accounts[order.account].positions[order.instrument].lots
        if order.reduce_only and not (held * order.side < 0 and order.lots <= abs(held)):
            self.drop(order, CancelReason.WOULD_NOT_REDUCE)
            return
        asked = checks.Asked(order.instrument, order.side * order.lots, OrderKind.MARKET, 0, ticks, ticks)
        refusal = checks.too_large(
            self, order.account, order.instrument, order.side, order.lots, 0
        ) or checks.notional_and_risk(self, order.account, asked, taking=True, begun=order.filled > 0)
        if refusal is None:
            self.execute(order, ticks, self.markets[order.instrument].last_e8, maker=False, lots=lots)
        else:
            self.drop(order, CancelReason[refusal.reason.name])

    # -- prices (docs/rules/fills.md) ---------------------------------------------------------------------------------

    def opens_now(self, i: int) -> bool:
        """Whether the instrument can be had at this instant."""
        return self.markets[i].open_ns == self.clock_ns and phases.is_open(self, i)

    def opening_ticks(self, i: int, side: int, lots: int, done: int = 0) -> int | None:
        """`met_ticks` as a bar opens."""
        return self.met_ticks(i, side, lots, self.markets[i].last_e8, done)

    def most_within(self, i: int, side: int, lots: int, limit: int, done: int = 0) -> tuple[int, int]:
        """As many of so many lots as can be had up to a limit, as a bar opens, and at what; all or none where takers do
        not slip. Halving: who takes more pays more."""

        def fits(count: int) -> bool:
            ticks = self.opening_ticks(i, side, count, done)
            return ticks is not None and side * (limit - ticks) >= 0

        if not fits(lots):
            if not lots or not bar_liquidity_.slips(self, i):
                return 0, 0
            lots = bisect_left(range(lots), True, key=lambda count: count > 0 and not fits(count)) - 1
        ticks = self.opening_ticks(i, side, lots, done)
        return (lots, ticks) if lots > 0 and ticks is not None else (0, 0)

    def met_ticks(self, i: int, side: int, lots: int, price_e8: int, done: int = 0) -> int | None:
        """What a taker of so many lots pays or gets where a bar stands at a price; None where it would move that beyond
        all, or a bound would give it more than the price it moves the market to."""
        market, slips = self.markets[i], bar_liquidity_.slips(self, i)
        if not lots:
            return None
        away_e8 = impact.moved(self, i, side, lots)
        if slips:
            if not self.bar_liquidity[self.instruments[i].id].volume:
                return None
            away_e8 = side * bar_liquidity_.slippage(self, i, side, lots, price_e8, done)
        if away_e8 and abs(away_e8) >= min(impact.BEYOND, 16 * max(abs(price_e8), market.mark_e8)):
            return None
        moved_e8 = price_e8 + away_e8
        at = self.traded_ticks(i, moved_e8, side) if slips else self.taker_ticks(i, moved_e8, side)
        ticks = phases.within_limits(self, i, at)
        beyond = side * (ticks * self.instruments[i].tick_e8 - moved_e8) < 0
        return None if beyond and (slips or self.instruments[i].id in self.impacts) else ticks

    def forced_ticks(self, i: int, q: int, price_e8: int) -> int:
        """What the exchange pays or gets for signed lots that it closes, at a market price."""
        side = 1 if q > 0 else -1
        if not bar_liquidity_.slips(self, i):
            return self.taker_ticks(i, price_e8, side)
        away = bar_liquidity_.slippage(self, i, side, abs(q), price_e8, forced=True)
        return self.traded_ticks(i, price_e8 + side * min(away, abs(price_e8)), side)

    def to_tick(self, i: int, price_e8: int, side: int) -> int:
        """A price moved to the tick in force, against who buys or sells, in ticks."""
        step = self.terms_of(i).tick_step
        size = self.instruments[i].tick_e8 * step
        steps = -(-price_e8 // size) if side > 0 else price_e8 // size
        return steps * step

    def taker_ticks(self, i: int, price_e8: int, side: int) -> int:
        """What a taker pays (side > 0) or gets at a market price."""
        half = -(-abs(price_e8) * self.spread_e8 // (2 * E8))
        return self.traded_ticks(i, price_e8 + half if side > 0 else price_e8 - half, side)

    def traded_ticks(self, i: int, price_e8: int, side: int) -> int:
        """A price moved to the tick; with brackets it is one tick at least."""
        ticks = self.to_tick(i, price_e8, side)
        if self.instruments[i].method == MarginMethod.PER_CONTRACT:
            return ticks
        return max(ticks, self.terms_of(i).tick_step)

    def fee(self, i: int, lots: int, ticks: int, rate_e8: int) -> int:
        """The fee of trading lots at a price."""
        worth = abs(margin.traded_value(self.instruments[i], ticks, lots))
        return worth * rate_e8 // E8 + lots * self.terms_of(i).fee_per_lot

    # -- postings (docs/rules/ledger.md) ------------------------------------------------------------------------------

    def execute(self, order: Order, ticks: int, price_e8: int, maker: bool, lots: int | None = None) -> None:
        """Fill an order, whole or so many lots; one that may only reduce and would not is cancelled."""
        held = self.accounts[order.account].positions[order.instrument].lots
        if order.reduce_only and not (held * order.side < 0 and order.lots <= abs(held)):
            self.drop(order, CancelReason.WOULD_NOT_REDUCE)
            return
        lots = order.lots if lots is None else lots
        if checks.is_spot(self, order.instrument) and order.kind == OrderKind.LIMIT and order.side > 0:
            terms, instrument = self.terms_of(order.instrument), self.instruments[order.instrument]
            rate = terms.maker_fee_e8 if maker else terms.taker_fee_e8
            paid = margin.traded_value(instrument, ticks, lots) + self.fee(order.instrument, lots, ticks, rate)
            aside = [floor(margin.value(instrument, order.assumed_e8, n)) for n in (order.lots, order.lots - lots)]
            if paid > margin.available(self, order.account) + aside[0] - aside[1]:
                self.drop(order, CancelReason.BALANCE_TOO_SMALL)
                return
        self.trade(order, lots, ticks, price_e8, maker)

    def trade(
        self,
        order: Order,
        lots: int,
        ticks: int,
        price_e8: int,
        maker: bool,
        flags: int = 0,
        joins: bool = False,
    ) -> None:
        """Fill lots of an order, which is taken out with its last one. joins: the other side has the number already."""
        order.filled += lots
        bar_liquidity_.traded(self, order.instrument, order.side, lots, maker)
        if not maker:
            impact.move(self, order.instrument, order.side, lots)
        if lots == order.lots:
            self.remove(order)
        else:
            order.lots -= lots
        terms = self.terms_of(order.instrument)
        fee = self.fee(order.instrument, lots, ticks, terms.maker_fee_e8 if maker else terms.taker_fee_e8)
        self.fill(
            order.id,
            order.account,
            order.instrument,
            order.side * lots,
            ticks,
            price_e8,
            fee,
            flags | (MAKER if maker else 0),
            joins=joins,
        )

    def fill(
        self,
        order: int,
        account: int,
        i: int,
        q: int,
        ticks: int,
        price_e8: int,
        fee: int,
        flags: int,
        keep_margin: bool = False,
        joins: bool = False,
    ) -> int:
        """Book signed lots at a price against the outside; return what was realised. joins: it is the other side of
        the trade just told."""
        a, p, instrument = self.accounts[account], self.accounts[account].positions[i], self.instruments[i]
        realised = 0
        closed = min(abs(p.lots), abs(q)) if p.lots * q < 0 else 0
        opened = abs(q) - closed
        sign = 1 if q > 0 else -1
        if instrument.daily_settled:
            p.cost += margin.traded_value(instrument, ticks, q)
        else:
            if closed:
                share = p.cost * closed // abs(p.lots)
                released = p.margin * closed // abs(p.lots)
                realised = -sign * margin.traded_value(instrument, ticks, closed) - share
                p.cost -= share
                if keep_margin:
                    p.margin += realised - fee
                    a.wallet += fee
                else:
                    p.margin -= released
                    a.wallet += released + realised
            p.cost += sign * margin.traded_value(instrument, ticks, opened)
            if p.scope == MarginScope.ISOLATED:
                moved = margin.traded_value(instrument, ticks, opened) // p.leverage
                p.margin += moved
                a.wallet -= moved
        if p.lots * (p.lots + q) <= 0:
            p.opened_ns = self.clock_ns if p.lots + q else 0
        p.lots += q
        a.wallet -= fee
        self.ledger.fees += fee
        self.ledger.outside += margin.traded_value(instrument, ticks, q)
        self.trade_sequence += not joins
        self.emit(
            EventKind.FILL,
            account,
            i,
            order=order,
            trade=self.trade_sequence,
            lots=q,
            price_ticks=ticks,
            price_e8=price_e8,
            fee=fee,
            amount=realised,
            cost=p.cost,
            position_lots=p.lots,
            flags=flags,
        )
        self.forget(account, i)
        return realised

    # -- orders -------------------------------------------------------------------------------------------------------

    def add(self, order: Order) -> None:
        """Let an order work."""
        ends_ns = self.countdowns.get((order.account, order.instrument // 2), 0)
        order.countdown_ns = ends_ns if ends_ns > self.clock_ns else 0
        self.orders[order.id] = self.accounts[order.account].orders[order.id] = order

    def move_to_end(self, order: Order) -> None:
        """An order arrives anew."""
        for working in (self.orders, self.accounts[order.account].orders):
            working[order.id] = working.pop(order.id)

    def remove(self, order: Order) -> None:
        """Take an order out."""
        if self.has_book(order.instrument):
            self.book(order.instrument).leave(order)
        del self.orders[order.id], self.accounts[order.account].orders[order.id]
        self.forget(order.account, order.instrument)

    def drop(self, order: Order, reason: CancelReason) -> None:
        """Cancel an order."""
        self.remove(order)
        self.emit(
            EventKind.ORDER_CANCELLED,
            order.account,
            order.instrument,
            order=order.id,
            lots=order.side * order.lots,
            price_ticks=order.price_ticks,
            reason=reason,
        )

    def forget(self, account: int, i: int) -> None:
        """A position without lots, cost, margin and orders forgets its margin call."""
        if not margin.linked(self, account, i):
            self.accounts[account].positions[i].called = 0
        if not any(margin.linked(self, account, slot) for slot in range(len(self.instruments))):
            self.accounts[account].called = 0

    # -- reading ------------------------------------------------------------------------------------------------------

    def has_ladder(self, i: int) -> bool:
        """Whether an instrument trades on a ladder."""
        return self.instruments[i].id in self.ladders

    def has_book(self, i: int) -> bool:
        """Whether an instrument trades on a book."""
        return self.instruments[i].id in self.books

    def has_depth(self, i: int) -> bool:
        """Whether a size finds more than one price."""
        return self.has_ladder(i) or self.has_book(i)

    def book(self, i: int) -> Book:
        """The book of an instrument, one for both slots."""
        return self.books[self.instruments[i].id]

    def asset_terms(self, asset: int) -> AssetTerms:
        """The rules of an asset in force."""
        return self.assets[asset].terms[self.asset_rows[asset]]

    def is_linked(self, account: int, i: int) -> bool:
        """Whether there is anything at all in a slot."""
        return margin.linked(self, account, i)

    def first_terms(self, i: int) -> int:
        """Rows of terms are counted through all instruments, in their order, in feeds and in events."""
        return sum(len(rows) for rows in self.dated[: i - i % 2 : 2])

    def terms_of(self, i: int) -> Terms:
        """The terms in force."""
        return self.dated[i][self.markets[i].terms]

    def pool_of(self, i: int) -> int:
        """The insurance pool an instrument stands in."""
        return next(k for k, pool in enumerate(self.pools) if self.instruments[i].id in pool.instruments)

    def available(self, account: int) -> int:
        """What may be taken for new margin."""
        return margin.available(self, account)

    def withdrawable(self, account: int, asset: int = 0) -> int:
        """The most of an asset that may be taken out."""
        return margin.withdrawable(self, account, asset)

    def marks(self) -> list[int]:
        """The current marks, by instrument."""
        return [market.mark_e8 for market in self.markets]

    def emit(self, kind: EventKind, account: int, instrument: int, **fields: Any) -> None:
        """Write one event of a slot; of an account in hedge mode it says which position it is about."""
        if account >= 0 and instrument >= 0 and self.accounts[account].hedge and kind in OF_ONE_POSITION:
            fields["flags"] = fields.get("flags", 0) | (SHORT_SIDE if instrument % 2 else LONG_SIDE)
        self.write(kind, account, instrument // 2 if instrument >= 0 else -1, **fields)

    def write(self, kind: EventKind, account: int, instrument: int, **fields: Any) -> None:
        """Write one event of an instrument."""
        numbers = {name: int(number) for name, number in fields.items()}
        self.events.append(Event(len(self.events) + 1, self.clock_ns, int(kind), account, instrument, **numbers))

    def gap(self) -> int:
        """What is missing from the ledger: zero, always."""
        held = sum(a.wallet + sum(p.margin - p.cost for p in a.positions) for a in self.accounts)
        own = self.ledger
        return held + own.fees + sum(self.funds) + own.outside + own.rounding + self.exchanged[0] - own.deposits

    def state_lines(self) -> Iterator[Line]:
        """The state in its canonical form."""
        yield "clock", (self.clock_ns, len(self.events), self.order_sequence, self.trade_sequence)
        own = self.ledger
        yield "ledger", (own.fees, sum(self.funds), own.outside, own.rounding, own.deposits)
        for pool, balance in enumerate(self.funds):
            yield "pool", (pool, balance)
        lines: list[Line] = []
        limited: list[Line] = []
        moved: list[Line] = []
        slipping: list[Line] = []
        queues: list[Line] = []
        for i, m in enumerate(self.markets[::2]):
            yield "market", (i, m.terms, m.last_e8, m.mark_e8, m.open_ns, m.settlement_ticks, m.status)
            if (m.phase, m.halt, m.limits_e8, m.refuse_beyond) != (MarketPhase.OPEN, 0, (-NO_LIMIT_E8, NO_LIMIT_E8), 0):
                limited.append(("phase", (i, m.phase, m.halt, *m.limits_e8, m.refuse_beyond)))
            if m.stays_e8 or m.fading_e8:
                moved.append(("impact", (i, m.stays_e8, m.fading_e8, m.fades_since_ns)))
            if self.has_ladder(2 * i):
                lines.append(("ladder", (i, m.centre_e8, m.missing[-1], m.missing[1])))
            if self.has_book(2 * i):
                queues += [*book.lines(i, self.book(2 * i)), *halting.lines(self, i)]
            if i in self.flows:
                queues += replay.lines(i, self.flows[i])
            if bars := bar_liquidity_.state(self, 2 * i):
                slipping += bars.lines(i)
        yield from limited + lines + moved + slipping + queues
        yield from self._pricing_lines()
        for account, a in enumerate(self.accounts):
            yield "account", (account, a.wallet, a.called, a.hedge)
        several = len(self.assets) > 1
        for k in range(len(self.assets) if several else 0):
            brought = self.brought[k] if k else own.deposits
            yield "asset", (k, self.index_e8[k], self.asset_rows[k], brought, self.exchanged[k])
        for account, a in enumerate(self.accounts):
            for k, amount in enumerate(a.balances):
                if amount:
                    yield "balance", (account, k, amount)
        for account, a in enumerate(self.accounts):
            if a.multi:
                yield "multi", (account,)
        for (account, i), ends_ns in sorted(self.countdowns.items()):
            if ends_ns > self.clock_ns:
                yield "countdown", (account, i, ends_ns)
        for account, a in enumerate(self.accounts):
            for i, p in enumerate(a.positions):
                new = self._new(self.instruments[i])
                if (p.lots, p.cost, p.margin, p.scope, p.leverage) != (0, 0, 0, new.scope, new.leverage):
                    held = (p.lots, p.cost, p.margin, p.scope, p.leverage, p.called, p.opened_ns)
                    yield "position", (account, i // 2, i % 2, *held)
        for o in self.orders.values():
            asked = (o.side, o.kind, o.lots, o.price_ticks, o.reduce_only, o.arrival_ns)
            yield "order", (o.id, o.account, o.instrument // 2, o.instrument % 2, *asked)
            if o.held:
                yield "held", (o.id, o.after)
            limit = o.kind == OrderKind.LIMIT and o.trigger is None
            if limit and o.assumed_e8 != o.price_ticks * self.instruments[o.instrument].tick_e8:
                yield "assumed", (o.id, o.assumed_e8)
            details = (o.time_in_force, o.expire_ns, o.display_lots, o.filled, o.self_trade)
            if any(details) and self.has_book(o.instrument):
                yield "details", (o.id, *details)
            if o.amended:
                yield "amended", (o.id, o.amended)
            if o.fraction:
                yield "ahead", (o.id, o.fraction)
            if o.trigger:
                x = o.trigger
                yield "trigger", (o.id, x.kind, x.price_e8, x.by, x.callback_e8, x.extreme_e8)
                if o.close_position or o.price_protect:
                    yield "closes", (o.id, o.close_position, o.price_protect)

    def _pricing_lines(self) -> Iterator[Line]:
        for i, x in enumerate(self.pricing):
            instrument = self.instruments[2 * i]
            if instrument.id in self.marked or instrument.deliver_ns:
                weighted = sum(n * premium for n, premium in enumerate(x.samples, 1))
                own = (x.index_e8, x.next_ns, x.hours, x.stated_hours, x.quiet, x.last_rate_e8, x.last_ns)
                premium = (x.premium_e8, x.slot, len(x.samples), sum(x.samples), weighted)
                delivery = (len(x.delivery), sum(x.delivery.values()), max(x.delivery, default=-1))
                yield "pricing", (i, *own, *premium, *delivery)
            if instrument.id in self.marked:
                for second, twice in sorted(x.basis.items()):
                    yield "basis", (i, second, twice)

    def state_hash(self) -> str:
        """The digest of the canonical form."""
        return state_digest(self.state_lines())

    def event_hash(self) -> str:
        """The digest of the bytes of every event so far."""
        for event in self.events[self._events_hashed :]:
            self._events_hasher.update(EVENT_FORMAT.pack(*(getattr(event, name) for name in event.__struct_fields__)))
        self._events_hashed = len(self.events)
        return self._events_hasher.hexdigest()
