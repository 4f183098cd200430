"""A market without data: orders that come and go by their rates, traders with a purpose, and a compiled market maker of
one's own among them."""

import novation as nv
from novation.domain.book import BookRules
from novation.domain.commands import transfer
from novation.domain.order_flow import Sizes, ZeroIntelligence
from novation.engine.strategy import NO_PRICE, best_ask, best_bid, cancel, is_working, limit, position
from novation.reference.lookup import Reference
from novation.venues import binance_usdm
from novation.venues.population import MarketMaker, Momentum, Population

NAME, SECOND = "binance_um:BTCUSDT", 1_000_000_000
BEGIN, PRICE = 1_778_000_000 * SECOND, 6_000_000  # 60,000.00 in ticks of 0.01


@nv.compiled("look", bid="i8", ask="i8", at_bid="i8", at_ask="i8")
def quote(venue, now_ns, my):
    """Join both best prices with ten lots; behind a hundred lots held, on one side alone."""
    held, bid, ask = position(venue, 0), best_bid(venue, 0), best_ask(venue, 0)
    if bid == NO_PRICE or ask == NO_PRICE:
        return
    if bid != my.at_bid or not is_working(venue, my.bid):
        cancel(venue, my.bid) if is_working(venue, my.bid) else 0
        my.bid, my.at_bid = (limit(venue, 0, 1, 10, bid) if held < 100 else 0), bid
    if ask != my.at_ask or not is_working(venue, my.ask):
        cancel(venue, my.ask) if is_working(venue, my.ask) else 0
        my.ask, my.at_ask = (limit(venue, 0, -1, 10, ask) if held > -100 else 0), ask


if __name__ == "__main__":
    reference = Reference.default(rules_as_of="2026-05-01")
    terms = [reference.terms(NAME, BEGIN, BEGIN + 1)]
    books = {NAME: BookRules()}
    venue = nv.Venue(binance_usdm.RULES, [reference.instrument(NAME)], terms, accounts=200, books=books)
    venue.advance(BEGIN)
    venue.submit(transfer(0, 100_000 * 10**8))
    sizes = Sizes(lots=(1, 5, 20), weights=(0.6, 0.3, 0.1))
    flow = ZeroIntelligence(
        limit=(9.0, 8.0, 6.0, 5.0, 4.0),
        cancel=(0.7, 0.8, 0.7, 0.6, 0.5),
        market=5.0,
        limit_lots=sizes,
        market_lots=sizes,
    )
    population = Population(
        flow=flow,
        makers=(MarketMaker(half_spread=1.5, lots=40, most_lots=400, every_ns=SECOND // 5, skew=0.01, count=3),),
        momentum=(Momentum(lots=10, most_lots=100, threshold=3.0, horizon_ns=20 * SECOND, every_ns=SECOND, count=5),),
        price_ticks=PRICE,
        seed=7,
    )
    venue.attach_population(population)
    function, record, address = quote.bind()
    venue.run_looking(
        function, address, every_ns=SECOND // 10, until_ns=BEGIN + 600 * SECOND, latency=nv.Latency.profile("colocated")
    )
    me, book = venue.account(0), venue.book(0, depth=1)
    trades, quotes = venue.number("trade_sequence"), venue.population.counts["quoted"]
    print(f"ten minutes: {trades:,} trades, {quotes:,} quotes by others")
    print(f"best bid {book.bids[0].price_ticks / 100:,.2f}, best ask {book.asks[0].price_ticks / 100:,.2f}")
    print(f"my equity {me.equity / 10**8:,.2f} USDT, {sum(p.lots for p in me.positions)} lots held")
    print(f"what is missing from the ledger: {venue.totals().gap}, what came from outside: {venue.totals().outside}")
