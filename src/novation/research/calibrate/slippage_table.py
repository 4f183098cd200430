"""A calibration as rows of a user's own reference tables: what `NOVATION_REFERENCE=<folder>` makes every run use."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

from novation.data.model_files import new_place
from novation.domain.errors import InvalidInput
from novation.reference import Reference
from novation.reference.slippage import product_of
from novation.reference.slippage_rows import slippage_problem
from novation.research.calibrate.slippage import SlippageCalibration
from novation.research.calibrate.walked import SHARES

_COLUMNS = ("effective_from", "term", "coefficient", "low", "high", "begins", "full", "on", "values", "source")
#: Through when its rows count as known: nobody knows how long they hold, and they are to win over shipped ones.
_KNOWN = "2099-12-31"


def write_rows(
    found: SlippageCalibration, symbol: str, folder: str | Path, *, fit: str = "", reference: Reference | None = None
) -> Path:
    """Write the spread, y and exponent of a fit, in force from the day after the record on; the file of rows.

    fit: its name, else the best. folder: a new one, laid out as reference tables are. The rows are of the product.
    """
    where = new_place(folder, "folder")
    reference = reference or Reference.default()
    product = product_of(reference, reference.resolve(symbol))
    chosen = found.fit(fit or found.best)
    if chosen.y <= 0:
        raise InvalidInput("has no impact, which would be free", source="fit", value=chosen.name)
    day = dt.date.fromisoformat(found.until[:10]) + dt.timedelta(days=1)  # no run of the day knows its own future
    source = (
        f"calibrated on {Path(found.source).name}, {found.from_} to {found.until} UTC, {chosen.name}: "
        f"rmse {chosen.rmse_rest:.3g} bp on the part not fitted to; sizes up to {max(SHARES) / 1440:.1e} of a day"
    )
    rows = [
        {"term": f"{product.symbol} {term}", "coefficient": f"{value:.8f}".rstrip("0").rstrip(".")}
        for term, value in (("half_spread", found.half_spread), ("impact", chosen.y), ("exponent", chosen.exponent))
    ]
    for row in rows:
        if problem := slippage_problem(dict.fromkeys(_COLUMNS, "") | row):
            raise InvalidInput(problem, source=row["term"], value=row["coefficient"])
    place = where / product.venue
    place.mkdir(parents=True)
    table = io.StringIO()
    writer = csv.DictWriter(table, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"effective_from": str(day), "source": source} for row in rows)
    (place / "slippage.csv").write_text(table.getvalue(), encoding="utf-8")
    (place / "known.csv").write_text(
        f"table,key,known_through,source\nslippage,*,{_KNOWN},until they are replaced\n", encoding="utf-8"
    )
    return place / "slippage.csv"
