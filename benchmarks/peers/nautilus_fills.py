"""The orders of `benchmarks/fills.py` in NautilusTrader, for its own interpreter.

    nautilus_fills.py FOLDER FIRST LAST     a round for each line on standard input: "MODEL all" or "MODEL none"

FOLDER/bars.npy as `nautilus_cross.py` has them. MODEL: plain, the fill model it has unless told; tick, `FillModel` with
every market order slipping by one tick. Timed: `BacktestEngine.run` alone, with the data wrapped, added and sorted
before. No novation code runs here. Bars FIRST to LAST - 1 send a market order of 0.010 BTC each, buy and sell in turn.

Engine, account, fees and what it leaves out are those of `nautilus_cross.py`: a market order sent from `on_bar` fills
at that bar's close.
"""

import gc
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
from nautilus_cross import BARS, BTCUSDT, VENUE, wrapped
from nautilus_trader import __version__
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import FillModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.objects import Money, Quantity
from nautilus_trader.trading.strategy import Strategy


class Alternate(Strategy):
    """A market order a bar, buy and sell in turn."""

    first, last = 0, 0

    def on_start(self):
        self.n = self.fills = 0
        self.long = False
        self.qty = Quantity(0.010, 3)
        self.subscribe_bars(BARS)

    def on_bar(self, bar):
        n = self.n
        self.n = n + 1
        if self.first <= n < self.last:
            self.long = not self.long
            side = OrderSide.BUY if self.long else OrderSide.SELL
            self.submit_order(self.order_factory.market(BTCUSDT.id, side, self.qty))

    def on_order_filled(self, event):
        self.fills += 1


def round_of(bars, model, first, last):
    """One fresh engine over all bars: seconds of `run`, and the outcome."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(100_000, USDT)],
        default_leverage=Decimal(20),
        fill_model=FillModel(prob_slippage=1.0, random_seed=1) if model == "tick" else None,
    )
    engine.add_instrument(BTCUSDT)
    engine.add_data(bars)
    strategy = Alternate()
    strategy.first, strategy.last = first, last
    engine.add_strategy(strategy)
    gc.collect()
    begin, cpu = time.perf_counter(), time.process_time()
    engine.run()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    orders = engine.cache.orders()
    found = {
        "seconds": seconds,
        "cpu": cpu,
        "bars": strategy.n,
        "fills": strategy.fills,
        "traded": sum(float(o.avg_px) * float(o.filled_qty) for o in orders),
        "fees": sum(c.as_double() for o in orders for c in o.commissions()),
        "bought_less_sold": sum(
            float(o.avg_px) * float(o.filled_qty) * (1 if o.side == OrderSide.BUY else -1) for o in orders
        ),
    }
    engine.dispose()
    return found


def main():
    bars = wrapped(np.load(Path(sys.argv[1]) / "bars.npy"))
    first, last = int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({"name": f"NautilusTrader {__version__}", "python": sys.version.split()[0]}), flush=True)
    for line in sys.stdin:
        model, orders = line.split()
        print(json.dumps(round_of(bars, model, first, last if orders == "all" else first)), flush=True)


if __name__ == "__main__":
    main()
