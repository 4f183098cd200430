"""The replay of `benchmarks/book_replay.py` in lrvx, for its own interpreter.

    lrvx_replay.py FOLDER MIDDLE    a round for each line on standard input

FOLDER/levels.npy: the flow by the level (`order_flow.converted`), which is written to a tape of book updates and
trades before. Timed: `BacktestRunner.run_tape`, over the venue stack of Binance futures that it ships, with the queue
model that stands in it. Its strategies are classes of Python that are called at every update; this one looks at the
clock there, and every 10 ms keeps one bid of one lot at the best bid. It reads no orders. No novation code runs here.
"""

import gc
import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import lrvx
import numpy as np

LOOK_NS = int(os.environ.get("LOOK_NS", "10000000"))
SCALE, DEPTH = 100_000_000, 1
HEADER = np.dtype(
    {
        "names": [
            "exchange_ts_ns",
            "recv_ts_ns",
            "seq",
            "symbol_id",
            "bid_count",
            "ask_count",
            "level_offset",
            "event_type",
        ],
        "formats": ["<i8", "<i8", "<i8", "<u4", "<u2", "<u2", "<u4", "u1"],
        "offsets": [0, 8, 16, 24, 28, 30, 32, 36],
        "itemsize": 40,
    }
)
LEVEL = np.dtype(
    {"names": ["price_raw", "qty_raw", "side"], "formats": ["<i8", "<i8", "u1"], "offsets": [0, 8, 16], "itemsize": 24}
)


class KeepABid(lrvx.Strategy):
    """One bid of one lot at the best bid."""

    def begin(self, clock):
        self.now, self.next_ns = clock.now_ns, 0
        self.order, self.ticks, self.placed, self.fills = 0, 0.0, 0, 0
        self.bid = self.ask = 0.0

    def on_book_update(self, ctx):
        now_ns = self.now()
        if now_ns < self.next_ns or ctx.best_bid is None:
            return
        self.next_ns = now_ns + LOOK_NS
        self.bid, self.ask = ctx.best_bid, ctx.best_ask
        if self.order and self.ticks == self.bid:
            return
        if self.order:
            self.emit_cancel(self.order)
        self.ticks = self.bid
        self.placed += 1
        self.order = self.emit_limit_buy(1, self.bid, 1.0)

    def on_fill(self, ctx, event):
        self.fills += 1
        self.order = 0


def taped(rows, folder):
    """The flow as a tape; a tick and a lot are 1."""
    writer = lrvx.DataWriter(folder, 4_096)
    depth = rows[rows[:, 0] == DEPTH]
    headers, levels = np.zeros(len(depth), HEADER), np.zeros(len(depth), LEVEL)
    headers["exchange_ts_ns"] = headers["recv_ts_ns"] = depth[:, 2]
    headers["seq"], headers["symbol_id"], headers["event_type"] = np.arange(len(depth)), 1, 1
    headers["event_type"][0] = 0
    headers["bid_count"], headers["ask_count"] = depth[:, 1] > 0, depth[:, 1] < 0
    headers["level_offset"] = np.arange(len(depth))
    levels["price_raw"], levels["qty_raw"], levels["side"] = depth[:, 3] * SCALE, depth[:, 4] * SCALE, depth[:, 1] < 0
    writer.write_books(headers, levels)
    trades = rows[rows[:, 0] != DEPTH]
    if len(trades):
        count = len(trades)
        writer.write_trades(
            trades[:, 2],
            trades[:, 2],
            trades[:, 3].astype(float),
            trades[:, 4].astype(float),
            np.arange(count, dtype=np.uint64),
            np.ones(count, np.uint32),
            (trades[:, 1] < 0).astype(np.uint8),  # 1: the aggressor sold
        )
    writer.close()


def round_of(tape, events):
    """One round: seconds, CPU seconds and the outcome."""
    registry = lrvx.SymbolRegistry()
    symbol = registry.add_symbol("X", "BTCUSDT", 1.0)
    runner = lrvx.BacktestRunner(registry, 0.0, 1e12)
    stack = lrvx.VenueStack.binance_um_futures(1, 1e12)
    runner.set_venue_stack(stack)
    strategy = KeepABid([symbol])
    strategy.begin(stack.clock())
    runner.set_strategy(strategy)
    gc.collect()
    begin, cpu = time.perf_counter(), time.process_time()
    runner.run_tape(tape)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    found = {"placed": strategy.placed, "fills": strategy.fills, "best": [int(strategy.bid), int(strategy.ask)]}
    return {"seconds": seconds, "cpu": cpu, "events": events, **found}


def main():
    rows = np.load(Path(sys.argv[1]) / "levels.npy")
    with tempfile.TemporaryDirectory() as folder:
        taped(rows, folder)
        about = {"name": f"lrvx {version('lrvx')}", "python": sys.version.split()[0]}
        print(json.dumps(about), flush=True)
        for _ in sys.stdin:
            print(json.dumps(round_of(folder, len(rows))), flush=True)


if __name__ == "__main__":
    main()
