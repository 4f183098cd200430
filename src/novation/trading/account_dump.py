"""Reading what an exchange or ccxt says of an account: the dumps people have, as one kind of row.

| file                                  | what it lacks, and where that is taken from                        |
|---------------------------------------|--------------------------------------------------------------------|
| GET /fapi/v2/account, /fapi/v3/account| mark: notional / quantity; in v3 entry: value less profit          |
| GET /fapi/v2/positionRisk             | the exchange's margins; the cross wallet: the caller's `wallet`    |
| GET /fapi/v3/positionRisk             | leverage: notional / initial margin; the cross wallet              |
| ccxt `fetch_positions`                | as the answer inside `info` where that is Binance's                |

Scope: v2 and ccxt say it; in v3 a position with an isolated wallet is isolated. Positions of size zero are left out.

Not modelled: Multi-Assets mode (a v2 account that says so is refused; v3 does not say), coin-margined contracts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal, localcontext
from pathlib import Path
from typing import Any

import msgspec

from novation.domain.errors import DataError, InvalidInput
from novation.domain.units import E8, money, to_decimal
from novation.reference.bracket_files import load_json, settlement_of
from novation.reference.files import exchange_symbol
from novation.rules.integers import PART


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """One position as a file reports it. Amounts None: the file does not say.

    qty_e8: signed. cost: exact, signed alike. margin: minor units behind an isolated position. initial, maintenance,
    liquidation: the exchange's own figures.
    """

    symbol: str
    asset: str
    side: str  #: "long" or "short"
    hedge: bool
    isolated: bool
    qty_e8: int
    cost: int
    mark_e8: int
    margin: int
    leverage: int | None
    initial: Decimal | None
    maintenance: Decimal | None
    liquidation: Decimal | None
    derived: tuple[str, ...] = ()


class Dump(msgspec.Struct, frozen=True, kw_only=True):
    """A file read: its kind in words, its positions, and the cross wallets by asset where it gives them."""

    source: str
    kind: str
    positions: tuple[Reported, ...]
    wallets: dict[str, int]


class _Row:
    """The keys of one object of a file; what is missing or wrong is an error that names file, place and key."""

    def __init__(self, given: Any, source: str, where: str) -> None:
        if not isinstance(given, Mapping):
            raise DataError("expected an object", source=source, where=where, value=given)
        name = given.get("symbol") or given.get("asset")
        self.given, self.source, self.where = given, source, f"{where} {name}" if name else where

    def error(self, problem: str, key: str, value: Any = None) -> DataError:
        return DataError(problem, source=self.source, where=f"{self.where}, {key}", value=value)

    def has(self, key: str) -> bool:
        return self.given.get(key) not in (None, "")

    def text(self, key: str) -> str:
        if not self.has(key):
            raise self.error("is missing", key)
        return str(self.given[key])

    def number(self, key: str) -> Decimal:
        if not self.has(key):
            raise self.error("is missing", key)
        try:
            return to_decimal(self.given[key])
        except InvalidInput as problem:
            raise self.error(problem.problem, key, str(self.given[key])) from None

    def maybe(self, *keys: str) -> Decimal | None:
        """The first of several keys that is given, None where none is."""
        return next((self.number(key) for key in keys if self.has(key)), None)

    def units(self, key: str, asset: str) -> int:
        """Money in minor units; further decimals are cut."""
        return money(_cut(self.number(key), 8), asset)

    def flag(self, key: str) -> bool:
        value = self.given.get(key, False)
        return value is True or str(value).lower() == "true"


def _cut(number: Decimal, decimals: int) -> Decimal:
    with localcontext() as context:
        context.prec = 80
        return number.scaleb(decimals).to_integral_value("ROUND_DOWN").scaleb(-decimals)


def _exact(amount: Decimal) -> int:
    """A product of a price and a size as an exact amount; beyond 24 decimals cut downwards."""
    with localcontext() as context:
        context.prec = 80
        return int((amount * E8 * PART).to_integral_value(ROUND_FLOOR))


def read_account(path: str | Path) -> Dump:
    """Read a dump of an account. Raises `DataError` naming the file, the place in it and the key."""
    source = str(path)
    data = load_json(path)
    if isinstance(data, Mapping) and "positions" in data:
        return _of_account(data, source)
    if isinstance(data, Sequence) and not isinstance(data, str):
        rows = [_Row(one, source, f"[{number}]") for number, one in enumerate(data)]
        if all("positionAmt" in row.given for row in rows) and rows:
            return Dump(
                source=source,
                kind="positionRisk",
                positions=tuple(p for row in rows if (p := _of_risk(row))),
                wallets={},
            )
        if all("contracts" in row.given for row in rows) and rows:
            return _of_ccxt(rows, source)
        if not rows:
            raise DataError("holds no position", source=source)
        odd = next((row for row in rows if not {"positionAmt", "contracts"} & set(row.given)), rows[0])
        raise DataError(
            "has neither 'positionAmt' (the exchange's positionRisk) nor 'contracts' (ccxt's fetch_positions)",
            source=source,
            where=odd.where,
        )
    raise DataError(
        "is no dump of an account",
        source=source,
        hint="Expected ccxt's fetch_positions, or the answer of /fapi/v2 or v3 positionRisk or account.",
    )


# ---------------------------------------------------------------- one kind each


def _of_risk(row: _Row, unified: Mapping[str, Any] | None = None) -> Reported | None:
    """A position of positionRisk v2 or v3; unified: what ccxt made of it, for scope and leverage."""
    qty = row.number("positionAmt")
    if not qty:
        return None
    symbol, asset = _symbol(row, row.text("symbol"))
    entry, mark = row.number("entryPrice"), row.number("markPrice")
    derived = []
    scope = str(row.given.get("marginType") or (unified or {}).get("marginMode") or "").lower()
    if not scope:
        scope = "isolated" if (row.maybe("isolatedWallet", "isolatedMargin") or 0) != 0 else "cross"
        derived.append("scope by its isolated wallet")
    isolated = _is_isolated(row, scope, "marginType")
    margin = 0
    if isolated and row.has("isolatedWallet"):
        margin = row.units("isolatedWallet", asset)
    elif isolated:
        margin = row.units("isolatedMargin", asset) - row.units("unRealizedProfit", asset)
    leverage = row.maybe("leverage")
    if leverage is None and unified:
        leverage = _Row(unified, row.source, row.where).maybe("leverage")
    return _of_the_exchange(
        row,
        (symbol, asset),
        qty=qty,
        cost=_exact(entry * qty),
        mark=mark,
        notional=abs(qty) * mark,
        isolated=isolated,
        margin=margin,
        leverage=leverage,
        initial=row.maybe("positionInitialMargin"),
        derived=derived,
    )


def _of_account(data: Mapping[str, Any], source: str) -> Dump:
    """The answer of /fapi/v2/account or v3."""
    head = _Row(data, source, "account")
    if head.flag("multiAssetsMargin"):
        raise head.error(
            "is true: Multi-Assets mode rests on each asset's index and buffers, which no such file has",
            "multiAssetsMargin",
        )
    if not isinstance(data.get("assets"), Sequence):
        raise head.error("is missing", "assets")
    if not isinstance(data["positions"], Sequence):
        raise head.error("expected a list", "positions")
    wallets = {}
    for number, one in enumerate(data["assets"]):
        row = _Row(one, source, f"assets[{number}]")
        if row.text("asset") in ("USDT", "USDC"):
            wallets[row.text("asset")] = row.units("crossWalletBalance", row.text("asset"))
    positions = []
    for number, one in enumerate(data["positions"]):
        row = _Row(one, source, f"positions[{number}]")
        qty = row.number("positionAmt")
        if not qty:
            continue
        symbol, asset = _symbol(row, row.text("symbol"))
        notional = abs(row.number("notional"))
        mark, derived = notional / abs(qty), ["mark from notional and quantity"]
        if row.has("entryPrice"):
            cost = _exact(row.number("entryPrice") * qty)
        else:
            cost = _exact((notional if qty > 0 else -notional) - row.number("unrealizedProfit"))
            derived.append("entry from notional and profit")
        if row.has("isolated"):
            isolated = row.flag("isolated")
        else:
            isolated = bool(row.number("isolatedWallet"))
        margin = 0
        if isolated and row.has("isolatedWallet"):
            margin = row.units("isolatedWallet", asset)
        elif isolated:
            margin = row.units("isolatedMargin", asset) - row.units("unrealizedProfit", asset)
        found = _of_the_exchange(
            row,
            (symbol, asset),
            qty=qty,
            cost=cost,
            mark=mark,
            notional=notional,
            isolated=isolated,
            margin=margin,
            leverage=row.maybe("leverage"),
            initial=row.maybe("positionInitialMargin", "initialMargin"),
            derived=derived,
        )
        positions.append(found)
    kind = "account v2" if any("entryPrice" in one for one in data["positions"]) else "account v3"
    return Dump(source=source, kind=kind, positions=tuple(positions), wallets=wallets)


def _of_ccxt(rows: Sequence[_Row], source: str) -> Dump:
    """ccxt's `fetch_positions`; where `info` is Binance's own answer, its figures and not ccxt's are compared."""
    positions, wallets = [], {}
    for row in rows:
        info = row.given.get("info")
        raw = _Row(info, source, row.where) if isinstance(info, Mapping) else None
        if raw and raw.has("crossWalletBalance"):
            asset = _symbol(row, row.text("symbol"))[1]
            wallets[asset] = raw.units("crossWalletBalance", asset)
        if raw and {"positionAmt", "entryPrice", "markPrice"} <= set(raw.given):
            found = _of_risk(raw, row.given)
        else:
            found = _of_unified(row)
        if found:
            positions.append(found)
    return Dump(source=source, kind="ccxt fetch_positions", positions=tuple(positions), wallets=wallets)


