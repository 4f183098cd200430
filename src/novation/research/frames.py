"""A run's record with its tables, each made once: what summary, pictures, comparison and `Result` are made of."""

from __future__ import annotations

from typing import Any

import polars as pl

from novation.domain.errors import InvalidInput
from novation.research.tables import TABLES, equity
from novation.research.tables.states import daily_returns, in_one_currency
from novation.trading.record import RunRecord

TABLE_NAMES = ("equity", "returns", *TABLES)


class RunFrames:
    """The facts of a run and its tables as polars frames."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self._frames: dict[str, pl.DataFrame] = {}

    @property
    def manifest(self) -> dict[str, Any]:
        """Version, configuration, seed, hashes, instruments with their dated terms and sources."""
        return self.record.manifest

    @property
    def cautions(self) -> list[str]:
        """Every assumption this result rests on."""
        return list(self.record.manifest["cautions"])

    @property
    def state_hash(self) -> str:
        """Hash of the exchange's state at the end."""
        return str(self.record.manifest["state_hash"])

    def frame(self, name: str) -> pl.DataFrame:
        """A table as polars, whatever kind was handed in."""
        if name not in TABLE_NAMES:
            raise InvalidInput("no such table", source="result", where=name, hint=f"Known: {', '.join(TABLE_NAMES)}.")
        if name not in self._frames:
            if name == "returns":
                made = daily_returns(self.frame("equity"), self._deposits())
            elif name == "equity":
                made = self._equity()
            else:
                made = TABLES[name](self.record)
            self._frames[name] = made
        return self._frames[name]

    def _equity(self) -> pl.DataFrame:
        account = self.manifest["account"]
        currencies = {about["asset"] for about in self.manifest["venues"].values()}
        several = len(self.manifest["venues"]) > 1
        # accounts of one currency are added as they are, unless another was asked for
        currency = account["report_currency"] or (currencies.pop() if len(currencies) == 1 else None)
        if not several or currency is None:
            return equity(self.record)
        return in_one_currency(self.record, currency, account["rates"], self._deposits())

    def _deposits(self) -> float:
        """What the accounts began with, in the currency of `equity`."""
        account, total = self.manifest["account"], 0.0
        for about in self.manifest["venues"].values():
            amount = int(about["totals"]["deposits"]) / 10 ** about["decimals"]
            total += amount * float(account["rates"].get(about["asset"], 1.0))
        return total
