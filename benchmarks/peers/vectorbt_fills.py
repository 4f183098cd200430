"""The orders of `benchmarks/fills.py` in vectorbt, for its own interpreter.

    vectorbt_fills.py FOLDER     a round for each line on standard input: "WHAT ENGINE MODEL all" or "... none"

FOLDER/orders.npz: float64 by bar: open, close, size (signed, nan: no order), fees and slippage as fractions, max_size.
WHAT: call, all of `Portfolio.from_orders`; loop, the simulation that it calls, its arrays made ready before. ENGINE:
numba or rust. MODEL: plain, or slipping, with slippage and max_size. No novation code runs here.

One column, orders at the open of their bar. It keeps cash, position and a record of each order in floating point; it
has no margin, funding, liquidation, tick, ledger or events, and no strategy runs: the orders are known before.
"""

import gc
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt
from vectorbt.portfolio import dispatch, nb
from vectorbt.portfolio.enums import Direction, SizeType

CASH = 100_000.0


def prepared(given, model, orders):
    """What `from_orders` is given by name."""
    size = given["size"] if orders == "all" else np.full_like(given["size"], np.nan)
    named = {"size": size, "price": given["open"], "fees": given["fees"]}
    if model == "slipping":
        named |= {"slippage": given["slippage"], "max_size": given["max_size"]}
    return named


def loop(close, named, engine):
    """The simulation alone, as `from_orders` calls it."""
    shape, one = (len(close), 1), np.asarray
    settings = {
        "size_type": one(SizeType.Amount),
        "direction": one(Direction.Both),
        "fixed_fees": one(0.0),
        "slippage": one(0.0),
        "min_size": one(1e-8),
        "max_size": one(np.inf),
        "size_granularity": one(np.nan),
        "reject_prob": one(0.0),
        "lock_cash": one(False),
        "allow_partial": one(True),
        "raise_reject": one(False),
        "log": one(False),
        "val_price": one(np.inf),
    } | named
    lengths, cash, sequence = np.array([1]), np.array([CASH]), nb.build_call_seq(shape, np.array([1]))

    def run():
        records, _ = dispatch.simulate_from_orders(
            shape,
            lengths,
            cash,
            sequence,
            close=close,
            max_orders=shape[0],
            max_logs=1,
            flex_2d=False,
            engine=engine,
            **settings,
        )
        return records

    return run


def call(series, named, engine):
    """`Portfolio.from_orders`, records read."""

    def run():
        return vbt.Portfolio.from_orders(series, init_cash=CASH, engine=engine, **named).orders.values

    return run


def round_of(given, series, line):
    """One round: seconds, and the outcome."""
    what, engine, model, orders = line.split()
    named = prepared(given, model, orders)
    run = call(series, named, engine) if what == "call" else loop(given["close"], named, engine)
    gc.collect()
    begin, cpu = time.perf_counter(), time.process_time()
    records = run()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    value = records["size"] * records["price"]
    return {
        "seconds": seconds,
        "cpu": cpu,
        "fills": len(records),
        "traded": float(value.sum()),
        "fees": float(records["fees"].sum()),
        "bought_less_sold": float(np.where(records["side"] == 0, value, -value).sum()),
    }


def main():
    given = dict(np.load(Path(sys.argv[1]) / "orders.npz"))
    # Without a time zone: of an index that has one, vectorbt makes an object of each stamp, about 1 us a bar.
    series = pd.Series(given["close"], index=pd.to_datetime(given.pop("start_ns")))
    print(json.dumps({"name": f"vectorbt {vbt.__version__}", "python": sys.version.split()[0]}), flush=True)
    for line in sys.stdin:
        print(json.dumps(round_of(given, series, line)), flush=True)


if __name__ == "__main__":
    main()
