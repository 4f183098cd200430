"""Many accounts at one instant: liquidations among working orders, and bankruptcies among counterparties.

What one of them costs must not grow with how many others there are. Each line is one instant at which the mark jumps,
in CPU seconds; beside it the same instant with half as many accounts of every kind, so that twice the work is a ratio
of 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from novation.domain.account import InsurancePool
from novation.domain.commands import COMMAND_DTYPE
from novation.domain.enums import (
    CommandKind,
    EventKind,
    InstrumentKind,
    MarginMethod,
    MarketEventKind,
    OrderKind,
)
from novation.domain.events import EVENT_DTYPE
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8, NO_CAP
from novation.venues import binance_usdm
from novation.venues.venue import Venue

COIN = Instrument(
    id="x:C0",
    venue="x",
    symbol="C0",
    root="C0",
    kind=InstrumentKind.PERPETUAL,
    method=MarginMethod.TIERED,
    asset="USDT",
    tick_e8=1_000_000,
    lot_e8=E8,
)
#: 1 % of maintenance, no fees: what is gained and lost is the price alone.
TERMS = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 1_000_000, 50, 0),))
#: Of the longs, each at 100 with 10 of them: bankrupt at 90.
LOTS, CASH = 10, 100 * E8


def market(accounts: int, orders: int = 1024, instruments: int = 1) -> Venue:
    """A venue with an empty insurance fund; everything at 100."""
    coins = [msgspec.structs.replace(COIN, id=f"x:C{i}", symbol=f"C{i}", root=f"C{i}") for i in range(instruments)]
    pool = InsurancePool(name="fund", instruments=tuple(c.id for c in coins), balance=0)
    return Venue(
        binance_usdm.RULES,
        coins,
        [[TERMS]] * instruments,
        accounts=accounts,
        pools=(pool,),
        orders=orders,
        buffer=1 << 16,
    )


def jump(venue: Venue, price: float) -> tuple[float, np.ndarray]:
    """The last price and mark of all instruments jump: CPU seconds, and the events."""
    rows = np.zeros(len(venue.instruments), MARKET_DTYPE)
    rows["ts_ns"], rows["kind"] = venue.clock_ns + 1, int(MarketEventKind.BAR_OPEN)
    rows["instrument"] = range(len(rows))
    rows["last_e8"] = rows["mark_e8"] = int(price * E8)
    venue.attach(rows)
    begin = time.process_time()
    while venue.step(int(rows["ts_ns"][0])):
        pass
    seconds = time.process_time() - begin
    return seconds, np.frombuffer(b"".join(venue.drain()), EVENT_DTYPE)


def bring(venue: Venue, accounts: np.ndarray, lots: Any, cash: Any, instrument: int = 0) -> None:
    """Money and a position at the last price for each account."""
    if not len(accounts):
        return
    rows = np.zeros((len(accounts), 3), COMMAND_DTYPE)
    rows["account"], rows["instrument"] = accounts[:, None], instrument
    rows["kind"][:, 0], rows["amount"][:, 0] = int(CommandKind.TRANSFER), cash
    rows["kind"][:, 1], rows["leverage"][:, 1] = int(CommandKind.SET_LEVERAGE), 50
    entry = rows[:, 2]
    entry["kind"], entry["order_kind"] = int(CommandKind.TRANSFER_POSITION), int(OrderKind.LIMIT)
    entry["side"], entry["lots"] = np.sign(lots), np.abs(lots)
    entry["price_ticks"] = venue.table("market")["last_e8"][instrument] // COIN.tick_e8
    venue.submit_all(rows.reshape(-1))
    told = np.frombuffer(b"".join(venue.drain()), EVENT_DTYPE)["kind"]
    assert int((told == EventKind.FILL).sum()) == len(accounts)


def among_orders(accounts: int, liquidated: int, each: int = 5) -> tuple[float, float, int]:
    """So many longs, all with working sales; some go under the mark at 88 that others survive. CPU seconds of that
    instant and of one before it at which nothing happens, and how many were liquidated."""
    venue = market(accounts, orders=accounts * each)
    jump(venue, 100)
    everybody = np.arange(accounts)
    poor = everybody % (accounts // liquidated) == 0
    bring(venue, everybody, LOTS, np.where(poor, 105 * E8, 1_000 * E8))
    rows = np.zeros((accounts, each), COMMAND_DTYPE)
    rows["account"], rows["kind"] = everybody[:, None], int(CommandKind.PLACE)
    rows["order_kind"], rows["side"], rows["lots"] = int(OrderKind.LIMIT), -1, 1
    rows["price_ticks"] = 20_000
    venue.submit_all(rows.reshape(-1))
    venue.drain()
    assert venue.number("working") == accounts * each
    quiet, _ = jump(venue, 99)
    seconds, told = jump(venue, 90)
    gone = int((told["kind"] == EventKind.LIQUIDATION).sum())
    assert int((told["kind"] == EventKind.ORDER_CANCELLED).sum()) == each * liquidated
    return seconds, quiet, gone


def among_counterparties(accounts: int, bankrupt: int, losers: float, instruments: int = 1) -> tuple[float, int, int]:
    """So many longs go bankrupt at once at 80 among shorts, a share of whom are first in the queue by their leverage
    and would lose at the bankruptcy price. CPU seconds, how many bankrupt, how many deleveraged."""
    venue = market(accounts, instruments=instruments)
    random = np.random.default_rng(3)
    everybody = np.arange(accounts)
    longs = everybody % (accounts // bankrupt) == 0
    late = ~longs & (random.random(accounts) < losers)
    early = ~longs & ~late
    # neighbours that go bankrupt hold different instruments, so that the queues take turns
    held = np.where(longs, everybody // (accounts // bankrupt), everybody // 3) % instruments
    cash = random.integers(150, 5_000, accounts) * E8
    lots = random.integers(1, LOTS + 1, accounts)
    jump(venue, 85)
    for i in range(instruments):
        bring(venue, everybody[late & (held == i)], -LOTS, 175 * E8, i)
    jump(venue, 100)
    for i in range(instruments):
        those = early & (held == i)
        bring(venue, everybody[those], -lots[those], cash[those], i)
        bring(venue, everybody[longs & (held == i)], LOTS, CASH, i)
    seconds, told = jump(venue, 80)
    gone = np.unique(told["account"][told["kind"] == EventKind.LIQUIDATION]).size
    return seconds, gone, int((told["kind"] == EventKind.DELEVERAGED).sum())


def report(say: Callable[..., None], quick: bool, accounts: int = 100_000) -> dict[str, Any]:
    """Measure and print all of it; returns the figures."""
    figures: dict[str, Any] = {}
    few, many = accounts // 100, accounts // 10
    say(
        f"\n## Liquidated among working orders\n\n{accounts:,} accounts with 5 working orders each; some are "
        "liquidated at one instant, which cancels theirs. The openings look at every working order once an instant: "
        "*quiet* is one without a liquidation.\n\n"
        "| liquidated | CPU s | quiet | half as many, CPU s |\n|---|---|---|---|"
    )
    for liquidated in (few, many):
        seconds, quiet, gone = among_orders(accounts, liquidated)
        half, _, _ = among_orders(accounts // 2, liquidated // 2)
        figures[f"orders {liquidated}"] = {"cpu": seconds, "quiet": quiet, "half": half}
        say(f"| {gone:,} | {seconds:.3f} | {quiet:.3f} | {half:.3f} |")
    say(
        f"\n## Bankrupt among counterparties\n\n{accounts:,} accounts, an empty fund, all at one instant. *Losers*: "
        "the share of the other side that stands before the rest in the queue and would lose at the bankruptcy "
        "price.\n\n"
        "| bankrupt | instruments | losers | deleveraged | CPU s | half as many, CPU s |\n|---|---|---|---|---|---|"
    )
    cases = [(few, 0.0, 1), (many, 0.0, 1), (few, 0.0, 2), (few, 0.5, 1)]
    for bankrupt, losers, instruments in cases if quick else [*cases, (many, 0.5, 1)]:
        seconds, gone, taken = among_counterparties(accounts, bankrupt, losers, instruments)
        half, _, _ = among_counterparties(accounts // 2, bankrupt // 2, losers, instruments)
        figures[f"bankrupt {bankrupt} losers {losers} instruments {instruments}"] = {"cpu": seconds, "half": half}
        say(f"| {gone:,} | {instruments} | {losers:.0%} | {taken:,} | {seconds:.3f} | {half:.3f} |")
    return figures
