"""The moving-average cross of `benchmarks/first_light.py` in NautilusTrader, for its own interpreter.

    nautilus_cross.py BARS.npy     a round for each line on standard input; a line of JSON for each on standard output

BARS.npy: int64 of shape (n, 6), start_ns, end_ns, then open, high, low, close in 1e-8. Timed: `BacktestEngine.run`
alone, with the data wrapped, added and sorted before. No novation code runs here.

As in our run: one perpetual, hourly bars, one market order a cross, margin account, taker fee 0.05 %, no logging, no
risk checks beyond the account's own. Not as in our run: no mark, no funding, no liquidation, no account samples, no
smallest notional; a market order sent from `on_bar` fills at that bar's close, ours at the next bar's open.
"""

import gc
import json
import sys
import time
from decimal import Decimal

import numpy as np
import pandas as pd
from nautilus_trader import __version__
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

FAST, SLOW, LOTS = 10, 50, 10

VENUE = Venue("BINANCE")
BTCUSDT = CryptoPerpetual(
    instrument_id=InstrumentId(Symbol("BTCUSDT-PERP"), VENUE),
    raw_symbol=Symbol("BTCUSDT"),
    base_currency=BTC,
    quote_currency=USDT,
    settlement_currency=USDT,
    is_inverse=False,
    price_precision=2,
    price_increment=Price.from_str("0.01"),
    size_precision=3,
    size_increment=Quantity.from_str("0.001"),
    margin_init=Decimal("0.05"),
    margin_maint=Decimal("0.004"),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    ts_event=0,
    ts_init=0,
)
BARS = BarType.from_str(f"{BTCUSDT.id}-1-HOUR-LAST-EXTERNAL")


class Cross(Strategy):
    """10/50 cross of closes, sums kept up from bar to bar; always 0.010 BTC long or short."""

    def on_start(self):
        self.n = 0
        self.fast = self.slow = 0.0
        self.ring = [0.0] * SLOW
        self.side = 0
        self.fills = 0
        self.subscribe_bars(BARS)

    def on_bar(self, bar):
        close, ring, n = bar.close.as_double(), self.ring, self.n
        self.slow += close - ring[n % SLOW]
        self.fast += close - ring[(n - FAST) % SLOW] if n >= FAST else close
        ring[n % SLOW] = close
        self.n = n + 1
        if n + 1 >= SLOW:
            side = 1 if self.fast * SLOW > self.slow * FAST else -1
            if side != self.side:
                lots = LOTS * (abs(side - self.side))
                self.side = side
                self.submit_order(
                    self.order_factory.market(
                        BTCUSDT.id,
                        OrderSide.BUY if side > 0 else OrderSide.SELL,
                        Quantity(lots / 1000, 3),
                    )
                )

    def on_order_filled(self, event):
        self.fills += 1


def wrapped(table):
    """The bars as nautilus objects, stamped at their close."""
    frame = pd.DataFrame(
        {name: table[:, 2 + i] / 1e8 for i, name in enumerate(("open", "high", "low", "close"))},
        index=pd.to_datetime(table[:, 1], utc=True, unit="ns"),
    )
    frame["volume"] = 1_000_000.0  # a bar's volume bounds what it fills
    return BarDataWrangler(BARS, BTCUSDT).process(frame)


def round_of(bars):
    """One fresh engine over all bars: seconds of `run`, orders, fills."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(100_000, USDT)], default_leverage=Decimal(20))
    engine.add_instrument(BTCUSDT)
    engine.add_data(bars)
    strategy = Cross()
    engine.add_strategy(strategy)
    gc.collect()
    begin = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - begin
    orders = len(engine.cache.orders())
    fills = strategy.fills
    seen = strategy.n
    engine.dispose()
    return {"seconds": seconds, "bars": seen, "orders": orders, "fills": fills}


def main():
    bars = wrapped(np.load(sys.argv[1]))
    print(json.dumps({"ready": True, "version": __version__, "python": sys.version.split()[0]}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(round_of(bars)), flush=True)


if __name__ == "__main__":
    main()
