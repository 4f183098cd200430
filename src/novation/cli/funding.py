"""The verb `funding`: what a perpetual's funding was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show
from novation.domain.errors import InvalidInput
from novation.domain.units import to_ns


def funding(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="E.g. BTCUSDT.")],
    start: Annotated[str | None, typer.Option("--from", help="First day or instant; else all there is.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Day or instant after the last.")] = None,
    qty: Annotated[str | None, typer.Option("--qty", help="Coins of a position, negative: short.")] = None,
    premium: Annotated[
        Path | None,
        typer.Option("--premium", metavar="FILE", help="Premium index since the last stamp, for an estimate."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Draw it into an HTML page.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Sum up funding: count, mean, annualised, by month; next stamp, averages, estimate, forecast, daily cost."""
    from novation.data.funding import funding as ask

    begin = None if start is None else to_ns(start, source="--from")
    until = None if end is None else to_ns(end, source="--to")
    if begin is not None and until is not None and until <= begin:
        raise InvalidInput(f"lies {'at' if until == begin else 'before'} --from {start}", source="--to", value=end)
    answer = ask(symbol, begin, until, qty=qty, premium=premium)
    drawn = None if out is None else answer.plot(out)
    if json:
        show.as_json(answer.to_dict() | ({} if drawn is None else {"plot": str(drawn)}))
        return
    show.out(str(answer))
    if drawn is not None:
        show.out(f"plot: {drawn}")
