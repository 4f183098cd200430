"""Random exchanges where coins are bought in full and sold where they are held; feeds without marks of their own.

Beside `scenarios` and not in it, so that the runs recorded by its seeds stay as they are.
"""

from __future__ import annotations

from random import Random

import msgspec

from novation.domain.enums import InstrumentKind, MarketEventKind
from novation.domain.instruments import IN_FULL, Instrument, Terms
from novation.domain.liquidity import BarLiquidity
from novation.domain.market import MarketEvent
from novation.venues import binance_spot
from tests.venues.lockstep import Lockstep, more
from tests.venues.scenarios import COINS, Setup, World, deposit, ladder, named_coin


def coin(r: Random, i: int) -> tuple[Instrument, list[Terms], int]:
    """A coin for cash, in one to three rows of terms whose fees rise and fall."""
    tick, lot, price = r.choice(COINS)
    instrument = msgspec.structs.replace(named_coin(i, tick, lot), kind=InstrumentKind.SPOT)
    rows = [
        Terms(
            effective_ns=n,
            tick_step=r.choice([1, 1, 2, 5, 10]),
            min_lots=r.choice([1, 1, 3]),
            max_lots=r.choice([1 << 40, 1 << 40, 50_000]),
            min_notional=r.choice([0, 5 * 10**8, 100 * 10**8]),
            maker_fee_e8=r.choice([0, 100_000, 75_000, -5_001, 2_000_001]),
            taker_fee_e8=r.choice([0, 100_000, 75_000, 33_333, 1_500_003]),
            tiers=IN_FULL,
        )
        for n in range(r.randint(1, 3))
    ]
    return instrument, rows, price


def setup(r: Random, *, accounts: int | None = None) -> Setup:
    """One to three coins on one venue, on bars, on ladders, on bars where size costs."""
    made = [coin(r, i) for i in range(r.randint(1, 3))]
    ladders = {m[0].id: ladder(r, m[0], m[2]) for m in made if r.randint(0, 3) == 0}
    sized = {
        m[0].id: BarLiquidity(participation_e8=r.choice([0, 10_000_000, 100_000_000]), slips=bool(r.randint(0, 1)))
        for m in made
        if m[0].id not in ladders and r.randint(0, 2) == 0
    }
    return Setup(
        binance_spot.RULES,
        [m[0] for m in made],
        [m[1] for m in made],
        accounts or r.randint(1, 4),
        r.choice([0, 0, 10_000, 333_333]),
        [m[2] for m in made],
        ladders=ladders,
        bar_liquidity={name: of for name, of in sized.items() if of.slips or of.participation_e8},
    )


class SpotWorld(World):
    """As `World`, and what is bought in full is worth its last price and pays no funding."""

    def bars(self, count: int) -> list[MarketEvent]:
        rows = [row for row in super().bars(count) if row.kind != MarketEventKind.FUNDING]
        return [
            msgspec.structs.replace(
                row, mark_e8=row.last_e8, mark_low_e8=row.last_low_e8, mark_high_e8=row.last_high_e8
            )
            for row in rows
        ]


def run(r: Random, pair: Lockstep, commands: int, *, every: int = 10, burst: int = 6) -> None:
    """A run of about so many commands, compared throughout."""
    for account in range(pair.setup.accounts):
        if r.randint(0, 9):
            pair.submit(deposit(r, account))
    more(r, pair, SpotWorld(r, pair.setup), commands, every=every, burst=burst)
