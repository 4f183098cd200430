"""Models of market impact as an option of a venue: takers on bars move the price that they and later ones trade at.

Only a model by which no round trip earns money is let in (`rules.manipulation`); docs/rules/impact.md has the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from novation.domain.errors import InvalidInput
from novation.domain.instruments import Instrument
from novation.domain.units import DAY_NS
from novation.rules.impact import Decay
from novation.rules.manipulation import ImpactModel, check_model

#: Ten years.
_MOST_NS = 315_576_000_000_000_000


@dataclass(frozen=True, slots=True)
class Impact:
    """How takers of an instrument move its price.

    model: of lots of the instrument, prices per lot, and a unit of time of `unit_ns`. takes_ns: how long an order is
    taken to execute, for the impact of its rate.
    """

    model: ImpactModel
    unit_ns: int = DAY_NS
    takes_ns: int = DAY_NS

    def __post_init__(self) -> None:
        if not isinstance(self.model, ImpactModel):
            raise InvalidInput("is an ImpactModel", source="impact", where="model", value=repr(self.model)[:60])
        for name in ("unit_ns", "takes_ns"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST_NS:
                raise InvalidInput("is whole ns, 1 to ten years", source="impact", where=name, value=value)
        check_model(self.model)
        if self.model.transient and self.model.decay == Decay.POWER:
            raise InvalidInput(
                "a venue remembers no single trades, which an impact that fades by a power of time asks for",
                source="impact",
                where="decay",
                value="POWER",
                hint="Use Decay.EXPONENTIAL.",
            )


def check_impacts(
    impacts: Mapping[str, Impact], instruments: Sequence[Instrument], elsewhere: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse what is no impact, or of an instrument that is not there or has a depth of its own."""
    for name, impact in impacts.items():
        if not isinstance(impact, Impact):
            raise InvalidInput("is an Impact", source="impact", where=name, value=repr(impact)[:60])
    check_on_bars("impact", impacts, instruments, elsewhere, "a ladder or a book")


def check_on_bars(
    source: str,
    given: Mapping[str, Any],
    instruments: Sequence[Instrument],
    elsewhere: Sequence[Mapping[str, Any]],
    has: str,
) -> None:
    """Refuse an option of bars for an instrument that is not there, or that stands `elsewhere`, which `has` names."""
    for name in given:
        if name not in {instrument.id for instrument in instruments}:
            raise InvalidInput("no such instrument", source=source, value=name)
        if any(name in those for those in elsewhere):
            raise InvalidInput(f"is of instruments on bars: this one has {has}", source=source, where=name)


def fill(table: Any, impacts: Mapping[str, Impact], instruments: Sequence[Instrument]) -> None:
    """Write models into the rows of their instruments."""
    for row, instrument in enumerate(instruments):
        if instrument.id not in impacts:
            continue
        impact, x = impacts[instrument.id], table[row]
        model = impact.model
        for name in ("half_spread", "temporary", "order", "permanent", "transient"):
            x[name] = getattr(model, name)
        x["temporary_by"], x["order_by"] = model.temporary_exponent, model.order_exponent
        x["fades"] = model.decay_rate if model.decay == Decay.EXPONENTIAL else 0.0
        x["takes"], x["unit"], x["on"] = impact.takes_ns / impact.unit_ns, float(impact.unit_ns), 1
