"""The records kernels work on: their fields, their bytes, and the accessors that guard their rows."""

from __future__ import annotations

from random import Random

import msgspec
import numpy as np
import pytest

from novation._jit import kernel
from novation.domain.commands import COMMAND_DTYPE, COMMAND_FORMAT, Command
from novation.domain.events import EVENT_DTYPE, EVENT_FORMAT, Event
from novation.domain.market import MARKET_DTYPE, MARKET_FORMAT, MarketEvent
from novation.engine.layout import BAR_LIQUIDITY, DTYPES, HEAD, IMPACT, SLOPE, SPARE, TABLES
from novation.engine.state import (
    account_,
    asset_,
    balance_,
    band_,
    bar_liquidity_,
    basis_,
    book_,
    chunk_,
    command_,
    contract_,
    delay_,
    event_,
    feed_,
    flight_,
    holding_,
    impact_,
    level_,
    look_,
    maker_,
    market_,
    news_,
    order_,
    page_,
    pool_,
    position_,
    position_row_,
    price_,
    pricing_,
    resting_,
    sample_,
    sent_,
    side_,
    slope_,
    slot_,
    spare_,
    terms_,
    tier_,
)
from tests.venues import scenarios
from tests.venues.lockstep import venue_of

RECORDS = [
    (Command, COMMAND_DTYPE, COMMAND_FORMAT),
    (Event, EVENT_DTYPE, EVENT_FORMAT),
    (MarketEvent, MARKET_DTYPE, MARKET_FORMAT),
]
ACCESSORS = (
    "contract",
    "terms",
    "tier",
    "market",
    "account",
    "position",
    "order",
    "feed",
    "event",
    "command",
    "sample",
    "holding",
    "pool",
    "level",
    "pricing",
    "basis",
    "band",
    "asset",
    "spare",
    "slope",
    "book",
    "maker",
    "side",
    "chunk",
    "slot",
    "page",
    "price",
    "resting",
    "look",
    "flight",
    "news",
    "sent",
    "delay",
    "impact",
    "bar_liquidity",
)
#: What is computed in floating point: bands, that is who need not be tested, and models of impact, of which whole 1e-8
#: are said and owed.
FLOATS = {
    **dict.fromkeys(["constant", "slope"], (SPARE, SLOPE)),
    **dict.fromkeys(
        ["half_spread", "temporary", "temporary_by", "order", "order_by", "permanent", "transient"], (IMPACT,)
    ),
    **dict.fromkeys(["fades", "takes", "unit"], (IMPACT,)),
    **dict.fromkeys(["exponent", "least", "most"], (BAR_LIQUIDITY,)),
}


@pytest.mark.parametrize("name", ["head", *DTYPES])
def test_no_field_is_an_attribute_of_a_numpy_record(name: str) -> None:
    fields = (HEAD if name == "head" else DTYPES[name]).names or ()
    assert fields
    # EVENT's `flags` would break `o.flags += 1` with JIT off; it is written whole, and read as `e["flags"]`
    assert set(fields) & set(dir(np.record)) <= ({"flags"} if name == "event" else set())


@pytest.mark.parametrize("dtype", [HEAD, *DTYPES.values()])
def test_every_field_is_int64_but_those_of_bands_and_models(dtype: np.dtype) -> None:
    for name in dtype.names or ():
        assert dtype[name] == np.dtype(np.float64 if dtype in FLOATS.get(name, ()) else np.int64)
    assert dtype.itemsize == 8 * len(dtype.names or ())


@pytest.mark.parametrize(("record", "dtype", "form"), RECORDS, ids=lambda x: getattr(x, "__name__", ""))
def test_struct_dtype_and_bytes_of_a_record_agree(record: type[msgspec.Struct], dtype: np.dtype, form) -> None:
    assert dtype.names == record.__struct_fields__
    assert form.size == dtype.itemsize
    numbers = [n * (-1) ** n * (1 << 40) - 7 for n in range(len(record.__struct_fields__))]
    row = record(**dict(zip(record.__struct_fields__, numbers, strict=True)))
    packed = form.pack(*(getattr(row, name) for name in record.__struct_fields__))
    (read,) = np.frombuffer(packed, dtype)
    assert [int(read[name]) for name in dtype.names] == numbers


