"""Cash and carry: coins bought in full, as many sold short as a perpetual, and what that earns by cause."""

import novation as nv
from novation.data.synthetic import load_synthetic

SPOT, PERPETUAL = "binance_spot:BTCUSDT", "binance_um:BTCUSDT"


class CashAndCarry(nv.Strategy):
    """Both legs of one size, each in its own account, while the mean of the last nine rates is worth it."""

    qty = 0.75
    enter = 0.0001  # per interval, a fraction

    def on_start(self):
        self.rates = []

    def on_funding(self, payment):
        self.rates = [*self.rates[-8:], payment.rate]
        mean = sum(self.rates) / 9
        if mean >= self.enter or mean < 0:
            self.target(SPOT, qty=self.qty if mean > 0 else 0)
            self.target(PERPETUAL, qty=-self.qty if mean > 0 else 0)


if __name__ == "__main__":
    result = nv.Backtest(
        CashAndCarry(),
        {symbol: load_synthetic(symbol) for symbol in (SPOT, PERPETUAL)},
        start="2024-01-01",
        end="2024-07-01",
        cash={"binance_spot": 60_000, "binance_um": 40_000},
        spread_bps=1,
        rules_as_of={"binance_um/brackets": "2026-05-01"},
    ).run()
    print(result)
    spot, perpetual = result.summary()["accounts"]
    for cause in ("price", "funding", "fees", "net"):
        print(f"{cause:<8} {spot[cause]:>10,.2f} {perpetual[cause]:>10,.2f} {spot[cause] + perpetual[cause]:>10,.2f}")
