"""The matching of `benchmarks/book_matching.py` in engines that pip installs, for their own interpreter.

    matching_engines.py ENGINE REQUESTS.npy    a round for each line on standard input

REQUESTS.npy: int64 (n, 5): kind (2 add, 3 cancel, 4 amend, 6 take), number, side, price, lots. An amendment moves an
order to another price with other lots, behind all there; these engines cancel and add. None of the requests is of an
order that is gone, so what does not check need not. A round's line "each" times every request by itself. Timed: the
loop of requests over a fresh book. No novation code runs here.
"""

import gc
import json
import sys
import time

import numpy as np

ADD, CANCEL, AMEND, TAKE = 2, 3, 4, 6


def through_ctypes(book):
    """What the two C++ books that ctypes reaches are asked: both have the same calls."""

    def do(kind, number, side, price, lots):
        if kind == ADD:
            (book.limit_buy if side > 0 else book.limit_sell)(number, lots, price)
        elif kind == TAKE:
            (book.market_buy if side > 0 else book.market_sell)(number, lots)
        else:
            book.cancel(number)
            if kind == AMEND:
                (book.limit_buy if side > 0 else book.limit_sell)(number, lots, price)

    return do, lambda: [book.best_buy(), book.best_sell()]


def limit_order_book():
    """The C++ book of limit-order-book; it checks nothing."""
    from limit_order_book import LimitOrderBook

    return through_ctypes(LimitOrderBook())


def orderly_chaos():
    """The C++ book of orderly-chaos; it checks."""
    from orderly_chaos import LimitOrderBook

    return through_ctypes(LimitOrderBook())


def liquibook():
    """The C++ book of liquibook, through SWIG."""
    from liquibook import DepthOrderBook, SimpleOrder

    book, orders = DepthOrderBook(), {}

    def do(kind, number, side, price, lots):
        if kind == ADD:
            orders[number] = order = SimpleOrder(side > 0, price, lots)
            book.add(order)
        elif kind == TAKE:
            book.add(SimpleOrder(side > 0, 0, lots))
        else:
            book.cancel(orders.pop(number))
            if kind == AMEND:
                orders[number] = order = SimpleOrder(side > 0, price, lots)
                book.add(order)

    return do, lambda: [book.depth().bids().price(), book.depth().asks().price()]


def litebook():
    """The Rust book of litebook; floats, and no market orders: a limit far away takes their part."""
    from litebook import OrderBook, OrderType

    book, orders = OrderBook(tick_size=1.0), {}
    buy, sell = OrderType.Buy, OrderType.Sell

    def do(kind, number, side, price, lots):
        if kind == ADD:
            order = book.create_order(buy if side > 0 else sell, float(price), float(lots))
            orders[number] = order.id
            book.add(order)
        elif kind == TAKE:
            book.add(book.create_order(buy if side > 0 else sell, 1e9 if side > 0 else 1.0, float(lots)))
        else:
            book.cancel(orders.pop(number))
            if kind == AMEND:
                order = book.create_order(buy if side > 0 else sell, float(price), float(lots))
                orders[number] = order.id
                book.add(order)

    def best():
        bids = [o.price_in_ticks for o in book.buy_orders]
        return [max(bids), min(o.price_in_ticks for o in book.sell_orders)]

    return do, best


def lightmatchingengine():
    """lightmatchingengine, plain Python here."""
    from lightmatchingengine.lightmatchingengine import LightMatchingEngine

    engine, orders = LightMatchingEngine(), {}

    def do(kind, number, side, price, lots):
        if kind == ADD:
            orders[number] = engine.add_order("X", price, lots, 1 if side > 0 else 2)[0].order_id
        elif kind == TAKE:
            engine.add_order("X", 0, lots, 1 if side > 0 else 2)
        else:
            engine.cancel_order(orders.pop(number), "X")
            if kind == AMEND:
                orders[number] = engine.add_order("X", price, lots, 1 if side > 0 else 2)[0].order_id

    return do, lambda: [max(engine.order_books["X"].bids), min(engine.order_books["X"].asks)]


ENGINES = {f.__name__: f for f in (limit_order_book, orderly_chaos, liquibook, litebook, lightmatchingengine)}
VERSIONS = {"limit_order_book": "limit-order-book", "orderly_chaos": "orderly-chaos"}


def round_of(make, requests, each):
    """One round on a fresh book."""
    do, best = make()
    gc.collect()
    gc.disable()
    taken = []
    begin, cpu = time.perf_counter(), time.process_time()
    if each:
        now = time.perf_counter_ns
        for request in requests:
            start = now()
            do(*request)
            taken.append(now() - start)
    else:
        for request in requests:
            do(*request)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    gc.enable()
    found = {"seconds": seconds, "cpu": cpu, "best": [int(x) for x in best()]}
    if each:
        found["ns"] = [int(x) for x in np.percentile(taken, [50, 90, 99, 99.9, 100])]
    return found


def main():
    from importlib.metadata import version

    name = sys.argv[1]
    make = ENGINES[name]
    make()
    requests = np.load(sys.argv[2]).tolist()
    package = VERSIONS.get(name, name)
    print(json.dumps({"name": f"{package} {version(package)}"}), flush=True)
    for line in sys.stdin:
        n, _, each = line.strip().partition(" ")
        print(json.dumps(round_of(make, requests[: int(n)], bool(each))), flush=True)


if __name__ == "__main__":
    main()
