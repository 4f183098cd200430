"""The page about a run: one file, nothing loaded, everything named by others escaped, nothing left out."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import novation as nv
from novation.data.synthetic import load_synthetic
from novation.domain.errors import DataError, InvalidInput
from novation.research.report import Section, drawing, figure, figures, notebook_html, overview, write_report
from novation.research.report.story import Story
from novation.research.result import Result
from novation.trading.record import RunRecord

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=\"boom()\">&"


class Stubborn(nv.Strategy):
    """Long of a fixed notional, bought again at midnight."""

    def on_bar(self, bar: object) -> None:
        if self.now.hour == 0 and not self.position("BTCUSDT"):
            self.target("BTCUSDT", notional=280_000)


class Book(nv.Strategy):
    """Two rolled futures with little behind them."""

    def on_start(self) -> None:
        self.target("ES", qty=3)
        self.target("GC", qty=2)

    def on_liquidation(self, liquidation: object) -> None:
        self.buy("ES", 5_000)  # refused: what is left cannot pay for it


@pytest.fixture(scope="module")
def crash() -> Result:
    data = {"BTCUSDT": load_synthetic("binance_um:BTCUSDT", seed=4)}
    return nv.Backtest(
        Stubborn(),
        data,
        start="2020-03-07",
        end="2020-03-16",
        cash=100_000,
        leverage=20,
        margin="isolated",
        rules_as_of={"binance_um/brackets": "2026-05-01"},
    ).run()


@pytest.fixture(scope="module")
def book() -> Result:
    data = {name: load_synthetic(f"cme:{name}", seed=4) for name in ("ES", "GC")}
    return nv.Backtest(Book(), data, start="2012-04-02", end="2013-12-31", cash=60_000).run()


def fields(page: str, key: str) -> dict:
    found = re.search(rf'<script type="application/json" id="{key}">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


class Outline(HTMLParser):
    """What a page would fetch, run and show."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.text: list[str] = []
        self._code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._code = tag in ("script", "style")
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        self._code = False

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.text.append(data)


def outline(page: str) -> Outline:
    reader = Outline()
    reader.feed(page)
    return reader


def test_the_page_is_one_file_that_loads_nothing(crash: Result, book: Result, tmp_path: Path) -> None:
    path = write_report([crash, book], tmp_path / "deep" / "report.html")
    page = path.read_text()
    seen = outline(page)
    assert all(address.startswith("#") for address in seen.addresses)
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(seen.tags)
    assert "default-src 'none'" in page and "connect-src" not in page
    assert "@import" not in page.split("</style>")[0] and "url(" not in page.split("</style>")[0]
    assert page.count("<html") == 1 and seen.tags.count("title") == 1
    assert len(page) < 8_000_000
    assert [child.name for child in path.parent.iterdir()] == ["report.html"]


def test_a_loaded_run_has_the_same_page_as_a_fresh_one(book: Result, tmp_path: Path) -> None:
    book.record.save(tmp_path / "run")
    fresh = write_report([book], tmp_path / "a.html").read_text()
    assert write_report([Result.load(tmp_path / "run")], tmp_path / "b.html").read_text() == fresh


def test_every_part_and_run_has_its_place(crash: Result, book: Result, tmp_path: Path) -> None:
    parts = [Section("Crash", "What fell.\nAnd how.", ("first run",)), Section("Rolled", "", ("second run",))]
    page = write_report(
        [crash, book], tmp_path / "r.html", title="Two runs", lead="A lead.", sections=parts
    ).read_text()
    text = outline(page).text
    for words in ("Two runs", "A lead.", "Crash", "What fell.", "And how.", "Rolled", "first run", "second run"):
        assert words in text
    for anchor in ("part-1", "part-2", "run-1", "run-2"):
        assert f'id="{anchor}"' in page and (anchor.startswith("run") is False or f'href="#{anchor}"' in page)


