"""What is no model of order flow: refused as it is made, with the field named, not when somebody trades by it."""

from __future__ import annotations

from typing import Any

import pytest

from novation.domain.errors import InvalidInput
from novation.domain.order_flow import Factor, Hawkes, QueueReactive, Sizes, ZeroIntelligence

NAN, INF = float("nan"), float("inf")
ZERO = {"limit": (1.0,), "cancel": (1.0,), "market": 1.0}
QUEUES = {"limit": ((1.0,),) * 3, "cancel": ((1.0,),) * 3, "market": ((1.0,),) * 3, "unit": (1,) * 3}
EXCITED = {"base": (1.0,) * 6, "jump": ((0.1,) * 6,) * 6, "decay": 1.0, "limit_at": (1.0,)}


@pytest.mark.parametrize("lots", [(1.5,), (True,), ("a",), (10**30,), (NAN,), (0,), (), 5, [1]])
def test_sizes_are_whole_lots(lots: Any) -> None:
    with pytest.raises(InvalidInput, match=r"sizes\.lots"):
        Sizes(lots=lots)


@pytest.mark.parametrize("weights", [(NAN,), (INF,), (1e308,), (True,), ("a",), (-1.0,), (0.0,), (), (1.0, 1.0)])
def test_sizes_are_as_likely_as_their_weights_say(weights: Any) -> None:
    with pytest.raises(InvalidInput, match=r"sizes\.weights"):
        Sizes(weights=weights)


@pytest.mark.parametrize("until", [(NAN,), (INF,), (1e300,), (-5,), ("a",), (True,), 1, [1.0]])
def test_factors_end_at_seconds_or_ticks(until: Any) -> None:
    with pytest.raises(InvalidInput, match=r"factor\.until"):
        Factor(until, (1.0, 2.0))


@pytest.mark.parametrize(
    ("until", "factors"),
    [((), ()), ((), 2.0), ((1.0,), (1.0,)), ((1.0,), (NAN, 1.0)), ((1.0,), (True, 1.0)), ((2.0, 1.0), (1.0,) * 3)],
)
def test_factors_are_one_more_than_their_bounds(until: Any, factors: Any) -> None:
    with pytest.raises(InvalidInput, match="factor"):
        Factor(until, factors)


@pytest.mark.parametrize(
    ("model", "fields", "name"),
    [
        *((ZeroIntelligence, {"limit": x}, "limit") for x in (5, None, (), (-1.0,), (True,), ("1",), [1.0])),
        *((ZeroIntelligence, {"market": x}, "market") for x in (NAN, True, "1", 2e9)),
        *((ZeroIntelligence, {name: 5}, name) for name in ("limit_lots", "market_lots", "to_funding", "to_limit")),
        *((QueueReactive, {"limit": x}, "limit") for x in (1, (1.0,) * 3, ((),) * 3, (), ((True,),) * 3)),
        (QueueReactive, {"cancel": ((1.0,),) * 2}, "cancel"),
        *((QueueReactive, {"unit": x}, "unit") for x in ((1, 1, 1.5), (1, 1, True), (1, 1, 10**30), (1, 1), "aaa", 1)),
        *((QueueReactive, {"follows": x}, "follows") for x in (True, "x", NAN, 1.5)),
        *(
            (QueueReactive, {"queues": x, "redraws": r}, "queues")
            for x in (((1.0,),), ((1.0,),) * 2, ((1.0,),) * 4, ((),) * 3, ((0.0,),) * 3, 1)
            for r in (0.0, 0.5)
        ),
        (QueueReactive, {"redraws": 0.5}, "queues"),
        *((Hawkes, {"decay": x}, "decay") for x in ("x", True, NAN, 0.0, 1e-320, 1e10)),
        *((Hawkes, {"limit_at": x}, "limit_at") for x in ((), ("a",), (0.0,), (INF,), 1)),
        (Hawkes, {"base": (1.0,) * 5}, "base, jump"),
        (Hawkes, {"jump": ((0.1,) * 6,) * 5}, "base, jump"),
        (Hawkes, {"jump": 2}, "jump"),
        (Hawkes, {"jump": ((1.0,) * 6,) * 6}, "jump"),
        (Hawkes, {"to_limit": 1}, "to_limit"),
    ],
)
def test_a_model_is_of_numbers_that_are_some(model: Any, fields: dict[str, Any], name: str) -> None:
    made = {ZeroIntelligence: ZERO, QueueReactive: QUEUES, Hawkes: EXCITED}[model]
    model(**made)
    with pytest.raises(InvalidInput, match=name):
        model(**made | fields)
