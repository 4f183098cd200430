"""Notional brackets: the checks every table of tiers must pass, and their integers.

Source of the recurrence: Binance, "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts": cum_1 =
0; cum_n = cum_(n-1) + floor_n * (mmr_n - mmr_(n-1)), which makes maintenance continuous at each floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from novation.domain.errors import DataError
from novation.domain.instruments import Tier
from novation.domain.units import NO_CAP, asset_decimals, money, to_e8


def check_tiers(rows: Sequence[Mapping[str, Any]], *, source: str, where: str) -> None:
    """Refuse tiers that are out of order, leave a gap, or whose `cum_usdt` breaks the recurrence.

    rows: columns of `brackets.csv` as Decimals. Raises `DataError` naming source, where and the tier.
    """
    for number, row in enumerate(rows, 1):
        place = f"{where}, tier {number}"
        if row["tier"] != number:
            raise DataError("tiers are not numbered 1, 2, 3, ...", source=source, where=place, value=str(row["tier"]))
        before = rows[number - 2] if number > 1 else None
        start = before["cap_usdt"] if before else Decimal(0)
        if row["floor_usdt"] != start:
            raise DataError(
                f"floor is not the cap before it, {start:f}",
                source=source,
                where=place,
                value=str(row["floor_usdt"]),
            )
        if row["cap_usdt"] <= row["floor_usdt"]:
            raise DataError("cap is not above the floor", source=source, where=place, value=str(row["cap_usdt"]))
        if row["maintenance_fraction"] >= 1:
            raise DataError(
                "maintenance fraction is not below 1",
                source=source,
                where=place,
                value=str(row["maintenance_fraction"]),
            )
        if before and row["maintenance_fraction"] <= before["maintenance_fraction"]:
            raise DataError(
                "maintenance fraction does not rise",
                source=source,
                where=place,
                value=str(row["maintenance_fraction"]),
            )
        if before and row["max_leverage"] > before["max_leverage"]:
            raise DataError("leverage rises", source=source, where=place, value=str(row["max_leverage"]))
        due = cum_of(row, before)
        if row["cum_usdt"] != due:
            raise DataError(
                f"cum is not {due.normalize():f}, what makes maintenance continuous at the floor",
                source=source,
                where=place,
                value=str(row["cum_usdt"]),
            )


def cum_of(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> Decimal:
    """The cumulative amount of a tier from the one before it.

    >>> first = {"maintenance_fraction": Decimal("0.004"), "cum_usdt": Decimal(0)}
    >>> cum_of({"floor_usdt": Decimal(300000), "maintenance_fraction": Decimal("0.005")}, first)
    Decimal('300.000')
    """
    if before is None:
        return Decimal(0)
    rise = row["maintenance_fraction"] - before["maintenance_fraction"]
    cum: Decimal = before["cum_usdt"] + row["floor_usdt"] * rise
    return cum


def tiers_of(rows: Sequence[Mapping[str, Any]], asset: str) -> tuple[Tier, ...]:
    """Checked rows as integers: money in minor units of the asset, the rate in 1e-8.

    A cap of 2^62 minor units or more says that there is none, whatever number stands for it in the file.
    """
    unit = 10 ** asset_decimals(asset)
    return tuple(
        Tier(
            floor=money(row["floor_usdt"], asset),
            cap=NO_CAP if row["cap_usdt"] * unit >= NO_CAP else money(row["cap_usdt"], asset),
            rate_e8=to_e8(row["maintenance_fraction"]),
            max_leverage=int(row["max_leverage"]),
            cum=money(row["cum_usdt"], asset),
        )
        for row in rows
    )
