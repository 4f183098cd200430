"""From a record to a market that lives: a model fitted to an hour of the E-mini trades on the venue's own book."""

from __future__ import annotations

from pathlib import Path

import pytest

from novation._jit import JIT
from novation.data.flow import read_orders
from novation.domain.units import NS
from novation.research.calibrate import MODELS, calibrate_flow, read_model, write_model
from tests.venues.living import living

OPENS = "2023-12-25T23:00Z"
pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not JIT, reason="thousands of orders, with the compiler; minutes without"),
]


@pytest.mark.parametrize("model", MODELS)
def test_what_was_fitted_to_a_record_lives_on_the_book(model: str, novation_data: Path, tmp_path: Path) -> None:
    """2,933 market orders in 3,599 s: twenty minutes have 978. Zero intelligence has them at a rate that stands still:
    four standard errors (one false alarm in 16,000, the seed is fixed). Of the others the rate is what comes of their
    books, which are not the record's: half to twice as many."""
    path = novation_data / "cme/l3_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    flow = read_orders(path, tick="0.25", open_from=OPENS)
    found = calibrate_flow(flow, model, open_from=OPENS)
    write_model(found.model, tmp_path / "model.json")
    venue = living(read_model(tmp_path / "model.json"))
    venue.advance(1_200 * NS)
    population = venue.population
    assert population is not None and not population.refused
    did = population.counts["market_buy"] + population.counts["market_sell"]
    if model == "zero-intelligence":
        assert abs(did - 978) < 4 * 978**0.5
    assert 978 / 2 < did < 978 * 2
    assert venue.totals().outside == 0
    view = venue.book(0, depth=1)
    assert view.bids and view.asks and view.bids[0].price_ticks < view.asks[0].price_ticks
