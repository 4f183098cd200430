"""What a cascade came to: the seconds as a table, a summary, and the page it is drawn on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from novation.domain.instruments import Instrument
from novation.research.cascade.keys import CascadeKeys
from novation.venues.population import Arrived

#: Waves that are printed; the table has them all.
_SHOWN = 12


class Cascade(msgspec.Struct, frozen=True, kw_only=True):
    """A finished cascade.

    seconds: one row a second: price (of the last trade), mark, index, liquidated_accounts, _qty and
    _notional, taken_over_notional, fund_paid, fund (balance), deleveraged_accounts and _qty, margin_calls; qty in
    coins, notional and fund in USDT. A *wave* is a second in which somebody was liquidated.
    """

    instrument: str
    seed: int
    accounts: int
    long_qty: float
    short_qty: float
    first_price: float
    shocked_to: float | None  #: the last price after the order that started it; None for a shock of the index
    shock_qty: float | None  #: coins of that order that were filled; None for a shock of the index
    extreme_price: float  #: farthest from the first
    last_price: float
    liquidated_accounts: int
    liquidated_notional: float
    liquidated_share: float  #: of the open interest of that side
    waves: int
    taken_over_notional: float
    fund_start: float | None  #: None: without limit
    fund_end: float
    fund_paid: float
    deleveraged_accounts: int
    deleveraged_qty: float
    exhausted: bool  #: whether one side of the ladder was ever empty
    state_hash: str
    event_hash: str
    cautions: tuple[str, ...]
    seconds: pl.DataFrame

    @classmethod
    def of(
        cls,
        keys: CascadeKeys,
        instrument: Instrument,
        came: Arrived,
        seconds: pl.DataFrame,
        *,
        shocked_to: float | None,
        shock_qty: float | None,
        start_fund: float | None,
        exhausted: bool,
        hashes: tuple[str, str],
        cautions: Sequence[str],
    ) -> Cascade:
        """Put a run together."""
        first, prices = float(keys.price), seconds["price"].to_list() + ([] if shocked_to is None else [shocked_to])
        extreme = max(prices, key=lambda price: abs(price - first))
        falling = extreme < first
        side = came.lots_long if falling else came.lots_short
        qty = float(seconds["liquidated_qty"].sum())
        return cls(
            instrument=instrument.id,
            seed=keys.seed,
            accounts=came.accounts,
            long_qty=instrument.qty(came.lots_long),
            short_qty=instrument.qty(came.lots_short),
            first_price=first,
            shocked_to=shocked_to,
            shock_qty=shock_qty,
            extreme_price=extreme,
            last_price=float(seconds["price"][-1]),
            liquidated_accounts=int(seconds["liquidated_accounts"].sum()),
            liquidated_notional=float(seconds["liquidated_notional"].sum()),
            liquidated_share=qty / instrument.qty(side) if side else 0.0,
            waves=int((seconds["liquidated_accounts"] > 0).sum()),
            taken_over_notional=float(seconds["taken_over_notional"].sum()),
            fund_start=start_fund,
            fund_end=float(seconds["fund"][-1]),
            fund_paid=float(seconds["fund_paid"].sum()),
            deleveraged_accounts=int(seconds["deleveraged_accounts"].sum()),
            deleveraged_qty=float(seconds["deleveraged_qty"].sum()),
            exhausted=exhausted,
            state_hash=hashes[0],
            event_hash=hashes[1],
            cautions=tuple(cautions),
            seconds=seconds,
        )

    @property
    def multiple(self) -> float | None:
        """Whole move over that of the first order: 1 / (1 - n) in a linear book (facts/validation_tables.md V10).

        None without such an order, and of a ladder that was exhausted: its end says how deep it was, not what n is.
        """
        if self.exhausted or self.shocked_to is None or self.shocked_to == self.first_price:
            return None
        return (self.extreme_price - self.first_price) / (self.shocked_to - self.first_price)

    @property
    def feedback(self) -> float | None:
        """n, how far each move moves the price again through the liquidations it causes, on average."""
        return None if not self.multiple else 1 - 1 / self.multiple

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `waves_by_second` lists the seconds in which somebody was liquidated."""
        plain = {name: getattr(self, name) for name in self.__struct_fields__ if name != "seconds"}
        plain["cautions"] = list(self.cautions)
        plain |= {"multiple": self.multiple, "feedback": self.feedback}
        return plain | {"waves_by_second": self.by_wave().to_dicts()}

    def by_wave(self) -> pl.DataFrame:
        """The seconds in which somebody was liquidated or deleveraged."""
        return self.seconds.filter((pl.col("liquidated_accounts") > 0) | (pl.col("deleveraged_accounts") > 0))

    def __str__(self) -> str:
        move = self.extreme_price / self.first_price - 1
        lines = [
            f"{self.instrument}  {self.accounts:,} accounts, {self.long_qty:,.6g} long, {self.short_qty:,.6g} short   "
            f"seed {self.seed}",
            f"price {self.first_price:,.8g} -> {self.extreme_price:,.8g} ({move:+.2%}), last {self.last_price:,.8g}",
        ]
        if self.multiple is not None and self.shocked_to is not None:
            own = self.shocked_to / self.first_price - 1
            lines.append(
                f"the order alone {own:+.2%}, all of it {self.multiple:.2f} times that: n = {self.feedback:.3f}"
            )
        lines.append(
            f"liquidated {self.liquidated_accounts:,} accounts in {self.waves:,} waves, "
            f"{self.liquidated_notional:,.0f} USDT ({self.liquidated_share:.1%} of that side)"
        )
        began = "without limit" if self.fund_start is None else f"{self.fund_start:,.0f}"
        lines.append(
            f"insurance fund {began} -> {self.fund_end:,.0f}, paid {self.fund_paid:,.0f}; "
            f"deleveraged {self.deleveraged_accounts:,} accounts, {self.deleveraged_qty:,.6g}"
        )
        if self.exhausted:
            lines.append("the ladder was exhausted: nobody was left to sell to or to buy from")
        waves = self.by_wave()
        if len(waves):
            lines += ["", "second       price        mark   accounts      liquidated          fund   deleveraged"]
            for row in waves.head(_SHOWN).to_dicts():
                prices = f"{row['price']:>10,.8g}  {row['mark']:>10,.8g}"
                closed = f"{row['liquidated_accounts']:>9,}  {row['liquidated_notional']:>14,.0f}"
                others = f"{row['fund']:>12,.0f}  {row['deleveraged_qty']:>12,.6g}"
                lines.append(f"{row['second']:>6,}  {prices}  {closed}  {others}")
            if len(waves) > _SHOWN:
                lines.append(f"... and {len(waves) - _SHOWN:,} more waves")
        if self.cautions:
            lines += ["", *(f"caution: {text}" for text in self.cautions)]
        return "\n".join(lines)

    def plot(self, path: str | Path) -> Path:
        """Draw price, liquidated notional by wave, insurance fund and deleveraging into one HTML page; its path."""
        from novation.research.cascade.picture import write_page

        return write_page(self, Path(path))

    def save(self, folder: str | Path) -> Path:
        """Write cascade.html, seconds.parquet and cascade.json into a folder; its path."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.seconds.write_parquet(folder / "seconds.parquet")
        (folder / "cascade.json").write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        self.plot(folder / "cascade.html")
        return folder
