"""The fill probability of an order that rests on a venue's book: what is read of the book, and what is refused."""

from __future__ import annotations

import msgspec
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import cancel, place, place_limit, transfer
from novation.domain.enums import MarketEventKind, MarketPhase, OrderKind, Side
from novation.domain.errors import InvalidInput
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.order_flow import HAWKES_KINDS, Factor, Hawkes, QueueReactive, Sizes, ZeroIntelligence
from novation.domain.units import E8, NO_CAP, NS
from novation.research.validate.book_model import CANCEL_RATES, LIMIT_RATES, MARKET_RATE
from novation.rules.fill_probability import fill_probability, queue_reactive_queue, zero_intelligence_queue
from novation.venues import binance_usdm, cme_globex
from novation.venues.fill_query import fill_probability as asked
from novation.venues.venue import Venue
from tests.venues.scenarios import array
from tests.venues.test_edges import coin
from tests.venues.test_phases import DOLLARS, es, phase
from tests.venues.test_phases import TERMS as CME_TERMS

TERMS = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 1_000_000, 50, 0),))
MODEL = ZeroIntelligence(limit=LIMIT_RATES, cancel=CANCEL_RATES, market=MARKET_RATE)
QUEUES = QueueReactive(
    limit=((2.0, 2.0, 1.6, 1.3), (1.0, 0.9, 0.6)),
    cancel=((0.0, 0.3, 0.5, 0.8), (0.0, 0.3, 0.8)),
    market=((0.0, 0.9, 0.7, 0.6), (0.0, 0.4, 0.3)),
    unit=(3, 5),
)


class Market:
    """A book between ticks 10,000 and 10,001, with three accounts of money."""

    def __init__(self, terms: Terms = TERMS) -> None:
        instrument = coin(1_000_000, E8)
        self.venue = Venue(binance_usdm.RULES, [instrument], [[terms]], accounts=3, books={instrument.id: BookRules()})
        self.venue.advance(0, array([MarketEvent(ts_ns=0, kind=MarketEventKind.MARK, instrument=0, mark_e8=100 * E8)]))
        for account in range(3):
            self.venue.submit(transfer(account, 1_000_000 * E8))

    def rest(self, side: Side, lots: int, ticks: int, account: int = 0) -> int:
        return self.venue.submit(place_limit(account, 0, side, lots, ticks))[0].order


@pytest.fixture
def market() -> Market:
    return Market()


def test_a_bid_is_asked_of_its_place_and_the_asks(market: Market) -> None:
    for lots in (1, 1):
        market.rest(Side.BUY, lots, 10_000)
    mine = market.rest(Side.BUY, 1, 10_000, account=1)
    market.rest(Side.BUY, 1, 10_000)
    market.rest(Side.BUY, 1, 9_999)
    for _ in range(3):
        market.rest(Side.SELL, 1, 10_001, account=2)
    found = market.venue.fill_probability(mine, MODEL)
    assert (found.ahead, found.behind, found.opposite, found.spread_ticks) == (2, 1, 3, 1)
    queues = zero_intelligence_queue(MODEL, 1, 4, own=True), zero_intelligence_queue(MODEL, 1, 3)
    assert found.probability == fill_probability(*queues, 2, 1, 3)
    assert len(found.assumed) == 1
    assert found.to_dict()["probability"] == found.probability
    # the first of the queue is better off, and time is no help
    soon = market.venue.fill_probability(mine, MODEL, NS)
    assert 0 < soon.probability == fill_probability(*queues, 2, 1, 3, seconds=1.0) < found.probability
    market.venue.submit(cancel(0, mine - 1))
    assert market.venue.fill_probability(mine, MODEL).probability > found.probability


def test_an_ask_is_the_mirror_of_a_bid(market: Market) -> None:
    market.rest(Side.BUY, 1, 10_000)
    bid = market.rest(Side.BUY, 1, 10_000, account=1)
    market.rest(Side.SELL, 1, 10_002)
    ask = market.rest(Side.SELL, 1, 10_002, account=2)
    for model in (MODEL, QUEUES):
        assert market.venue.fill_probability(bid, model).spread_ticks == 2
        assert market.venue.fill_probability(bid, model, NS) == market.venue.fill_probability(ask, model, NS)


def test_queues_count_in_units_of_their_distance(market: Market) -> None:
    """Bid 10,000 and ask 10,003: the reference price 10,001.5 is two ticks from both; its unit is 5 lots."""
    market.rest(Side.BUY, 6, 10_000)
    mine = market.rest(Side.BUY, 2, 10_000, account=1)
    market.rest(Side.BUY, 9, 10_000)
    market.rest(Side.SELL, 11, 10_003, account=2)
    found = asked(market.venue, mine, QUEUES)
    # 6 lots are two units; 17 are four, of which mine is the third
    assert (found.ahead, found.behind, found.opposite, found.spread_ticks) == (2, 1, 3, 3)
    queues = queue_reactive_queue(QUEUES, 2, 4), queue_reactive_queue(QUEUES, 2, 3)
    assert found.probability == fill_probability(*queues, 2, 1, 3, inside=4.0)
    # a stated reference price: 10,000.5 is one tick from the bid and three from the ask
    with pytest.raises(InvalidInput, match="knows 2 steps from the reference price"):
        asked(market.venue, mine, QUEUES, reference=20_001)
    for reference in (20_002, 19_999, 20_007):
        with pytest.raises(InvalidInput, match="is an odd number between twice the best prices"):
            asked(market.venue, mine, QUEUES, reference=reference)


