"""A market without data: orders that come and go by their rates, market makers, and one's own compiled one."""

import novation as nv
from novation.domain.book import BookRules
from novation.domain.commands import transfer
from novation.domain.order_flow import Sizes, ZeroIntelligence
from novation.engine.strategy import best_ask, best_bid, cancel, is_working, limit, position
from novation.reference.lookup import Reference
from novation.venues import binance_usdm
from novation.venues.population import MarketMaker, Population

NAME, S = "binance_um:BTCUSDT", 1_000_000_000
BEGIN, LOTS = 1_778_000_000 * S, Sizes(lots=(2, 10), weights=(0.7, 0.3))
RATES = {"limit": (9.0, 8.0, 6.0), "cancel": (0.7, 0.8, 0.7), "market": 5.0, "limit_lots": LOTS, "market_lots": LOTS}
MAKER = MarketMaker(half_spread=1.5, lots=40, most_lots=400, every_ns=S // 5, skew=0.01, count=3)


@nv.compiled("look", bid="i8", ask="i8")
def quote(venue, now_ns, my):
    """Join both best prices, while no more than a hundred lots are held."""
    for order in (my.bid, my.ask):
        if is_working(venue, order):
            cancel(venue, order)
    my.bid = limit(venue, 0, 1, 10, best_bid(venue, 0)) if position(venue, 0) < 100 else 0
    my.ask = limit(venue, 0, -1, 10, best_ask(venue, 0)) if position(venue, 0) > -100 else 0


if __name__ == "__main__":
    reference, books = Reference.default(rules_as_of="2026-05-01"), {NAME: BookRules()}
    terms = [reference.terms(NAME, BEGIN, BEGIN + 1)]
    venue = nv.Venue(binance_usdm.RULES, [reference.instrument(NAME)], terms, accounts=200, books=books)
    venue.advance(BEGIN)
    venue.submit(transfer(0, 100_000 * 10**8))
    flow = ZeroIntelligence(**RATES)
    venue.attach_population(Population(flow=flow, makers=(MAKER,), price_ticks=6_000_000, seed=7))
    function, record, address = quote.bind()
    venue.run_looking(function, address, every_ns=S // 10, start_ns=BEGIN + S, until_ns=BEGIN + 600 * S)
    print(f"ten minutes, {venue.number('trade_sequence'):,} trades; net {venue.account(0).equity / 1e8 - 100_000:,.2f}")
