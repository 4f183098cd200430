"""How likely a resting order is to fill, asked of a venue's book (docs/rules/fill_probability.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from novation.domain.enums import MarketPhase
from novation.domain.errors import InvalidInput
from novation.domain.order_flow import Hawkes, OrderFlow, QueueReactive, ZeroIntelligence
from novation.domain.units import NS
from novation.rules import fill_probability as rules
from novation.venues.book_tables import ShowsBooks, queue_position, view

#: What `rules.fill_probability` takes: 1e9 seconds.
_MOST_NS = 10**9 * NS


class FillProbability(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and what it was asked of."""

    probability: float
    within_ns: int | None  #: None: however long it takes the mid to move
    model: str
    ahead: int  #: orders (queue-reactive: units) before it
    behind: int
    opposite: int  #: at the best price of the other side
    spread_ticks: int
    assumed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` would show it."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def fill_probability(
    venue: ShowsBooks, order: int, model: OrderFlow, within_ns: int | None = None, *, reference: int | None = None
) -> FillProbability:
    """Probability that a lot of a working order trades before the mid moves, and within `within_ns`, if others behave
    by the model.

    The order stands at the best price of its side: from any other the mid has to move first, and of what comes after a
    move the models' two queues say nothing. reference: of a queue-reactive model, twice the reference price in steps of
    the tick in force, an odd number; left out, the mid, or the half step beside it that is nearer to the order.
    """
    if within_ns is not None and not (_is_whole(within_ns) and 0 <= within_ns < _MOST_NS):
        raise InvalidInput(f"is whole ns, 0 or more and below {_MOST_NS:,}", source="within_ns", value=within_ns)
    if not isinstance(model, (ZeroIntelligence, QueueReactive, Hawkes)):
        raise InvalidInput("is one of novation.domain.order_flow", source="model", value=repr(model)[:60])
    if reference is not None and not (isinstance(model, QueueReactive) and _is_whole(reference)):
        problem = "is a whole number, and of a queue-reactive model alone"
        raise InvalidInput(problem, source="reference", value=repr(reference)[:60])
    if isinstance(model, Hawkes):
        raise InvalidInput(
            "has rates that depend on what has happened, not on what stands: no first passage of its queues is known",
            source="hawkes",
            hint="Use a zero-intelligence or queue-reactive model.",
        )
    found = queue_position(venue, order) if _is_whole(order) else None
    if found is None:
        raise InvalidInput("stands in no queue", source="order", value=order)
    ahead, lots_ahead = found
    orders = venue.table("order")
    row = next(row for row in _working(venue, orders) if orders[row]["id"] == order)
    instrument, side = int(orders[row]["instrument"]), int(orders[row]["side"])
    ticks = int(venue.table("resting")[int(orders[row]["resting"])]["ticks"])
    if venue.table("market")[instrument]["phase"] != MarketPhase.OPEN:
        raise InvalidInput("is of a market that is not open: nobody trades", source="order", value=order)
    book = view(venue, instrument, 1)
    mine, theirs = (book.bids, book.asks) if side > 0 else (book.asks, book.bids)
    if not theirs:
        raise InvalidInput("meets a book whose other side is empty", source="order", value=order)
    best, opposite = mine[0], theirs[0]
    behind_best = side * (best.price_ticks - ticks)
    if behind_best:
        raise InvalidInput(
            f"stands {behind_best} ticks behind the best price: the mid moves before it can fill",
            source="order",
            value=order,
            hint="Ask again when its price is the best.",
        )
    step = int(venue.table("terms")[int(venue.table("market")[instrument]["terms"])]["tick_step"])
    # a recorded price may lie between two steps: it counts as the one farther away
    near, far = ticks // step, -(-side * opposite.price_ticks // step) * side
    spread = side * (far - near)
    assumed = ["mine is not cancelled, and it counts as filled when its first lot trades"]
    if model.to_funding or model.to_limit:
        assumed.append("rates are not raised by the time to the funding or the distance to a price limit")
    if isinstance(model, ZeroIntelligence):
        name, behind, others = "zero-intelligence", best.orders - ahead - 1, opposite.orders
        if {*model.limit_lots.lots, *model.market_lots.lots} != {1} or best.lots > best.orders:
            assumed.append("a market order takes one order, whatever their sizes")
        own = rules.zero_intelligence_queue(model, spread, ahead + behind + 1, own=True)
        other = rules.zero_intelligence_queue(model, spread, others)
        inside = 2.0 * sum(model.limit[: spread - 1])
    else:
        name = "queue-reactive"
        own, other, ahead, behind, others, inside = _units(
            model,
            side,
            near,
            far,
            reference,
            lots_ahead,
            best.lots + best.hidden,
            opposite.lots + opposite.hidden,
        )
        assumed += [
            "orders are of a unit of their distance from the reference price, and a market order takes one",
            "each order of a queue is as likely to be cancelled as another",
        ]
    seconds = None if within_ns is None else within_ns / NS
    return FillProbability(
        probability=rules.fill_probability(own, other, ahead, behind, others, inside=inside, seconds=seconds),
        within_ns=within_ns,
        model=name,
        ahead=ahead,
        behind=behind,
        opposite=others,
        spread_ticks=side * (opposite.price_ticks - ticks),
        assumed=tuple(assumed),
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _working(venue: ShowsBooks, orders: Any) -> Iterator[int]:
    row = venue.number("first_order")
    while row >= 0:
        yield row
        row = int(orders[row]["next"])


def _units(
    model: QueueReactive,
    side: int,
    mine: int,
    theirs: int,
    reference: int | None,
    lots_ahead: int,
    lots: int,
    opposite_lots: int,
) -> tuple[rules.Queue, rules.Queue, int, int, int, float]:
    """Both queues in units, and the rate of limit orders between them; mine, theirs: the best prices in steps."""
    twice_mid = mine + theirs
    if reference is None:
        reference = twice_mid if twice_mid % 2 else twice_mid - side
    if reference % 2 == 0 or not 2 * min(mine, theirs) < reference < 2 * max(mine, theirs):
        raise InvalidInput("is an odd number between twice the best prices", source="reference", value=reference)
    # in half steps from the reference price an odd number, 1 at the first distance
    near, far = (side * (reference - 2 * mine) + 1) // 2, (side * (2 * theirs - reference) + 1) // 2
    reach = len(model.limit)
    if max(near, far) > reach:
        hint = "Calibrate it with a larger reach."
        raise InvalidInput(
            f"knows {reach} steps from the reference price", source="model", value=max(near, far), hint=hint
        )
    unit, their_unit = model.unit[near - 1], model.unit[far - 1]
    ahead = -(-lots_ahead // unit)
    units, others = max(-(-lots // unit), ahead + 1), -(-opposite_lots // their_unit)
    inside = sum(model.limit[i][0] for i in range(near - 1)) + sum(model.limit[i][0] for i in range(far - 1))
    return (
        rules.queue_reactive_queue(model, near, units),
        rules.queue_reactive_queue(model, far, others),
        ahead,
        units - ahead - 1,
        others,
        inside,
    )
