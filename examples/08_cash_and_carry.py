"""Cash and carry: coins bought in full, as many sold short as a perpetual, and what that earns by cause."""

import novation as nv
from novation.data.synthetic import load_synthetic

SPOT, PERPETUAL = "binance_spot:BTCUSDT", "binance_um:BTCUSDT"


class CashAndCarry(nv.Strategy):
    """Hold the book while the last payments were worth it; both legs of one size, each in its own account."""

    qty = 0.75
    enter = 0.0001  #: mean of the last nine rates, a fraction per interval
    leave = 0.0

    def on_start(self):
        self.rates = []

    def on_funding(self, payment):
        self.rates = [*self.rates[-8:], payment.rate]
        mean = sum(self.rates) / len(self.rates)
        held = self.position(SPOT) > 0
        if not held and len(self.rates) == 9 and mean >= self.enter:
            self.trade(self.qty)
        elif held and mean < self.leave:
            self.trade(0)

    def trade(self, qty):
        self.target(SPOT, qty=qty)
        self.target(PERPETUAL, qty=-qty)


if __name__ == "__main__":
    result = nv.Backtest(
        CashAndCarry(),
        {symbol: load_synthetic(symbol) for symbol in (SPOT, PERPETUAL)},
        start="2024-01-01",
        end="2024-07-01",
        cash={"binance_spot": 60_000, "binance_um": 40_000},
        leverage=3,
        spread_bps=1,
        rules_as_of={"binance_um/brackets": "2026-05-01"},
    ).run()
    print(result)
    accounts = {a["venue"]: a for a in result.summary()["accounts"]}
    print("cause        spot    perpetual         book")
    for cause in ("price", "funding", "fees", "net"):
        spot, perpetual = (accounts[name][cause] for name in ("binance_spot", "binance_um"))
        print(f"{cause:<8}{spot:>12,.2f} {perpetual:>12,.2f} {spot + perpetual:>12,.2f}")
