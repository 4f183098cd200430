"""Random exchanges, feeds and commands; drawn from a `Random`, which may be Hypothesis's own so that it shrinks."""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import NamedTuple

import msgspec
import numpy as np

from novation.domain.account import InsurancePool
from novation.domain.assets import Asset, AssetTerms
from novation.domain.book import BookRules
from novation.domain.commands import Command
from novation.domain.enums import (
    BarPath,
    CommandKind,
    DeleveragingMethod,
    HaltReason,
    InstrumentKind,
    InstrumentStatus,
    LiquidationPriority,
    MarginCallPolicy,
    MarginMethod,
    MarketEventKind,
    MarketPhase,
    MarkRule,
    OrderKind,
    TriggerKind,
)
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.liquidity import BarLiquidity, Ladder
from novation.domain.market import MARKET_DTYPE, NO_LIMIT_E8, MarketEvent
from novation.domain.units import E8, HOUR_NS, NO_CAP, NS
from novation.venues import binance_usdm, cme_globex
from novation.venues.impacts import Impact
from novation.venues.venue_rules import VenueRules
from tests.reference.exchange import Exchange

#: (tick, lot, price) of coins, all 1e-8, from thousands a coin to fractions of a cent.
COINS = (
    (10_000_000, 100_000, 5_000_000_000_000),
    (1_000_000, 100_000, 300_000_000_000),
    (1_000, 100_000_000, 30_000_000),
    (1, 100_000_000, 12_345),
    (100_000_000, 1, 4_000_000_000_000),
    (10_000, 10_000_000, 1_500_000_000),
)
#: So short that some trade dates settle several times and some instants settle one product only.
TRADE_DATE_NS = 4 * HOUR_NS
#: (tick, multiplier, price, initial margin per lot in USD).
PRODUCTS = (
    (25_000_000, 50, 500_000_000_000, 12_000),
    (5_000, 125_000, 108_000_000, 2_500),
    (1_562_500, 1_000, 11_000_000_000, 2_000),
    (10_000_000, 100, 180_000_000_000, 9_000),
)


#: A venue that no exchange is: it shows that the choices are independent of each other.
EITHER = VenueRules(
    name="either",
    asset="USD",
    zone="UTC",
    call_policy=MarginCallPolicy.AT_ONCE,
    call_ratio_e8=90_000_000,
    liquidation_target_e8=70_000_000,
    hedge_mode=True,
    deficit_to_fund=True,
    default_leverage=7,
)


class Setup(NamedTuple):
    """What an exchange is made of."""

    rules: VenueRules
    instruments: list[Instrument]
    terms: list[list[Terms]]
    accounts: int
    spread_e8: int
    prices: list[int]
    pools: tuple[InsurancePool, ...] = ()
    ladders: dict[str, Ladder] = {}
    marked: dict[str, MarkRule] = {}
    pro_rata: bool = False
    assets: tuple[Asset, ...] = ()
    books: dict[str, BookRules] = {}
    impacts: dict[str, Impact] = {}
    bar_liquidity: dict[str, BarLiquidity] = {}
    bar_path: BarPath = BarPath.WORST

    def twin(self) -> Exchange:
        """The plain-Python one."""
        return Exchange(
            self.rules,
            self.instruments,
            self.terms,
            accounts=self.accounts,
            spread_e8=self.spread_e8,
            pools=self.pools,
            ladders=self.ladders,
            marked=self.marked,
            pro_rata=self.pro_rata,
            assets=self.assets,
            books=self.books,
            impacts=self.impacts,
            bar_liquidity=self.bar_liquidity,
            bar_path=self.bar_path,
        )


