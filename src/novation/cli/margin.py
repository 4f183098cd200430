"""The verb `margin`: what a position requires, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from novation.cli import show
from novation.domain.errors import InvalidInput, NoRuleInForce

_NEEDED = ("side", "qty", "entry", "leverage")


def margin(
    symbol: Annotated[str | None, typer.Argument(metavar="SYMBOL", help="E.g. BTCUSDT.")] = None,
    side: Annotated[str | None, typer.Option("--side", help="long or short.")] = None,
    qty: Annotated[str | None, typer.Option("--qty", help="Coins, positive.")] = None,
    entry: Annotated[str | None, typer.Option("--entry", help="Average entry price.")] = None,
    leverage: Annotated[int | None, typer.Option("--leverage", help="Whole number.")] = None,
    scope: Annotated[str, typer.Option("--scope", help="isolated or cross.")] = "isolated",
    wallet: Annotated[
        str | None,
        typer.Option("--wallet", help="What stands behind it; isolated: its initial margin unless given."),
    ] = None,
    mark: Annotated[str | None, typer.Option("--mark", help="Current mark price; else the entry.")] = None,
    last: Annotated[
        str | None, typer.Option("--last", help="Last price, for what a limit sell costs by the text of 2026.")
    ] = None,
    mode: Annotated[str, typer.Option("--mode", help="one-way or hedge.")] = "one-way",
    brackets: Annotated[
        Path | None, typer.Option("--brackets", metavar="FILE", help="Your own brackets: CSV, Parquet or JSON.")
    ] = None,
    rules_as_of: Annotated[
        str | None, typer.Option("--rules-as-of", metavar="DATE", help="Brackets of that day; else the newest known.")
    ] = None,
    account: Annotated[
        Path | None,
        typer.Option("--account", metavar="FILE", help="A dump of positions: ccxt's, positionRisk or account (JSON)."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show margins, liquidation and bankruptcy price of one position, or of every position of an account."""
    if account is not None:
        _of_account(account, (symbol, side, qty, entry, leverage, mark, last), wallet, brackets, rules_as_of, json)
        return
    from novation.trading.margin import margin as ask

    given = dict(zip(_NEEDED, (side, qty, entry, leverage), strict=True))
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if symbol is None:
        raise InvalidInput("needs a SYMBOL", source="margin", hint="E.g. novation margin BTCUSDT --help.")
    if missing:
        raise InvalidInput(f"needs also {', '.join(missing)}", source=f"margin {symbol}")
    answer = _told(
        ask,
        symbol,
        side=str(side),
        qty=str(qty),
        entry=str(entry),
        leverage=int(leverage or 0),
        scope=scope,
        wallet=wallet,
        mark=mark,
        last=last,
        mode=mode,
        brackets=brackets,
        rules_as_of=rules_as_of,
    )
    show.show(answer, json=json)


def _of_account(
    account: Path, others: tuple[object, ...], wallet: str | None, brackets: Path | None, as_of: str | None, json: bool
) -> None:
    from novation.trading.account import margin_of_account

    if any(one is not None for one in others):
        raise InvalidInput(
            "stands alone", source="--account", hint="Beside it: --wallet, --brackets, --rules-as-of, --json."
        )
    show.show(_told(margin_of_account, account, wallet=wallet, brackets=brackets, rules_as_of=as_of), json=json)


def _told(ask: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """An answer, or the error with the option in it that this command has."""
    try:
        return ask(*given, **named)
    except NoRuleInForce as error:
        hint = re.sub(r'rules_as_of="([^"]*)"', r"--rules-as-of \1", error.hint)
        at = error.at.replace("rules_as_of", "--rules-as-of")
        raise NoRuleInForce(error.table, error.key, at, known=error.known, hint=hint) from None
