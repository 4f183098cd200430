"""The replay of `benchmarks/book_replay.py` in NautilusTrader, for its own interpreter.

    nautilus_replay.py FOLDER MIDDLE    a round for each line on standard input

FOLDER/rows.npy: the flow, FLOW_DTYPE with the ids of the source. Timed: `BacktestEngine.run` alone, with all rows made
objects, added and sorted before. No novation code runs here. Order book deltas of market by order and trade ticks; the
strategy is the same, on a timer of 10 ms: one bid of one lot at the best bid of the book of deltas, which holds no
order of ours. An order fills there when the other side comes to it, or a trade tick says so, whatever stood ahead of
it.
"""

import gc
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
from nautilus_trader import __version__
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    RecordFlag,
)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

ADD, CANCEL, AMEND, FILL, TRADE = 2, 3, 4, 5, 6
VENUE = Venue("BINANCE")
BTCUSDT = CryptoPerpetual(
    instrument_id=InstrumentId(Symbol("BTCUSDT-PERP"), VENUE),
    raw_symbol=Symbol("BTCUSDT"),
    base_currency=BTC,
    quote_currency=USDT,
    settlement_currency=USDT,
    is_inverse=False,
    price_precision=1,
    price_increment=Price.from_str("0.1"),
    size_precision=3,
    size_increment=Quantity.from_str("0.001"),
    margin_init=Decimal("0.05"),
    margin_maint=Decimal("0.004"),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    ts_event=0,
    ts_init=0,
)


class KeepABid(Strategy):
    """One bid of one lot at the best bid."""

    def on_start(self):
        self.placed = self.fills = self.looks = 0
        self.order = None
        self.ticks = None
        self.lot = Quantity(0.001, 3)
        self.subscribe_order_book_deltas(BTCUSDT.id, book_type=BookType.L3_MBO)
        self.clock.set_timer("look", pd.Timedelta(milliseconds=10), callback=self.look)

    def look(self, event):
        self.looks += 1
        book = self.cache.order_book(BTCUSDT.id)
        if book is None:
            return
        bid = book.best_bid_price()
        working = self.order is not None and not self.order.is_closed
        if bid is None or (working and self.order.price == bid):
            return
        if working:
            self.cancel_order(self.order)
        self.order = self.order_factory.limit(BTCUSDT.id, OrderSide.BUY, self.lot, bid)
        self.placed += 1
        self.submit_order(self.order)

    def on_order_filled(self, event):
        self.fills += 1


def wrapped(rows):
    """Deltas and trade ticks. A fill is the delta that it brought; what an order has left is counted here."""
    left, price_of, out = {}, {}, []
    instrument = BTCUSDT.id
    for n, row in enumerate(rows.tolist()):
        ts, _, order, ticks, lots, kind, side, _ = row
        if kind == TRADE:
            aggressor = AggressorSide.BUYER if side > 0 else AggressorSide.SELLER
            price, size = Price(ticks / 10, 1), Quantity(lots / 1000, 3)
            out.append(TradeTick(instrument, price, size, aggressor, TradeId(str(n)), ts, ts))
            continue
        if kind in (ADD, AMEND):
            left[order], price_of[order] = lots, ticks
            action = BookAction.ADD if kind == ADD else BookAction.UPDATE
        else:
            left[order] -= lots
            action = BookAction.UPDATE if left[order] > 0 else BookAction.DELETE
        size = Quantity(max(left[order], 0) / 1000, 3)
        who = BookOrder(OrderSide.BUY if side > 0 else OrderSide.SELL, Price(price_of[order] / 10, 1), size, order)
        out.append(OrderBookDelta(instrument, action, who, RecordFlag.F_LAST, n, ts, ts))
    return out


def round_of(data):
    """One fresh engine over all rows."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True), run_analysis=False
        )
    )
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(10_000_000, USDT)],
        default_leverage=Decimal(20),
        book_type=BookType.L3_MBO,
    )
    engine.add_instrument(BTCUSDT)
    engine.add_data(data)
    strategy = KeepABid()
    engine.add_strategy(strategy)
    gc.collect()
    begin, cpu = time.perf_counter(), time.process_time()
    engine.run()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    book = engine.cache.order_book(BTCUSDT.id)
    best = [round(float(p) * 10) for p in (book.best_bid_price(), book.best_ask_price())]
    found = {
        "seconds": seconds,
        "cpu": cpu,
        "placed": strategy.placed,
        "fills": strategy.fills,
        "best": best,
        "looks": strategy.looks,
        "events": len(data),
    }
    engine.dispose()
    return found


def main():
    data = wrapped(np.load(Path(sys.argv[1]) / "rows.npy"))
    print(json.dumps({"name": f"NautilusTrader {__version__}", "python": sys.version.split()[0]}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(round_of(data)), flush=True)


if __name__ == "__main__":
    main()
