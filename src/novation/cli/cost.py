"""The verb `cost`: what an order would cost before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from novation.cli import show
from novation.cli.markets import Products, own_reference
from novation.cli.recorded import asked
from novation.domain.errors import InvalidInput

_Number = str | None


def cost(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="E.g. ES, ESZ2026, BTCUSDT.")],
    side: Annotated[str, typer.Option("--side", help="buy or sell.")],
    qty: Annotated[str, typer.Option("--qty", help="Contracts or coins, positive.")],
    at: Annotated[
        str | None, typer.Option("--at", metavar="INSTANT", help="Rules then; without a price, the history then.")
    ] = None,
    mid: Annotated[_Number, typer.Option("--mid", help="Middle of bid and ask.")] = None,
    bid: Annotated[_Number, typer.Option("--bid", help="Instead of --mid, with --ask.")] = None,
    ask: Annotated[_Number, typer.Option("--ask", help="With --bid.")] = None,
    spread_bps: Annotated[_Number, typer.Option("--spread-bps", help="Whole spread; else the product's row.")] = None,
    volume: Annotated[_Number, typer.Option("--volume", help="Contracts or coins that trade in a day.")] = None,
    volatility: Annotated[_Number, typer.Option("--volatility", help="Annual, a fraction: 0.15.")] = None,
    mark: Annotated[_Number, typer.Option("--mark", help="Mark price, for --benchmark mark.")] = None,
    funding_rate: Annotated[_Number, typer.Option("--funding-rate", help="Fraction an interval.")] = None,
    driver: Annotated[
        list[str] | None,
        typer.Option("--driver", metavar="NAME=NUMBER", help="What another term depends on; again for each."),
    ] = None,
    terms: Annotated[
        str, typer.Option("--terms", help="Assumed terms that count too: names, all; base: no factor at all.")
    ] = "",
    vip: Annotated[int, typer.Option("--vip", help="Fee level on Binance.")] = 0,
    bnb: Annotated[bool, typer.Option("--bnb", help="Fees are paid in BNB.")] = False,
    benchmark: Annotated[str, typer.Option("--benchmark", help="mid or mark.")] = "mid",
    min_slippage_bps: Annotated[_Number, typer.Option("--min-slippage-bps", help="Least slippage.")] = None,
    max_slippage_bps: Annotated[_Number, typer.Option("--max-slippage-bps", help="Most slippage.")] = None,
    products: Products = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what a market order would cost: spread, impact, fee, and what they rest on."""
    from novation.research.cost import cost as estimate

    market: dict[str, Any] = {
        "mid": mid,
        "bid": bid,
        "ask": ask,
        "spread_bps": spread_bps,
        "volume": volume,
        "volatility": volatility,
        "mark": mark,
        "funding_rate": funding_rate,
    }
    drivers = _drivers(driver or ())
    if "funding_rate" in drivers and funding_rate is not None:
        raise InvalidInput("is --funding-rate, which is given too", source="--driver", value="funding_rate")
    given = ("side", "qty", "at", "terms", "vip", "bnb", "benchmark", "min_slippage_bps", "max_slippage_bps")
    with asked({name: f"--{name.replace('_', '-')}" for name in (*given, *market)}):
        answer = estimate(
            symbol,
            side=side,
            qty=qty,
            at=at,
            terms=terms,
            vip=vip,
            bnb=bnb,
            benchmark=benchmark,
            min_slippage_bps=min_slippage_bps,
            max_slippage_bps=max_slippage_bps,
            reference=own_reference(products),
            **market | drivers,
        )
    show.show(answer, json=json)


def _drivers(given: Sequence[str]) -> dict[str, str]:
    """NAME=NUMBER of each --driver."""
    from novation.domain.slippage import RAMPS
    from novation.domain.units import to_decimal

    found: dict[str, str] = {}
    for text in given:
        name, equals, number = text.partition("=")
        if not equals or name not in RAMPS:
            hint = f"NAME=NUMBER, with NAME one of {', '.join(RAMPS)}."
            raise InvalidInput("is no driver", source="--driver", value=text, hint=hint)
        found[name] = str(to_decimal(number, source="--driver", where=name))
    return found
