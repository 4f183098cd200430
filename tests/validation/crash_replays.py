"""Write tests/golden/crash_replays.csv: what the crashes of 2020-03 and 2025-10 liquidated of a grid of positions.

    python tests/validation/crash_replays.py FOLDER      (the folder that NOVATION_DATA names)

Computed from the recorded files with pandas, Decimal and Fraction alone; nothing of novation is imported. The formula
is that of facts/binance.md §4 for one position, s = +1 for a long and -1 for a short:

    liquidation price = (W + cum - s * q * entry) / (q * rate - s * q),   rate and cum of the bracket q * price lies in

W is the isolated margin or the cross wallet: what was there after the entry, less the funding of every stamp after the
entry, up to and with the stamp at which the bar opens. A stamp's payment is q * mark * rate, the mark being the open of
the mark bar at the stamp, cut at 1e-8. The position is gone in the first bar whose mark reached that price: its low for
a long, its high for a short; the bar of the entry counts whole.
"""

from __future__ import annotations

import csv
import sys
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "crash_replays.csv"
UNIT = Decimal("1e-8")
TAKER_FEE = Decimal("0.0005")

#: Crash -> when watching ends, and the bars at whose open the grid enters.
CRASHES: dict[str, tuple[str, list[str]]] = {
    "2020-03": ("2020-03-14", ["11T12", "11T18", "12T00", "12T06", "12T12", "12T18", "13T00", "13T06"]),
    "2025-10": ("2025-10-12", ["10T00", "10T08", "10T16", "10T21"]),
}
#: (crash, symbol, quantity): so small that the first bracket holds it whatever happens.
GRID = [
    ("2020-03", "BTCUSDT", "0.1"),
    ("2025-10", "BTCUSDT", "0.1"),
    ("2025-10", "ETHUSDT", "2"),
    ("2025-10", "ENAUSDT", "10000"),
]
LEVERAGES = (2, 3, 5, 10, 20, 50)
#: (crash, symbol, quantity, side, leverage, scope, entry): in higher brackets, reduced in steps; the first one is told.
LARGE = [
    ("2020-03", "BTCUSDT", "500", "long", 20, "isolated", "12T06"),
    ("2020-03", "BTCUSDT", "500", "long", 20, "cross", "12T06"),
    ("2020-03", "BTCUSDT", "1000", "long", 10, "isolated", "11T12"),
    ("2020-03", "BTCUSDT", "600", "short", 20, "isolated", "13T00"),
    ("2020-03", "BTCUSDT", "900", "short", 10, "cross", "13T00"),
    ("2025-10", "BTCUSDT", "60", "long", 50, "isolated", "10T00"),
    ("2025-10", "BTCUSDT", "300", "long", 20, "isolated", "10T08"),
    ("2025-10", "BTCUSDT", "300", "long", 20, "cross", "10T08"),
    ("2025-10", "ETHUSDT", "5000", "long", 10, "isolated", "10T00"),
    ("2025-10", "ETHUSDT", "5000", "long", 10, "cross", "10T16"),
    ("2025-10", "ENAUSDT", "900000", "long", 20, "isolated", "10T08"),
    ("2025-10", "ENAUSDT", "100000", "short", 50, "isolated", "10T21"),
]


class Row(NamedTuple):
    """One position and what became of it. Amounts in USDT, instants are the openings of bars, UTC."""

    crash: str
    symbol: str
    size: str  #: "small": liquidated whole; "large": only the first liquidation is told
    side: str
    leverage: int
    scope: str
    entry: str
    qty: str
    deposit: str  #: what the account begins with
    price: str  #: of the entry
    liquidated: str  #: the bar, or nothing
    level: str  #: the liquidation price in force in that bar; the outermost price of 1e-8 that liquidates


class Files(NamedTuple):
    """The recorded series of one symbol by instant, and its brackets as (floor, cap, rate, cum)."""

    last: dict[pd.Timestamp, Decimal]
    mark: dict[pd.Timestamp, tuple[Decimal, Decimal, Decimal]]
    funding: dict[pd.Timestamp, Decimal]
    brackets: list[tuple[Decimal, Decimal, Decimal, Decimal]]


def decimal(value: float) -> Decimal:
    """A recorded number by its shortest text, at eight decimals."""
    return Decimal(repr(float(value))).quantize(UNIT, ROUND_HALF_EVEN)


