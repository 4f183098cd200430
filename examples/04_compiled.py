"""A compiled strategy: the same exchange, the strategy inside its loop. Two moving averages over six years."""

import time

import novation as nv
from novation.data.synthetic import load_synthetic
from novation.engine.strategy import target


@nv.compiled(fast="f8", slow="f8")
def cross(venue, bar, my):
    """Long one bitcoin while the fast average of closes is above the slow one, else short one."""
    close = float(bar.last_e8)
    if my.slow == 0.0:
        my.fast = close
        my.slow = close
    my.fast += (close - my.fast) / 24.0
    my.slow += (close - my.slow) / 480.0
    target(venue, bar.instrument, 1000 if my.fast > my.slow else -1000)  # in lots of 0.001


if __name__ == "__main__":
    data = {"binance_um:BTCUSDT": load_synthetic("binance_um:BTCUSDT")}
    started = time.perf_counter()
    result = nv.Backtest(cross, data, cash=1_000_000, rules_as_of="2026-05-01").run()
    print(result)
    print(f"{result.manifest['bars']:,} bars, everything included: {time.perf_counter() - started:.2f} s")
