"""Running a cascade from its configuration (docs/rules/cascades.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import novation as nv
from novation.domain.errors import ConfigError, NoRuleInForce, UnknownInstrument
from novation.research.cascade.result import Cascade

SMALL: dict[str, Any] = {
    "instrument": "BTCUSDT",
    "rules_as_of": "2026-05-01",
    "price": 60_000,
    "seconds": 30,
    "seed": 3,
    "mark": "last",
    "ladder": {"qty": 1, "step": 5, "levels": 2_000},
    "traders": [
        {"accounts": 8_000, "side": "long", "qty": [0.01, 0.1], "margin": [0.01, 0.1]},
        {"accounts": 1_500, "side": "short", "qty": [0.01, 0.2], "margin": [0.01, 0.3], "scope": "isolated"},
    ],
    "fund": 5_000,
    "shock": {"sell": 120},
}


@pytest.fixture(scope="module")
def small() -> Cascade:
    """The run of SMALL; to be read only."""
    return nv.cascade(SMALL)


def test_liquidations_move_the_price_that_liquidates_the_next() -> None:
    ran = nv.cascade(SMALL | {"fund": None})
    assert ran.shocked_to is not None
    assert ran.extreme_price < ran.shocked_to < ran.first_price
    assert ran.waves > 1
    assert ran.multiple is not None
    assert ran.multiple > 1
    assert ran.feedback == pytest.approx(1 - 1 / ran.multiple)
    assert ran.seconds["liquidated_accounts"].sum() == ran.liquidated_accounts > 100
    # without healing, what was sold and liquidated is what the ladder has lost: 1 coin every 5 of price
    lowest = ran.seconds["price"].min()
    assert ran.seconds["liquidated_qty"].sum() + 120 == pytest.approx((60_000 - float(lowest)) / 5, abs=1)


def test_a_seed_is_a_run_and_another_seed_another(small: Cascade) -> None:
    one, again, other = small, nv.cascade(SMALL), nv.cascade(SMALL, settings=["seed=4"])
    assert (one.state_hash, one.event_hash) == (again.state_hash, again.event_hash)
    assert one.event_hash != other.event_hash
    assert one.seconds.equals(again.seconds)


def test_a_poor_fund_deleverages_and_a_rich_one_pays() -> None:
    thin = SMALL | {"ladder": {"qty": 0.3, "step": 5, "levels": 2_000}}
    poor, rich = nv.cascade(thin | {"fund": 0}), nv.cascade(thin | {"fund": None})
    assert poor.deleveraged_accounts > 0
    assert poor.fund_end >= 0
    assert rich.deleveraged_accounts == 0
    assert rich.fund_start is None


def test_a_fall_of_the_index_takes_the_median_mark_with_it() -> None:
    falls = SMALL | {"mark": "median", "shock": {"index": -0.06, "seconds": 20}}
    ran = nv.cascade(falls)
    assert ran.shocked_to is None
    assert ran.multiple is None
    assert ran.seconds["index"].to_list()[20] == pytest.approx(56_400)
    assert ran.liquidated_accounts > 0
    first = ran.by_wave()["second"][0]
    assert 1 < first <= 21, "the nearest liquidation price is more than half a per cent away"


def test_a_sale_alone_hardly_moves_the_median_mark(small: Cascade) -> None:
    median = nv.cascade(SMALL | {"mark": "median"})
    assert median.liquidated_accounts < small.liquidated_accounts


def test_a_book_that_was_empty_for_a_second_has_no_n_though_it_healed_since() -> None:
    thin = {"qty": 0.3, "step": 5, "levels": 500, "heals": 100}
    ran = nv.cascade(SMALL | {"ladder": thin, "shock": {"sell": 200}, "traders": SMALL["traders"][1:]})
    assert ran.exhausted
    assert (ran.multiple, ran.feedback) == (None, None)
    assert "n = " not in str(ran)
    assert "exhausted" in str(ran)


def test_a_book_that_liquidations_empty_has_no_n() -> None:
    ran = nv.cascade(SMALL | {"ladder": {"qty": 1, "step": 5, "levels": 130}})
    assert ran.shock_qty == 120
    assert ran.exhausted
    assert ran.multiple is None


def test_what_the_shock_did_not_find_is_said(small: Cascade) -> None:
    few = {"qty": 1, "step": 5, "levels": 100}
    ran = nv.cascade(SMALL | {"ladder": few, "shock": {"sell": 120.5}})
    assert ran.shock_qty == 100
    assert any("100 were filled, not 120.5" in text for text in ran.cautions)
    assert small.shock_qty == 120
    assert not any("were filled" in text for text in small.cautions)


def test_a_shock_that_fills_nothing_is_said() -> None:
    far = {"qty": 1, "step": 5, "levels": 10, "spread": 120_000}  # the best bid would stand at 0
    ran = nv.cascade(SMALL | {"ladder": far, "seconds": 2})
    assert ran.shock_qty == 0
    assert ran.exhausted
    assert any("nothing of it was filled" in text for text in ran.cautions)


def test_a_fund_is_two_numbers() -> None:
    plain = nv.cascade(SMALL | {"seconds": 2}).to_dict()
    assert plain["fund_start"] == 5_000.0
    assert isinstance(plain["fund_end"], float)
    assert json.loads(json.dumps(plain))["fund_start"] == 5_000.0


def test_what_is_saved_can_be_read_back(small: Cascade, tmp_path: Path) -> None:
    ran = small
    folder = ran.save(tmp_path / "out")
    kept = json.loads((folder / "cascade.json").read_text())
    assert kept["liquidated_accounts"] == ran.liquidated_accounts
    assert (kept["shock_qty"], kept["multiple"]) == (ran.shock_qty, ran.multiple)
    assert kept["waves_by_second"] == ran.by_wave().to_dicts()
    assert pl.read_parquet(folder / "seconds.parquet").equals(ran.seconds)
    page = (folder / "cascade.html").read_text()
    assert "plotly" in page
    assert "insurance fund" in page
    assert "liquidated" in str(ran)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"instrument": "NOSUCHUSDT"}, UnknownInstrument, "NOSUCH"),
        ({"rules_as_of": "2019-01-01"}, NoRuleInForce, "2019"),
        ({"shock": {}}, ConfigError, "shock: says one of"),
        ({"shock": {"sell": 1, "buy": 1}}, ConfigError, "sell, buy"),
        ({"shock": {"sell": 100_000}}, ConfigError, "cascade shock.sell: an order is worth at most"),
        ({"shock": {"sell": 0.001}}, ConfigError, "cascade shock.sell: the exchange refuses it: MIN_NOTIONAL"),
        ({"shock": {"buy": 1e12}}, ConfigError, "cascade shock.buy: an order is worth at most"),
        ({"shock": {"sell": 0.00001}}, ConfigError, "cascade shock.sell: qty"),
        ({"shock": {"index": 100_000}}, ConfigError, "shock.index: a share above -1 and below 10"),
        ({"seed": -1}, ConfigError, "cascade seed: expected a whole number, 0 or more"),
        ({"price": 1e30}, ConfigError, "cascade price: a price lies below"),
        ({"instrument": "cme:ESZ2026"}, ConfigError, "instrument: a cascade needs a Binance perpetual"),
        ({"ladder": {"qty": 0.0001, "step": 5, "levels": 9}}, ConfigError, "cascade ladder.qty"),
        ({"ladder": {"qty": 1, "step": 5, "levels": 9, "heals": 0.00001}}, ConfigError, "cascade ladder.heals"),
        ({"ladder": {"qty": 1, "step": 1e12, "levels": 9}}, ConfigError, "cascade ladder: reaches beyond"),
        ({"shock": {"index": -1.5}}, ConfigError, "shock.index"),
        ({"shock": {"index": -0.1, "seconds": 31}}, ConfigError, "shock.seconds"),
        ({"price": 60_000.05}, ConfigError, "price"),
        ({"price": -1}, ConfigError, "price"),
        ({"ladders": {}}, ConfigError, "Did you mean 'ladder'"),
        ({"ladder": {"qty": 1, "step": 5, "levels": 0}}, ConfigError, "ladder.levels"),
        ({"ladder": {"qty": 1, "step": 0.03, "levels": 5}}, ConfigError, "ladder.step"),
        ({"traders": [{"accounts": 1, "side": "up", "qty": [1, 2], "margin": [1, 2]}]}, ConfigError, "side"),
        ({"traders": [{"accounts": 1, "side": "long", "qty": [2, 1], "margin": [1, 2]}]}, ConfigError, r"\[1\].qty"),
        ({"traders": [{"accounts": 1, "side": "long", "qty": [0.0001, 1], "margin": [1, 2]}]}, ConfigError, "qty"),
        ({"traders": [{"accounts": 1, "side": "long", "qty": [1, 2], "margin": [0.001, 2]}]}, ConfigError, "150x"),
        (
            {"traders": [{"accounts": 1, "side": "long", "qty": [1, 2], "margin": [0.001, 2]}]},
            ConfigError,
            r"cascade traders\[1\].margin: .* or more\.",
        ),
        (
            {"traders": [{"accounts": 1, "side": "long", "qty": [1, 1e9], "margin": [1, 2]}]},
            ConfigError,
            r"cascade traders\[1\].qty: the largest position is worth",
        ),
        (
            {"traders": [{"accounts": 1, "side": "long", "qty": [1, 2], "margin": [1, 200]}]},
            ConfigError,
            r"cascade traders\[1\]: margin: .* at most 100 times",
        ),
        ({"fund": -5}, ConfigError, "cascade fund: a fund begins with 0 to 11,529,215,046 USDT"),
    ],
)
def test_a_wrong_configuration_is_one_error_that_names_the_key(
    change: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        nv.cascade(SMALL | change)
