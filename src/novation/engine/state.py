"""The checked accessors by which kernels reach the rows of the tables (`engine.layout`).

One refuses a row outside its table, negative ones too.
"""

from __future__ import annotations

from novation._jit import kernel, record_pointer
from novation.domain.commands import COMMAND_DTYPE
from novation.domain.events import EVENT_DTYPE
from novation.domain.market import MARKET_DTYPE
from novation.engine.layout import (
    ACCOUNT,
    ASSET,
    BALANCE,
    BAND,
    BAR_LIQUIDITY,
    BASIS,
    BOOK,
    BUFFER,
    CHUNK,
    CONTRACT,
    DELAY,
    FEW,
    FLIGHT,
    HEAD,
    HOLDING,
    IMPACT,
    LEGS,
    LEVEL,
    LISTS,
    LOOK,
    MAKER,
    MARKET,
    NEWS,
    ORDER,
    PAGES,
    POOL,
    POSITION,
    PRICE,
    PRICING,
    QUEUE,
    RESTING,
    SAMPLE,
    SENT,
    SIDE,
    SLOPE,
    SLOT,
    SPARE,
    TERMS,
    TIER,
)

_contract_at = record_pointer(CONTRACT)
_terms_at = record_pointer(TERMS)
_tier_at = record_pointer(TIER)
_market_at = record_pointer(MARKET)
_account_at = record_pointer(ACCOUNT)
_position_at = record_pointer(POSITION)
_order_at = record_pointer(ORDER)
_feed_at = record_pointer(MARKET_DTYPE)
_event_at = record_pointer(EVENT_DTYPE)
_command_at = record_pointer(COMMAND_DTYPE)
_sample_at = record_pointer(SAMPLE)
_holding_at = record_pointer(HOLDING)
_pool_at = record_pointer(POOL)
_queue_at = record_pointer(QUEUE)
_level_at = record_pointer(LEVEL)
_pricing_at = record_pointer(PRICING)
_basis_at = record_pointer(BASIS)
_band_at = record_pointer(BAND)
_asset_at = record_pointer(ASSET)
_buffer_at = record_pointer(BUFFER)
_balance_at = record_pointer(BALANCE)
_spare_at = record_pointer(SPARE)
_slope_at = record_pointer(SLOPE)
_impact_at = record_pointer(IMPACT)
_bar_liquidity_at = record_pointer(BAR_LIQUIDITY)
_book_at = record_pointer(BOOK)
_maker_at = record_pointer(MAKER)
_side_at = record_pointer(SIDE)
_chunk_at = record_pointer(CHUNK)
_slot_at = record_pointer(SLOT)
_page_at = record_pointer(PAGES)
_price_at = record_pointer(PRICE)
_resting_at = record_pointer(RESTING)
_look_at = record_pointer(LOOK)
_flight_at = record_pointer(FLIGHT)
_news_at = record_pointer(NEWS)
_sent_at = record_pointer(SENT)
_delay_at = record_pointer(DELAY)
head_at = record_pointer(HEAD)


@kernel
def check_row(row, rows):
    """Refuse a row outside its table."""
    if row < 0 or row >= rows:
        raise IndexError("row outside its table")


@kernel
def contract_(venue, instrument):
    """What never changes of an instrument."""
    check_row(instrument, venue.contract_rows)
    return _contract_at(venue.contract_address, instrument)


@kernel
def terms_(venue, row):
    """A dated row of rules."""
    check_row(row, venue.terms_rows)
    return _terms_at(venue.terms_address, row)


@kernel
def tier_(venue, row):
    """A bracket."""
    check_row(row, venue.tier_rows)
    return _tier_at(venue.tier_address, row)


@kernel
def market_(venue, instrument):
    """What the market of an instrument did."""
    check_row(instrument, venue.market_rows)
    return _market_at(venue.market_address, instrument)


@kernel
def account_(venue, account):
    """An account."""
    check_row(account, venue.account_rows)
    return _account_at(venue.account_address, account)


