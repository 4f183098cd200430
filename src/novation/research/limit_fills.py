"""How likely a run's limit orders are reached by bars that touch their price: as stated, or by a model of order flow.

A bar that touches a price and does not trade through it says that the level was not used up. Who stands there with
`ahead` orders before him and `behind` after him has been filled nevertheless with the chance

    (p(ahead, behind) - p(ahead + behind + 1, 0)) / (1 - p(ahead + behind + 1, 0))

p(n, b): that an order with n ahead and b behind fills before the mid moves (`rules.fill_probability`), at a spread of
one tick with `opposite` orders across. The second is that of whoever comes last, who fills where all that stood there
is gone. How many stand where is for the user to say: bars do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from novation.data.model_files import read_model
from novation.domain.errors import ConfigError, InvalidInput
from novation.domain.order_flow import Hawkes, OrderFlow, QueueReactive, ZeroIntelligence
from novation.domain.units import E8, to_decimal
from novation.rules.fill_probability import Queue, fill_probability, queue_reactive_queue, zero_intelligence_queue

_NAMES = ("model", "ahead", "behind", "opposite")
THROUGH = "through"


class LimitFill(msgspec.Struct, frozen=True, kw_only=True):
    """The chance that a touched limit order is reached, and what it rests on."""

    chance: Decimal
    rests_on: str

    @property
    def touch_e8(self) -> int:
        """The chance in 1e-8."""
        return int(self.chance * E8)

    @classmethod
    def of(cls, given: Any, folder: Path | None = None) -> LimitFill | None:
        """What an argument says: "through" (None), a chance, or {"model", "ahead", "behind", "opposite"}.

        folder: what a model's path is relative to. Raises `ConfigError`.
        """
        if isinstance(given, LimitFill) or given is None or given == THROUGH:
            return given if isinstance(given, LimitFill) else None
        if isinstance(given, Mapping):
            return _by_model(given, folder)
        try:
            chance = to_decimal(given)
        except InvalidInput:
            chance = Decimal(-1)
        if isinstance(given, bool) or not 0 < chance <= 1:
            raise _wrong('is "through", a chance above 0 and at most 1, or {"model": .., "ahead": ..}', "", given)
        return cls(chance=chance, rests_on="stated")


def touched_chance(mine: float, last: float) -> float:
    """The chance of the module's formula. mine, last: probabilities of a fill before the mid moves.

    >>> touched_chance(0.5, 0.2)
    0.37499999999999994
    """
    return max(0.0, (mine - last) / (1.0 - last)) if last < 1.0 else 0.0


def _wrong(problem: str, where: str, value: Any) -> ConfigError:
    return ConfigError(problem, source="Backtest", where=f"limit_fill {where}".strip(), value=str(value))


def _by_model(given: Mapping[str, Any], folder: Path | None) -> LimitFill:
    for name in given:
        if name not in _NAMES:
            raise _wrong(f"is not one of {', '.join(_NAMES)}", str(name), given[name])
    model = given.get("model")
    if isinstance(model, str | Path):
        model = read_model(model if folder is None else folder / model)
    if isinstance(model, Hawkes) or not isinstance(model, ZeroIntelligence | QueueReactive):
        raise _wrong(
            "is a zero-intelligence or queue-reactive model, or its file (`novation calibrate`)", "model", model
        )
    counts: dict[str, int] = {}
    for name, least, default in (("ahead", 0, None), ("behind", 0, 0), ("opposite", 1, None)):
        count = given.get(name, default)
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise _wrong(f"is a whole number of orders, {least} or more", name, count)
        counts[name] = count
    ahead, behind, opposite = counts["ahead"], counts["behind"], counts["opposite"]
    stand = ahead + behind + 1
    try:
        other = _queue(model, opposite, own=False)
        mine = fill_probability(_queue(model, stand, own=True), other, ahead, behind, opposite)
        last = fill_probability(_queue(model, stand + 1, own=True), other, stand, 0, opposite)
    except InvalidInput as error:
        raise _wrong(error.problem, "model", error.value) from None
    chance = Decimal(repr(touched_chance(mine, last))).quantize(Decimal("1e-8"))
    if chance == 0:
        raise _wrong("gives no chance at all", "model", type(model).__name__)
    name = "zero-intelligence" if isinstance(model, ZeroIntelligence) else "queue-reactive"
    return LimitFill(chance=chance, rests_on=f"{name} model, {ahead} ahead, {behind} behind, {opposite} opposite")


def _queue(model: OrderFlow, orders: int, *, own: bool) -> Queue:
    """The best queue at a spread of one tick; of a queue-reactive model the first from its reference price."""
    if isinstance(model, ZeroIntelligence):
        return zero_intelligence_queue(model, 1, orders, own=own)
    assert isinstance(model, QueueReactive)
    return queue_reactive_queue(model, 1, orders)
