"""`novation reference refresh` and `import`: rows of the exchange, or of others through ccxt, into the user's tables.

A refresh goes into the tables that every run asks first (`reference.user_store`). An import goes into a folder of its
own per exchange, `imports/<exchange>` beside them, which is asked only where it is named (NOVATION_REFERENCE, or
`tables=`), because it says of another exchange what the tables call `binance_um`; its rows carry `method assumed
Binance-like, unverified`: tiers with a cumulative amount, the mark as trigger, one fee for all symbols.

Not modelled: inverse and dated contracts, fee levels, margin methods of other exchanges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from novation.data.sources.markets import DECIMAL_PLACES, load_markets
from novation.data.sources.parameters import BINANCE_REST, fetch_parameters
from novation.domain.errors import DataError, InvalidInput
from novation.domain.units import iso, to_decimal
from novation.reference import Reference
from novation.reference.bracket_files import rows_of_json
from novation.reference.brackets import check_tiers
from novation.reference.files import exchange_symbol
from novation.reference.user_store import Captured, Update, put, reference_path

UNVERIFIED = "method assumed Binance-like, unverified"
_SETTLED = ("USDT", "USDC")


def refresh(
    venue: str = "binance_um",
    symbols: Sequence[str] | None = None,
    *,
    base_url: str = BINANCE_REST,
    folder: str | Path | None = None,
    write: bool = False,
    client: Any = None,
    now_ns: int | None = None,
) -> Update:
    """Fetch contracts, funding limits and (with a key) brackets, and show what is not as it was known.

    symbols: by any of their names, else those that the tables know; ["all"]: every perpetual that trades. folder: the
    user's tables unless given. write: take the rows in; without it nothing is touched. Raises RemoteError,
    InvalidInput.
    """
    reference = Reference.default()
    if symbols is None:
        names: list[str] | None = reference.symbols(venue)
    elif [symbol.lower() for symbol in symbols] == ["all"]:
        names = None
    else:
        names = [reference.perpetual(symbol).partition(":")[2] for symbol in symbols]
    captured = fetch_parameters(venue, names, base_url=base_url, client=client, now_ns=now_ns)
    place = reference_path() if folder is None else Path(folder)
    return put(_with_last_known(captured, reference), place, write=write)


#: What no public answer has, and no run can do without: table, key, what a row and what a note calls it.
_NOT_PUBLIC = (
    ("fees", "0", "fees of VIP 0", "fees"),
    ("order_cost", "all", "assumed prices of orders", "assumed prices of orders"),
)


def _with_last_known(captured: Captured, reference: Reference) -> Captured:
    """The captured rows and those last known of what no public answer has, marked as assumed."""
    for table, key, what, name in _NOT_PUBLIC:
        known = reference.latest_row(f"{captured.venue}/{table}", key)
        if known is None:
            continue
        row, known_ns, source = known
        said = source
        if "as last known on" not in source:  # else assumed at an earlier refresh: keep what it was assumed from
            said = f"assumed: {what} as last known on {iso(known_ns)[:10]}; {source.removeprefix('assumed:').strip()}"
        note = f"{name} are not in a public answer: those known on {iso(known_ns)[:10]} are kept on"
        texts = {column: f"{value.normalize():f}" for column, value in row.items()}
        captured = replace(
            captured,
            rows=captured.rows | {(table, key): (texts,)},
            sources=captured.sources | {(table, key): said},
            notes=(*captured.notes, note),
        )
    return captured


def import_ccxt(
    exchange: str,
    *,
    markets: str | Path | None = None,
    symbols: Sequence[str] | None = None,
    folder: str | Path | None = None,
    write: bool = False,
) -> Update:
    """Turn an exchange's ticks, fees and leverage tiers, as ccxt tells them, into rows marked unverified.

    exchange: ccxt's id. markets: a JSON dump instead of the network (`data.sources.load_markets`). symbols: ccxt's or
    the exchange's names, else every linear perpetual settled in USDT or USDC. folder: imports/<exchange> beside the
    user's tables unless given. A symbol that cannot be a row is left out, and a note says why.
    """
    if not exchange.isidentifier():
        raise InvalidInput("is no name of an exchange", source="--ccxt", value=exchange)
    given, tiers, mode, at_ns = load_markets(exchange, markets)
    source = str(markets) if markets is not None else f"ccxt {exchange}"
    captured = _captured(exchange, given, tiers, mode, at_ns, symbols, source)
    place = reference_path() / "imports" / exchange if folder is None else Path(folder)
    return put(captured, place, write=write, beside=())


def _captured(
    exchange: str,
    markets: Mapping[str, Any],
    tiers: Mapping[str, Any],
    mode: int,
    at_ns: int,
    symbols: Sequence[str] | None,
    source: str,
) -> Captured:
    at_ns -= at_ns % 1_000_000_000
    linear = {name: one for name, one in markets.items() if isinstance(one, Mapping) and _is_linear(one)}
    if not linear:
        raise DataError("holds no linear perpetual settled in USDT or USDC", source=source)
    if symbols is not None:
        wanted = {exchange_symbol(symbol.upper()) for symbol in symbols}
        here = {exchange_symbol(name) for name in linear}
        if missing := sorted(wanted - here):
            raise InvalidInput(f"is not among the {len(here)} perpetuals", source=source, value=missing[0])
        linear = {name: one for name, one in linear.items() if exchange_symbol(name) in wanted}
    cited = f"ccxt {exchange} on {iso(at_ns)[:10]}"
    rows: dict[tuple[str, str], tuple[dict[str, str], ...]] = {}
    sources: dict[tuple[str, str], str] = {}
    left: dict[str, list[str]] = {}
    for name, one in linear.items():
        symbol = exchange_symbol(name)
        try:
            rows["contracts", symbol] = (_contract(one, mode, f"{source} {name}"),)
        except DataError as error:
            left.setdefault(f"{error.where or error.problem}: {error.problem}", []).append(symbol)
            continue
        sources["contracts", symbol] = (
            f"assumed: {UNVERIFIED}, liquidation fee not known and taken as 0, funding every 8 h; {cited}"
        )
        if name not in tiers:
            left.setdefault("no leverage tiers, so no margin can be asked of them", []).append(symbol)
            continue
        try:
            (found,) = rows_of_json({name: tiers[name]}, source).values()
            check_tiers(found, source=source, where=name)
        except DataError as error:
            left.setdefault(f"tiers that are not Binance-like ({error.problem})", []).append(symbol)
            continue
        rows["brackets", symbol] = tuple({column: f"{value:f}" for column, value in tier.items()} for tier in found)
        sources["brackets", symbol] = f"assumed: {UNVERIFIED}; {cited}"
    if not rows:
        raise DataError("no perpetual of it can be a row", source=source, hint="; ".join(left))
    notes = [f"left out, {why}: {_some(names)}" for why, names in left.items()]
    _add_fees(linear, rows, sources, notes, cited)
    _add_order_cost(rows, sources, cited)
    return Captured("binance_um", at_ns, rows, sources, tuple(notes))


def _add_order_cost(
    rows: dict[tuple[str, str], tuple[dict[str, str], ...]], sources: dict[tuple[str, str], str], cited: str
) -> None:
    """At which price an order is assumed to fill is not in ccxt: taken as it is on Binance."""
    known = Reference().latest_row("binance_um/order_cost", "all")
    if known is not None:
        rows["order_cost", "all"] = ({name: f"{value.normalize():f}" for name, value in known[0].items()},)
        sources["order_cost", "all"] = f"assumed: {UNVERIFIED}, assumed prices of orders as on Binance; {cited}"


def _add_fees(
    linear: Mapping[str, Mapping[str, Any]],
    rows: dict[tuple[str, str], tuple[dict[str, str], ...]],
    sources: dict[tuple[str, str], str],
    notes: list[str],
    cited: str,
) -> None:
    """The tables have one fee for all symbols: the pair that most markets have."""
    pairs = Counter(
        (to_decimal(one["maker"]), to_decimal(one["taker"]))
        for one in linear.values()
        if one.get("maker") is not None and one.get("taker") is not None
    )
    if not pairs:
        notes.append("no fees in the markets: the tables have none of this exchange")
        return
    (maker, taker), count = pairs.most_common(1)[0]
    rows["fees", "0"] = ({"maker_fraction": f"{maker.normalize():f}", "taker_fraction": f"{taker.normalize():f}"},)
    sources["fees", "0"] = f"assumed: {UNVERIFIED}, fees of {count} of {len(linear)} markets; {cited}"
    if count < len(linear):
        notes.append(f"{len(linear) - count} markets have other fees than {maker:f} and {taker:f}")


def _is_linear(one: Mapping[str, Any]) -> bool:
    return bool(
        (one.get("swap") or one.get("type") == "swap")
        and one.get("linear")
        and one.get("settle") in _SETTLED
        and one.get("quote") in _SETTLED
        and one.get("active") is not False
    )


def _contract(one: Mapping[str, Any], mode: int, source: str) -> dict[str, str]:
    def number(value: Any, where: str) -> Decimal:
        try:
            return to_decimal(value)
        except InvalidInput:
            raise DataError("is no number", source=source, where=where, value=str(value)) from None

    def part(name: str) -> Mapping[str, Any]:
        found = one.get(name)
        return found if isinstance(found, Mapping) else {}

    def step(name: str) -> Decimal:
        value = number(part("precision").get(name), f"precision.{name}")
        found = Decimal(1).scaleb(-int(value)) if mode == DECIMAL_PLACES else value
        if found <= 0:
            raise DataError("is no step", source=source, where=f"precision.{name}", value=str(value))
        return found

    size = number(one.get("contractSize") or 1, "contractSize")
    limits = part("limits")
    amount: Mapping[str, Any] = limits.get("amount") or {}
    cost: Mapping[str, Any] = limits.get("cost") or {}
    lot = step("amount") * size
    least = lot if amount.get("min") is None else number(amount["min"], "limits.amount.min") * size
    if amount.get("max") is None:
        raise DataError("is not given", source=source, where="limits.amount.max")
    most = number(amount["max"], "limits.amount.max") * size
    # On the grid: a least quantity rounds up, a largest one down, both against whoever trades.
    least = max(lot, -(-least // lot) * lot)
    return {
        "base": str(one.get("base", "")),
        "quote": str(one.get("quote", "")),
        "asset": str(one["settle"]),
        "tick_usdt": f"{step('price').normalize():f}",
        "lot_base": f"{lot.normalize():f}",
        "min_qty_base": f"{least.normalize():f}",
        "max_qty_base": f"{(most // lot * lot).normalize():f}",
        "min_notional_usdt": f"{number(cost.get('min') or 0, 'limits.cost.min').normalize():f}",
        "liquidation_fee_fraction": "0",
        "funding_interval_hours": "8",
    }


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
