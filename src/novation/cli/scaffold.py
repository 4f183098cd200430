"""The files that `novation init` writes."""

from __future__ import annotations

from pathlib import Path

from novation.domain.errors import InvalidInput

STRATEGY = '''"""Carry: hold the short while funding pays for it."""

import novation as nv


class Carry(nv.Strategy):
    """Short while the funding rate is above `threshold`, flat otherwise."""

    threshold = 0.0001  # per interval, a fraction
    size = 5.0  # of the base currency

    def on_funding(self, payment):
        """After every funding stamp, whether or not we hold anything."""
        self.target(payment.symbol, qty=-self.size if payment.rate > self.threshold else 0)
'''

CONFIG = """\
# Run it:  novation backtest config.yaml --out runs/first
strategy: strategy.py:Carry
params: {threshold: 0.0001}
instruments: [binance_um:BTCUSDT]
period: {from: 2020-01-01, to: 2020-07-01}     # half open
rules_as_of: 2026-05-01                        # brackets are known only from then; the report says so
account: {cash: 25_000}
margin: {scope: isolated, leverage: 5}
execution: {level: L2, spread_bps: 1}
seed: 7
data: {synthetic: true}                        # a market of our own making; leave out to use your own data
"""

TEST = '''"""A run of the strategy on the synthetic market."""

from pathlib import Path

from novation.research.config import load_config

CONFIG = Path(__file__).with_name("config.yaml")


def test_the_strategy_is_short_and_is_paid_for_it():
    result = load_config(CONFIG).backtest().run()
    summary = result.summary()
    assert summary["bars"] == 182 * 24
    assert summary["refused"] == {}
    assert summary["accounts"][0]["funding"] > 0
    assert (result.fills["position"] <= 0).all()


def test_a_run_repeats_to_the_last_digit():
    first, second = (load_config(CONFIG, ["period.to=2020-02-01"]).backtest().run() for _ in range(2))
    assert first.state_hash == second.state_hash
'''

FILES = {"strategy.py": STRATEGY, "config.yaml": CONFIG, "test_strategy.py": TEST}


def write_project(folder: Path) -> list[Path]:
    """Write the files into a new or empty folder; refuse any other."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput("is not an empty folder", source=str(folder), hint="Name a new one.")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in FILES.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
