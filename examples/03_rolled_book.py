"""A book of CME futures: rolled by the calendar, settled daily, margined by the table of the day."""

import novation as nv
from novation.data.synthetic import load_synthetic


class Book(nv.Strategy):
    """Two ES and one GC against two 6E; half of it goes when margin is called."""

    def on_start(self):
        """Buy the book."""
        for symbol, qty in {"cme:ES": 2, "cme:GC": 1, "cme:6E": -2}.items():
            self.target(symbol, qty=qty)

    def on_margin_call(self, call):
        """Halve every position."""
        for symbol in self.symbols:
            self.target(symbol, qty=int(self.position(symbol) / 2))


if __name__ == "__main__":
    data = {symbol: load_synthetic(symbol) for symbol in ("cme:ES", "cme:GC", "cme:6E")}
    result = nv.Backtest(Book(), data, start="2013-01-01", end="2015-01-01", cash=60_000).run()
    print(result)
    print(result.rolls.head(3))
    print(result.explain(result.settlements.head(1)))  # one day's variation margin, with its arithmetic
