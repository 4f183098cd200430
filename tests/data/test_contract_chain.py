"""A user's own dated contracts: each is held between its rolls, and a roll needs prices of both."""

from __future__ import annotations

import polars as pl
import pytest

from novation.data import ContractChain
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS, E8, to_ns


def days(first: str, count: int, price: float) -> pl.DataFrame:
    stamps = [to_ns(first) + i * DAY_NS for i in range(count)]
    return pl.DataFrame(
        {
            "ts": pl.Series(stamps).cast(pl.Datetime("ns", "UTC")),
            "open": [price + i for i in range(count)],
            "high": [price + i + 2 for i in range(count)],
            "low": [price + i - 2 for i in range(count)],
            "close": [price + i + 1 for i in range(count)],
        }
    )


BARS = {
    202403: days("2024-03-01", 20, 100.0),
    202406: days("2024-03-04", 60, 200.0),
    202409: days("2024-04-01", 60, 300.0),
}
ROLLS = [("2024-03-12", 202403, 202406), ("2024-04-20", 202406, 202409)]


def test_each_contract_runs_from_its_roll_in_to_the_end_of_its_roll_out_day() -> None:
    contracts, rolls, _ = ContractChain(BARS, ROLLS).prepare("cme:ES")
    assert [(roll.ts_ns, roll.old, roll.new) for roll in rolls] == [(to_ns(at), old, new) for at, old, new in ROLLS]
    spans = {month: (held.bars.start_ns[0], held.bars.end_ns[-1]) for month, held in contracts.items()}
    assert spans == {
        202403: (to_ns("2024-03-01"), to_ns("2024-03-13")),
        202406: (to_ns("2024-03-12"), to_ns("2024-04-21")),
        202409: (to_ns("2024-04-20"), to_ns("2024-05-31")),
    }


def test_both_contracts_have_a_bar_that_opens_at_the_roll() -> None:
    contracts, rolls, _ = ContractChain(BARS, ROLLS).prepare("cme:ES")
    for roll in rolls:
        assert contracts[roll.old].bars.start_ns[-1] == roll.ts_ns == contracts[roll.new].bars.start_ns[0]
    assert contracts[202403].bars.open_e8[-1] == 111 * E8
    assert contracts[202406].bars.open_e8[0] == 208 * E8


def test_each_day_is_settled_at_its_end_with_its_last_close_unless_settlements_are_given() -> None:
    contracts, _, cautions = ContractChain(BARS, ROLLS).prepare("cme:ES")
    held = contracts[202403]
    assert held.settlement_ns.tolist() == held.bars.end_ns.tolist()
    assert held.settlement_e8.tolist() == held.bars.close_e8.tolist()
    assert any("last given close of each day" in caution for caution in cautions)
    settled = {
        month: pl.DataFrame({"ts": frame["ts"].dt.offset_by("1d"), "settlement": frame["open"]})
        for month, frame in BARS.items()
    }
    contracts, _, cautions = ContractChain(BARS, ROLLS, settlement=settled).prepare("cme:ES")
    assert contracts[202403].settlement_e8.tolist() == contracts[202403].bars.open_e8.tolist()
    assert cautions == ("no mark prices given: the last price stands in for the mark",)


def test_a_period_keeps_the_contracts_and_rolls_that_lie_in_it() -> None:
    contracts, rolls, _ = ContractChain(BARS, ROLLS).prepare("cme:ES", to_ns("2024-03-15"), to_ns("2024-04-10"))
    assert list(contracts) == [202406]
    assert rolls == ()
    assert contracts[202406].bars.start_ns[0] == to_ns("2024-03-15")
    assert contracts[202406].bars.end_ns[-1] == to_ns("2024-04-10")


@pytest.mark.parametrize("period", [(to_ns("2024-02-29"), None), (None, to_ns("2024-06-01"))])
def test_a_period_outside_the_chain_is_refused(period) -> None:
    with pytest.raises(DataError, match=r"cme:ES bars: .* is outside the data, 2024-03-01 00:00 .. 2024-05-31 00:00"):
        ContractChain(BARS, ROLLS).prepare("cme:ES", *period)


@pytest.mark.parametrize(
    ("rolls", "message"),
    [
        (
            [("2024-03-02", 202403, 202406)],
            "bars[202406] 2024-03-02 00:00: no bar of 202406 opens at the roll 202403 "
            "to 202406. Roll where both months have a bar that opens.",
        ),
        (
            [("2024-03-12", 202403, 202412)],
            "bars: no bars of a month that the rolls name (found 202412). Give its bars, or leave its rolls out.",
        ),
        (
            [("2024-03-12", 202403, 202406), ("2024-04-20", 202403, 202409)],
            "bars rolls: the roll at 2024-04-20 00:00 leaves 202403, but 202406 is held since 2024-03-12 00:00.",
        ),
        (
            [("2024-04-20", 202403, 202406), ("2024-04-20", 202406, 202409)],
            "bars rolls: the roll 202406 to 202409 at 2024-04-20 00:00 comes after one at 2024-04-20 00:00. "
            "Sort them by time.",
        ),
    ],
)
def test_rolls_that_cannot_be_made_are_refused(rolls, message) -> None:
    with pytest.raises(DataError) as caught:
        ContractChain(BARS, rolls)
    assert str(caught.value) == message


def test_one_contract_without_rolls_is_a_chain_of_one() -> None:
    contracts, rolls, _ = ContractChain({202403: BARS[202403]}, []).prepare("cme:ES")
    assert (list(contracts), rolls, len(contracts[202403].bars)) == ([202403], (), 20)
