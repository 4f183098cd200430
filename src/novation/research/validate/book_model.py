"""The Markov order book asked: odds from a state of the best queues, and what the whole book is like in the long run.

Orders are matched by the exchange's own book (`venues.markov_book`). The model and its published rates are
facts/validation_tables.md V4; V5 is the same without cancellations.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from novation.domain.book import BookRules
from novation.domain.enums import InstrumentKind, MarginMethod
from novation.domain.errors import InvalidInput
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.units import E8, NO_CAP
from novation.venues import binance_usdm, book_tables, markov_book
from novation.venues.venue import Venue

#: Published rates of Sky Perfect Communications (Tokyo), by ticks from the best of the other side, from 1 on.
LIMIT_RATES = (1.85, 1.51, 1.09, 0.88, 0.77)
CANCEL_RATES = (0.71, 0.81, 0.68, 0.56, 0.47)
MARKET_RATE = 0.94
#: Uniform numbers drawn at a time.
_CHUNK = 1 << 18
#: Time units that the book is given to forget how it began.
_WARM_UP = 100
#: Time units over which the variance of the mid is taken.
_SPAN = 60
QUESTIONS = {"up": markov_book.UP, "fill": markov_book.FILL, "both": markov_book.BOTH}


class Odds(msgspec.Struct, frozen=True):
    """How often something came true."""

    probability: float
    standard_error: float
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return msgspec.structs.asdict(self)

    def __str__(self) -> str:
        return f"{self.probability:.4f}  standard error {self.standard_error:.4f}  {self.runs:,} runs"


class LongRun(msgspec.Struct, frozen=True):
    """What a book is like in the long run, in ticks and units of the model's time."""

    mean_spread: float
    spread_probabilities: dict[int, float]
    mid_changes_per_time: float
    mid_variance_60: float | None  #: of the mid's change over 60 units, in ticks squared; None of fewer than 120 units
    time: float
    events: int
    skipped: int  #: events that would have emptied a side

    def to_dict(self) -> dict[str, Any]:
        """As `--json` shows it."""
        shown = msgspec.structs.asdict(self)
        shown["spread_probabilities"] = {str(k): p for k, p in self.spread_probabilities.items()}
        return shown

    def __str__(self) -> str:
        spreads = "  ".join(f"{k}: {p:.4f}" for k, p in self.spread_probabilities.items() if p >= 0.0001)
        variance = (
            "not known of so few" if self.mid_variance_60 is None else f"{self.mid_variance_60:.3f} ticks squared"
        )
        return (
            f"mean spread {self.mean_spread:.4f} ticks   {spreads}\n"
            f"mid moves {self.mid_changes_per_time:.4f} times a unit of time, variance over {_SPAN} units "
            f"{variance}\n"
            f"{self.events:,} events in {self.time:,.0f} units, {self.skipped:,} skipped"
        )


def book_of_nobody() -> Venue:
    """An exchange with one book and nobody in it."""
    instrument = Instrument(
        id="model:BOOK",
        venue="model",
        symbol="BOOK",
        root="BOOK",
        kind=InstrumentKind.PERPETUAL,
        method=MarginMethod.TIERED,
        asset="USDT",
        tick_e8=E8,
        lot_e8=E8,
    )
    terms = Terms(effective_ns=0, tick_step=1, min_lots=1, max_lots=1 << 30, tiers=(Tier(0, NO_CAP, 0, 1, 0),))
    return Venue(binance_usdm.RULES, [instrument], [[terms]], books={instrument.id: BookRules()}, orders=4096)


def _count(value: int, name: str, most: int) -> int:
    if not 1 <= value <= most:
        raise InvalidInput(f"is 1 to {most:,}", source=f"--{name}", value=value)
    return value


