"""What ccxt says of any exchange's linear perpetuals, out of the network or out of a dump of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from novation.domain.errors import ConfigError, DataError, InvalidInput, RemoteError
from novation.reference.bracket_files import load_json

#: ccxt's number for "a precision is a tick", and for "a precision is a count of decimals".
TICK_SIZE, DECIMAL_PLACES = 4, 2


def load_markets(exchange: str, markets: str | Path | None = None) -> tuple[dict[str, Any], dict[str, Any], int, int]:
    """Markets, leverage tiers (both by ccxt's symbol), ccxt's precision mode, and the instant they are of in ns.

    markets: a JSON file instead of the network: {"markets": ..., "leverage_tiers": ..., "precisionMode": 4,
    "timestamp": ms}, of which all but the first may be left out, or `exchange.markets` alone. Its instant is its
    timestamp, else the time the file was written.
    """
    if markets is not None:
        return _of_file(Path(markets))
    try:
        import ccxt
    except ModuleNotFoundError:
        raise ConfigError(
            "ccxt is not installed",
            source="reference import",
            hint="Run `pip install ccxt`, or pass a dump of the markets (--markets FILE.json).",
        ) from None
    if exchange not in ccxt.exchanges:
        raise InvalidInput("ccxt knows no such exchange", source="--ccxt", value=exchange)
    remote = getattr(ccxt, exchange)()
    try:
        found = remote.load_markets()
        tiers = remote.fetch_leverage_tiers() if remote.has.get("fetchLeverageTiers") else {}
    except ccxt.BaseError as problem:
        raise RemoteError(f"{exchange}: {type(problem).__name__} from ccxt: {str(problem)[:200]}") from None
    return dict(found), dict(tiers), int(remote.precisionMode), time.time_ns()


def _of_file(path: Path) -> tuple[dict[str, Any], dict[str, Any], int, int]:
    data = load_json(path)
    if not isinstance(data, Mapping):
        raise DataError("is no dump of markets", source=str(path), hint='Expected {"markets": {...}, ...}.')
    if "markets" not in data:
        data = {"markets": data}
    for name in ("markets", "leverage_tiers"):
        if not isinstance(data.get(name, {}), Mapping):
            raise DataError("expected an object", source=str(path), where=name)
    mode = data.get("precisionMode", TICK_SIZE)
    if mode not in (TICK_SIZE, DECIMAL_PLACES):
        raise DataError(
            f"expected {TICK_SIZE} (ticks) or {DECIMAL_PLACES} (decimals)",
            source=str(path),
            where="precisionMode",
            value=mode,
        )
    stated = data.get("timestamp")
    if stated is not None and (isinstance(stated, bool) or not isinstance(stated, int) or stated <= 0):
        raise DataError("expected milliseconds since 1970", source=str(path), where="timestamp", value=stated)
    at_ns = path.stat().st_mtime_ns if stated is None else stated * 1_000_000
    return dict(data["markets"]), dict(data.get("leverage_tiers", {})), int(mode), at_ns
