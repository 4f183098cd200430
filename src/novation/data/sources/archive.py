"""History from the public archive of the exchange.

`binance_um`: hourly klines, hourly mark price klines and funding rates from the exchange's public archive,
which holds one zip a month (and one a day, for klines) with its SHA-256 beside it:

    data/futures/um/monthly/{klines,markPriceKlines}/SYMBOL/1h/SYMBOL-1h-YYYY-MM.zip
    data/futures/um/monthly/fundingRate/SYMBOL/SYMBOL-fundingRate-YYYY-MM.zip
    data/futures/um/daily/{klines,markPriceKlines}/SYMBOL/1h/SYMBOL-1h-YYYY-MM-DD.zip

Zips stay in the store under `archive/`, so a second run fetches only what is new; a broken one is kept as
`.part` and continued. What runs read is written to a temporary file and renamed, all three files of a symbol
or none.

Not modelled: funding of the current month, which the archive publishes when the month is over.
"""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import io
import os
import re
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from novation.domain.errors import InvalidInput, RemoteError
from novation.domain.units import HOUR_NS, iso, to_ns

BINANCE_ARCHIVE = "https://data.binance.vision"

#: A funding stamp may be recorded this much late; it is then floored to its hour.
LATE_MS = 60_000
_TRIES = 4
_UTC_MS = pl.Datetime("ms", "UTC")
_PRICES = ["open", "high", "low", "close"]


@dataclass(frozen=True)
class _Kind:
    """One of the three series: folder and file name in the archive, file and columns in the store."""

    folder: str
    name: str
    file: str
    columns: tuple[str, ...]
    daily: bool


_KINDS = (
    _Kind("klines", "1h", "last_1h.parquet", ("ts", *_PRICES, "volume"), True),
    _Kind("markPriceKlines", "1h", "mark_1h.parquet", ("ts", *_PRICES), True),
    _Kind("fundingRate", "fundingRate", "funding.parquet", ("ts", "funding_rate"), False),
)


@dataclass(frozen=True)
class Downloaded:
    """One file of the store after a download.

    rows, first, last: what it holds in all, stamps as text UTC. missing: months and days asked for that the
    archive does not have (before listing, or not published yet).
    """

    symbol: str
    path: str
    rows: int
    first: str
    last: str
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def download(
    venue: str,
    symbols: Sequence[str],
    start: Any,
    end: Any,
    *,
    store: Path,
    base_url: str = BINANCE_ARCHIVE,
    client: Any = None,
    progress: Callable[[int, int, str], None] | None = None,
    now_ns: int | None = None,
    pause_s: float = 1.0,
) -> list[Downloaded]:
    """Fetch hourly last, mark and funding of `symbols` for [start, end) into the store.

    start, end: dates or instants. client: an `httpx.Client` to use instead of a new one. progress: called
    with (done, total, name) before each zip. now_ns: the present, else the clock's; nothing later is asked
    for. pause_s: wait before the second try, doubled before each further one. Rows already in the store are
    kept.

    Raises RemoteError: no answer, a wrong checksum, a file of another form, a symbol of which the archive has
    nothing. What was fetched until then is kept, and a later run continues there.
    """
    if venue != "binance_um":
        raise InvalidInput("no source for this venue", source="venue", value=venue, hint="Known: binance_um.")
    start_ns, end_ns = to_ns(start, source="start"), to_ns(end, source="end")
    end_ns = min(end_ns, time.time_ns() if now_ns is None else now_ns)
    if not start_ns < end_ns:
        raise InvalidInput(f"the period {iso(start_ns)} .. {iso(end_ns)} is empty", source="start, end")
    for symbol in symbols:
        if not re.fullmatch(r"[A-Z0-9_]+", symbol):
            raise InvalidInput(
                "is no symbol of binance_um", source="symbols", value=symbol, hint='Write e.g. "BTCUSDT".'
            )
    import httpx

    own = client is None
    if own:
        client = httpx.Client(timeout=30.0, follow_redirects=True)
    try:
        archive = _Archive(client, base_url.rstrip("/"), Path(store) / "binance_um" / "archive", pause_s)
        months = _months(start_ns, end_ns)
        report, total = [], len(symbols) * len(_KINDS) * len(months)
        for number, symbol in enumerate(symbols):
            step = partial(_step, progress, total, number * len(_KINDS) * len(months))
            report += _download_symbol(archive, symbol, months, start_ns, end_ns, Path(store), step)
        return report
    finally:
        if own:
            client.close()


def _step(progress: Callable[[int, int, str], None] | None, total: int, *counts_and_name: Any) -> None:
    """Report the zip about to be fetched; the counts of symbol, series and month add up to its number."""
    *counts, name = counts_and_name
    if progress is not None:
        progress(sum(counts), total, name)