def _of_unified(row: _Row) -> Reported | None:
    """ccxt's own fields alone."""
    contracts = row.number("contracts") * (row.maybe("contractSize") or 1)
    if not contracts:
        return None
    symbol, asset = _symbol(row, row.text("symbol"))
    side = row.text("side").lower()
    if side not in ("long", "short"):
        raise row.error("expected long or short", "side", side)
    qty = abs(contracts) if side == "long" else -abs(contracts)
    derived = []
    if row.has("markPrice"):
        mark = row.number("markPrice")
    else:
        mark = abs(row.number("notional")) / abs(qty)
        derived.append("mark from notional and quantity")
    entry = row.number("entryPrice")
    isolated = _is_isolated(row, row.text("marginMode").lower(), "marginMode")
    margin = 0
    if isolated:
        raw = _Row(row.given.get("info") or {}, row.source, row.where)
        if raw.has("isolatedWallet"):
            margin = raw.units("isolatedWallet", asset)
        else:
            margin = row.units("collateral", asset) - money(_cut((mark - entry) * qty, 8), asset)
            derived.append("margin from collateral less profit")
    return _reported(
        row,
        symbol,
        asset,
        qty=qty,
        cost=_exact(entry * qty),
        mark=mark,
        hedge=row.flag("hedged"),
        isolated=isolated,
        margin=margin,
        leverage=row.maybe("leverage"),
        initial=row.maybe("initialMargin"),
        maintenance=row.maybe("maintenanceMargin"),
        liquidation=row.maybe("liquidationPrice") or None,  # the exchange writes 0 for none
        derived=derived,
    )


