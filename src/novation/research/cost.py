"""The verb `cost`: what an order would cost, in a market that is given or that the recorded history tells of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import asdict

from novation.data.chain import ContractChain
from novation.data.conditions import conditions_at
from novation.data.history import History
from novation.domain.slippage import MarketConditions, TakerOrder
from novation.domain.units import Number, to_ns
from novation.reference import Reference
from novation.trading.cost import ExecutionCost, estimate_execution_cost


def cost(
    symbol: str,
    *,
    side: str,
    qty: Number,
    at: Any = None,
    data: History | ContractChain | None = None,
    terms: str | Iterable[str] = (),
    vip: int = 0,
    bnb: bool = False,
    benchmark: str = "mid",
    min_slippage_bps: Number | None = None,
    max_slippage_bps: Number | None = None,
    reference: Reference | None = None,
    **market: Any,
) -> ExecutionCost:
    """Ask what an order that takes would cost.

    side: "buy" or "sell". market: the fields of `MarketConditions` (mid, spread_bps, volume, volatility, funding_rate,
    ...). at: an instant; without a price given, price, volume, volatility, mark and funding are those of the history
    then: of `data`, else of the one found (`data.catalog`); what is given beside it wins. The others as
    `estimate_execution_cost`.

    >>> print(cost("BTCUSDT", side="buy", qty=1, mid=60_000, volume=300_000, volatility=0.5).total_cost_bps)
    5.488834
    """
    reference = reference or Reference.default()
    given = {name: value for name, value in market.items() if value is not None}
    priced = "mid" in given or "bid" in given
    found: dict[str, Any] = {}
    if at is not None and (data is not None or not priced):
        at_ns = to_ns(at, source="at")
        known = asdict(conditions_at(reference.resolve(symbol, at_ns), at_ns, data=data))
        found = {
            name: value
            for name, value in known.items()
            if value is not None and not (priced and name in ("mid", "price_ns"))
        }
    return estimate_execution_cost(
        TakerOrder(symbol=symbol, side=side, qty=qty),
        MarketConditions(**found | given | {"at": at}),
        terms=terms,
        vip=vip,
        bnb=bnb,
        benchmark=benchmark,
        min_slippage_bps=min_slippage_bps,
        max_slippage_bps=max_slippage_bps,
        reference=reference,
    )