def _download_symbol(
    archive: _Archive,
    symbol: str,
    months: list[str],
    start_ns: int,
    end_ns: int,
    store: Path,
    step: Callable[[int, int, str], None],
) -> list[Downloaded]:
    folder = store / "binance_um" / "1h" / symbol
    ready: list[tuple[_Kind, pl.DataFrame, list[str]]] = []
    for number, kind in enumerate(_KINDS):
        zips, missing = _fetch_kind(archive, symbol, kind, months, end_ns, partial(step, number * len(months)))
        frames = [_read_zip(path, kind) for path in zips]
        if not frames:
            late = "" if kind.daily else " Funding is published when its month is over: begin a month earlier."
            raise RemoteError(
                f"{symbol}: the archive has no {kind.folder} in {months[0]} .. {months[-1]}. "
                f"Check the symbol and the period ({archive.base_url}).{late}"
            )
        opens_ns = pl.col("ts").cast(pl.Datetime("ns", "UTC")).to_physical()
        rows = pl.concat(frames).filter((opens_ns >= start_ns) & (opens_ns < end_ns))
        if not rows.height:
            raise RemoteError(f"{symbol}: the archive has no {kind.folder} in {iso(start_ns)} .. {iso(end_ns)}.")
        here = folder / kind.file
        if here.is_file():
            stored = pl.read_parquet(here).select(pl.col(name).cast(rows.schema[name]) for name in rows.columns)
            rows = pl.concat([stored, rows])
        ready.append((kind, _in_order(rows, symbol, kind), missing))
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for kind, rows, _ in ready:
        part = folder / f"{kind.file}.tmp"
        rows.write_parquet(part, compression="zstd")
        parts.append(part)
    for part in parts:
        os.replace(part, part.with_suffix(""))
    return [
        Downloaded(symbol, str(folder / kind.file), rows.height, *_span_text(rows), tuple(missing))
        for kind, rows, missing in ready
    ]


def _fetch_kind(
    archive: _Archive,
    symbol: str,
    kind: _Kind,
    months: list[str],
    end_ns: int,
    step: Callable[[int, str], None],
) -> tuple[list[Path], list[str]]:
    """The zips of one series, and what of it the archive does not have.

    Days are asked for only in the months after the last one published, two at most: the current month, and
    the one before it in the first days of a month.
    """
    zips: dict[str, Path] = {}
    for done, month in enumerate(months):
        step(done, f"{symbol} {kind.folder} {month}")
        found = archive.fetch(_address("monthly", symbol, kind, month))
        if found is not None:
            zips[month] = found
    missing = [month for month in months if month not in zips]
    published = [number for number, month in enumerate(months) if month in zips]
    recent = months[published[-1] + 1 :][:2] if published else months[-2:]
    for month in recent if kind.daily else []:
        days = {day: archive.fetch(_address("daily", symbol, kind, day)) for day in _days(month, end_ns)}
        zips |= {day: path for day, path in days.items() if path is not None}
        if any(days.values()):
            missing.remove(month)
            missing += [day for day, path in days.items() if path is None]
    return [zips[period] for period in sorted(zips)], sorted(missing)


def _address(span: str, symbol: str, kind: _Kind, period: str) -> str:
    within = f"{symbol}/{kind.name}" if kind.daily else symbol
    return f"data/futures/um/{span}/{kind.folder}/{within}/{symbol}-{kind.name}-{period}.zip"


