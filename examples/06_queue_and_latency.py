"""A bid queued in a made-up record of orders, sent from beside the exchange and from home: when it is filled."""

import numpy as np

import novation as nv
from novation.domain.book import BookRules
from novation.domain.commands import place_limit, transfer
from novation.domain.enums import Side
from novation.domain.flow import FLOW_DTYPE, LAST, FlowKind
from novation.reference.lookup import Reference
from novation.venues import binance_usdm

NAME, MS, BID = "binance_um:BTCUSDT", 1_000_000, 6_000_000  # 60,000.00 in ticks of 0.01
BEGIN = 1_778_000_000_000 * MS


def record():
    """A bid of 5 every 10 ms; from the second second on, every 100 ms, somebody sells 5 to the first of them."""
    rows = [(k * 10, k, 1, FlowKind.ADD) for k in range(1, 200)]
    rows += [(at, -1, -1, FlowKind.TRADE) for at in range(2_000, 9_000, 100)]
    rows += [(at, (at - 1_900) // 100, 1, FlowKind.FILL) for at in range(2_000, 9_000, 100)]
    told = [(BEGIN + t * MS, BEGIN + t * MS, order, BID, 5, kind, side, LAST) for t, order, side, kind in sorted(rows)]
    return np.array(told, dtype=FLOW_DTYPE)


if __name__ == "__main__":
    reference = Reference.default(rules_as_of="2026-05-01")
    for name in ("colocated", "retail"):
        terms = [reference.terms(NAME, BEGIN, BEGIN + 1)]
        venue = nv.Venue(binance_usdm.RULES, [reference.instrument(NAME)], terms, books={NAME: BookRules()})
        venue.attach_flow(0, record(), slots=200)
        venue.submit(transfer(0, 100_000 * 10**8))
        line = nv.Connection(venue, nv.Latency.profile(name))
        line.wait(BEGIN + 100 * MS)
        line.submit(place_limit(0, 0, Side.BUY, 5, BID))
        for heard, event in line.wait(BEGIN + 10_000 * MS):
            if event.trade:
                print(f"{name}: net {event.lots} lots, heard after {(heard - BEGIN) / MS:,.2f} ms")
