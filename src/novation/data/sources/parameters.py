"""What Binance says of its USDⓈ-M contracts, as rows of the reference tables.

| endpoint                              | rows                                                            |
|---------------------------------------|-----------------------------------------------------------------|
| GET /fapi/v1/exchangeInfo             | contracts: tick, lot, quantities, minimum notional, clearance fee |
| GET /fapi/v1/fundingInfo              | contracts: funding interval; funding: floor and cap             |
| GET /fapi/v1/leverageBracket (signed) | brackets                                                        |

fundingInfo lists adjusted symbols only: for one that is not there 8 hours are assumed, and the row says so. The signed
call needs a key that may read; it is taken from NOVATION_BINANCE_KEY and NOVATION_BINANCE_SECRET, or from the system's
keyring (service `novation`, names `binance_um_key` and `binance_um_secret`), is sent nowhere but in that call to
`base_url`, and is in no message, row or file.

Not modelled: delivery contracts, fee levels (signed, an account's own), `notionalCoef` (raised limits of one account).
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import os
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

from novation.domain.errors import DataError, InvalidInput, RemoteError
from novation.domain.units import iso, to_decimal
from novation.reference.bracket_files import rows_of_json
from novation.reference.brackets import check_tiers
from novation.reference.user_store import Captured

BINANCE_REST = "https://fapi.binance.com"
_SETTLED = ("USDT", "USDC")
_RECV_WINDOW_MS = 10_000


def fetch_parameters(
    venue: str,
    symbols: Sequence[str] | None = None,
    *,
    base_url: str = BINANCE_REST,
    client: Any = None,
    now_ns: int | None = None,
) -> Captured:
    """Ask the exchange for the rows of `symbols`, or of every perpetual that trades and is settled in USDT or USDC.

    client: an `httpx.Client` instead of a new one. now_ns: the present, else the clock's. Raises RemoteError: no
    answer, an error, an answer of another form; InvalidInput: a symbol that the exchange does not list.
    """
    if venue != "binance_um":
        raise InvalidInput("no source for this venue", source="venue", value=venue, hint="Known: binance_um.")
    base_url = base_url.rstrip("/")
    key, secret = _key()
    if key and urlsplit(base_url).scheme != "https" and urlsplit(base_url).hostname not in ("127.0.0.1", "localhost"):
        raise InvalidInput("a key is sent over https only", source="base_url", value=base_url)
    import httpx

    at_ns = time.time_ns() if now_ns is None else now_ns
    at_ns -= at_ns % 1_000_000_000
    own = client is None
    if own:
        client = httpx.Client(timeout=30.0, follow_redirects=False)  # a redirect would carry the key elsewhere
    try:
        info = _get(client, base_url, "/fapi/v1/exchangeInfo")
        funding = _get(client, base_url, "/fapi/v1/fundingInfo")
        brackets = None
        if key and secret:
            query = urlencode({"recvWindow": _RECV_WINDOW_MS, "timestamp": (now_ns or time.time_ns()) // 1_000_000})
            signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
            path = "/fapi/v1/leverageBracket"
            brackets = _get(client, base_url, path, f"?{query}&signature={signature}", {"X-MBX-APIKEY": key})
    finally:
        if own:
            client.close()
    return _capture(info, funding, brackets, symbols, at_ns, urlsplit(base_url).netloc)


def _key() -> tuple[str, str]:
    """Key and secret of the environment, else of the keyring where there is one; empty where there is neither."""
    found = os.environ.get("NOVATION_BINANCE_KEY", ""), os.environ.get("NOVATION_BINANCE_SECRET", "")
    if any(found):
        if not all(found):
            raise InvalidInput("needs both NOVATION_BINANCE_KEY and NOVATION_BINANCE_SECRET", source="environment")
        return found
    try:
        keyring = importlib.import_module("keyring")
    except ModuleNotFoundError:
        return "", ""
    kept = [keyring.get_password("novation", name) or "" for name in ("binance_um_key", "binance_um_secret")]
    return (kept[0], kept[1]) if all(kept) else ("", "")


def _get(client: Any, base_url: str, path: str, query: str = "", headers: Mapping[str, str] | None = None) -> Any:
    """One answer as JSON. An error names the path alone: the query is signed and the headers hold the key."""
    import httpx

    where = f"{base_url}{path}"
    try:
        answer = client.get(f"{where}{query}", headers=dict(headers or {}))
    except httpx.HTTPError as problem:
        raise RemoteError(f"{where}: no answer ({type(problem).__name__}).") from None
    try:
        data = answer.json(parse_float=Decimal)
    except ValueError:
        raise RemoteError(f"{where}: status {answer.status_code}, and the answer is no JSON.") from None
    if answer.status_code != 200:
        said = f"{data.get('code', '')} {data.get('msg', '')}".strip() if isinstance(data, Mapping) else ""
        raise RemoteError(f"{where}: status {answer.status_code}{f' ({said})' if said else ''}.")
    return data


def _capture(info: Any, funding: Any, brackets: Any, symbols: Sequence[str] | None, at_ns: int, host: str) -> Captured:
    """The answers as rows."""
    if not isinstance(info, Mapping) or not isinstance(info.get("symbols"), list) or not isinstance(funding, list):
        raise RemoteError(f"{host}: exchangeInfo or fundingInfo is not of the documented form.")
    listed = {str(one.get("symbol")): one for one in info["symbols"] if isinstance(one, Mapping)}
    usable = {
        name: one
        for name, one in listed.items()
        if one.get("contractType") == "PERPETUAL" and one.get("marginAsset") in _SETTLED
    }
    wanted = list(usable) if symbols is None else [symbol.upper() for symbol in symbols]
    if symbols is None:
        wanted = [name for name in wanted if usable[name].get("status") == "TRADING"]
    for name in wanted:
        if name not in usable:
            why = "is no perpetual settled in USDT or USDC" if name in listed else "is not listed by the exchange"
            raise InvalidInput(why, source="symbols", value=name)
    day = iso(at_ns)[:10]
    adjusted = {str(one.get("symbol")): one for one in funding if isinstance(one, Mapping)}
    rows: dict[tuple[str, str], tuple[dict[str, str], ...]] = {}
    sources: dict[tuple[str, str], str] = {}
    for name in wanted:
        said = adjusted.get(name)
        hours = said.get("fundingIntervalHours") if said else None
        rows["contracts", name] = (_contract(usable[name], hours, host),)
        source = f"GET /fapi/v1/exchangeInfo of {host} on {day}"
        if hours is None:
            sources["contracts", name] = f"assumed: funding every 8 h (not in fundingInfo); {source}"
        else:
            sources["contracts", name] = f"{source}; interval of fundingInfo"
        if said and said.get("adjustedFundingRateCap") is not None:
            rows["funding", name] = (
                {
                    "floor_fraction": _number(said, "adjustedFundingRateFloor", f"{host} fundingInfo {name}"),
                    "cap_fraction": _number(said, "adjustedFundingRateCap", f"{host} fundingInfo {name}"),
                },
            )
            sources["funding", name] = f"GET /fapi/v1/fundingInfo of {host} on {day}"
    notes = []
    if brackets is None:
        notes.append(
            "brackets were not asked for: that call is signed, and neither NOVATION_BINANCE_KEY and "
            "NOVATION_BINANCE_SECRET nor the keyring holds a key"
        )
    else:
        given = brackets if isinstance(brackets, list) else [brackets]
        mine = [one for one in given if isinstance(one, Mapping) and one.get("symbol") in set(wanted)]
        raised = [str(one["symbol"]) for one in mine if to_decimal(one.get("notionalCoef") or 1) != 1]
        try:
            tables = rows_of_json(mine, f"{host} leverageBracket")
            for name, tiers in tables.items():
                check_tiers(tiers, source=f"{host} leverageBracket", where=name)
        except DataError as error:
            raise RemoteError(str(error)) from None
        for name, tiers in tables.items():
            rows["brackets", name] = tuple({column: f"{value:f}" for column, value in tier.items()} for tier in tiers)
            source = f"GET /fapi/v1/leverageBracket of {host} on {day}"
            sources["brackets", name] = source
        if raised:
            notes.append(f"notionalCoef of this account is not applied ({', '.join(raised)})")
        if missing := [name for name in wanted if ("brackets", name) not in rows]:
            notes.append(f"no brackets in the answer for {', '.join(missing)}")
    return Captured("binance_um", at_ns, rows, sources, tuple(notes))


def _contract(one: Mapping[str, Any], hours: Any, host: str) -> dict[str, str]:
    where = f"{host} exchangeInfo {one['symbol']}"
    filters = {str(each.get("filterType")): each for each in one.get("filters", ()) if isinstance(each, Mapping)}
    for name in ("PRICE_FILTER", "LOT_SIZE", "MIN_NOTIONAL"):
        if name not in filters:
            raise RemoteError(f"{where}: filter {name} is missing.")
    return {
        "base": str(one.get("baseAsset", "")),
        "quote": str(one.get("quoteAsset", "")),
        "asset": str(one["marginAsset"]),
        "tick_usdt": _number(filters["PRICE_FILTER"], "tickSize", where),
        "lot_base": _number(filters["LOT_SIZE"], "stepSize", where),
        "min_qty_base": _number(filters["LOT_SIZE"], "minQty", where),
        "max_qty_base": _number(filters["LOT_SIZE"], "maxQty", where),
        "min_notional_usdt": _number(filters["MIN_NOTIONAL"], "notional", where),
        "liquidation_fee_fraction": _number(one, "liquidationFee", where),
        "funding_interval_hours": "8" if hours is None else str(hours),
    }


def _number(given: Mapping[str, Any], name: str, where: str) -> str:
    try:
        return f"{to_decimal(given[name]).normalize():f}"
    except (KeyError, InvalidInput):
        raise RemoteError(f"{where}: {name} is {given.get(name, 'missing')!r}.") from None
