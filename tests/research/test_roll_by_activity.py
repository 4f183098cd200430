"""What to hold by volume or open interest, asked of a file as of a day."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from novation.cli import main
from novation.domain.errors import DataError
from novation.reference.lookup import Reference
from novation.research.roll_by_activity import roll_by_activity

REFERENCE = Reference()
DAYS = [dt.date(2024, 3, day) for day in (4, 5, 6, 7, 8, 11, 12)]


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """March and June of ES: June trades more than March from Thursday 7 on."""
    march, june = [90, 80, 70, 40, 30, 20, 10], [10, 20, 30, 60, 70, 80, 90]
    rows = [(day, 202403, volume, 1000) for day, volume in zip(DAYS, march, strict=True)]
    rows += [(day, 202406, volume, 500) for day, volume in zip(DAYS, june, strict=True)]
    columns = ["trade_date", "expiry", "volume", "open_interest"]
    file = tmp_path / "chain.parquet"
    pl.DataFrame(rows, schema=columns, orient="row").sort("trade_date", "expiry").write_parquet(file)
    return file


@pytest.mark.parametrize(
    ("on", "confirm", "held", "today"),
    [
        ("2024-03-07", 1, "ESH2024", False),  # Thursday's volumes are not known on Thursday
        ("2024-03-08", 1, "ESM2024", True),
        ("2024-03-11", 1, "ESM2024", False),
        ("2024-03-08", 2, "ESH2024", False),
        ("2024-03-11", 2, "ESM2024", True),
    ],
)
def test_the_roll_takes_place_on_the_day_after_the_volumes_say_so(
    chain: Path, on: str, confirm: int, held: str, today: bool
) -> None:
    found = roll_by_activity("ES", chain, on=on, confirm=confirm, reference=REFERENCE)
    assert (found.held, found.rolled_today) == (held, today)


def test_what_comes_later_in_the_file_changes_nothing(chain: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.parquet"
    pl.read_parquet(chain).filter(pl.col("trade_date") < dt.date(2024, 3, 8)).write_parquet(cut)
    whole = roll_by_activity("ES", chain, on="2024-03-08", reference=REFERENCE)
    assert whole == roll_by_activity("ES", cut, on="2024-03-08", reference=REFERENCE)


def test_open_interest_may_say_otherwise(chain: Path) -> None:
    found = roll_by_activity("ES", chain, on="2024-03-12", by="open_interest", reference=REFERENCE)
    assert found.held == "ESH2024"
    assert dict(found.figures) == {"ESH2024": 1000, "ESM2024": 500}


def test_a_day_before_the_file_is_refused(chain: Path) -> None:
    with pytest.raises(DataError, match="has no row before 2024-03-04"):
        roll_by_activity("ES", chain, on="2024-03-04", reference=REFERENCE)


def test_the_command_shows_it(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments: list[Any] = ["roll", "ES", "--rule", "volume", "--data", str(chain), "--on", "2024-03-08"]
    assert main(arguments) == 0
    assert "ESH2024 to ESM2024: 40 against 60" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["past"][0]["day"] == "2024-03-08"
    assert main(["roll", "ES", "--rule", "volume"]) == 2
    assert "Pass --data PATH" in capsys.readouterr().err