def _months(start_ns: int, end_ns: int) -> list[str]:
    """The months that a half-open range touches, as YYYY-MM."""
    first, last = (dt.datetime.fromtimestamp(ns // 10**9, dt.UTC) for ns in (start_ns, end_ns - 1))
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{number // 12}-{number % 12 + 1:02d}" for number in numbers]


def _days(month: str, end_ns: int) -> list[str]:
    """The days of a month that begin before an instant, as YYYY-MM-DD."""
    year, number = int(month[:4]), int(month[5:])
    days = [f"{month}-{day:02d}" for day in range(1, calendar.monthrange(year, number)[1] + 1)]
    return [day for day in days if to_ns(day) < end_ns]


# ---------------------------------------------------------------- one zip


class _Archive:
    """The remote tree, mirrored under `folder`: a file there has passed its checksum."""

    def __init__(self, client: Any, base_url: str, folder: Path, pause_s: float) -> None:
        self.client, self.base_url, self.folder, self.pause_s = client, base_url, folder, pause_s

    def fetch(self, address: str) -> Path | None:
        """The local copy of a zip, fetched if need be; None where the archive does not have it."""
        path = self.folder / address
        if path.is_file():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        resumed = part.is_file()
        if not self._complete(address, part):
            part.unlink(missing_ok=True)
            return None
        expected = self._checksum(address)
        # What was there before may belong to another version of the file: then start again.
        if _sha256(part) != expected and resumed:
            part.unlink()
            self._complete(address, part)
        found = _sha256(part) if part.is_file() else "nothing"
        if found != expected:
            part.unlink(missing_ok=True)
            raise RemoteError(
                f"{self.base_url}/{address}: checksum is {found}, the archive states {expected}. "
                "The file was discarded; run the download again."
            )
        os.replace(part, path)
        return path

    def _complete(self, address: str, part: Path) -> bool:
        """Load what `part` lacks, continuing after a break; False where there is no such file."""
        import httpx

        reason = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            have = part.stat().st_size if part.is_file() else 0
            headers = {"Range": f"bytes={have}-"} if have else {}
            try:
                with self.client.stream("GET", f"{self.base_url}/{address}", headers=headers) as answer:
                    if answer.status_code == 404:
                        return False
                    if answer.status_code == 416:  # nothing lies beyond what is here; the checksum decides
                        return True
                    if answer.status_code in (200, 206):
                        with part.open("ab" if answer.status_code == 206 else "wb") as file:
                            for block in answer.iter_bytes():
                                file.write(block)
                        return True
                    reason = f"status {answer.status_code}"
                    if answer.status_code not in (408, 425, 429) and answer.status_code < 500:
                        break
            except httpx.HTTPError as problem:
                reason = str(problem) or type(problem).__name__
        raise RemoteError(
            f"{self.base_url}/{address}: {reason} (tried {attempt + 1} times). "
            "What was fetched is kept; run the download again to continue."
        )

    def _checksum(self, address: str) -> str:
        """The SHA-256 that the archive states for a zip: a line `<hex>  <name>`."""
        import httpx

        url, reason = f"{self.base_url}/{address}.CHECKSUM", ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            try:
                answer = self.client.get(url)
            except httpx.HTTPError as problem:
                reason = str(problem) or type(problem).__name__
                continue
            stated = answer.text.split()
            if answer.status_code == 200 and stated and re.fullmatch(r"[0-9a-fA-F]{64}", stated[0]):
                return str(stated[0]).lower()
            reason = "is no SHA-256" if answer.status_code == 200 else f"status {answer.status_code}"
            if answer.status_code < 500 and answer.status_code != 429:
                break
        raise RemoteError(f"{url}: {reason}. Without it the file cannot be verified.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------- rows


def _read_zip(path: Path, kind: _Kind) -> pl.DataFrame:
    """The rows of one zip with the store's columns. Older files have no header line."""
    wide = ["calc_time", "funding_interval_hours", "funding_rate"]
    if kind.daily:
        wide = ["open_time", *_PRICES, "volume"]
    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(archive.namelist()[0])
        # As text and by position: columns were added over the years, and polars changed how it names them.
        table = pl.read_csv(
            io.BytesIO(text), has_header=False, skip_rows=int(not text[:1].isdigit()), infer_schema=False
        )
        table = table.select(
            pl.col(table.columns[i]).cast(pl.Float64 if i else pl.Int64).alias(name) for i, name in enumerate(wide)
        )
    except (zipfile.BadZipFile, IndexError, pl.exceptions.PolarsError) as problem:
        raise RemoteError(f"{path.name}: not in the archive's form ({str(problem).splitlines()[0]}).") from problem
    stamp = pl.col(wide[0])
    stamp = pl.when(stamp > 10**14).then(stamp // 1_000).otherwise(stamp)  # some files count microseconds
    if not kind.daily:
        late = stamp % (HOUR_NS // 1_000_000)
        odd = table.filter(late >= LATE_MS)
        if odd.height:
            raise RemoteError(
                f"{path.name}: the funding stamp {odd[wide[0]][0]} ms is more than a minute past the hour."
            )
        stamp = stamp - late
    return table.with_columns(stamp.cast(_UTC_MS).alias("ts")).select(kind.columns)


def _in_order(rows: pl.DataFrame, symbol: str, kind: _Kind) -> pl.DataFrame:
    """Sorted by stamp; a repeated row is kept once, two different rows of one stamp are refused."""
    rows = rows.unique(maintain_order=True).sort("ts")
    twice = rows.filter(pl.col("ts").is_duplicated())
    if twice.height:
        raise RemoteError(
            f"{symbol} {kind.folder}: two different rows for {twice['ts'][0]:%Y-%m-%d %H:%M}. "
            "Delete the symbol's folder in the store and download again."
        )
    return rows


def _span_text(rows: pl.DataFrame) -> tuple[str, str]:
    return f"{rows['ts'][0]:%Y-%m-%d %H:%M}", f"{rows['ts'][-1]:%Y-%m-%d %H:%M}"
