"""What the twin remembers, as plain objects."""

from __future__ import annotations

from dataclasses import dataclass, field

from novation.domain.enums import InstrumentStatus, MarginScope, MarketPhase
from novation.domain.market import NO_LIMIT_E8

#: Whose orders those of a record are.
NOBODY = -1


@dataclass
class Position:
    """Signed lots and the exact entry cost they carry."""

    leverage: int
    scope: int = int(MarginScope.CROSS)
    lots: int = 0
    cost: int = 0
    margin: int = 0
    called: int = 0
    opened_ns: int = 0  #: when the lots last left zero or changed sides


@dataclass
class Trigger:
    """What a conditional order waits for."""

    kind: int
    price_e8: int
    by: int
    callback_e8: int
    extreme_e8: int = 0  #: of a trailing order: the best price seen, 0 before there was one


@dataclass
class Order:
    """A working order; a market order that waits has price 0."""

    id: int
    account: int
    instrument: int
    side: int
    kind: int
    lots: int
    price_ticks: int
    arrival_ns: int
    reduce_only: int = 0
    assumed_e8: int = 0  #: at which a limit order reserves margin
    held: int = 0  #: a market order that a broker keeps while the market is not open
    after: int = 0  #: the order that has to be gone first
    # Of an order on a book.
    time_in_force: int = 0
    expire_ns: int = 0
    countdown_ns: int = 0  #: when the countdown that its account has set ends
    display_lots: int = 0
    self_trade: int = 0
    filled: int = 0
    amended: int = 0  #: how often, where that is bounded
    shown: int = 0  #: of what stands in its queue; the rest is hidden
    top: int = 0  #: whether it is the last that bettered its side as it came to stand
    trigger: Trigger | None = None  #: while it waits outside the book
    close_position: int = 0  #: whether it closes the whole position, and ends with it
    gives_way: bool = False  #: as it arrives: whether it is cancelled where it would halt its market
    price_protect: int = 0  #: whether it waits on where last price and mark lie too far apart
    stood: int = 0  #: the how-manieth to come to stand in its book, as it last did
    # Of an order of a record, whose lots are what it shows.
    recorded: int = 0
    taken: int = 0  #: of the recorded ones
    stretch: bool = False  #: lots of a level between orders of accounts
    into: Order | None = None  #: the stretch ahead that a stretch became part of
    # Of an order of an account among levels.
    fraction: int = 0  #: micro-lots that fewer stand ahead of it than the whole lots there


@dataclass
class Account:
    """A cross wallet, its positions by instrument and its working orders in order of arrival."""

    positions: list[Position]
    wallet: int = 0
    called: int = 0
    hedge: int = 0
    multi: int = 0
    balances: list[int] = field(default_factory=list)  #: by asset; the settlement asset is the wallet
    orders: dict[int, Order] = field(default_factory=dict)


@dataclass
class Market:
    """One instrument as the world last left it."""

    terms: int = 0
    last_e8: int = 0
    mark_e8: int = 0
    open_ns: int = -1
    settlement_ticks: int = 0
    status: int = int(InstrumentStatus.TRADING)
    low_e8: int = 0  #: extremes of the mark in the bar that closes now, else the mark itself
    high_e8: int = 0
    phase: int = int(MarketPhase.OPEN)
    halt: int = 0
    limits_e8: tuple[int, int] = (-NO_LIMIT_E8, NO_LIMIT_E8)
    refuse_beyond: int = 0
    deadline_ns: int = -1  #: when overnight margins took effect last
    closing_e8: int | None = None  #: close of the bar that closes now
    centre_e8: int = 0  #: of a ladder
    trades: list[tuple[int, int]] = field(default_factory=list)  #: of a book's velocity: instant and price
    cascade: int = 0  #: the price in ticks that triggered the first of the stops in hand
    stays_e8: int = 0  #: where takers on bars have left the price: what stays, and what fades
    fading_e8: int = 0
    fades_since_ns: int = 0
    resume_ns: int = 0  #: when a halted book opens by itself
    halted_ns: int = 0
    halted_ticks: int = 0  #: of stop logic: the price from which stops had gone too far
    missing: dict[int, int] = field(default_factory=lambda: {1: 0, -1: 0})  #: lots that a buyer, a seller does not find


@dataclass
class Pricing:
    """What an instrument is marked, funded and delivered by; samples by second, and of the premium in their order."""

    index_e8: int = 0
    next_ns: int = 0
    hours: int = 0
    stated_hours: int = 0
    quiet: int = 0
    last_rate_e8: int = 0
    last_ns: int = 0
    premium_e8: int = 0
    slot: int = -1
    samples: list[int] = field(default_factory=list)
    basis: dict[int, int] = field(default_factory=dict)
    delivery: dict[int, int] = field(default_factory=dict)


@dataclass
class Ledger:
    """The venue's own side of every posting."""

    fees: int = 0
    outside: int = 0
    rounding: int = 0
    deposits: int = 0
