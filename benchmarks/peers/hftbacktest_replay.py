"""The replay of `benchmarks/book_replay.py` in hftbacktest, for its own interpreter.

    hftbacktest_replay.py FOLDER MIDDLE    a round for each line on standard input, which names the model

FOLDER holds the flow by the order and by the level (`order_flow.converted`). Timed: the compiled strategy over all of
it, the exchange built and its data read before. No novation code runs here. No latency, no fees that matter; the
strategy is the same: every 10 ms one bid of one lot at the best bid, which in hftbacktest never is our own.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    EXCH_EVENT,
    GTX,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
    __version__,
)
from hftbacktest.order import FILLED, NEW
from hftbacktest.types import event_dtype
from numba import njit

LOOK_NS = int(os.environ.get("LOOK_NS", "10000000"))


@njit
def keep_a_bid(hbt):
    """Orders placed, fills seen, and the best prices at the end."""
    order_id, ticks, placed, fills = np.uint64(0), 0, 0, 0
    tick_size = hbt.depth(0).tick_size
    while hbt.elapse(LOOK_NS) == 0:
        orders = hbt.orders(0)
        working = False
        if order_id != 0:
            order = orders.get(order_id)
            if order is not None:
                if order.status == NEW:
                    working = True
                elif order.status == FILLED:
                    fills += 1
        hbt.clear_inactive_orders(0)
        bid = hbt.depth(0).best_bid_tick
        if working and ticks == bid:
            continue
        if working:
            hbt.cancel(0, order_id, False)
        order_id += np.uint64(1)
        ticks = bid
        placed += 1
        hbt.submit_buy_order(0, order_id, bid * tick_size, 1.0, GTX, LIMIT, False)
    return placed, fills, hbt.depth(0).best_bid_tick, hbt.depth(0).best_ask_tick, hbt.state_values(0).num_trades


def events(rows):
    """Rows of the flow as hftbacktest's events; a tick and a lot are 1."""
    out = np.zeros(len(rows), event_dtype)
    out["ev"] = rows[:, 0] | EXCH_EVENT | LOCAL_EVENT | np.where(rows[:, 1] > 0, BUY_EVENT, SELL_EVENT)
    out["exch_ts"] = out["local_ts"] = rows[:, 2]
    out["px"], out["qty"] = rows[:, 3], rows[:, 4]
    out["order_id"] = rows[:, 5]
    return out


def built(model, data, middle):
    """A fresh backtest."""
    asset = (
        BacktestAsset()
        .data(data["L3" if model.startswith("L3") else "L2"])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(1.0)
        .lot_size(1.0)
    )
    vector = model in ("L3 vector", "L2 risk-averse")
    if vector:
        asset = asset.roi_lb(float(middle - 4_000)).roi_ub(float(middle + 4_000))
    if model.startswith("L3"):
        asset = asset.l3_fifo_queue_model()
    elif model == "L2 risk-averse":
        asset = asset.risk_adverse_queue_model()
    else:
        asset = asset.power_prob_queue_model(2.0)
    return (ROIVectorMarketDepthBacktest if vector else HashMapMarketDepthBacktest)([asset])


def round_of(model, data, middle):
    """One round: seconds, CPU seconds and the outcome."""
    hbt = built(model, data, middle)
    gc.collect()
    begin, cpu = time.perf_counter(), time.process_time()
    placed, _fills, bid, ask, trades = keep_a_bid(hbt)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    hbt.close()
    events = len(data["L3" if model.startswith("L3") else "L2"])
    return {
        "seconds": seconds,
        "cpu": cpu,
        "placed": placed,
        "fills": int(trades),
        "best": [int(bid), int(ask)],
        "events": events,
    }


def main():
    folder, middle = Path(sys.argv[1]), int(sys.argv[2])
    data = {
        "L3": events(np.load(folder / "orders.npy")),
        "L2": events(np.load(folder / "levels.npy")),
    }
    print(json.dumps({"name": f"hftbacktest {__version__}", "python": sys.version.split()[0]}), flush=True)
    for line in sys.stdin:
        print(json.dumps(round_of(line.strip(), data, middle)), flush=True)


if __name__ == "__main__":
    main()
