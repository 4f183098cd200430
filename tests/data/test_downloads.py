"""Downloads against an archive on this machine: verified, continued after a break, never half written."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from novation.data import load
from novation.data.sources import download
from novation.domain.errors import InvalidInput, RemoteError
from novation.domain.units import to_ns

ROOT = "data/futures/um"
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


@dataclass
class Archive:
    """What the server holds, what was asked of it, and how it is to misbehave."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  #: (path, Range header)
    break_after: dict[str, int] = field(default_factory=dict)  #: path: bytes sent before the connection is cut, once
    fail_once: set[str] = field(default_factory=set)
    url: str = ""

    def add(self, path: str, text: str, *, checksum: str | None = None) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(Path(path).name.replace(".zip", ".csv"), text)
        self.files[path] = packed.getvalue()
        stated = checksum or hashlib.sha256(packed.getvalue()).hexdigest()
        self.files[f"{path}.CHECKSUM"] = f"{stated}  {Path(path).name}\n".encode()

    def zips_asked(self) -> list[str]:
        return [path for path, _ in self.asked if path.endswith(".zip")]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: Archive

    def do_GET(self) -> None:
        path, wanted = self.path.lstrip("/"), self.headers.get("Range", "")
        self.archive.asked.append((path, wanted))
        if path in self.archive.fail_once:
            self.archive.fail_once.discard(path)
            self.send_error(503)
            return
        body = self.archive.files.get(path)
        if body is None:
            self.send_error(404)
            return
        skip = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if wanted and skip >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body) - skip))
        self.end_headers()
        cut = self.archive.break_after.pop(path, None)
        self.wfile.write(body[skip:] if cut is None else body[skip : skip + cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def archive() -> Iterator[Archive]:
    held = Archive()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"archive": held}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield held
    server.shutdown()
    server.server_close()
    thread.join()


def klines(first: str, hours: int, *, header: bool, price: float = 100.0) -> str:
    start = to_ns(first) // 1_000_000
    rows = [
        f"{start + i * 3_600_000},{price + i},{price + i + 2},{price + i - 2},{price + i + 1},{i}.5,"
        f"{start + (i + 1) * 3_600_000 - 1},1,2,3,4,0"
        for i in range(hours)
    ]
    return "\n".join([HEADER, *rows] if header else rows) + "\n"


def funding(first: str, days: int, *, late_ms: int = 0) -> str:
    start = to_ns(first) // 1_000_000
    rows = [f"{start + i * 28_800_000 + late_ms},8,0.0001{i % 10}" for i in range(3 * days)]
    return "\n".join(["calc_time,funding_interval_hours,last_funding_rate", *rows]) + "\n"


def month_days(month: str) -> int:
    first = dt.date.fromisoformat(f"{month}-01")
    return ((first + dt.timedelta(days=32)).replace(day=1) - first).days


def address(kind: str, period: str, span: str = "monthly", symbol: str = "BTCUSDT") -> str:
    if kind == "fundingRate":
        return f"{ROOT}/{span}/{kind}/{symbol}/{symbol}-fundingRate-{period}.zip"
    return f"{ROOT}/{span}/{kind}/{symbol}/1h/{symbol}-1h-{period}.zip"


def publish(archive: Archive, *months: str, header: bool = True) -> None:
    for month in months:
        days = month_days(month)
        archive.add(address("klines", month), klines(f"{month}-01", days * 24, header=header))
        archive.add(address("markPriceKlines", month), klines(f"{month}-01", days * 24, header=header, price=100.25))
        archive.add(address("fundingRate", month), funding(f"{month}-01", days, late_ms=7))


def fetch(archive: Archive, store: Path, start: str, end: str, **options):
    return download(
        "binance_um",
        ["BTCUSDT"],
        start,
        end,
        store=store,
        base_url=archive.url,
        pause_s=0.0,
        **{"now_ns": to_ns("2025-01-01")} | options,
    )


def read(store: Path, kind: str) -> pl.DataFrame:
    return pl.read_parquet(store / "binance_um" / "1h" / "BTCUSDT" / f"{kind}.parquet")


def test_months_become_three_files_that_a_run_can_load(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    publish(archive, "2024-03", header=False)
    steps: list[tuple[int, int, str]] = []
    report = fetch(archive, tmp_path, "2024-02-01", "2024-04-01", progress=lambda *step: steps.append(step))
    assert [(one.rows, one.first, one.last, one.missing) for one in report] == [
        (60 * 24, "2024-02-01 00:00", "2024-03-31 23:00", ()),
        (60 * 24, "2024-02-01 00:00", "2024-03-31 23:00", ()),
        (60 * 3, "2024-02-01 00:00", "2024-03-31 16:00", ()),
    ]
    assert read(tmp_path, "last_1h").columns == ["ts", "open", "high", "low", "close", "volume"]
    assert read(tmp_path, "funding").columns == ["ts", "funding_rate"]
    assert steps[0] == (0, 6, "BTCUSDT klines 2024-02")
    assert [done for done, _, _ in steps] == list(range(6))
    prepared = load("binance_um:BTCUSDT", root=tmp_path).prepare("BTCUSDT", perpetual=True, daily_settled=False)
    assert (len(prepared.bars), len(prepared.funding_ns), prepared.cautions) == (60 * 24, 180, ())


def test_only_the_period_asked_for_is_written(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    fetch(archive, tmp_path, "2024-02-10", "2024-02-11")
    assert (read(tmp_path, "last_1h").height, read(tmp_path, "funding").height) == (24, 3)


def test_a_second_run_asks_for_no_finished_month_again_and_adds_to_what_is_there(
    archive: Archive, tmp_path: Path
) -> None:
    publish(archive, "2024-02", "2024-03")
    fetch(archive, tmp_path, "2024-02-01", "2024-03-01")
    archive.asked.clear()
    fetch(archive, tmp_path, "2024-02-10", "2024-04-01")
    assert archive.zips_asked() == [address(kind, "2024-03") for kind in ("klines", "markPriceKlines", "fundingRate")]
    assert read(tmp_path, "last_1h").height == 60 * 24


def test_a_connection_that_breaks_is_continued_where_it_broke(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    path = address("klines", "2024-02")
    archive.break_after[path] = 10_000
    fetch(archive, tmp_path, "2024-02-01", "2024-03-01")
    assert [wanted for asked, wanted in archive.asked if asked == path] == ["", "bytes=10000-"]
    assert read(tmp_path, "last_1h").height == 29 * 24


def test_a_run_that_was_stopped_is_continued_by_the_next(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    path = address("klines", "2024-02")
    part = tmp_path / "binance_um" / "archive" / f"{path}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(archive.files[path][:20_000])
    fetch(archive, tmp_path, "2024-02-01", "2024-03-01")
    assert (path, "bytes=20000-") in archive.asked
    assert not part.exists()
    assert read(tmp_path, "last_1h").height == 29 * 24


def test_a_part_that_is_already_whole_is_taken(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    path = address("klines", "2024-02")
    part = tmp_path / "binance_um" / "archive" / f"{path}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(archive.files[path])
    fetch(archive, tmp_path, "2024-02-01", "2024-03-01")
    assert read(tmp_path, "last_1h").height == 29 * 24


def test_a_part_of_another_version_is_thrown_away_and_fetched_anew(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    path = address("klines", "2024-02")
    part = tmp_path / "binance_um" / "archive" / f"{path}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 20_000)
    fetch(archive, tmp_path, "2024-02-01", "2024-03-01")
    assert [wanted for asked, wanted in archive.asked if asked == path] == ["bytes=20000-", ""]
    assert read(tmp_path, "last_1h").height == 29 * 24


def test_a_server_that_stumbles_is_asked_again(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    archive.fail_once |= {address("klines", "2024-02"), f"{address('fundingRate', '2024-02')}.CHECKSUM"}
    fetch(archive, tmp_path, "2024-02-01", "2024-03-01")
    assert read(tmp_path, "last_1h").height == 29 * 24


def test_a_wrong_checksum_is_an_error_and_writes_nothing(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02", "2024-03")
    path = address("markPriceKlines", "2024-03")
    archive.add(path, klines("2024-03-01", 31 * 24, header=True), checksum="0" * 64)
    with pytest.raises(RemoteError) as caught:
        fetch(archive, tmp_path, "2024-02-01", "2024-04-01")
    assert str(caught.value).startswith(f"{archive.url}/{path}: checksum is ")
    assert "0" * 64 in str(caught.value)
    assert not list(tmp_path.rglob("*.parquet"))
    assert not list(tmp_path.rglob("*.part"))
    publish(archive, "2024-03")
    archive.asked.clear()
    fetch(archive, tmp_path, "2024-02-01", "2024-04-01")
    assert address("klines", "2024-02") not in archive.zips_asked()


def test_months_before_listing_are_reported_and_no_error(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-03")
    report = fetch(archive, tmp_path, "2024-01-01", "2024-04-01")
    assert {one.missing for one in report} == {("2024-01", "2024-02")}
    assert read(tmp_path, "last_1h").height == 31 * 24


def test_the_month_not_published_yet_is_put_together_from_its_days(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    for day in ("2024-03-01", "2024-03-02"):
        archive.add(address("klines", day, "daily"), klines(day, 24, header=True))
        archive.add(address("markPriceKlines", day, "daily"), klines(day, 24, header=True))
    report = fetch(archive, tmp_path, "2024-02-01", "2024-12-31", now_ns=to_ns("2024-03-04"))
    assert [one.missing for one in report] == [("2024-03-03",), ("2024-03-03",), ("2024-03",)]
    assert [one.last for one in report] == ["2024-03-02 23:00", "2024-03-02 23:00", "2024-02-29 16:00"]


def test_a_symbol_of_which_there_is_nothing_is_an_error(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(
        RemoteError, match=r"BTCUSDT: the archive has no klines in 2024-01 .. 2024-02. Check the symbol"
    ):
        fetch(archive, tmp_path, "2024-01-01", "2024-03-01")
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_server_that_is_not_there_is_a_remote_error(tmp_path: Path) -> None:
    nobody = Archive(url="http://127.0.0.1:9")
    with pytest.raises(RemoteError, match=r"tried 4 times\). What was fetched is kept; run the download again"):
        fetch(nobody, tmp_path, "2024-01-01", "2024-02-01")


def test_a_funding_stamp_minutes_after_its_hour_is_refused(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    archive.add(address("fundingRate", "2024-02"), funding("2024-02-01", 29, late_ms=60_000))
    with pytest.raises(RemoteError, match="is more than a minute past the hour"):
        fetch(archive, tmp_path, "2024-02-01", "2024-03-01")


def test_two_different_rows_of_one_hour_are_refused_and_equal_ones_kept_once(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    twice = klines("2024-02-01", 29 * 24, header=False)
    archive.add(address("klines", "2024-02"), twice + twice.splitlines()[-1] + "\n")
    fetch(archive, tmp_path / "equal", "2024-02-01", "2024-03-01")
    assert read(tmp_path / "equal", "last_1h").height == 29 * 24
    archive.add(address("klines", "2024-02"), twice + klines("2024-02-29T23:00:00Z", 1, header=False, price=5.0))
    with pytest.raises(RemoteError, match="BTCUSDT klines: two different rows for 2024-02-29 23:00"):
        fetch(archive, tmp_path / "odd", "2024-02-01", "2024-03-01")


def test_a_file_of_another_form_is_refused(archive: Archive, tmp_path: Path) -> None:
    publish(archive, "2024-02")
    archive.add(address("klines", "2024-02"), "what,is,this\n1,2,3\n")
    with pytest.raises(RemoteError, match=r"BTCUSDT-1h-2024-02.zip: not in the archive's form"):
        fetch(archive, tmp_path, "2024-02-01", "2024-03-01")


@pytest.mark.parametrize(
    ("venue", "symbol", "start", "end", "message"),
    [
        ("nyse", "IBM", "2024-01-01", "2024-02-01", "venue: no source for this venue"),
        ("binance_um", "../x", "2024-01-01", "2024-02-01", "symbols: is no symbol of binance_um"),
        ("binance_um", "BTCUSDT", "2024-02-01", "2024-01-01", "start, end: the period"),
        ("binance_um", "BTCUSDT", "2026-02-01", "2026-03-01", "start, end: the period"),
    ],
)
def test_what_cannot_be_downloaded_is_said_before_any_connection(venue, symbol, start, end, message, tmp_path) -> None:
    with pytest.raises(InvalidInput, match=message):
        download(
            venue,
            [symbol],
            start,
            end,
            store=tmp_path,
            base_url="http://127.0.0.1:9",
            now_ns=to_ns("2025-01-01"),
        )