@kernel
def row_of(venue, account, instrument, leg):
    """Row of a position."""
    check_row(account, venue.accounts)
    check_row(instrument, venue.instruments)
    check_row(leg, LEGS)
    return (account * venue.instruments + instrument) * LEGS + leg


@kernel
def position_(venue, account, instrument, leg):
    """A position of an account in an instrument."""
    return _position_at(venue.position_address, row_of(venue, account, instrument, leg))


@kernel
def position_row_(venue, row):
    """A position by its row."""
    check_row(row, venue.position_rows)
    return _position_at(venue.position_address, row)


@kernel
def first_row(venue, account):
    """The first row to look at for the positions of an account; go on with `next_row`. Some may be empty.

    With few instruments these are all its rows, so that a sweep over many accounts need not wait for one row to know
    where the next is; with more, its list.
    """
    if venue.instruments > FEW:
        return account_(venue, account).first_position
    return row_of(venue, account, 0, 0)


@kernel
def next_row(venue, account, row):
    """The row after one of `first_row`, -1 after the last."""
    if venue.instruments > FEW:
        return position_row_(venue, row).next
    row += LEGS - account_(venue, account).hedge  # in one-way mode the second leg is empty
    return row if row < (account + 1) * venue.instruments * LEGS else -1


@kernel
def order_(venue, row):
    """An order by its row."""
    check_row(row, venue.order_rows)
    return _order_at(venue.order_address, row)


@kernel
def own_order(venue, account, instrument):
    """Row of the first working order of an account in an instrument (-1: in any), -1 without one."""
    row = account_(venue, account).first_order
    while row >= 0 and instrument >= 0 and order_(venue, row).instrument != instrument:
        row = order_(venue, row).own_next
    return row


@kernel
def feed_(venue, row):
    """A market event of the attached feed."""
    check_row(row, venue.feed_rows)
    return _feed_at(venue.feed_address, row)


@kernel
def event_(venue, row):
    """A row of the event buffer."""
    check_row(row, venue.event_rows)
    return _event_at(venue.event_address, row)


@kernel
def command_(venue, row):
    """A waiting command."""
    check_row(row, venue.command_rows)
    return _command_at(venue.command_address, row)


@kernel
def sample_(venue, row):
    """A row of the account samples."""
    check_row(row, venue.sample_rows)
    return _sample_at(venue.sample_address, row)


@kernel
def holding_(venue, row):
    """A row of the position samples."""
    check_row(row, venue.holding_rows)
    return _holding_at(venue.holding_address, row)


@kernel
def queue_(venue, column, at):
    """A number of the queue of counterparties; there where a fund can run dry."""
    check_row(at, venue.band_base)
    row = column * venue.band_base + at
    check_row(row, venue.queue_rows)
    return _queue_at(venue.queue_address, row)


@kernel
def pool_(venue, row):
    """An insurance fund."""
    check_row(row, venue.pool_rows)
    return _pool_at(venue.pool_address, row)


@kernel
def pricing_(venue, instrument):
    """What an instrument is marked, funded and delivered by; there where the venue does any of it."""
    check_row(instrument, venue.pricing_rows)
    return _pricing_at(venue.pricing_address, instrument)


@kernel
def basis_(venue, row):
    """A sample of the basis."""
    check_row(row, venue.basis_rows)
    return _basis_at(venue.basis_address, row)


@kernel
def level_(venue, row):
    """A level of a ladder."""
    check_row(row, venue.level_rows)
    return _level_at(venue.level_address, row)


@kernel
def band_(venue, row):
    """A node of the trees of bands: 2 * band_base rows an instrument."""
    check_row(row, venue.band_rows)
    return _band_at(venue.band_address, row)


@kernel
def spare_(venue, account):
    """What an account can spare where all marks are zero."""
    check_row(account, venue.spare_rows)
    return _spare_at(venue.spare_address, account)