def check_seed(seed: int, source: str = "--seed") -> None:
    """Refuse what no generator begins with."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidInput("is a whole number of 0 or more", source=source, value=seed)


def book_odds(
    bid: int,
    ask: int,
    question: str,
    *,
    spread: int = 1,
    runs: int = 100_000,
    seed: int = 0,
    limit_rates: tuple[float, ...] = LIMIT_RATES,
    cancel_rates: tuple[float, ...] = CANCEL_RATES,
    market_rate: float = MARKET_RATE,
) -> Odds:
    """How likely it is, from `bid` orders at the best bid and `ask` at the best ask, that

    up: the mid's next move is up; fill: my bid, the last in its queue and never cancelled, fills before the mid moves;
    both: so do my bid and my ask, each the last in its queue.

    spread: ticks between the best prices. An order inside it moves the mid.

    >>> odds = book_odds(1, 1, "up", runs=2_000, seed=1)
    >>> 0.4 < odds.probability < 0.6
    True
    """
    if question not in QUESTIONS:
        raise InvalidInput("is one of " + ", ".join(QUESTIONS), source="--question", value=question)
    _count(bid, "bid", 1_000)
    _count(ask, "ask", 1_000)
    _count(spread, "spread", len(limit_rates))
    _count(runs, "runs", 10**10)
    check_seed(seed)
    inside = sum(limit_rates[: spread - 1])
    rates = np.array([limit_rates[spread - 1], cancel_rates[spread - 1], market_rate, inside])
    venue, random = book_of_nobody(), np.random.default_rng(seed)
    state = np.zeros(7, np.int64)
    chance = random.random(_CHUNK)
    while True:
        why = markov_book.run_odds(venue.heads, rates, bid, ask, spread, QUESTIONS[question], runs, chance, state)
        if why == markov_book.DONE:
            break
        go_on(venue, why, random, chance, state, markov_book.USED)
    share = int(state[markov_book.TRUE]) / runs
    return Odds(share, (share * (1 - share) / runs) ** 0.5, runs)


def go_on(venue: Venue, why: int, random: np.random.Generator, chance: np.ndarray, state: np.ndarray, at: int) -> None:
    """Give a kernel what it came back for."""
    if why == markov_book.LARGER:
        book_tables.grow(venue)
    else:
        random.random(len(chance), out=chance)
        state[at] = 0


def book_stationary(
    time: float,
    *,
    seed: int = 0,
    limit_rates: tuple[float, ...] = LIMIT_RATES,
    cancel_rates: tuple[float, ...] = CANCEL_RATES,
    market_rate: float = MARKET_RATE,
) -> LongRun:
    """Run the whole book for `time` units, after 100 in which it forgets how it began.

    No limit order arrives farther from the best of the other side than there are rates; farther orders are cancelled at
    the last rate; an event that would empty a side is skipped.
    """
    if not _SPAN <= time <= 10**9:
        raise InvalidInput(f"is {_SPAN} to 1e9 units", source="--time", value=time)
    check_seed(seed)
    venue, random = book_of_nobody(), np.random.default_rng(seed)
    state, times = np.zeros(6, np.int64), np.zeros(markov_book.SPREADS + markov_book.WIDEST)
    chance, waits = random.random(_CHUNK), random.standard_exponential(_CHUNK)
    arrivals, theta = np.array(limit_rates), np.array(cancel_rates)

    def run(until: float, mids: np.ndarray) -> None:
        while True:
            why = markov_book.run_book(
                venue.heads, arrivals, theta, market_rate, until, chance, waits, mids, state, times
            )
            if why == markov_book.DONE:
                return
            go_on(venue, why, random, chance, state, markov_book.B_USED)
            if why == markov_book.MORE_CHANCE:
                random.standard_exponential(len(waits), out=waits)

    run(float(_WARM_UP), np.zeros(0, np.int64))
    counted = (markov_book.B_EVENTS, markov_book.B_SKIPPED, markov_book.B_CHANGES, markov_book.B_SAMPLES)
    state[list(counted)] = 0
    times[:] = 0.0
    mids = np.zeros(int(time) + 1, np.int64)
    run(float(time), mids)
    spent = times[markov_book.SPREADS :] / times[markov_book.SPREADS :].sum()
    changes = (mids[_SPAN:] - mids[:-_SPAN]) / 2.0
    return LongRun(
        mean_spread=float((spent * np.arange(markov_book.WIDEST)).sum()),
        spread_probabilities={k: float(p) for k, p in enumerate(spent) if p > 0},
        mid_changes_per_time=float(state[markov_book.B_CHANGES]) / time,
        mid_variance_60=float(changes.var()) if time >= 2 * _SPAN else None,
        time=float(time),
        events=int(state[markov_book.B_EVENTS]),
        skipped=int(state[markov_book.B_SKIPPED]),
    )
