"""The funding of a perpetual as a trader asks for it, read out of a venue's tables."""

from __future__ import annotations

from typing import Any, Protocol

from novation.domain.funding import FundingState
from novation.domain.units import HOUR_NS
from novation.engine.marking import PREMIUM_NS
from novation.rules.premium import average_premium, funding_rate


class HasTables(Protocol):
    """What is read of a venue."""

    @property
    def clock_ns(self) -> int: ...
    def table(self, name: str) -> Any: ...


def funding_state(venue: HasTables, instrument: int) -> FundingState:
    """How the funding of an instrument stands now."""
    x = {name: int(venue.table("pricing")[instrument][name]) for name in venue.table("pricing").dtype.names or ()}
    market, contract = venue.table("market")[instrument], venue.table("contract")[instrument]
    t = venue.table("terms")[int(market["terms"])]
    hours = x["interval_hours"] or int(t["funding_interval_hours"])
    floor_e8, cap_e8 = int(t["funding_floor_e8"]), int(t["funding_cap_e8"])

    def rate(weighted: int, total: int, samples: int) -> int:
        average = int(average_premium(weighted, total, samples, hours))
        return int(funding_rate(average, int(t["interest_e8"]), int(t["funding_clamp_e8"]), hours, floor_e8, cap_e8))

    samples, total, weighted = x["premium_count"], x["premium_sum"], x["weighted_sum"]
    # one sample at each multiple of five seconds still to come, that of the stamp included
    after = max(venue.clock_ns // PREMIUM_NS, x["premium_slot"])
    ahead = max(0, x["next_ns"] // PREMIUM_NS - after) if x["next_ns"] else 0
    weights = sum(range(samples + 1, samples + ahead + 1))
    last = x["premium_e8"]
    return FundingState(
        instrument=instrument,
        now_ns=venue.clock_ns,
        index_e8=x["index_e8"],
        mark_e8=int(market["mark_e8"]),
        interval_hours=hours,
        next_ns=x["next_ns"],
        samples=samples,
        premium_e8=last,
        average_e8=int(average_premium(weighted, total, samples, hours)),
        estimate_e8=rate(weighted, total, samples),
        forecast_e8=rate(weighted + weights * last, total + ahead * last, samples + ahead),
        last_rate_e8=x["last_rate_e8"],
        last_ns=x["last_ns"],
        floor_e8=floor_e8,
        cap_e8=cap_e8,
        quiet=x["quiet"],
        lot_value=int(contract["lot_value"]),
    )


assert HOUR_NS % PREMIUM_NS == 0, "stamps stand on samples of the premium"