def _of_the_exchange(
    row: _Row,
    name: tuple[str, str],
    *,
    notional: Decimal,
    leverage: Decimal | None,
    initial: Decimal | None,
    derived: list[str],
    **rest: Any,
) -> Reported:
    """A position in the exchange's own keys; its leverage, where no key says it, is notional over initial margin."""
    if leverage is None and initial:
        leverage = (notional / initial).to_integral_value()
        derived.append("leverage from notional and initial margin")
    return _reported(
        row,
        *name,
        hedge=_hedge(row),
        leverage=leverage,
        initial=initial,
        maintenance=row.maybe("maintMargin"),
        liquidation=row.maybe("liquidationPrice") or None,  # the exchange writes 0 for none
        derived=derived,
        **rest,
    )


def _reported(
    row: _Row,
    symbol: str,
    asset: str,
    *,
    qty: Decimal,
    mark: Decimal,
    leverage: Decimal | None,
    derived: list[str],
    **rest: Any,
) -> Reported:
    qty_e8 = qty * E8
    if qty_e8 != qty_e8.to_integral_value():
        raise row.error("has more than 8 decimals", "quantity", f"{qty:f}")
    if mark <= 0:
        raise row.error("expected a price above zero", "mark price", f"{mark:f}")
    if leverage is not None and (leverage < 1 or leverage != leverage.to_integral_value()):
        raise row.error("expected a whole number above zero", "leverage", f"{leverage:f}")
    return Reported(
        symbol=symbol,
        asset=asset,
        side="long" if qty > 0 else "short",
        qty_e8=int(qty_e8),
        mark_e8=int((mark * E8).to_integral_value()),
        leverage=None if leverage is None else int(leverage),
        derived=tuple(derived),
        **rest,
    )


def _symbol(row: _Row, text: str) -> tuple[str, str]:
    symbol = exchange_symbol(text)
    asset = settlement_of(symbol)
    if not asset:
        raise row.error("is not settled in USDT or USDC", "symbol", text)
    return symbol, asset


def _hedge(row: _Row) -> bool:
    side = str(row.given.get("positionSide") or "BOTH").upper()
    if side not in ("BOTH", "LONG", "SHORT"):
        raise row.error("expected BOTH, LONG or SHORT", "positionSide", side)
    return side != "BOTH"


def _is_isolated(row: _Row, scope: str, key: str) -> bool:
    if scope not in ("cross", "crossed", "isolated"):
        raise row.error("expected cross or isolated", key, scope)
    return scope == "isolated"