def test_every_liquidation_call_roll_refusal_and_caution_is_on_the_page(
    crash: Result, book: Result, tmp_path: Path
) -> None:
    page = write_report([crash, book], tmp_path / "r.html").read_text()
    text = "\n".join(outline(page).text)
    gone = crash.frame("liquidations")
    assert gone.height >= 2
    assert f"Liquidations ({gone.height})" in page
    for row in gone.iter_rows(named=True):
        assert row["ts"].strftime("%Y-%m-%d %H:%M") in text
        assert crash.explain(row) in text
    assert book.frame("margin_calls").height >= 1
    for row in book.frame("margin_calls").iter_rows(named=True):
        assert book.explain(row) in text
    for row in book.frame("rolls").iter_rows(named=True):
        assert row["old"] in text and row["new"] in text
    assert book.frame("refusals").height >= 1
    for reason in book.frame("refusals")["reason"].unique():
        assert reason in text
    for result in (crash, book):
        for words in (*result.cautions, result.state_hash, *result.manifest["reference"]["used"]):
            assert words in text


def test_what_others_named_is_escaped(crash: Result, tmp_path: Path) -> None:
    manifest = json.loads(
        json.dumps(crash.manifest).replace("binance_um:BTCUSDT", "binance_um:" + json.dumps(HOSTILE)[1:-1])
    )
    manifest["strategy"] = manifest["params"]["name"] = HOSTILE
    manifest["cautions"].append(HOSTILE)
    manifest["data"][HOSTILE] = HOSTILE
    result = Result(RunRecord(manifest, crash.record.venues))
    page = write_report(
        [result], tmp_path / "r.html", title=HOSTILE, lead=HOSTILE, sections=[Section(HOSTILE, HOSTILE, (HOSTILE,))]
    ).read_text()
    seen = outline(page)
    assert HOSTILE not in page
    assert "img" not in seen.tags and not seen.handlers
    assert seen.tags.count("script") == 2 + page.count('type="application/json"')
    assert "".join(seen.text).count(HOSTILE) > 10
    drawn = json.dumps(fields(page, "figure-1-0"))
    assert "<script" not in drawn and "&lt;script&gt;" in drawn  # plotly reads its texts as HTML
    shown = notebook_html(result)
    assert HOSTILE not in shown and "<script" not in shown and "<img" not in shown


def test_pictures_say_what_the_tables_say(crash: Result, book: Result, tmp_path: Path) -> None:
    page = write_report([crash, book], tmp_path / "r.html").read_text()
    drawn = [
        json.loads(text) for text in re.findall(r'<script type="application/json" id="[^"]+">(.*?)</script>', page)
    ]
    traces = [trace for made in drawn for trace in made["data"]]
    by_name = {name: [trace for trace in traces if trace["name"] == name] for name in {t["name"] for t in traces}}
    funding = by_name["cumulative funding"][0]
    assert funding["y"][-1] == pytest.approx(crash.frame("funding")["amount"].sum(), rel=1e-6)
    total = sum(trace["y"][-1] for trace in by_name["cumulative variation"])
    assert total == pytest.approx(book.frame("settlements")["amount"].sum(), rel=1e-6)
    bars = sum(sum(trace["y"]) for name in ("received", "paid") for trace in by_name[name])
    assert bars == pytest.approx(total, rel=1e-4)
    marks = [trace for trace in by_name["liquidation"] if trace["marker"]["size"] == 13]
    gone = crash.frame("liquidations")
    assert marks[0]["x"] == (gone["ts"].cast(pl.Int64) // 1_000_000).to_list()
    assert marks[0]["y"] == pytest.approx(gone["mark"].to_list(), rel=1e-6)
    held = book.frame("rolls").filter(pl.col("qty") != 0)
    assert sum(len(trace["x"]) for trace in by_name["roll"]) == held.height > 0
    for made in drawn:
        assert all(any(value is not None for value in trace["y"]) for trace in made["data"]), "an empty line"


def test_a_liquidation_lies_inside_the_frame_also_when_no_bar_saw_the_position(crash: Result) -> None:
    story = Story(crash)
    story.positions = story.positions.head(3)  # as if the rest were opened and closed within bars
    (picture,) = figures.instrument_pictures(story, "binance_um:BTCUSDT", "price")
    low, high = picture.panels[0].axis["range"]
    assert all(low <= mark <= high for mark in crash.frame("liquidations")["mark"])


def test_an_isolated_ratio_is_of_the_position_and_a_cross_ratio_of_the_account(crash: Result, book: Result) -> None:
    story = Story(crash)
    (isolated,) = figures.instrument_pictures(story, "binance_um:BTCUSDT", "margin")
    assert not figures.account_pictures(story, "margin")
    row = crash.frame("positions").row(0, named=True)
    line = isolated.panels[0].traces[0]
    at = next(i for i, value in enumerate(line["y"]) if value is not None)
    assert line["y"][at] == pytest.approx((row["isolated_margin"] + row["unrealised"]) / row["maintenance"], rel=1e-6)
    assert "liquidated at 1" in isolated.panels[0].notes[0]["text"]
    (account,) = figures.account_pictures(Story(book), "margin")
    assert "margin call at 1" in account.panels[0].notes[0]["text"]


@given(
    st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(float("nan"))), min_size=1, max_size=3_000), st.integers(30, 400)
)
def test_thinning_keeps_extremes_and_gaps(values: list[float], limit: int) -> None:
    array = np.array(values)
    kept = drawing.thin(array, limit)
    assert len(kept) <= max(limit, 5) and kept[0] == 0 and kept[-1] == len(array) - 1
    assert (np.diff(kept) > 0).all()
    if not np.isnan(array).all():
        assert np.nanmin(array[kept]) == np.nanmin(array) and np.nanmax(array[kept]) == np.nanmax(array)
    assert np.isnan(array[kept]).any() == np.isnan(array).any()