def test_every_table_has_its_address_in_the_head() -> None:
    # the queue is reached by its columns, buffers and balances by asset, scratch of auctions and windows as arrays
    assert set(TABLES) == set(DTYPES) == {*ACCESSORS, "queue", "buffer", "balance", "crossing", "window"}
    assert {f"{t}_{what}" for t in TABLES for what in ("address", "rows")} <= set(HEAD.names or ())


@kernel
def touch(heads, which, row):
    """Read one field through each accessor."""
    venue = heads[0]
    if which == 0:
        return contract_(venue, row).tick_e8
    if which == 1:
        return terms_(venue, row).tick_step
    if which == 2:
        return tier_(venue, row).cum
    if which == 3:
        return market_(venue, row).last_e8
    if which == 4:
        return account_(venue, row).wallet
    if which == 5:
        return position_row_(venue, row).lots
    if which == 6:
        return order_(venue, row).id
    if which == 7:
        return feed_(venue, row).ts_ns
    if which == 8:
        return event_(venue, row).ts_ns
    if which == 9:
        return command_(venue, row).kind
    if which == 10:
        return sample_(venue, row).wallet
    if which == 11:
        return holding_(venue, row).lots
    if which == 12:
        return pool_(venue, row).low
    if which == 13:
        return level_(venue, row).upto
    if which == 14:
        return pricing_(venue, row).index_e8
    if which == 15:
        return basis_(venue, row).twice
    if which == 16:
        return band_(venue, row).below_e8
    if which == 17:
        return asset_(venue, row).buffer
    if which == 18:
        return 1 if spare_(venue, row).constant < 0.0 else 0
    if which == 19:
        return slope_(venue, row).below_e8
    if which == 20:
        return book_(venue, row).by_time
    if which == 21:
        return maker_(venue, row).percent
    if which == 22:
        return side_(venue, row).orders
    if which == 23:
        return chunk_(venue, row).used
    if which == 24:
        return slot_(venue, row).page
    if which == 25:
        return page_(venue, row).used
    if which == 26:
        return price_(venue, row).lots
    if which == 27:
        return resting_(venue, row).shown
    if which == 28:
        return look_(venue, row).now_ns
    if which == 29:
        return flight_(venue, row).arrive_ns
    if which == 30:
        return news_(venue, row).heard_ns
    if which == 31:
        return sent_(venue, row).order
    if which == 32:
        return delay_(venue, row).ns
    if which == 33:
        return impact_(venue, row).stays_e8
    return bar_liquidity_(venue, row).used


@kernel
def touch_balance(heads, account, asset):
    """Read what an account holds of an asset."""
    return balance_(heads[0], account, asset).amount


@kernel
def touch_position(heads, account, instrument, leg):
    """Read a position by account, instrument and leg."""
    return position_(heads[0], account, instrument, leg).leverage


@pytest.mark.parametrize("table", ACCESSORS)
def test_an_accessor_refuses_rows_outside_its_table(table: str) -> None:
    venue = venue_of(scenarios.setup(Random(1), accounts=2, kind="coins"))
    which, rows = ACCESSORS.index(table), venue.number(f"{table}_rows")
    for row in (-1, rows, rows + 1, -(1 << 62), 1 << 62):
        with pytest.raises(IndexError):
            touch(venue.heads, which, row)
    if rows:
        assert isinstance(int(touch(venue.heads, which, rows - 1)), int)


def test_a_position_is_not_reached_past_its_account_or_instrument() -> None:
    venue = venue_of(scenarios.setup(Random(1), accounts=2, kind="coins"))
    count = len(venue.instruments)
    assert touch_position(venue.heads, 1, count - 1, 1) == venue.rules.default_leverage
    for account, instrument, leg in ((-1, 0, 0), (2, 0, 0), (0, -1, 0), (0, count, 0), (0, 0, -1), (0, 0, 2)):
        with pytest.raises(IndexError):
            touch_position(venue.heads, account, instrument, leg)


def test_a_balance_is_not_reached_past_its_account_or_asset() -> None:
    setup = scenarios.setup(Random(1), accounts=2, kind="coins")
    venue = venue_of(setup._replace(assets=scenarios.assets(Random(1))))
    count = venue.number("assets")
    assert count > 1
    assert touch_balance(venue.heads, 1, count - 1) == 0
    for account, asset in ((-1, 1), (2, 1), (1, count), (0, 0), (0, -1)):
        with pytest.raises(IndexError):
            touch_balance(venue.heads, account, asset)
