"""A market without data: orders of a hundred accounts that come and go by their rates, and a compiled strategy that
stands at both best prices among them."""

import numpy as np

import novation as nv
from novation.domain.book import BookRules
from novation.domain.commands import transfer
from novation.domain.enums import MarketEventKind
from novation.domain.market import MARKET_DTYPE
from novation.domain.order_flow import Sizes, ZeroIntelligence
from novation.engine.strategy import best_ask, best_bid, is_working, limit
from novation.reference.lookup import Reference
from novation.venues import binance_usdm
from novation.venues.population import Population

NAME, S, BEGIN, TWO = "binance_um:BTCUSDT", 10**9, 1_778_000_000 * 10**9, Sizes(lots=(2,))
FLOW = ZeroIntelligence(limit=(9, 8, 6), cancel=(0.7, 0.8, 0.7), market=5, limit_lots=TWO, market_lots=TWO)


@nv.compiled("look", bid="i8", ask="i8")
def quote(venue, now_ns, my):
    if not is_working(venue, my.bid):
        my.bid = limit(venue, 0, 1, 10, best_bid(venue, 0))
    if not is_working(venue, my.ask):
        my.ask = limit(venue, 0, -1, 10, best_ask(venue, 0))


if __name__ == "__main__":
    known, mark = Reference.default(rules_as_of="2026-05-01"), np.zeros(1, MARKET_DTYPE)
    coin, terms = known.instrument(NAME), known.terms(NAME, BEGIN, BEGIN + 1)
    venue = nv.Venue(binance_usdm.RULES, [coin], [terms], accounts=101, books={NAME: BookRules()})
    mark["ts_ns"], mark["kind"], mark["mark_e8"] = BEGIN, MarketEventKind.MARK, 60_000 * 10**8
    venue.advance(BEGIN, mark)  # what positions are worth; the market begins there
    venue.submit(transfer(0, 100_000 * 10**8))
    venue.attach_population(Population(flow=FLOW, seed=7))
    function, record, address = quote.bind()
    venue.run_looking(function, address, every_ns=S // 10, start_ns=BEGIN + S, until_ns=BEGIN + 600 * S)
    print(f"ten minutes, {venue.number('trade_sequence'):,} trades; net {venue.account(0).equity / 1e8 - 100_000:,.2f}")
