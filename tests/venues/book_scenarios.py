"""Random order books, rows and commands: narrow prices, so that orders meet, and accounts with little money."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from novation.domain.account import InsurancePool
from novation.domain.book import BookRules, Filters, StopLogic, Velocity
from novation.domain.commands import Command
from novation.domain.enums import (
    CommandKind,
    DeleveragingMethod,
    HaltReason,
    InstrumentKind,
    InstrumentStatus,
    LiquidationPriority,
    MarginScope,
    MarketEventKind,
    MarketPhase,
    MarkRule,
    OrderKind,
    SelfTrade,
    TimeInForce,
    TriggerKind,
)
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import NO_LIMIT_E8, MarketEvent
from novation.domain.units import E8, HOUR_NS, NO_CAP, NS, asset_decimals
from novation.venues import binance_usdm, cme_globex
from tests.reference.exchange import Exchange
from tests.reference.state import Order
from tests.venues import scenarios
from tests.venues.scenarios import Setup

KINDS = ("coins", "futures")
#: ... with filters always, and where nothing is replayed, as a record has its own halts, with halts.
ALL_KINDS = (*KINDS, "filtered", "halting")
#: What an order may be, most of the time.
ORDER_KINDS = (OrderKind.LIMIT,) * 20 + (OrderKind.MARKET,) * 2 + tuple(OrderKind)
#: Ways to give lots out: by time, K 20/80, in proportion, the top order first, lead makers, one lot to everybody.
WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"fifo_percent": 20, "pro_rata_min": 2},
    {"fifo_percent": 0},
    {"fifo_percent": 0, "pro_rata_min": 2, "top": True},
    {"fifo_percent": 0, "pro_rata_min": 3, "top": True, "top_min": 3, "top_max": 5, "levelling": True},
    {"fifo_percent": 40, "lead_makers": ((1, 30), (0, 10)), "levelling": True},
    {"top": True, "top_max": 4, "lead_makers": ((2, 50),)},
)


def filters(r: Random, middle: int, kind: str) -> Filters:
    """None, most of the time; else some that orders around a price meet."""
    if kind != "filtered" and r.randint(0, 3):
        return Filters()
    some = {
        "max_market_lots": r.randint(3, 12),
        "min_ticks": middle - r.randint(1, 8),
        "max_ticks": middle + r.randint(1, 8),
        "up_e8": E8 + r.choice([r.randint(0, E8 // 20), r.randint(0, 5) * E8 // middle]),
        "down_e8": E8 - r.choice([r.randint(0, E8 // 20), r.randint(0, 5) * E8 // middle]),
        "max_orders": r.randint(1, 4),
        "max_conditional": r.randint(1, 3),
        "least_callback_e8": r.randint(1, E8 // 50),
        "most_callback_e8": r.randint(E8 // 50, E8 // 10),
        "least_gtd_ns": r.choice([1, NS, HOUR_NS]),
        "gtc_ns": r.choice([1, 90 * NS, 2 * HOUR_NS]),
        "take_bound_e8": r.choice([E8 // 50, E8, *(n * E8 // middle for n in range(1, 5))]),
        "trigger_protect_e8": r.choice([1, E8 // 50, *(n * E8 // middle for n in range(1, 5))]),
        "max_amends": r.randint(1, 3),
    }
    return Filters(**{name: value for name, value in some.items() if r.randint(0, 2) == 0})


def book_rules(r: Random, middle: int, kind: str) -> BookRules:
    """One of the ways, with the other choices at random; middle: about what prices are, in ticks."""
    return BookRules(
        **r.choice(WAYS),
        protection_ticks=r.choice([0, 2, 3, 5]),
        market_orders=r.randint(0, 5) > 0,
        price_match=r.randint(0, 3) > 0,
        opponent_most=r.choice([20, 20, 10, 5, 0]),
        amend_keeps_place=r.randint(0, 2) > 0,
        amend_drops_self_trade=r.randint(0, 2) == 0,
        refuse_unfillable=bool(r.randint(0, 1)),
        self_trade=SelfTrade(r.randint(1, 4)),
        filters=filters(r, middle, kind),
        **(halts(r) if kind == "halting" else {}),
    )


def halts(r: Random) -> dict[str, Any]:
    """What halts a book by itself."""
    found: dict[str, Any] = {}
    if r.randint(0, 2):
        within, pause = r.choice([1, 60 * NS, HOUR_NS, 5 * HOUR_NS]), r.choice([1, 90 * NS, HOUR_NS])
        found["velocity"] = Velocity(move_ticks=r.randint(1, 7), within_ns=within, pause_ns=pause)
    if r.randint(0, 1):
        pause, longer = r.choice([1, 60 * NS, HOUR_NS]), r.choice([1, 3, 4])
        found["stop_logic"] = StopLogic(
            move_ticks=r.randint(1, 4), pause_ns=pause, most_ns=longer * pause, thresholds=r.randint(1, 2)
        )
    return found | {"group": r.choice([0, 1, 1])}


def coin(r: Random, i: int) -> tuple[Instrument, list[Terms], int]:
    """A coin at a hundred: its tick is a cent, a dime or a whole one."""
    instrument = scenarios.named_coin(i, r.choice([1_000_000, 10_000_000, E8]), E8)
    tiers: tuple[Tier, ...] = (Tier(0, NO_CAP, 1_000_000, 50, 0),)
    if r.randint(0, 2) == 0:
        tiers = (Tier(0, 2_000 * E8, 1_000_000, 50, 0), Tier(2_000 * E8, 20_000 * E8, 5_000_000, 10, 80 * E8))
    rows = [
        Terms(
            effective_ns=n,
            tick_step=r.choice([1, 1, 2]),
            min_lots=r.choice([1, 1, 2]),
            max_lots=r.choice([1 << 40, 60]),
            min_notional=r.choice([0, 0, 250 * E8]),
            maker_fee_e8=r.choice([0, 20_000, -5_001]),
            taker_fee_e8=r.choice([0, 50_000, 45_003]),
            liquidation_fee_e8=r.choice([0, 500_001]),
            tiers=tiers,
            band_ticks=r.choice([0, 0, 0, 6]),
            limit_sell_above_last_e8=r.choice([0, 150_000]),
            market_buy_above_ask_e8=r.choice([0, 50_000]),
            **scenarios.pricing(r),  # type: ignore[arg-type]
        )
        for n in range(r.randint(1, 2))
    ]
    return (scenarios.dated(r, instrument) if r.randint(0, 4) == 0 else instrument), rows, 100 * E8


def future(r: Random, i: int) -> tuple[Instrument, list[Terms], int]:
    """A daily-settled contract at 500.00, 12.50 a tick, whose margin is a few ticks."""
    instrument = scenarios.named_contract(i, 25_000_000, 50)
    rows = [
        Terms(
            effective_ns=n,
            tick_step=r.choice([1, 1, 2]),
            max_lots=r.choice([1 << 40, 60]),
            fee_per_lot=r.choice([0, 1_380_000]),
            taker_fee_e8=r.choice([0, 10_001]),
            initial_per_lot=r.choice([110, 220]) * 1_000_000,
            maintenance_per_lot=r.choice([50, 100]) * 1_000_000,
            band_ticks=r.choice([0, 0, 4, 12]),
            calls_due=r.choice([0, 0, 1]),
        )
        for n in range(r.randint(1, 2))
    ]
    return (scenarios.dated(r, instrument) if r.randint(0, 7) == 0 else instrument), rows, 500 * E8


def setup(r: Random, kind: str = "", accounts: int | None = None) -> Setup:
    """One or two books, now and then beside an instrument without."""
    kind = kind or r.choice(ALL_KINDS)
    count = r.choice([1, 1, 2, 3])
    coins = kind in ("coins", "filtered")
    made = [(coin if coins else future)(r, i) for i in range(count)]
    rules = binance_usdm.RULES if coins else cme_globex.RULES
    names = [m[0].id for m in made]
    rules = msgspec.structs.replace(
        rules,
        hold_orders=not coins and r.randint(0, 3) == 0,
        liquidation_priority=r.choice(list(LiquidationPriority)),
        deleveraging=r.choice(list(DeleveragingMethod)),
        default_leverage=r.choice([20, 50]),
    )
    rule = [MarkRule.MEDIAN, MarkRule.LAST]
    marked = {name: r.choice(rule) for name in names if coins and not r.randint(0, 3)}
    on_books = names if count < 3 else names[:2]
    pools = (InsurancePool(name="fund", instruments=tuple(names), balance=r.choice([0, 10**9, 10**12])),)
    return Setup(
        rules,
        [m[0] for m in made],
        [m[1] for m in made],
        accounts or r.randint(3, 5),
        0,
        [m[2] for m in made],
        pools if r.randint(0, 2) else (),
        marked=marked,
        pro_rata=r.randint(0, 4) == 0,
        books={m[0].id: book_rules(r, m[2] // m[0].tick_e8, kind) for m in made if m[0].id in on_books},
    )


class Rows:
    """Writes what happens beside the orders: marks, phases, limits, terms, funding, settlements, deliveries."""

    def __init__(self, r: Random, setup: Setup) -> None:
        self.r, self.setup, self.now = r, setup, 0
        self.mark = list(setup.prices)
        #: A phase changes once in so many instants.
        self.busy = r.choice([2, 4, 10])
        if any(rules.velocity or rules.stop_logic for rules in setup.books.values()):
            self.busy = 60

    def instant(self) -> list[MarketEvent]:
        """Rows of the next instant."""
        r, rows, ts = self.r, [], self.now
        for i, instrument in enumerate(self.setup.instruments):
            moved = r.choice([0, 1, -1, 2, -3]) if r.randint(0, 7) else r.choice([-25, -10, -4, 5, 10, 30])
            coarse = max(instrument.tick_e8, self.setup.prices[i] // 1_000)
            shock = self.setup.prices[i] // 100 if abs(moved) >= 4 else coarse
            self.mark[i] = max(coarse, self.mark[i] + moved * shock)
            if r.randint(0, 3) == 0:  # back to where the orders are
                self.mark[i] = self.setup.prices[i] + r.randint(-3, 3) * coarse

            def row(kind: MarketEventKind, i: int = i, **fields: int) -> None:
                rows.append(MarketEvent(ts_ns=ts, kind=kind, instrument=i, **fields))

            own = instrument.id in self.setup.marked
            if instrument.id not in self.setup.books:
                row(MarketEventKind.BAR_OPEN, last_e8=self.mark[i], mark_e8=0 if own else self.mark[i])
            elif not own and r.randint(0, 5):
                row(MarketEventKind.MARK, mark_e8=self.mark[i])
            if instrument.id in self.setup.books and ts:  # a bar that closes on a book is a time to look, no more
                row(MarketEventKind.BAR_CLOSE, start_ns=ts - 1, last_e8=1, last_low_e8=1, last_high_e8=self.mark[i])
            if own or (instrument.deliver_ns and r.randint(0, 1)):
                quoted = {"bid_e8": self.mark[i] - coarse, "ask_e8": self.mark[i] + coarse} if r.randint(0, 1) else {}
                row(MarketEventKind.INDEX, index_e8=self.mark[i], **quoted)
            if instrument.id in self.setup.books and ts:
                self._phases(row, i)
            if len(self.setup.terms[i]) > 1 and r.randint(0, 11) == 0:
                first = sum(len(dated) for dated in self.setup.terms[:i])
                row(MarketEventKind.TERMS, terms=first + r.randrange(len(self.setup.terms[i])))
            if instrument.kind == InstrumentKind.PERPETUAL and not own and r.randint(0, 7) == 0:
                row(MarketEventKind.FUNDING, mark_e8=r.choice([self.mark[i], 0]), rate_e8=r.choice([10_000, -250_001]))
            if instrument.daily_settled and r.randint(0, 5) == 0:
                ticks = max(1, self.mark[i] // instrument.tick_e8)
                row(MarketEventKind.SETTLEMENT, price_ticks=ticks, trade_date=ts // scenarios.TRADE_DATE_NS)
            if instrument.deliver_ns and r.randint(0, 1) and ts + HOUR_NS >= instrument.deliver_ns:
                late = ts >= instrument.deliver_ns
                status = InstrumentStatus.DELIVERING if late else InstrumentStatus.PRE_DELIVERING
                row(MarketEventKind.STATUS, status=status)
        self.now += r.choice([1, NS, 60 * NS, HOUR_NS // 4, HOUR_NS])
        return sorted(rows, key=lambda row: (row.ts_ns, row.kind, row.instrument))

    def _phases(self, row: Any, i: int) -> None:
        r, tick = self.r, self.setup.instruments[i].tick_e8
        if r.randint(1, self.busy) == 1:
            phase = r.choice([*MarketPhase, MarketPhase.PRE_OPEN, MarketPhase.PRE_OPEN, MarketPhase.NO_CANCEL])
            halt = 0 if phase == MarketPhase.OPEN else int(r.choice([0, 0, *HaltReason]))
            kind = r.choice([MarketEventKind.PHASE, MarketEventKind.PHASE, MarketEventKind.HALT])
            row(kind, status=phase, terms=halt)
        elif r.randint(0, 2 * self.busy // 10 + 2) == 0:
            row(MarketEventKind.PHASE, status=MarketPhase.OPEN)
        if r.randint(1, 3 * self.busy) == 1:
            middle = self.setup.prices[i]
            low, high = (middle + side * r.choice([1, 3, 6, 40]) * tick for side in (-1, 1))
            none = NO_LIMIT_E8
            low, high = r.choice([(low, high), (-none, high), (low + tick // 2, high), (-none, none)])
            row(MarketEventKind.LIMITS, last_low_e8=low, last_high_e8=high, status=r.randint(0, 1))


# -- commands -------------------------------------------------------------------------------------------------------


def command(r: Random, setup: Setup, twin: Exchange) -> Command:
    """Something a participant might ask of a book, sensible or not."""
    account, i = r.randrange(setup.accounts), r.randrange(len(setup.instruments))
    dice, a, unit = r.randint(0, 99), twin.accounts[account], 10 ** asset_decimals(setup.rules.asset)
    mine = list(a.orders.values())
    if dice < 68:
        return order(r, setup, twin, account, i)
    if dice < 81 and mine:
        standing = [one for one in mine if not one.trigger] if r.randint(0, 5) else []
        return amended(r, setup, r.choice(standing or mine))
    if dice < 85:
        one = r.choice(mine).id if mine and r.randint(0, 9) else r.randint(0, twin.order_sequence + 1)
        return Command(kind=CommandKind.CANCEL, account=account, order=one, hold=int(r.randint(0, 5) == 0))
    if dice < 88:
        named, side = r.choice([-1, -1, i, i, len(setup.instruments)]), r.choice([0, 0, 0, 1, -1, 1, -1, 2])
        held = int(r.randint(0, 3) == 0)
        return Command(kind=CommandKind.CANCEL_ALL, account=account, instrument=named, side=side, hold=held)
    if dice == 88:
        return scenarios.countdown(r, account, i)
    if dice < 91:
        amount = r.choice([100 * unit, 5_000 * unit, -a.wallet // 2, -a.wallet])
        return Command(kind=CommandKind.TRANSFER, account=account, amount=amount)
    if dice < 94:
        leverage = r.choice([1, 5, 10, 20, 50, 50])
        return Command(kind=CommandKind.SET_LEVERAGE, account=account, instrument=i, leverage=leverage)
    if dice < 96:
        return Command(kind=CommandKind.SET_MARGIN_SCOPE, account=account, instrument=i, scope=r.choice([1, 2, 2]))
    if dice < 98:
        return Command(kind=CommandKind.SET_HEDGE_MODE, account=account, amount=r.choice([0, 1]))
    moved = order(r, setup, twin, account, i)
    price = max(1, twin.markets[2 * i].last_e8 // setup.instruments[i].tick_e8)
    kind, limit = CommandKind.TRANSFER_POSITION, OrderKind.LIMIT
    plain = Command(kind=kind, account=account, instrument=i, side=moved.side, order_kind=limit, lots=moved.lots)
    return msgspec.structs.replace(plain, price_ticks=price, position_side=moved.position_side)


def near(r: Random, setup: Setup, i: int, step: int) -> int:
    """A price in a narrow band, in ticks; now and then far away."""
    middle = setup.prices[i] // setup.instruments[i].tick_e8 // step
    away = r.choice([-20, -9, 9, 20]) if r.randint(0, 19) == 0 else r.randint(-5, 5)
    return max(1, middle + away) * step


def order(r: Random, setup: Setup, twin: Exchange, account: int, i: int) -> Command:
    """An order of any kind; one in eight has a field that is wrong, or may be."""
    named = r.choice([1, 2]) if twin.accounts[account].hedge else 0
    slot, p = 2 * i + int(named == 2), twin.accounts[account].positions[2 * i + int(named == 2)]
    side, lots = r.choice([1, -1]), r.choice([1, 2, 3, 5, 8, 13, 20, 40])
    reduce_only = 0
    if p.lots and r.randint(0, 2) == 0:
        side, lots = (-1 if p.lots > 0 else 1), max(1, abs(p.lots) * r.choice([30, 100, 100, 150]) // 100)
        reduce_only = int(not named and r.randint(0, 3) > 0)
    step = twin.terms_of(slot).tick_step
    kind = r.choice(ORDER_KINDS)
    fields: dict[str, int] = {
        "order_kind": kind,
        "price_ticks": near(r, setup, i, step) if kind == OrderKind.LIMIT or r.randint(0, 9) == 0 else 0,
        "position_side": named,
    }
    if setup.instruments[i].id in setup.books and p.lots and r.randint(0, 5) == 0:
        return closing(r, setup, twin, account, slot)
    if setup.instruments[i].id in setup.books:
        fields |= on_a_book(r, setup, twin, slot, side, lots, kind)
    if r.randint(0, 7) == 0:
        fields |= wrong(r, setup, twin, slot, lots)
    return Command(
        kind=CommandKind.PLACE,
        account=account,
        instrument=i,
        side=side,
        lots=lots,
        reduce_only=reduce_only,
        hold=int(r.randint(0, 9) == 0),
        **fields,
    )


def on_a_book(
    r: Random, setup: Setup, twin: Exchange, slot: int, side: int, lots: int, kind: OrderKind
) -> dict[str, int]:
    """Time in force, display, minimum, trigger and self-trade, such that they go together."""
    fields: dict[str, int] = {}
    tif = r.choice([0, 0, 0, *TimeInForce])
    often = 1 if setup.books[setup.instruments[slot // 2].id].stop_logic else 4
    if r.randint(0, often) == 0:
        fields |= conditional(r, setup, twin, slot, side)
    if tif == TimeInForce.POST_ONLY and (kind != OrderKind.LIMIT or fields):
        tif = TimeInForce.DAY
    if tif == TimeInForce.GTD:
        fields["expire_ns"] = twin.clock_ns + r.choice([1, NS, 90 * NS, HOUR_NS, 3 * HOUR_NS])
    immediate = tif in (TimeInForce.IOC, TimeInForce.FOK)
    if kind != OrderKind.MARKET and not immediate and r.randint(0, 3) == 0:
        fields["display_lots"] = max(1, lots // r.choice([2, 3, 5]))
    if "trigger" not in fields and tif not in (TimeInForce.FOK, TimeInForce.POST_ONLY) and r.randint(0, 7) == 0:
        fields["min_lots"] = max(1, lots // r.choice([1, 2, 4]))
    return fields | {"time_in_force": tif, "self_trade": r.choice([0, 0, 1, 2, 3, 4])}


def closing(r: Random, setup: Setup, twin: Exchange, account: int, slot: int) -> Command:
    """A stop or a take-profit that closes a position and ends with it, or one with something that may not be."""
    held = twin.accounts[account].positions[slot].lots
    side = (-1 if held > 0 else 1) if r.randint(0, 9) else r.choice([1, -1, 0])
    fields = {"order_kind": OrderKind.MARKET, "close_position": 1, **conditional(r, setup, twin, slot, side)}
    if twin.accounts[account].hedge:
        fields["position_side"] = 1 + slot % 2
    if r.randint(0, 5) == 0:
        fields |= r.choice(
            [{"lots": 1}, {"reduce_only": 1}, {"order_kind": 2}, {"time_in_force": 3}, {"close_position": 2}]
        )
    return Command(kind=CommandKind.PLACE, account=account, instrument=slot // 2, side=side, **fields)


def conditional(r: Random, setup: Setup, twin: Exchange, slot: int, side: int) -> dict[str, int]:
    """A trigger on the side of the price on which it has to be, most of the time."""
    by, kind = r.choice([0, 0, 1]), r.choice(list(TriggerKind)[1:])
    i, tick = slot // 2, setup.instruments[slot // 2].tick_e8
    x = (twin.markets[slot].mark_e8 if by else twin.markets[slot].last_e8) or setup.prices[i]
    away = r.randint(1, 4) if r.randint(0, 5) else r.randint(-2, 0)
    fields = {"trigger": int(kind), "trigger_by": by}
    if setup.books[setup.instruments[i].id].filters.trigger_protect_e8 and r.randint(0, 1):
        fields["price_protect"] = 1
    if kind == TriggerKind.TRAILING:
        fields["callback_e8"] = r.choice([tick * E8 // x, 2 * tick * E8 // x + 1, 1_000_000, 1, E8]) or 1
        return fields | {"trigger_e8": r.choice([0, max(1, x - side * away * tick)])}
    up = (kind == TriggerKind.STOP) == (side > 0)
    return fields | {"trigger_e8": max(1, x + (away if up else -away) * tick + r.choice([0, 0, tick // 3]))}


def wrong(r: Random, setup: Setup, twin: Exchange, slot: int, lots: int) -> dict[str, int]:
    """A field or two that may not be."""
    return r.choice(
        [
            {"order_kind": r.choice([0, 3, 4, 5])},
            {"time_in_force": r.choice([-1, 6, 2, 5])},
            {"expire_ns": r.choice([0, twin.clock_ns, twin.clock_ns + 1, -1])},
            {"display_lots": r.choice([-1, lots + 1, 1])},
            {"min_lots": r.choice([-1, lots + 1, 1])},
            {"trigger": r.choice([4, -1, 1, 2, 3, 0])},
            {"trigger_by": r.choice([2, -1, 1])},
            {"trigger_e8": r.choice([-1, 0, (1 << 53) + 1, 1, setup.prices[slot // 2]])},
            {"callback_e8": r.choice([0, -1, E8 + 1, 5])},
            {"self_trade": r.choice([5, -1])},
            far_away(r, setup, twin, slot),
            {"price_ticks": r.choice([0, -3, 1, 7, near(r, setup, slot // 2, 1)])},
            {"position_side": r.choice([0, 1, 2])},
            {"close_position": 1},
            {"price_protect": r.choice([1, 2])},
        ]
    )


def far_away(r: Random, setup: Setup, twin: Exchange, slot: int) -> dict[str, int]:
    """A limit price or a trigger about as far from the last price as one may be."""
    tick, market = setup.instruments[slot // 2].tick_e8, twin.markets[slot]
    ticks = (market.last_e8 or market.mark_e8) // tick + (r.choice([1, -1, 1]) << 26) + r.randint(-1, 2)
    if r.randint(0, 1):
        return {"price_ticks": ticks}
    return {"trigger": r.choice([1, 2, 3]), "trigger_e8": ticks * tick + r.choice([0, tick - 1])}


def amended(r: Random, setup: Setup, order: Order) -> Command:
    """Fewer or more lots, another price, both, neither, nothing left."""
    total = order.lots + order.filled
    lots = r.choice([total, total, total - 1, total + 3, total // 2, order.filled, order.filled + 1, 0, 70])
    price = r.choice([order.price_ticks] * 3 + [near(r, setup, order.instrument // 2, 1) for _ in range(2)] + [0])
    if r.randint(0, 19) == 0:
        price = r.choice([(1 << 26) + price, 1 << 40, 3 << 26])
    if order.time_in_force == TimeInForce.POST_ONLY and r.randint(0, 1):  # to where somebody may stand
        price = order.price_ticks + order.side * r.choice([2, 4, 6])
    return Command(kind=CommandKind.AMEND, account=order.account, order=order.id, lots=lots, price_ticks=price)


def deposit(r: Random, setup: Setup, account: int) -> Command:
    """Plenty, or little."""
    unit = 10 ** asset_decimals(setup.rules.asset)
    amount = r.choice([10_000_000, 1_000_000, 1_000_000, 3_000, 600, 150]) * unit
    return Command(kind=CommandKind.TRANSFER, account=account, amount=amount)


def isolated(r: Random, setup: Setup, account: int) -> list[Command]:
    """Isolated margin for some of the instruments, before there is anything in them."""
    some = [i for i in range(len(setup.instruments)) if r.randint(0, 1)]
    kind = CommandKind.SET_MARGIN_SCOPE
    return [Command(kind=kind, account=account, instrument=i, scope=MarginScope.ISOLATED) for i in some]
