"""How liquidity goes with the hour and the season, out of recorded bars: the curves of `tables/*/slippage.csv`.

By the square-root law an order of q costs y * sigma * sqrt(q / V) whatever time sigma and V are of. Who states those of
a day and trades in one of its hours pays `hour`: (sigma of the hour / sigma of the day) / sqrt(V of the hour / V of its
mean hour). Who states the sigma of a year and trades in one of its months pays `month`: sigma of the month / sigma
of the year, as if its volume had no season.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from novation.domain.errors import DataError

#: Whole days, or days of the twelve months in all, below which a curve is noise.
LEAST_DAYS = 15
#: A return of a day beyond this is taken for a change of contract or a mistake, and left out.
_JUMP = 0.25

Floats = npt.NDArray[np.float64]


def hour_curve(bars: pl.DataFrame, *, source: str = "bars") -> tuple[Floats, int]:
    """24 factors, UTC hours from 0, and how many days they rest on.

    bars: ts (bar open, UTC), open, close, volume; hourly or finer. Every day counts alike, by its own mean volume and
    variance. A bar's variance is the square of its log return. An hour that trades on less than half of the days keeps
    1; a day without trades in one of the others is left out.
    """
    bars = bars.with_columns(
        day=pl.col("ts").dt.date(),
        hour=pl.col("ts").dt.hour(),
        square=(pl.col("close") / pl.col("open")).log() ** 2,
    )
    hours = (
        bars.group_by("day", "hour").agg(pl.col("volume").sum(), pl.col("square").sum()).filter(pl.col("volume") > 0)
    )
    regular = hours.group_by("hour").len().filter(pl.col("len") * 2 >= hours["day"].n_unique())["hour"]
    hours = hours.filter(pl.col("hour").is_in(regular.implode()))
    whole = (
        hours.group_by("day")
        .agg(count=pl.len(), mean=pl.col("volume").mean(), variance=pl.col("square").mean())
        .filter((pl.col("count") == len(regular)) & (pl.col("variance") > 0))
    )
    if len(whole) < LEAST_DAYS:
        raise DataError(f"has {len(whole)} whole days of trades; a curve needs {LEAST_DAYS}", source=source)
    found = (
        hours.join(whole, on="day")
        .group_by("hour")
        .agg(volume=(pl.col("volume") / pl.col("mean")).mean(), variance=(pl.col("square") / pl.col("variance")).mean())
        .sort("hour")
    )
    curve = np.ones(24)
    curve[found["hour"].to_numpy()] = np.sqrt(found["variance"].to_numpy() / found["volume"].to_numpy())
    return curve, len(whole)


def month_curve(prices: pl.DataFrame, *, source: str = "prices") -> tuple[Floats, int]:
    """12 factors, months from January, and how many daily returns they rest on.

    prices: ts, price, price_contract (the contract held), any number a day; the last of each day counts. Returns
    across a change of contract are left out. Every year counts alike, by its own variance.
    """
    days = (
        prices.drop_nulls("price")
        .with_columns(day=pl.col("ts").dt.date())
        .group_by("day")
        .agg(pl.col("price").last(), pl.col("price_contract").last())
        .sort("day")
        .with_columns(
            change=(pl.col("price") / pl.col("price").shift()).log(),
            same=pl.col("price_contract") == pl.col("price_contract").shift(),
        )
        .filter(pl.col("same") & (pl.col("price") > 0) & (pl.col("change").abs() < _JUMP))
        .with_columns(year=pl.col("day").dt.year(), month=pl.col("day").dt.month(), square=pl.col("change") ** 2)
    )
    years = days.group_by("year").agg(mean=pl.col("square").mean(), months=pl.col("month").n_unique())
    days = days.join(years.filter((pl.col("months") == 12) & (pl.col("mean") > 0)), on="year")
    if len(days) < 12 * LEAST_DAYS:
        raise DataError(f"has {len(days)} returns in whole years; a curve needs {12 * LEAST_DAYS}", source=source)
    found = days.group_by("month").agg(ratio=(pl.col("square") / pl.col("mean")).mean()).sort("month")
    return np.sqrt(found["ratio"].to_numpy()), len(days)
