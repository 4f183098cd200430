"""Rules fetched from a server on this machine and imported from dumps: shown, then written whole, never a key."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from novation.data.reference_update import import_ccxt, refresh
from novation.data.sources import fetch_parameters
from novation.domain.errors import ConfigError, DataError, InvalidInput, RemoteError
from novation.domain.units import DAY_NS, to_e8, to_ns
from novation.reference import Reference
from novation.trading.margin import margin

NOW = to_ns("2026-11-22T10:00:00Z")
KEY, SECRET = "k" * 64, "s" * 64


def symbol(name: str, **more: Any) -> dict[str, Any]:
    """One symbol of exchangeInfo, in the shape of the captured answer."""
    return {
        "symbol": name, "pair": name, "contractType": "PERPETUAL", "deliveryDate": 4133404800000, "status": "TRADING",
        "baseAsset": name.removesuffix("USDT"), "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 2,
        "liquidationFee": "0.012500", "marketTakeBound": "0.05",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "1.00", "maxPrice": "4529764", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "50"},
        ],
    } | more  # fmt: skip


def brackets(name: str, cum: float = 500) -> dict[str, Any]:
    """One symbol of leverageBracket, the highest tier first as the exchange lists them."""
    return {"symbol": name, "notionalCoef": 1.0, "brackets": [
        {"bracket": 2, "initialLeverage": 50, "notionalCap": 1000000, "notionalFloor": 100000,
         "maintMarginRatio": 0.01, "cum": cum},
        {"bracket": 1, "initialLeverage": 100, "notionalCap": 100000, "notionalFloor": 0,
         "maintMarginRatio": 0.005, "cum": 0.0},
    ]}  # fmt: skip


@dataclass
class Exchange:
    """What the server answers by path, and what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  #: path, query, key header
    url: str = ""


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Exchange]:
    """A server with two perpetuals and a quarterly; a store of its own; no key."""
    for name in ("NOVATION_BINANCE_KEY", "NOVATION_BINANCE_SECRET", "NOVATION_REFERENCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setenv("NOVATION_STORE", str(tmp_path / "store"))
    said = Exchange()
    said.answers = {
        "/fapi/v1/exchangeInfo": {
            "timezone": "UTC",
            "symbols": [
                symbol("BTCUSDT"),
                symbol("NEWUSDT"),
                symbol("BTCUSDT_261225", contractType="CURRENT_QUARTER"),
                symbol("OLDUSDT", status="SETTLING"),
            ],
        },
        "/fapi/v1/fundingInfo": [
            {"symbol": "NEWUSDT", "adjustedFundingRateCap": "0.02", "adjustedFundingRateFloor": "-0.02",
             "fundingIntervalHours": 4, "disclaimer": False, "updateTime": None},
        ],
        "/fapi/v1/leverageBracket": [brackets("BTCUSDT"), brackets("NEWUSDT"), brackets("ELSEUSDT")],
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            said.asked.append((parts.path, parts.query, self.headers.get("X-MBX-APIKEY", "")))
            answer = said.answers.get(parts.path, (404, {"code": -5000, "msg": "no such path"}))
            status, body = answer if isinstance(answer, tuple) else (200, answer)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    said.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield said
    server.shutdown()
    server.server_close()


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment."""
    monkeypatch.setenv("NOVATION_BINANCE_KEY", KEY)
    monkeypatch.setenv("NOVATION_BINANCE_SECRET", SECRET)


def again(exchange: Exchange, **more: Any) -> Any:
    given = {"symbols": ["BTCUSDT", "NEWUSDT"], "base_url": exchange.url, "now_ns": NOW} | more
    return refresh(**given)


# ---------------------------------------------------------------- refresh


def test_without_write_the_difference_is_shown_and_nothing_is_touched(exchange: Exchange, tmp_path: Path) -> None:
    update = again(exchange)
    shown = [str(one) for one in update.changes]
    assert any(text.startswith("+ contracts NEWUSDT row: base NEW, quote USDT") for text in shown)
    assert "+ funding NEWUSDT row: floor_fraction -0.02, cap_fraction 0.02" in shown
    assert not any("BTCUSDT" in text for text in shown)  # as captured on 2026-09-15, facts §7.3
    assert not update.written
    assert not (tmp_path / "store").exists()
    assert any("brackets were not asked for" in note for note in update.notes)
    assert [path for path, _, _ in exchange.asked] == ["/fapi/v1/exchangeInfo", "/fapi/v1/fundingInfo"]


def test_a_changed_value_is_shown_old_and_new(exchange: Exchange) -> None:
    exchange.answers["/fapi/v1/exchangeInfo"]["symbols"][0]["liquidationFee"] = "0.010000"
    assert [str(one) for one in again(exchange, symbols=["BTC/USDT:USDT"]).changes] == [
        "  contracts BTCUSDT liquidation_fee_fraction: 0.0125 -> 0.01"
    ]


def test_written_rows_are_seen_with_their_date_of_capture(exchange: Exchange, keyed: None) -> None:
    update = again(exchange, write=True)
    assert update.written
    assert any("fees are not in a public answer: those known on 2026-11-01" in note for note in update.notes)
    reference = Reference.default()
    terms = reference.terms("NEWUSDT", NOW, NOW + 1)[0]
    assert terms.tiers[1].max_leverage == 50
    assert terms.liquidation_fee_e8 == to_e8("0.0125")
    assert reference.funding_interval_hours("NEWUSDT", NOW) == 4
    assert reference.funding_limits("NEWUSDT", NOW) == (to_e8("-0.02"), to_e8("0.02"))
    answer = margin("NEWUSDT", side="long", qty=1, entry=1000, leverage=10)
    assert answer.maintenance_margin == Decimal(5)
    assert answer.brackets.to_dict()["date"] == answer.brackets.to_dict()["known_through"] == "2026-11-22"
    assert "GET /fapi/v1/leverageBracket of 127.0.0.1" in answer.brackets.source
    # the shipped rows stay in force at their own dates
    assert len(reference.brackets("BTCUSDT", to_ns("2026-05-01")).tiers) == 12
    assert len(reference.brackets("BTCUSDT").tiers) == 2


def test_the_signed_call_is_signed_and_the_key_is_in_no_file_and_no_text(
    exchange: Exchange, keyed: None, tmp_path: Path
) -> None:
    update = again(exchange, write=True)
    path, query, header = exchange.asked[-1]
    assert (path, header) == ("/fapi/v1/leverageBracket", KEY)
    unsigned, _, signature = query.rpartition("&signature=")
    assert signature == hmac.new(SECRET.encode(), unsigned.encode(), hashlib.sha256).hexdigest()
    assert dict(parse_qsl(unsigned))["timestamp"] == str(NOW // 1_000_000)
    assert all(not key for _, _, key in exchange.asked[:-1])
    texts = [file.read_text() for file in (tmp_path / "store").rglob("*.csv")] + [
        str(update),
        json.dumps(update.to_dict()),
    ]
    assert texts and not any(secret in text for text in texts for secret in (KEY, SECRET, signature))


def test_a_failed_signed_call_names_the_path_and_not_the_query(exchange: Exchange, keyed: None) -> None:
    exchange.answers["/fapi/v1/leverageBracket"] = (401, {"code": -2014, "msg": "API-key format invalid."})
    with pytest.raises(RemoteError, match=r"leverageBracket: status 401 \(-2014 API-key format invalid") as caught:
        again(exchange)
    assert "signature" not in str(caught.value) and KEY not in str(caught.value)


def test_a_key_goes_over_https_alone(exchange: Exchange, keyed: None) -> None:
    with pytest.raises(InvalidInput, match="base_url: a key is sent over https only"):
        fetch_parameters("binance_um", base_url="http://example.invalid")
    assert exchange.asked == []


def test_half_a_key_is_refused(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVATION_BINANCE_KEY", KEY)
    with pytest.raises(InvalidInput, match="needs both NOVATION_BINANCE_KEY and NOVATION_BINANCE_SECRET"):
        again(exchange)


def test_the_same_rows_again_are_only_known_for_longer(exchange: Exchange, keyed: None, tmp_path: Path) -> None:
    again(exchange, write=True)
    table = tmp_path / "store" / "reference" / "binance_um" / "brackets.csv"
    before = table.read_text()
    later = again(exchange, write=True, now_ns=NOW + 3 * DAY_NS)
    assert (later.changes, later.same) == ((), later.keys)
    assert table.read_text() == before
    assert Reference.default().terms("NEWUSDT", NOW + DAY_NS, NOW + 3 * DAY_NS)
    known = (table.parent / "known.csv").read_text()
    assert "brackets,NEWUSDT,2026-11-25,captured on 2026-11-22 and last on 2026-11-25" in known


def test_changed_rows_come_into_force_at_their_capture(exchange: Exchange, keyed: None) -> None:
    again(exchange, write=True)
    exchange.answers["/fapi/v1/exchangeInfo"]["symbols"][1]["filters"][-1]["notional"] = "5"
    later = again(exchange, write=True, now_ns=NOW + DAY_NS)
    assert [str(one) for one in later.changes] == ["  contracts NEWUSDT min_notional_usdt: 50 -> 5"]
    first, second = Reference.default().terms("NEWUSDT", NOW, NOW + DAY_NS + 1)
    assert (first.min_notional, second.min_notional) == (50 * 10**8, 5 * 10**8)
    with pytest.raises(InvalidInput, match="the store has rows from 2026-11-23 10:00, after this capture"):
        again(exchange, write=True)


def test_a_changed_lot_drops_the_rows_that_no_instrument_can_follow(exchange: Exchange, keyed: None) -> None:
    again(exchange, write=True)
    lot = exchange.answers["/fapi/v1/exchangeInfo"]["symbols"][1]["filters"][1]
    lot |= {"stepSize": "0.01", "minQty": "0.01"}
    again(exchange, write=True, now_ns=NOW + DAY_NS)
    assert Reference.default().instrument("NEWUSDT").lot_e8 == to_e8("0.01")


def test_what_is_wrong_is_not_written(exchange: Exchange, keyed: None, tmp_path: Path) -> None:
    again(exchange, write=True)
    folder = tmp_path / "store" / "reference"
    before = {file.name: file.read_bytes() for file in (folder / "binance_um").iterdir()}
    exchange.answers["/fapi/v1/leverageBracket"] = [brackets("NEWUSDT", cum=501)]
    with pytest.raises(RemoteError, match=r"leverageBracket NEWUSDT, tier 2: cum is not 500"):
        again(exchange, write=True, now_ns=NOW + DAY_NS)
    exchange.answers["/fapi/v1/leverageBracket"] = [brackets("NEWUSDT")]
    exchange.answers["/fapi/v1/exchangeInfo"]["symbols"][1]["liquidationFee"] = "-1"
    with pytest.raises(DataError, match="liquidation_fee_fraction: expected a number of zero or more"):
        again(exchange, write=True, now_ns=NOW + DAY_NS)
    assert {file.name: file.read_bytes() for file in (folder / "binance_um").iterdir()} == before
    assert [path.name for path in folder.iterdir()] == ["binance_um"]


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        ("exchangeInfo", (503, b"<html>"), "exchangeInfo: status 503, and the answer is no JSON"),
        ("exchangeInfo", (429, {"code": -1003, "msg": "Too many"}), r"status 429 \(-1003 Too many\)"),
        ("exchangeInfo", [], "is not of the documented form"),
        ("fundingInfo", {}, "is not of the documented form"),
        ("exchangeInfo", {"symbols": [symbol("NEWUSDT", filters=[])]}, "NEWUSDT: filter PRICE_FILTER is missing"),
        ("exchangeInfo", {"symbols": [symbol("NEWUSDT", liquidationFee="x")]}, "liquidationFee is 'x'"),
    ],
)
def test_an_answer_of_another_form_is_the_exchanges_error(
    exchange: Exchange, path: str, answer: Any, message: str
) -> None:
    exchange.answers[f"/fapi/v1/{path}"] = answer
    with pytest.raises(RemoteError, match=message):
        again(exchange, symbols=["NEWUSDT"])


def test_symbols_that_cannot_be_had_are_named(exchange: Exchange) -> None:
    with pytest.raises(InvalidInput, match=r"symbols: is not listed by the exchange .found 'QQUSDT'"):
        again(exchange, symbols=["QQUSDT"])
    with pytest.raises(InvalidInput, match="is no perpetual settled in USDT or USDC"):
        again(exchange, symbols=["BTCUSDT_261225"])
    with pytest.raises(InvalidInput, match="no source for this venue"):
        again(exchange, venue="elsewhere")
    with pytest.raises(RemoteError, match=r"exchangeInfo: no answer \(ConnectError\)"):
        again(exchange, base_url="http://127.0.0.1:1")


def test_all_means_every_perpetual_that_trades(exchange: Exchange) -> None:
    assert {one.key for one in again(exchange, symbols=["all"]).changes} == {"NEWUSDT"}
    assert again(exchange, symbols=["all"]).keys == 5


# ---------------------------------------------------------------- import


def market(name: str, **more: Any) -> dict[str, Any]:
    """A linear perpetual as ccxt describes it."""
    base = name.partition("/")[0]
    return {
        "id": base, "symbol": name, "base": base, "quote": "USDT", "settle": "USDT", "type": "swap", "swap": True,
        "linear": True, "active": True, "contractSize": 0.01, "maker": 0.0002, "taker": 0.00055,
        "precision": {"price": 0.1, "amount": 1.0},
        "limits": {"amount": {"min": 1, "max": 100000}, "cost": {"min": None}},
    } | more  # fmt: skip


TIERS = [
    {"tier": number, "minNotional": low, "maxNotional": high, "maintenanceMarginRate": rate, "maxLeverage": most}
    for number, low, high, rate, most in ((1, 0, 100_000, 0.005, 100), (2, 100_000, 10**6, 0.01, 50))
]


@pytest.fixture
def dump(tmp_path: Path, exchange: Exchange) -> Path:
    """Two good perpetuals, one with tiers of another kind, a spot market and an inverse one."""
    data = {
        "timestamp": NOW // 1_000_000,
        "markets": {
            "BTC/USDT:USDT": market("BTC/USDT:USDT"),
            "ZZZ/USDT:USDT": market("ZZZ/USDT:USDT", taker=0.0006),
            "ODD/USDT:USDT": market("ODD/USDT:USDT"),
            "BTC/USDT": market("BTC/USDT", type="spot", swap=False, linear=None),
            "BTC/USD:BTC": market("BTC/USD:BTC", linear=False, settle="BTC"),
        },
        "leverage_tiers": {
            "BTC/USDT:USDT": TIERS,
            "ZZZ/USDT:USDT": TIERS,
            "ODD/USDT:USDT": [TIERS[0], {**TIERS[1], "maintenanceMarginRate": 0.004}],
        },
    }
    path = tmp_path / "markets.json"
    path.write_text(json.dumps(data))
    return path


def test_an_import_marks_every_row_and_lies_apart(dump: Path, tmp_path: Path) -> None:
    update = import_ccxt("bybit", markets=dump, write=True)
    folder = tmp_path / "store" / "reference" / "imports" / "bybit"
    assert update.folder == str(folder)
    for file in folder.rglob("*.csv"):
        lines = file.read_text().splitlines()[1:]
        assert lines and (file.stem == "known" or all("method assumed Binance-like, unverified" in x for x in lines))
    assert len(Reference.default().brackets("BTCUSDT").tiers) == 12  # untouched
    reference = Reference([folder])
    terms = reference.terms("ZZZUSDT", NOW, NOW + 1)[0]
    assert reference.instrument("ZZZUSDT").lot_e8 == to_e8("0.01")
    assert (terms.maker_fee_e8, terms.taker_fee_e8) == (to_e8("0.0002"), to_e8("0.00055"))
    assert terms.tiers[1].cum == 500 * 10**8  # by the recurrence
    assert any("unverified" in text for text in reference.cautions())
    answer = margin("ZZZUSDT", side="long", qty=1, entry=1000, leverage=10, reference=reference)
    assert any("unverified" in text for text in answer.cautions)


def test_what_an_import_leaves_out_is_said(dump: Path) -> None:
    notes = import_ccxt("bybit", markets=dump).notes
    assert any("not Binance-like (maintenance fraction does not rise): ODDUSDT" in note for note in notes)
    assert any("1 markets have other fees" in note for note in notes)
    only = import_ccxt("bybit", markets=dump, symbols=["ZZZ/USDT:USDT"])
    assert {one.key for one in only.changes} == {"ZZZUSDT", "0", "all"}
    with pytest.raises(InvalidInput, match=r"is not among the 3 perpetuals .found 'QQUSDT'"):
        import_ccxt("bybit", markets=dump, symbols=["QQUSDT"])


def test_precision_may_be_counted_in_decimals(tmp_path: Path, exchange: Exchange) -> None:
    path = tmp_path / "m.json"
    one = market("A/USDT:USDT", precision={"price": 2, "amount": 0}, contractSize=1)
    path.write_text(json.dumps({"markets": {"A/USDT:USDT": one}, "precisionMode": 2}))
    update = import_ccxt("other", markets=path)
    assert "tick_usdt 0.01, lot_base 1" in str(update.changes[0])
    assert any("no leverage tiers" in note for note in update.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"m\.json: is no dump of markets"),
        ("{", r"m\.json line 1: is no JSON"),
        ('{"markets": []}', r"m\.json markets: expected an object"),
        ('{"markets": {}, "precisionMode": 3}', r"m\.json precisionMode: expected 4"),
        ('{"markets": {}, "timestamp": "now"}', r"m\.json timestamp: expected milliseconds"),
        ('{"markets": {"A": {"swap": false}}}', r"m\.json: holds no linear perpetual settled in USDT or USDC"),
    ],
)
def test_a_wrong_dump_is_one_error(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        import_ccxt("bybit", markets=path)


def test_a_market_that_is_no_row_names_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"A/USDT:USDT": market("A/USDT:USDT", limits={})}))
    with pytest.raises(DataError, match=r"no perpetual of it can be a row. limits\.amount\.max: is not given"):
        import_ccxt("bybit", markets=path)


def test_without_ccxt_one_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(ConfigError, match=r"ccxt is not installed. Run `pip install ccxt`, or pass a dump"):
        import_ccxt("bybit")
    with pytest.raises(InvalidInput, match="is no name of an exchange"):
        import_ccxt("../bybit")


class FakeCcxt:
    """As much of ccxt as is used, with its names."""

    exchanges = ("bybit",)

    class BaseError(Exception):
        pass

    class bybit:
        has = {"fetchLeverageTiers": True}
        precisionMode = 4

        def load_markets(self) -> dict[str, Any]:
            return {"BTC/USDT:USDT": market("BTC/USDT:USDT")}

        def fetch_leverage_tiers(self) -> dict[str, Any]:
            return {"BTC/USDT:USDT": TIERS}


def test_ccxt_is_asked_for_markets_and_tiers(monkeypatch: pytest.MonkeyPatch, exchange: Exchange) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", FakeCcxt)
    assert import_ccxt("bybit").keys == 4
    with pytest.raises(InvalidInput, match="ccxt knows no such exchange"):
        import_ccxt("nowhere")

    def broken(_: object) -> None:
        raise FakeCcxt.BaseError("rate limit")

    monkeypatch.setattr(FakeCcxt.bybit, "load_markets", broken)
    with pytest.raises(RemoteError, match="bybit: BaseError from ccxt: rate limit"):
        import_ccxt("bybit")