@cache
def read(folder: Path, crash: str, symbol: str) -> Files:
    """What is needed of the files, nothing filled."""
    end = pd.Timestamp(CRASHES[crash][0], tz="UTC")
    frames = []
    for name in ("last_1h", "mark_1h", "funding"):
        frame = pd.read_parquet(folder / "binance_um" / "1h" / symbol / f"{name}.parquet")
        frames.append(frame[(frame["ts"] >= end - pd.Timedelta(days=4)) & (frame["ts"] < end)])
    last, mark, funding = frames
    table = pd.read_parquet(folder / "binance_um" / "params" / "leverage_brackets_2026-05.parquet")
    table = table[table["symbol"] == symbol.replace("USDT", "/USDT:USDT")].sort_values("tier")
    columns = ["notional_floor", "notional_cap", "maint_margin_rate", "cum"]
    return Files(
        {ts: decimal(p) for ts, p in zip(last["ts"], last["open"], strict=True)},
        {
            ts: (decimal(p), decimal(low), decimal(high))
            for ts, p, low, high in zip(mark["ts"], mark["open"], mark["low"], mark["high"], strict=True)
        },
        {ts: decimal(rate) for ts, rate in zip(funding["ts"], funding["funding_rate"], strict=True)},
        [tuple(map(decimal, row)) for row in table[columns].itertuples(index=False)],
    )


def liquidation_price(
    brackets: list[tuple[Decimal, Decimal, Decimal, Decimal]], side: int, qty: Decimal, entry: Decimal, wallet: Decimal
) -> Fraction | None:
    """facts/binance.md §4, exact; None where no positive price liquidates."""
    for floor, cap, rate, cum in brackets:
        price = Fraction(wallet + cum - side * qty * entry) / Fraction(qty * rate - side * qty)
        if price <= 0:
            return None
        if Fraction(floor) <= price * Fraction(qty) <= Fraction(cap):
            return price
    return None


def what_becomes(files: Files, side: int, qty: Decimal, entry: pd.Timestamp, wallet: Decimal) -> tuple[str, str]:
    """The bar in which the position is gone and the level it reached there; empty where it lives to the end."""
    price = files.last[entry]
    for ts in sorted(stamp for stamp in files.mark if stamp >= entry):
        opened, low, high = files.mark[ts]
        if ts in files.funding and ts != entry:
            rate = files.funding[ts]
            paid = (qty * opened * abs(rate)).quantize(UNIT, ROUND_DOWN)
            wallet -= paid if (rate > 0) == (side > 0) else -paid
        level = liquidation_price(files.brackets, side, qty, price, wallet)
        if level is not None and (Fraction(low) <= level if side > 0 else Fraction(high) >= level):
            exact = Decimal(level.numerator) / Decimal(level.denominator)
            return stamp_text(ts), f"{exact.quantize(UNIT, ROUND_FLOOR if side > 0 else ROUND_CEILING):f}"
    return "", ""


def stamp_text(ts: pd.Timestamp) -> str:
    return ts.strftime("%Y-%m-%dT%H")


def position(
    folder: Path, size: str, crash: str, symbol: str, qty: str, side: str, leverage: int, scope: str, at: str
) -> Row:
    """One row of the list. An isolated margin is the entry's value over the leverage; a cross wallet that, a fifth
    more of it and 2 % of the value, less the fee."""
    files = read(folder, crash, symbol)
    entry = pd.Timestamp(f"{crash}-{at}", tz="UTC")
    price, lots = files.last[entry], Decimal(qty)
    value = price * lots
    margin = (value / leverage).quantize(UNIT, ROUND_DOWN)
    deposit = (value / leverage * Decimal("1.2") + value * Decimal("0.02")).quantize(Decimal("0.01"), ROUND_DOWN)
    wallet = margin if scope == "isolated" else deposit - (value * TAKER_FEE).quantize(UNIT, ROUND_DOWN)
    gone, level = what_becomes(files, 1 if side == "long" else -1, lots, entry, wallet)
    return Row(
        crash,
        symbol,
        size,
        side,
        leverage,
        scope,
        stamp_text(entry),
        qty,
        f"{deposit:f}",
        f"{price.normalize():f}",
        gone,
        level,
    )


def rows(folder: Path) -> list[Row]:
    """The whole list."""
    with localcontext() as context:
        context.prec = 60
        small = [
            position(folder, "small", crash, symbol, qty, side, leverage, scope, at)
            for crash, symbol, qty in GRID
            for at in CRASHES[crash][1]
            for side in ("long", "short")
            for scope in ("isolated", "cross")
            for leverage in LEVERAGES
        ]
        return small + [position(folder, "large", *given) for given in LARGE]


def text(found: list[Row]) -> list[dict[str, Any]]:
    """Rows as the file holds them."""
    return [{name: str(value) for name, value in row._asdict().items()} for row in found]


def main() -> None:
    """Write the list."""
    found = rows(Path(sys.argv[1]))
    with GOLDEN.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, Row._fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(text(found))
    gone = sum(bool(row.liquidated) for row in found)
    print(f"tests/golden/{GOLDEN.name}: {len(found)} positions, {gone} liquidated")


if __name__ == "__main__":
    main()
