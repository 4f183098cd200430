"""The verb `tca`: transaction-cost analysis of a finished run, with the history it traded on where that is found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from novation.data.catalog import load
from novation.domain.errors import NovationError
from novation.research.config import load_config
from novation.research.executions.analysis import TransactionCosts
from novation.research.executions.market_bars import Market, horizons_of, market_of
from novation.research.result import Result
from novation.trading.record import RunRecord


def tca(
    run: Result | str | Path,
    *,
    data: Mapping[str, Any] | str | Path | None = None,
    mark_outs: str | Iterable[str] = ("1s", "10s", "60s"),
) -> TransactionCosts:
    """What the orders of a run cost against the prices they were decided on.

    run: a result, or the folder of a saved run. data, mark_outs: as `Result.transaction_costs`; without data the
    history is that of the result, else the one that the run's configuration names, else one of the same symbols found
    where histories are looked for (`data.catalog`). What is found but is not what the run traded on is left out, and
    the notes say so.
    """
    result = run if isinstance(run, Result) else Result.load(run)
    horizons = horizons_of(mark_outs)
    if data is not None or result.histories is not None:
        return result.transaction_costs(data, horizons)
    return result.transaction_costs(_found(result.record), horizons)


def _found(record: RunRecord) -> Market:
    """The bars of a saved run, as far as its history is found."""
    try:
        histories: Mapping[str, Any] = _configured(record)
    except NovationError as error:
        return Market({}, (f"the history of the run is not found: {error}",))
    try:
        return market_of(record, histories, same=True)
    except NovationError as error:
        return Market({}, (f"the history of the run is not read: {error}",))


def _configured(record: RunRecord) -> Mapping[str, Any]:
    kept = record.manifest.get("config")
    if isinstance(kept, dict) and Path(kept["folder"]).is_dir():
        return load_config(kept["values"], folder=kept["folder"], source=kept["file"]).histories()
    return {symbol: load(symbol) for symbol in record.manifest["symbols"]}