def test_a_long_run_is_thinned(book: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "POINTS", 100)
    monkeypatch.setattr(drawing.thin, "__defaults__", (100,))
    story = Story(book)
    made = [*figures.account_pictures(story), *figures.instrument_pictures(story, "cme:ES")]
    lines = [
        trace for picture in made for panel in picture.panels for trace in panel.traces if trace.get("mode") == "lines"
    ]
    assert lines and all(len(trace["x"]) <= 110 for trace in lines)


@pytest.mark.parametrize("kind", figures.KINDS)
def test_every_kind_of_picture_draws(kind: str, crash: Result, book: Result) -> None:
    for result in (crash, book):
        made = result.plot(kind)
        assert made.layout.title.text
        assert made.data or "nothing to draw" in made.layout.annotations[0].text
    assert figure(book, kind, "ES").layout.height > 100


def test_an_unknown_kind_or_symbol_is_refused_with_what_there_is(crash: Result) -> None:
    with pytest.raises(InvalidInput, match="equity, price, margin, funding, settlements, all"):
        crash.plot("pnl")
    with pytest.raises(InvalidInput, match="binance_um:BTCUSDT"):
        crash.plot("price", "ETHUSDT")


def test_a_notebook_shows_static_numbers_and_a_line(crash: Result) -> None:
    shown = crash._repr_html_()
    assert "<svg" in shown and "<script" not in shown and "http" not in shown
    assert f"{crash.summary()['accounts'][0]['net']:+,.2f}" in shown
    assert all(caution.split("'")[0] in shown for caution in crash.cautions)


def test_a_run_without_a_fill_still_has_a_page_that_says_why(tmp_path: Path) -> None:
    data = {"BTCUSDT": load_synthetic("binance_um:BTCUSDT", seed=4)}
    idle = nv.Backtest(nv.Strategy(), data, start="2020-03-07", end="2020-03-09", rules_as_of="2026-05-01").run()
    page = idle.report(tmp_path / "idle.html").read_text()
    assert "no order was sent" in page and 'data-figure="figure-1-0"' in page
    assert "no order was sent" in notebook_html(idle)


def test_a_failed_page_leaves_the_old_one(crash: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        write_report([crash], path)
    assert path.read_text() == "old" and [child.name for child in tmp_path.iterdir()] == ["r.html"]


def test_wrong_calls_are_refused(crash: Result, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no result"):
        write_report([], tmp_path / "r.html")
    with pytest.raises(InvalidInput, match="2 names for 1 results"):
        write_report([crash], tmp_path / "r.html", sections=[Section("a", "", ("one", "two"))])
    with pytest.raises(DataError, match="is a folder"):
        write_report([crash], tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_overview_has_a_row_per_account(crash: Result, book: Result) -> None:
    first, second = overview([crash, book], ["a", "b"])
    assert (first["run"], first["currency"], first["liquidated"]) == ("a", "USDT", crash.frame("liquidations").height)
    assert second["rolls"] == book.frame("rolls").filter(pl.col("qty") != 0).height
    assert first["net"] == pytest.approx(sum(first[key] for key in ("price", "funding", "fees", "liquidations")))
    assert copy.deepcopy(first) == first