def brackets(r: Random, unit: int = E8) -> tuple[Tier, ...]:
    """Contiguous brackets with a cumulative amount that makes them continuous; caps are multiples of 1e8."""
    count = r.randint(1, 5)
    rates = sorted(
        r.sample(
            [300_000, 400_000, 500_000, 1_000_000, 1_234_567, 2_500_000, 5_000_000, 12_500_000, 25_000_000, 50_000_000],
            count,
        )
    )
    cap, tiers = 0, []
    cum = 0
    for i, rate in enumerate(rates):
        low, cap = cap, cap + unit * r.choice([1, 7, 100, 5_000, 40_001, 300_000])
        if i == count - 1 and r.randint(0, 1):
            cap = NO_CAP
        if i:
            cum += low * (rate - rates[i - 1]) // E8
        most = max(1, min(125, E8 // (rate + rate // 2)))
        tiers.append(Tier(low, cap, rate, most, cum))
    return tuple(tiers)


def named_coin(i: int, tick_e8: int, lot_e8: int) -> Instrument:
    """A perpetual, its margin by brackets."""
    return Instrument(
        id=f"x:C{i}",
        venue="x",
        symbol=f"C{i}",
        root=f"C{i}",
        kind=InstrumentKind.PERPETUAL,
        method=MarginMethod.TIERED,
        asset="USDT",
        tick_e8=tick_e8,
        lot_e8=lot_e8,
    )


def named_contract(i: int, tick_e8: int, multiplier: int) -> Instrument:
    """A daily-settled contract, its margin by the lot."""
    return Instrument(
        id=f"x:F{i}",
        venue="x",
        symbol=f"F{i}",
        root=f"F{i}",
        kind=InstrumentKind.FUTURE,
        method=MarginMethod.PER_CONTRACT,
        asset="USD",
        tick_e8=tick_e8,
        lot_e8=E8,
        multiplier_e8=multiplier * E8,
        daily_settled=True,
        contract_month=202012,
    )


def perpetual(r: Random, i: int) -> tuple[Instrument, list[Terms], int]:
    """A coin with brackets, in one to three rows of dated terms."""
    tick, lot, price = r.choice(COINS)
    instrument = named_coin(i, tick, lot)
    rows = [
        Terms(
            effective_ns=n,
            tick_step=r.choice([1, 1, 2, 5, 10]),
            min_lots=r.choice([1, 1, 3]),
            max_lots=r.choice([1 << 40, 1 << 40, 50_000]),
            min_notional=r.choice([0, 5 * E8, 100 * E8]),
            maker_fee_e8=r.choice([0, 20_000, -5_001]),
            taker_fee_e8=r.choice([0, 50_000, 45_003]),
            fee_per_lot=r.choice([0, 0, 0, 3]),
            liquidation_fee_e8=r.choice([0, 1_250_000, 500_001]),
            tiers=brackets(r),
            **pricing(r),
            limit_sell_above_last_e8=r.choice([0, 150_000, 150_000, 2_500_001]),
            market_buy_above_ask_e8=r.choice([0, 50_000, 50_000, 1_234_567]),
        )
        for n in range(r.randint(1, 3))
    ]
    if r.randint(0, 3) == 0:
        instrument = dated(r, instrument)
    return instrument, rows, price


def pricing(r: Random) -> dict[str, int]:
    """How a venue that marks, funds or delivers an instrument does it."""
    cap = r.choice([300_000, 75_000, 2_000_000, 1])
    return {
        "funding_interval_hours": r.choice([8, 8, 4, 1, 2]),
        "funding_floor_e8": -r.choice([cap, cap, 100_000]),
        "funding_cap_e8": cap,
        "interest_e8": r.choice([10_000, 10_000, 0, -3_333]),
        "funding_clamp_e8": r.choice([50_000, 50_000, 0]),
        "impact_base": 200 * E8,
        "hourly_at_limit": r.randint(0, 1),
        "quiet_needed": r.choice([0, 2, 3]),
        "quiet_e8": r.choice([25_000, 1_000_000]),
        "quiet_hours": 4,
        "basis_seconds": r.choice([30, 30, 60, 1]),
        "delivery_seconds": r.choice([1_800, 3_600, 7]),
        "delivery_fee_e8": r.choice([0, 50_000, 400_001, 5_000_000]),
    }


def dated(r: Random, instrument: Instrument) -> Instrument:
    """The same as a contract that is delivered after some hours."""
    deliver_ns = r.randint(2, 60) * HOUR_NS
    return msgspec.structs.replace(instrument, kind=InstrumentKind.FUTURE, deliver_ns=deliver_ns)


def future(r: Random, i: int) -> tuple[Instrument, list[Terms], int]:
    """A daily-settled contract with margins per lot."""
    tick, multiplier, price, margin = r.choice(PRODUCTS)
    instrument = named_contract(i, tick, multiplier)
    rows = [
        Terms(
            effective_ns=n,
            tick_step=r.choice([1, 1, 2]),
            max_lots=r.choice([1 << 40, 500]),
            fee_per_lot=r.choice([0, 1_380_000, 2_250_001]),
            taker_fee_e8=r.choice([0, 0, 10_001]),
            liquidation_fee_e8=r.choice([0, 0, 100_000]),
            initial_per_lot=margin * 1_100_000 * r.randint(1, 2),
            maintenance_per_lot=margin * 1_000_000 * r.randint(1, 2) // 2,
            band_ticks=r.choice([0, 0, 3, 40]),
            calls_due=r.choice([0, 0, 1]),
            **pricing(r),
        )
        for n in range(r.randint(1, 3))
    ]
    if r.randint(0, 7) == 0:
        instrument = dated(r, instrument)
    return instrument, rows, price


def in_dollars(r: Random, made: tuple[Instrument, list[Terms], int]) -> tuple[Instrument, list[Terms], int]:
    """The same for a venue that settles in USD; a dated future may then run without daily settlement."""
    instrument, rows, price = made
    if instrument.method == MarginMethod.TIERED:
        return msgspec.structs.replace(instrument, asset="USD", lot_e8=100 * instrument.lot_e8), rows, price
    return msgspec.structs.replace(instrument, daily_settled=bool(r.randint(0, 1))), rows, price


def setup(r: Random, *, accounts: int | None = None, kind: str = "") -> Setup:
    """One to three instruments on one venue, now and then ten."""
    kind = kind or r.choice(["coins", "coins", "futures"])
    count = 10 if r.randint(0, 19) == 0 else r.randint(1, 3)
    if kind == "coins":
        rules, made = binance_usdm.RULES, [perpetual(r, i) for i in range(count)]
    elif kind == "futures":
        rules, made = cme_globex.RULES, [future(r, i) for i in range(count)]
        rules = msgspec.structs.replace(rules, hold_orders=bool(r.randint(0, 1)))
    else:
        rules = msgspec.structs.replace(
            EITHER, deficit_to_fund=bool(r.randint(0, 1)), call_policy=r.choice(list(MarginCallPolicy))
        )
        at_once = rules.call_policy == MarginCallPolicy.AT_ONCE
        made = [in_dollars(r, r.choice([perpetual, future])(r, i) if at_once else future(r, i)) for i in range(count)]
    if r.randint(0, 2):
        rules = msgspec.structs.replace(
            rules,
            liquidation_priority=r.choice(list(LiquidationPriority)),
            deleveraging=r.choice(list(DeleveragingMethod)),
        )
    return Setup(
        rules,
        [m[0] for m in made],
        [m[1] for m in made],
        accounts or r.randint(1, 4),
        r.choice([0, 0, 10_000, 333_333, 5_000_000]),
        [m[2] for m in made],
        insurance(r, [m[0].id for m in made]),
        {m[0].id: ladder(r, m[0], m[2]) for m in made if r.randint(0, 3) == 0},
        {
            m[0].id: r.choice([MarkRule.MEDIAN, MarkRule.MEDIAN, MarkRule.LAST])
            for m in made
            if m[0].method == MarginMethod.TIERED and r.randint(0, 2) == 0
        },
        r.randint(0, 4) == 0,
        assets(r) if r.randint(0, 1) and rules.asset == "USDT" else (),
        bar_path=r.choice(list(BarPath)),
    )


def assets(r: Random) -> tuple[Asset, ...]:
    """The settlement asset and one to three others, with one or two rows of rules each."""
    names = [("USDT", 8), *(("BNB", 8), ("BTC", 8), ("XYZ", 2))[: r.randint(1, 3)]]
    made = []
    for name, count in names:
        rows = []
        for _ in range(r.randint(1, 2)):
            buffer = r.choice([10_000, 0, 500_000]) if name == "USDT" else r.choice([5_000_000, 10_000_000, 77_777])
            rows.append(
                AssetTerms(
                    bid_buffer_e8=buffer,
                    ask_buffer_e8=r.choice([buffer, 0]),
                    auto_bid_buffer_e8=r.choice([buffer // 2, 0]),
                    auto_ask_buffer_e8=r.choice([buffer // 2, 0]),
                    exchange_below=r.choice([0, 10**9, 10**11, 10**12]),
                )
            )
        made.append(Asset(name=name, decimals=count, terms=tuple(rows)))
    return tuple(made)


def ladder(r: Random, instrument: Instrument, price: int) -> Ladder:
    """A few levels or many, from a tick to a tenth of the price apart, with little or much in them."""
    count = r.choice([1, 2, 5, 30])
    far = max(1, price // instrument.tick_e8)
    steps = [r.choice([0, 1, 3, far // 1_000, far // 50, far // 10]) + (k > 0) for k in range(count)]
    one = max(1, price * instrument.lot_value // E8)
    lots = [max(1, r.choice([10**9, 10**11, 3 * 10**12]) // one) for _ in range(count)]
    heals = r.choice([0, 0, 1, 7, 1_000])
    return Ladder(offsets=tuple(accumulate(steps)), lots=tuple(lots), heals=heals)


def insurance(r: Random, names: list[str]) -> tuple[InsurancePool, ...]:
    """None stated, or one or two funds with little or nothing in them."""
    if r.randint(0, 4) == 0:
        return ()
    cut = r.randint(0, len(names))
    parts = [tuple(part) for part in (names[:cut], names[cut:]) if part]
    return tuple(
        InsurancePool(
            name=f"fund {k}", instruments=part, balance=r.choice([0, 0, 10**8, 10**11]), unlimited=r.randint(0, 7) == 0
        )
        for k, part in enumerate(parts)
    )


def array(rows: list[MarketEvent]) -> np.ndarray:
    """Rows as the compiled exchange takes them."""
    table = np.zeros(len(rows), MARKET_DTYPE)
    for i, row in enumerate(rows):
        table[i] = tuple(getattr(row, name) for name in row.__struct_fields__)
    return table


class World:
    """Walks prices and writes what happens, bar after bar; bars are of different lengths."""

    def __init__(self, r: Random, setup: Setup) -> None:
        self.r, self.setup = r, setup
        self.now = 0  #: the next instant of the grid
        self.last = list(setup.prices)
        self.opened: list[tuple[int, int, int] | None] = [None] * len(setup.prices)  #: start, last, mark or 0
        self.marks_given = r.randint(0, 9) > 0  #: else a mark is missing now and then, even at the start
        self.wild = r.choice([20, 60, 300])  #: a crash once in so many bars
        self.before = -1  #: the instant before the next one
        self.postponed = r.randint(0, 3) == 0  #: whether deliveries wait for an hour or more
        self.sessions = r.randint(0, 1)  #: whether markets close, halt and have price limits
        self.first_index = [E8, 60_000_000_000, 6_000_000_000_000, 12_345][: len(setup.assets)]
        self.index = list(self.first_index)

    def bars(self, count: int) -> list[MarketEvent]:
        """The rows of the next instants, each the close of the open bars and the open of new ones."""
        rows: list[MarketEvent] = []
        for _ in range(count):
            rows += self._instant()
        return sorted(rows, key=lambda row: (row.ts_ns, row.kind, row.instrument))

    def _instant(self) -> list[MarketEvent]:
        r, rows, ts = self.r, [], self.now
        crash = r.choice([-1, 1]) * r.choice([5, 15, 40, 70]) if r.randint(1, self.wild) == 1 else 0
        settles = self.setup.rules.asset == "USD" and r.randint(0, 3) == 0
        for i, instrument in enumerate(self.setup.instruments):
            if len(self.setup.terms[i]) > 1 and r.randint(0, 15) == 0:
                first = sum(len(dated) for dated in self.setup.terms[:i])
                rows.append(
                    MarketEvent(
                        ts_ns=ts,
                        kind=MarketEventKind.TERMS,
                        instrument=i,
                        terms=first + r.randrange(len(self.setup.terms[i])),
                    )
                )
            bar = self.opened[i]
            if bar is not None and r.randint(0, 3) == 0:
                continue  # a longer bar: nothing of it is known yet
            if instrument.deliver_ns or instrument.id in self.setup.marked:
                rows += self._index_and_status(i, instrument, ts)
            if bar is not None:
                closed = self._close(i, bar, ts, crash)
                if instrument.id not in self.setup.ladders:
                    rows.append(closed)
            self.opened[i] = None
            if r.randint(0, 9):  # else a bar is missing
                # a gap as large as a crash leaves accounts bankrupt: no price between was there to liquidate them at
                gap = 100 * r.choice([-40, -15, 15, 40]) if r.randint(1, self.wild) <= 2 else r.randint(-20, 20)
                last = max(1, self.last[i] * (10_000 + gap) // 10_000)
                mark = self._mark(last)
                self.opened[i] = (ts, last, mark)
                lots = 0
                if instrument.id in self.setup.bar_liquidity:
                    lots = r.choice([0, 3, 50, 1_000, 1 << 40])
                    rows += self._liquidity(i, instrument, ts)
                rows.append(
                    MarketEvent(
                        ts_ns=ts,
                        kind=MarketEventKind.BAR_OPEN,
                        instrument=i,
                        last_e8=last,
                        mark_e8=mark,
                        traded_lots=lots,
                    )
                )
                own = instrument.id in self.setup.marked
                if instrument.kind == InstrumentKind.PERPETUAL and not own and r.randint(0, 3) == 0:
                    rows.append(
                        MarketEvent(
                            ts_ns=ts,
                            kind=MarketEventKind.FUNDING,
                            instrument=i,
                            mark_e8=r.choice([mark, mark, 0]),
                            rate_e8=r.choice([10_000, -10_000, 33_337, -250_001, 1, 0, 1_000_000]),
                        )
                    )
            if settles and instrument.daily_settled and r.randint(0, 5):
                ticks = max(1, self.last[i] // instrument.tick_e8)
                rows.append(
                    MarketEvent(
                        ts_ns=ts,
                        kind=MarketEventKind.SETTLEMENT,
                        instrument=i,
                        price_ticks=ticks,
                        trade_date=ts // TRADE_DATE_NS,
                    )
                )
            if self.sessions and instrument.daily_settled and r.randint(0, 3) == 0:
                rows += self._phases(i, instrument, ts)
        self.before = ts
        for asset in range(len(self.index)):
            if self.now == 0 or r.randint(0, 2) == 0:
                rows.append(self._index(asset, ts))
        self.now += r.choice([1, 1, 1, 3]) * HOUR_NS
        if self.setup.marked:
            rows = [
                msgspec.structs.replace(row, mark_e8=0, mark_high_e8=0, mark_low_e8=0)
                if self.setup.instruments[row.instrument].id in self.setup.marked
                else row
                for row in rows
            ]
        return rows

    def _liquidity(self, i: int, instrument: Instrument, ts: int) -> list[MarketEvent]:
        """What takers pay from now on, now and then: as it was, nothing, a few ticks, a tenth of the price."""
        r = self.r
        if not self.setup.bar_liquidity[instrument.id].slips or r.randint(0, 2) == 0:
            return []
        paid = [r.choice([0, instrument.tick_e8 // 3, 2 * instrument.tick_e8]) for _ in range(2)]
        whole = [r.choice([0, 7 * instrument.tick_e8, self.last[i] // 10]) for _ in range(2)]
        return [
            MarketEvent(
                ts_ns=ts,
                kind=MarketEventKind.LIQUIDITY,
                instrument=i,
                traded_lots=r.choice([0, 1, 1_000, 1 << 30, 1 << 50]),
                bid_e8=paid[0],
                ask_e8=paid[1],
                impact_bid_e8=whole[0],
                impact_ask_e8=whole[1],
            )
        ]

    def _index_and_status(self, i: int, instrument: Instrument, ts: int) -> list[MarketEvent]:
        """Samples of the index since the instant before, thick and thin, and the way to delivery."""
        r, rows = self.r, []
        moments = {ts - r.choice([0, 0, 1, 5, 7, 29, 31, 600, 1_795]) * NS for _ in range(r.randint(0, 3))}
        if r.randint(0, 2) == 0:
            moments |= {ts - r.randint(0, 40) * NS // 2 for _ in range(20)}
        for moment in sorted(moments):
            if moment <= self.before:
                continue
            index = max(1, self.last[i] * (100_000 + r.randint(-200, 200)) // 100_000)
            around = [max(1, index * (100_000 + r.randint(-300, 300)) // 100_000) for _ in range(4)]
            given = r.choice([(0, 0, 0, 0), tuple(around), (around[0], around[1], 0, 0), (1, 0, 1 << 49, 1)])
            rows.append(
                MarketEvent(
                    ts_ns=moment,
                    kind=MarketEventKind.INDEX,
                    instrument=i,
                    index_e8=index,
                    bid_e8=given[0],
                    ask_e8=given[1],
                    impact_bid_e8=given[2],
                    impact_ask_e8=given[3],
                )
            )
        for late, status in (
            (-3, InstrumentStatus.TRADING),
            (-1, InstrumentStatus.PRE_DELIVERING),
            (r.randint(0, 2) if self.postponed else 0, InstrumentStatus.DELIVERING),
            (4, InstrumentStatus.TRADING),
        ):
            at = instrument.deliver_ns + late * HOUR_NS
            if instrument.deliver_ns and self.before < at <= ts and r.randint(0, 9):
                price = max(1, self.last[i] * r.choice([100, 97, 60, 170]) // 100) if r.randint(0, 1) else 0
                known = price if status == InstrumentStatus.DELIVERING else 0
                rows.append(
                    MarketEvent(ts_ns=at, kind=MarketEventKind.STATUS, instrument=i, status=status, index_e8=known)
                )
        return rows

    def _phases(self, i: int, instrument: Instrument, ts: int) -> list[MarketEvent]:
        """A market opens, closes or halts, and price limits come and go."""
        r, rows = self.r, []
        if r.randint(0, 2):
            phase = r.choice([*MarketPhase, MarketPhase.OPEN, MarketPhase.OPEN, MarketPhase.OPEN])
            halt = 0 if phase == MarketPhase.OPEN else r.choice([0, 0, 0, *list(HaltReason)[:4]])
            kind = r.choice([MarketEventKind.PHASE, MarketEventKind.HALT])
            rows.append(MarketEvent(ts_ns=ts, kind=kind, instrument=i, status=phase, terms=int(halt)))
        if instrument.id not in self.setup.ladders and r.randint(0, 2):
            last, tick = self.last[i], instrument.tick_e8
            width = last * r.choice([0, 1, 5, 20]) // 100
            limits = r.choice([(last - width, last + width), (-NO_LIMIT_E8, last + width), (-NO_LIMIT_E8, NO_LIMIT_E8)])
            low, high = (x if abs(x) == NO_LIMIT_E8 else x // tick * tick + r.choice([0, 0, tick // 2]) for x in limits)
            rows.append(
                MarketEvent(
                    ts_ns=ts,
                    kind=MarketEventKind.LIMITS,
                    instrument=i,
                    last_low_e8=min(low, high),
                    last_high_e8=max(low, high),
                    status=r.randint(0, 1),
                )
            )
        return rows

    def _index(self, asset: int, ts: int) -> MarketEvent:
        """What an asset is worth now; the settlement asset stays near a dollar."""
        r = self.r
        moved = r.choice([0, -50, 70, -300, 400]) if asset else r.choice([0, 1, -1, 5])
        if asset and r.randint(1, self.wild) == 1:
            moved = r.choice([-5_000, -9_000, 8_000])
        self.index[asset] = max(1, self.index[asset] * (10_000 + moved) // 10_000)
        self.index[asset] = min(self.index[asset], 2 * self.first_index[asset])  # a large deposit stays in the integers
        row = r.randrange(len(self.setup.assets[asset].terms))
        kind = MarketEventKind.ASSET_INDEX
        return MarketEvent(ts_ns=ts, kind=kind, instrument=0, asset=asset, index_e8=self.index[asset], terms=row)

    def _mark(self, last: int) -> int:
        if not self.marks_given and self.r.randint(0, 2) == 0:
            return 0
        return max(1, last * (100_000 + self.r.randint(-100, 100)) // 100_000)

    def _close(self, i: int, bar: tuple[int, int, int], ts: int, crash: int) -> MarketEvent:
        r = self.r
        start, opened, mark_open = bar
        close = max(1, opened * (10_000 + 100 * crash + r.randint(-150, 150)) // 10_000)
        high = max(opened, close) * (10_000 + r.choice([0, 30, 100])) // 10_000
        low = max(1, min(opened, close) * (10_000 - r.choice([0, 30, 100])) // 10_000)
        self.last[i] = close if r.randint(0, 9) else max(1, (opened + close) // 2)
        mark = self._mark(close)
        mark_open = mark_open or mark
        mark_high = max(mark, mark_open, high * r.choice([998, 1_000]) // 1_000) if mark else 0
        mark_low = min(mark, mark_open, max(1, low * r.choice([1_000, 1_002]) // 1_000)) if mark else 0
        return MarketEvent(
            ts_ns=ts,
            kind=MarketEventKind.BAR_CLOSE,
            instrument=i,
            start_ns=start,
            last_e8=close,
            last_high_e8=high,
            last_low_e8=low,
            mark_e8=mark,
            mark_high_e8=mark_high,
            mark_low_e8=mark_low,
        )


def command(r: Random, setup: Setup, twin: Exchange) -> Command:
    """Something a participant might ask, sensible or not."""
    account, i = r.randrange(setup.accounts), r.randrange(len(setup.instruments))
    hedge = twin.accounts[account].hedge
    named = r.choice([1, 2]) if hedge else 0
    slot = 2 * i + int(named == 2)
    dice = r.randint(0, 99)
    if dice < 60:
        order = _order(r, setup, twin, account, i, named if r.randint(0, 29) else r.randint(0, 3))
        return order if r.randint(0, 3) else waiting(r, setup, twin, order, slot)
    if dice < 64:
        slots = range(2 * len(setup.instruments))
        isolated = [k for k in slots if twin.accounts[account].positions[k].margin]
        if isolated and r.randint(0, 7):
            i, slot = isolated[0] // 2, isolated[0]
        p = twin.accounts[account].positions[slot]
        return Command(
            kind=CommandKind.ADJUST_MARGIN,
            account=account,
            instrument=i,
            amount=r.choice([p.margin // 3, 1, 1, -p.margin // 10, -p.margin, 10**9, -1, 0, 1 << 59, -(1 << 63)]),
            position_side=named if r.randint(0, 9) else r.randint(0, 2),
        )
    if dice < 70:
        own = list(twin.accounts[account].orders) or [r.randint(0, twin.order_sequence + 1)]
        return Command(kind=CommandKind.CANCEL, account=account, order=r.choice(own), hold=int(r.randint(0, 5) == 0))
    if dice < 76:
        return Command(
            kind=CommandKind.SET_LEVERAGE,
            account=account,
            instrument=i,
            leverage=r.choice([1, 2, 3, 5, 10, 20, 50, 75, 125, 126, 0, -3]),
        )
    if dice < 82:
        scope = r.choice([1, 2, 2, 2, 3])
        return Command(kind=CommandKind.SET_MARGIN_SCOPE, account=account, instrument=i, scope=scope)
    if dice < 88:
        wallet = twin.accounts[account].wallet
        if setup.assets and r.randint(0, 1):
            return of_asset(r, setup, twin, account)
        return Command(
            kind=CommandKind.TRANSFER,
            account=account,
            amount=r.choice([10**11, 5 * 10**12, 123_456_789_012, -(wallet // 2), -wallet, -wallet - 1, 0, 1 << 60]),
        )
    if dice < 90 and r.randint(0, 1):
        order = _order(r, setup, twin, account, i, named)
        entry = (r.randint(0, 3) == 0 and order.price_ticks) or max(
            1, (twin.markets[slot].last_e8 or setup.prices[i]) // setup.instruments[i].tick_e8
        )
        kind, limit = CommandKind.TRANSFER_POSITION, OrderKind.LIMIT
        return msgspec.structs.replace(order, kind=kind, order_kind=limit, price_ticks=entry)
    if dice < 91:
        return Command(kind=CommandKind.SET_HEDGE_MODE, account=account, amount=r.choice([0, 1, 1 - hedge, 2]))
    if dice < 93 and setup.assets:
        amount = r.choice([1, 1, 1 - twin.accounts[account].multi, 0, 2])
        return Command(kind=CommandKind.SET_MULTI_ASSETS, account=account, amount=amount)
    return _nonsense(r, setup, twin)


def countdown(r: Random, account: int, i: int) -> Command:
    """A countdown is begun, stopped, or asked for with what is no time."""
    ahead = r.choice([0, 0, 1, NS, 60 * NS, HOUR_NS, 5 * HOUR_NS, -1, 1 << 60])
    return Command(kind=CommandKind.COUNTDOWN_CANCEL, account=account, instrument=i, amount=ahead)


def of_asset(r: Random, setup: Setup, twin: Exchange, account: int) -> Command:
    """Some of an asset comes in, or goes out: part of it, all that may, or a unit more."""
    asset = r.randrange(len(setup.assets))
    held = twin.accounts[account].balances[asset] if asset else twin.accounts[account].wallet
    most = twin.withdrawable(account, asset)
    worth = r.choice([10**9, 10**10, 10**11, 10**12]) * setup.assets[asset].unit // max(1, twin.index_e8[asset])
    worth = min(worth, 1 << 60)  # of an asset worth next to nothing: more is no command
    amount = r.choice([worth, worth, worth, -held // 2, -held, -most, -most - 1, 0])
    return Command(kind=CommandKind.TRANSFER, account=account, amount=amount, asset=asset)


def deposit(r: Random, account: int) -> Command:
    """What an account starts with."""
    return Command(
        kind=CommandKind.TRANSFER,
        account=account,
        amount=r.choice([10**9, 10**10, 10**11, 5 * 10**11, 10**13, 987_654_321_987]),
    )


def _order(r: Random, setup: Setup, twin: Exchange, account: int, i: int, named: int) -> Command:
    slot = 2 * i + int(named == 2)
    instrument, terms, market = setup.instruments[i], twin.terms_of(slot), twin.markets[slot]
    price = market.last_e8 or setup.prices[i]
    p = twin.accounts[account].positions[slot]
    side = r.choice([1, -1, -1 if account % 2 else 1])  # neighbours tend to stand against each other
    own = twin.accounts[account].wallet
    if twin.accounts[account].multi:
        own = twin.available(account)
    means = max(own, 10**9) * (p.leverage if instrument.method == MarginMethod.TIERED else 8)
    one = max(1, price * instrument.lot_value // E8)
    lots = max(1, min(means * r.choice([1, 5, 20, 60, 95, 130]) // 100 // one, (1 << 58) // instrument.lot_value))
    if p.lots and r.randint(0, 2) == 0:  # reduce, close or turn round
        side = -1 if p.lots > 0 else 1
        lots = max(1, abs(p.lots) * r.choice([30, 50, 100, 100, 150]) // 100)
    reduce_only = int(r.randint(0, 4) == 0) if not named else int(r.randint(0, 40) == 0)
    if r.randint(0, 1):
        return Command(
            kind=CommandKind.PLACE,
            account=account,
            instrument=i,
            side=side,
            lots=lots,
            order_kind=OrderKind.MARKET,
            reduce_only=reduce_only,
            position_side=named,
            hold=int(r.randint(0, 3) == 0),
            after=r.choice([0, 0, 0, twin.order_sequence, r.randint(0, twin.order_sequence + 1)]),
        )
    away = r.choice([-300, -100, -20, -5, 0, 5, 20, 100])
    ticks = price * (10_000 + side * away) // 10_000 // instrument.tick_e8
    step = terms.tick_step if r.randint(0, 19) else 1
    return Command(
        kind=CommandKind.PLACE,
        account=account,
        instrument=i,
        side=side,
        lots=lots,
        order_kind=OrderKind.LIMIT,
        price_ticks=max(1, ticks // step * step),
        reduce_only=reduce_only,
        position_side=named,
    )


def waiting(r: Random, setup: Setup, twin: Exchange, order: Command, slot: int) -> Command:
    """The same as a stop or a take-profit order, near enough to be triggered soon; some close their position."""
    market, lots = twin.markets[slot], twin.accounts[order.account].positions[slot].lots
    kind, by = r.choice([1, 1, 1, 2, 2, 3, 4] if r.randint(0, 9) == 0 else [1, 1, 2]), int(r.randint(0, 2) == 0)
    closes = lots != 0 and r.randint(0, 2) > 0
    side = (-1 if lots > 0 else 1) if closes else order.side
    price = (market.mark_e8 if by else market.last_e8) or setup.prices[order.instrument]
    up = (side > 0) == (kind == TriggerKind.STOP)
    away = r.choice([0, 3, 20, 60, 150, 300, -2]) if up else -r.choice([0, 3, 20, 60, 150, 300, -2])
    trigger_e8 = price * (10_000 + away) // 10_000
    tick_e8 = setup.instruments[order.instrument].tick_e8
    asked = {
        "trigger": kind,
        "trigger_e8": trigger_e8 // tick_e8 * tick_e8 if r.randint(0, 3) else trigger_e8,
        "trigger_by": by if r.randint(0, 29) else 2,
        "side": side,
        "after": r.choice([0, order.after]),
    }
    if r.randint(0, 20) == 0:
        wrong = r.choice(["callback_e8", "price_protect", "time_in_force", "self_trade", "display_lots", "min_lots"])
        asked |= {wrong: 1, "trigger_e8": r.choice([0, -1, 1 << 60, trigger_e8])}
    if closes:
        market_kind, none = OrderKind.MARKET if r.randint(0, 19) else OrderKind.LIMIT, int(r.randint(0, 19) == 0)
        asked |= {"order_kind": market_kind, "lots": none, "close_position": 1, "reduce_only": none}
    elif order.order_kind == OrderKind.LIMIT:
        step = twin.terms_of(slot).tick_step
        beyond = trigger_e8 * (10_000 + side * r.choice([0, 0, 10, 40, -10])) // 10_000 // tick_e8
        asked["price_ticks"] = max(1, beyond // step * step)
    return msgspec.structs.replace(order, **asked)


def _nonsense(r: Random, setup: Setup, twin: Exchange) -> Command:
    kind = r.choice([OrderKind.MARKET, OrderKind.LIMIT, OrderKind.MARKET, OrderKind.LIMIT, 0, 3])
    price = 0 if kind == OrderKind.MARKET else r.choice([1, 0, 0, 1_000, 0, -7, 10**9, 10**10])
    large = 1 << 40 if all(i.lot_value < 1 << 22 for i in setup.instruments) else 10**10 // 2
    return Command(
        kind=r.choice([1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 11, 99]),
        account=r.choice([0, 0, 0, -1, setup.accounts]),
        instrument=r.choice([0, 0, 0, -1, len(setup.instruments)]),
        order=r.choice([0, 1, -1, twin.order_sequence, 1 << 40]),
        side=r.choice([1, -1, 1, -1, 0, 2]),
        order_kind=kind,
        lots=r.choice([1, 1, 0, -4, large, (1 << 40) + 1, 10**9]),
        price_ticks=price,
        leverage=r.choice([1, 0, -1, 1 << 30]),
        scope=r.choice([0, 1, 2, 3]),
        amount=r.choice([1, -1, 1 << 60, (1 << 60) + 1, -(1 << 60)]),
        asset=r.choice([0, 0, 0, 1, -1]),
    )
