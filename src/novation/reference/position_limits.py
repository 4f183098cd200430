"""How many contracts of a product one account may hold: hard limits and accountability levels, as dated rows.

A hard limit (spot month, or all months of an index) must not be passed; above an accountability level the exchange may
ask for reasons and order a reduction (facts/cme.md §10). Counts are net, per account. Rows that say `verified: no` may
have been changed since: what is shown of them is marked. Not modelled: equivalents across sizes (10 MES = 1 ES) and
options.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novation.domain.units import to_ns, utc_date

if TYPE_CHECKING:
    from novation.reference.lookup import Reference


@dataclass(frozen=True)
class PositionLimits:
    """Limits of a product on a day, in contracts; None where there is none that we know."""

    spot: int | None
    spot_period: str
    all_months: int | None
    any_month_accountability: int | None
    all_months_accountability: int | None
    verified: bool
    effective_from: dt.date
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: str(v) if isinstance(v, dt.date) else v for name, v in vars(self).items()}

    def __str__(self) -> str:
        parts = []
        if self.spot is not None:
            inside = "in the " if self.spot_period.startswith("last") else ""
            parts.append(f"{self.spot:,} {inside}{self.spot_period}")
        if self.all_months is not None:
            parts.append(f"{self.all_months:,} in all months")
        if self.any_month_accountability is not None:
            level = f"{self.any_month_accountability:,} any month"
            if self.all_months_accountability != self.any_month_accountability:
                level += f", {self.all_months_accountability:,} all months"
            parts.append(f"accountability {level}")
        return "; ".join(parts) + ("" if self.verified else " (unverified)")


def position_limits(reference: Reference, root: str, on: Any) -> PositionLimits | None:
    """The limits of a product on a day; None where no row is known.

    >>> from novation.reference.lookup import Reference
    >>> print(position_limits(Reference(), "GC", "2026-07-01"))
    6,000 from the close before first notice; accountability 8,000 any month
    """
    rule = reference.rule("cme/position_limits", root, to_ns(on))
    if rule is None:
        return None
    counts = {name: int(rule.row[f"{name}_lots"]) if rule.row[f"{name}_lots"] else None for name in _COUNTS}
    since = utc_date(rule.effective_ns)
    return PositionLimits(
        spot_period=rule.row["spot_period"],
        verified=rule.row["verified"] == "yes",
        effective_from=since,
        source=rule.source,
        **counts,
    )


_COUNTS = ("spot", "all_months", "any_month_accountability", "all_months_accountability")