@pytest.mark.parametrize("model", [MODEL, QUEUES], ids=["zero-intelligence", "queue-reactive"])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_distances_are_steps_of_the_tick_in_force(model: ZeroIntelligence | QueueReactive, side: Side) -> None:
    """Two steps of 5 ticks apart is as two of 1."""
    found = []
    for step in (1, 5):
        market = Market(msgspec.structs.replace(TERMS, tick_step=step))
        best = {Side.BUY: 10_000, Side.SELL: 10_000 + 2 * step}
        mine = market.rest(side, 2, best[side])
        market.rest(Side(-side), 2, best[Side(-side)], account=1)
        found.append(market.venue.fill_probability(mine, model))
    assert [each.spread_ticks for each in found] == [2, 10]
    assert found[0].probability == found[1].probability


def test_a_book_that_is_not_open_is_not_asked() -> None:
    """Before it opens its sides may cross: no best price is one at which somebody trades."""
    instrument = es()
    venue = Venue(cme_globex.RULES, [instrument], [[CME_TERMS]], accounts=2, books={instrument.id: BookRules()})
    for account in range(2):
        venue.submit(transfer(account, 1_000_000 * DOLLARS))
    mark = MarketEvent(ts_ns=0, kind=MarketEventKind.MARK, instrument=0, mark_e8=3_500 * E8)
    venue.advance(0, array([mark]))
    venue.advance(1, array([phase(1, MarketPhase.PRE_OPEN)]))
    mine = venue.submit(place_limit(0, 0, Side.BUY, 2, 14_005))[0].order
    venue.submit(place_limit(1, 0, Side.SELL, 2, 14_000))
    with pytest.raises(InvalidInput, match="is of a market that is not open"):
        venue.fill_probability(mine, MODEL)


def test_what_is_assumed_is_said(market: Market) -> None:
    mine = market.rest(Side.BUY, 7, 10_000)
    market.rest(Side.SELL, 1, 10_001, account=2)
    model = msgspec.structs.replace(
        MODEL, to_funding=Factor((60.0,), (2.0, 1.0)), market_lots=Sizes((1, 2), (1.0, 1.0))
    )
    said = " / ".join(market.venue.fill_probability(mine, model).assumed)
    for words in ("first lot", "time to the funding", "whatever their sizes"):
        assert words in said


def test_what_has_no_answer_is_refused(market: Market) -> None:
    mine = market.rest(Side.BUY, 1, 10_000)
    venue = market.venue
    with pytest.raises(InvalidInput, match="other side is empty"):
        venue.fill_probability(mine, MODEL)
    market.rest(Side.SELL, 1, 10_001, account=2)
    behind = market.rest(Side.BUY, 1, 9_997)
    with pytest.raises(InvalidInput, match="3 ticks behind the best price: the mid moves before it can fill"):
        venue.fill_probability(behind, MODEL)
    with pytest.raises(InvalidInput, match="stands in no queue"):
        venue.fill_probability(10_000, MODEL)
    taken = venue.submit(place(1, 0, Side.BUY, OrderKind.MARKET, 1))[0].order
    with pytest.raises(InvalidInput, match="stands in no queue"):
        venue.fill_probability(taken, MODEL)
    with pytest.raises(InvalidInput, match="is whole ns, 0 or more"):
        venue.fill_probability(mine, MODEL, -1)
    for beyond in (10**18, 10**30, True, 1.5):
        with pytest.raises(InvalidInput, match=r"is whole ns, 0 or more and below 1,000,000,000"):
            venue.fill_probability(mine, MODEL, beyond)  # type: ignore[arg-type]
    for reference, model in ((20_001, MODEL), ("20001", QUEUES), (20_001.0, QUEUES), (True, QUEUES)):
        with pytest.raises(InvalidInput, match="is a whole number, and of a queue-reactive model alone"):
            venue.fill_probability(mine, model, reference=reference)  # type: ignore[arg-type]
    for none in (None, "zero-intelligence"):
        with pytest.raises(InvalidInput, match=r"is one of novation\.domain\.order_flow"):
            venue.fill_probability(mine, none)  # type: ignore[arg-type]
    for order in (True, float(mine)):
        with pytest.raises(InvalidInput, match="stands in no queue"):
            venue.fill_probability(order, MODEL)  # type: ignore[arg-type]
    market.rest(Side.SELL, 1, 10_001, account=2)
    crowded = ZeroIntelligence(limit=(1e9,), cancel=(1e-9,), market=1.0)
    with pytest.raises(InvalidInput, match="needs more than 20,000,000 states"):
        venue.fill_probability(mine, crowded)
    kinds = len(HAWKES_KINDS)
    hawkes = Hawkes(base=(1.0,) * kinds, jump=((0.0,) * kinds,) * kinds, decay=1.0, limit_at=(1.0,))
    with pytest.raises(InvalidInput, match="no first passage"):
        venue.fill_probability(mine, hawkes)


def test_an_answer_changes_nothing(market: Market) -> None:
    mine = market.rest(Side.BUY, 1, 10_000)
    market.rest(Side.SELL, 1, 10_001, account=2)
    before = market.venue.state_hash(), market.venue.event_hash()
    market.venue.fill_probability(mine, MODEL, NS)
    assert (market.venue.state_hash(), market.venue.event_hash()) == before
