"""Price limits, circuit breakers and velocity logic of a product at an instant.

Sources: `tables/cme/price_limits.csv`, `circuit_breakers.csv`, `velocity.csv`, by root (facts/cme.md §5); the numbers
are what `rules.price_limits`, `rules.circuit_breaker` and `rules.velocity` take. A product without rows has none that
we know: None. A date outside the rows of one that has some raises `NoRuleInForce`. Rows that are not verified say so in
`verified`, and `Reference.cautions` lists what they assume. Which way a limit goes to a tick is unverified throughout.

Not here: price bands, which are `Terms.band_ticks`. Not modelled: levels that the exchange sets by hand, no limits on
the last day of energy contracts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from novation.domain.units import NS, from_scaled, to_e8
from novation.reference.limit_rows import ANY

if TYPE_CHECKING:
    from novation.reference.lookup import Reference
    from novation.reference.rulebook import Rule

#: `rules.price_limits.Rounding`, which reference may not import.
_ROUNDINGS = {"": 1, "inward": 1, "outward": 2}

#: `expansions` of a limit that expands without end, and `most_e8` where nothing holds a limit back.
WITHOUT_END = 1 << 62


@dataclass(frozen=True)
class PriceLimits:
    """How far a price may be from where it was the day before.

    method: "index" (`rules.price_limits.index_limits`): band_e8 overnight, first_e8 to third_e8 by day, after_e8 from
    15:00 on, all fractions in 1e-8. "percent" (`fixed_limits`): first_e8 of the settlement, wider by step_e8 at each
    of `expansions`, so at most most_e8. "amount" (`fixed_limits_by_amount`): the same three in 1e-8 of a point, not a
    fraction. What a method does not use is 0.
    rounding: 1 inward, 2 outward, as `rules.price_limits.Rounding`.
    rejects: orders outside the limits are refused; else they are taken and wait, not executable.
    """

    method: str
    band_e8: int
    first_e8: int
    second_e8: int
    third_e8: int
    after_e8: int
    step_e8: int
    most_e8: int
    expansions: int
    rounding: int
    rejects: bool
    effective_ns: int
    verified: bool
    source: str

    def __str__(self) -> str:
        if self.method == "index":
            levels = ", ".join(_percent(level) for level in (self.first_e8, self.second_e8, self.third_e8))
            text = f"{_percent(self.band_e8)} each way overnight, {levels} down by day"
            text += f", {_percent(self.after_e8)} each way after the cash close"
        else:
            show = _percent if self.method == "percent" else _points
            text = f"{show(self.first_e8)} each way"
            if self.expansions:
                often = "without end" if self.expansions == WITHOUT_END else f"{self.expansions} times"
                text += f", wider by {show(self.step_e8)} {often}"
        return text + ("" if self.verified else " (unverified)")


@dataclass(frozen=True)
class CircuitBreaker:
    """The dynamic circuit breaker: fraction of the settlement, rolling window, halt, and the halt late in the day.

    outside_regular: it rests while the cash market of an index is open (facts/cme.md §5: equity index futures).
    """

    fraction_e8: int
    window_ns: int
    halt_ns: int
    late_ns: int  #: before the close, when a halt lasts late_halt_ns
    late_halt_ns: int
    rounding: int  #: as of `PriceLimits`
    outside_regular: bool
    effective_ns: int
    verified: bool
    source: str

    def __str__(self) -> str:
        minutes = self.window_ns // (60 * NS)
        text = f"{_percent(self.fraction_e8)} within {minutes} min halts {self.halt_ns // NS} s"
        text += ", outside the hours of the cash market" if self.outside_regular else ""
        return text + ("" if self.verified else " (unverified)")


@dataclass(frozen=True)
class Velocity:
    """A move of `ticks` (of the tick in force) within `window_ns` halts for `halt_ns`."""

    ticks: int
    window_ns: int
    halt_ns: int
    effective_ns: int
    verified: bool
    source: str


def price_limits(reference: Reference, root: str, at_ns: int) -> PriceLimits | None:
    """The price limits of a product at an instant; None where it has none.

    >>> from novation.domain.units import to_ns
    >>> from novation.reference.lookup import Reference
    >>> price_limits(Reference(), "ES", to_ns("2021-03-01")).band_e8
    7000000
    """
    rule = _rule(reference, "price_limits", root, at_ns)
    if rule is None or rule.row["method"] == "none":
        return None
    row = rule.row
    unit = "points" if row["method"] == "amount" else "fraction"
    first, step = _e8(row[f"first_{unit}"]), _e8(row[f"step_{unit}"])
    expansions = WITHOUT_END if row["expansions"] == ANY else int(row["expansions"] or 0)
    return PriceLimits(
        method=row["method"],
        band_e8=_e8(row["band_fraction"]),
        first_e8=first,
        second_e8=_e8(row["second_fraction"]),
        third_e8=_e8(row["third_fraction"]),
        after_e8=_e8(row["after_fraction"]),
        step_e8=step,
        most_e8=0 if row["method"] == "index" else min(first + step * expansions, WITHOUT_END),
        expansions=expansions,
        rounding=_ROUNDINGS[row["rounding"]],
        rejects=row["outside"] == "reject",
        effective_ns=rule.effective_ns,
        verified=row["verified"] == "yes",
        source=rule.source,
    )


def circuit_breaker(reference: Reference, root: str, at_ns: int) -> CircuitBreaker | None:
    """The dynamic circuit breaker of a product at an instant; None where it has none."""
    rule = _rule(reference, "circuit_breakers", root, at_ns)
    if rule is None or not rule.row["fraction"]:
        return None
    row = rule.row
    return CircuitBreaker(
        fraction_e8=_e8(row["fraction"]),
        window_ns=60 * NS * int(row["window_minutes"]),
        halt_ns=NS * int(row["halt_seconds"]),
        late_ns=60 * NS * int(row["late_minutes"]),
        late_halt_ns=NS * int(row["late_halt_seconds"]),
        rounding=_ROUNDINGS[row["rounding"]],
        outside_regular=row["hours"] == "outside_regular",
        effective_ns=rule.effective_ns,
        verified=row["verified"] == "yes",
        source=rule.source,
    )


def velocity(reference: Reference, root: str, at_ns: int) -> Velocity | None:
    """The velocity logic of a product at an instant; None where no table says: the shipped ones have no rows."""
    rule = _rule(reference, "velocity", root, at_ns)
    if rule is None:
        return None
    return Velocity(
        ticks=int(rule.row["ticks"]),
        window_ns=NS // 1_000 * int(rule.row["milliseconds"]),
        halt_ns=NS * int(rule.row["halt_seconds"]),
        effective_ns=rule.effective_ns,
        verified=rule.row["verified"] == "yes",
        source=rule.source,
    )


def _rule(reference: Reference, table: str, root: str, at_ns: int) -> Rule | None:
    known = reference.known(f"cme/{table}", root)
    return reference.required(f"cme/{table}", root, at_ns) if known else None


def _percent(share_e8: int) -> str:
    return f"{from_scaled(share_e8, 6).normalize():f} %"


def _points(amount_e8: int) -> str:
    return f"{from_scaled(amount_e8, 8).normalize():f}"


def _e8(cell: str) -> int:
    return to_e8(cell) if cell else 0