@kernel
def impact_(venue, row):
    """How takers move an instrument's price."""
    check_row(row, venue.impact_rows)
    return _impact_at(venue.impact_address, row)


@kernel
def bar_liquidity_(venue, row):
    """What takers of an instrument on bars meet beside the price."""
    check_row(row, venue.bar_liquidity_rows)
    return _bar_liquidity_at(venue.bar_liquidity_address, row)


@kernel
def slope_(venue, row):
    """How that changes with a mark: rows `account * instruments` and on, one an instrument."""
    check_row(row, venue.slope_rows)
    return _slope_at(venue.slope_address, row)


@kernel
def asset_(venue, asset):
    """An asset."""
    check_row(asset, venue.asset_rows)
    return _asset_at(venue.asset_address, asset)


@kernel
def buffer_of(venue, asset):
    """The rules in force for an asset."""
    row = asset_(venue, asset).buffer
    check_row(row, venue.buffer_rows)
    return _buffer_at(venue.buffer_address, row)


@kernel
def balance_(venue, account, asset):
    """What an account holds of an asset other than the settlement asset."""
    check_row(account, venue.accounts)
    row = account * (venue.assets - 1) + asset - 1
    check_row(row, venue.balance_rows)
    return _balance_at(venue.balance_address, row)


@kernel
def terms_of(venue, instrument):
    """The rules in force for an instrument."""
    return terms_(venue, market_(venue, instrument).terms)


@kernel
def book_(venue, row):
    """A book by its row."""
    check_row(row, venue.book_rows)
    return _book_at(venue.book_address, row)


@kernel
def book_of(venue, instrument):
    """The book of an instrument, which has one."""
    return book_(venue, contract_(venue, instrument).book - 1)


@kernel
def has_book(venue, instrument):
    """Whether an instrument trades on a book."""
    return contract_(venue, instrument).book > 0


@kernel
def maker_(venue, row):
    """A lead market maker."""
    check_row(row, venue.maker_rows)
    return _maker_at(venue.maker_address, row)


@kernel
def place_of(venue, instrument, which):
    """Row of a list of an instrument's book."""
    return (contract_(venue, instrument).book - 1) * LISTS + which


@kernel
def side_(venue, row):
    """A list of a book."""
    check_row(row, venue.side_rows)
    return _side_at(venue.side_address, row)


@kernel
def chunk_(venue, row):
    """A chunk of a list."""
    check_row(row, venue.chunk_rows)
    return _chunk_at(venue.chunk_address, row)


@kernel
def slot_(venue, row):
    """Where the page of some ticks is: 1 + its row, 0 for none."""
    check_row(row, venue.slot_rows)
    return _slot_at(venue.slot_address, row)


@kernel
def page_(venue, row):
    """A page of prices."""
    check_row(row, venue.page_rows)
    return _page_at(venue.page_address, row)


@kernel
def price_(venue, row):
    """The queue at a price."""
    check_row(row, venue.price_rows)
    return _price_at(venue.price_address, row)


@kernel
def resting_(venue, row):
    """An order in a queue."""
    check_row(row, venue.resting_rows)
    return _resting_at(venue.resting_address, row)


@kernel
def look_(venue, row):
    """When a strategy looks."""
    check_row(row, venue.look_rows)
    return _look_at(venue.look_address, row)


@kernel
def flight_(venue, row):
    """A command on its way."""
    check_row(row, venue.flight_rows)
    return _flight_at(venue.flight_address, row)


@kernel
def news_(venue, row):
    """An event on its way."""
    check_row(row, venue.news_rows)
    return _news_at(venue.news_address, row)


@kernel
def sent_(venue, row):
    """An order that the participant knows of."""
    check_row(row, venue.sent_rows)
    return _sent_at(venue.sent_address, row)


@kernel
def delay_(venue, row):
    """What a response takes."""
    check_row(row, venue.delay_rows)
    return _delay_at(venue.delay_address, row)
