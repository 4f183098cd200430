"""One instant after another: the order of things inside the exchange, resumable at every unit.

At one instant (DESIGN §2): dated rules; halts that bars bring; bars that close; phases and price limits; bars that
open; funding; settlement; the liquidation check; orders that waited for a price; then the commands, in order of
arrival.

A bar that closes is three steps: accounts as they stood in the bar are tested at the mark's adverse extreme (surviving
that one, they survive the other); then the limit orders it traded through and the stops it reached are filled, in the
order of its path; then, if any was, every account is tested again. A unit of work emits at most UNIT_EVENTS events, and
one margin call per position; no unit starts without room for them: the door returns MORE, is drained, and goes on
where it stood.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentStatus,
    MarketEventKind,
    MarketPhase,
    OrderKind,
    TriggerPrice,
)
from novation.engine.amending import cancel_all_unit, day_order_unit, expiry_unit, find_expiry
from novation.engine.auction import auction_unit
from novation.engine.bands import put_bands, still_clear, watch
from novation.engine.bar_path import find_touched, next_touched
from novation.engine.bar_stops import opens_at_trigger, trigger_inside, trigger_opening
from novation.engine.clearing import fund, fund_outside, settle
from novation.engine.closing import gone_unit
from novation.engine.collateral import touch_multi
from novation.engine.commands import execute_command
from novation.engine.conditional import election_unit, look_at_marks, mark_moved
from novation.engine.delivery import close_delivery, deliver_account
from novation.engine.halting import begin_window, forget_halt, resuming
from novation.engine.layout import LEGS, NEVER_NS, NO_PRICE
from novation.engine.ledger import next_event
from novation.engine.liquidation import check_account, liquidation_unit
from novation.engine.liquidity import has_ladder
from novation.engine.marking import delivery_price, index_mark, settle_due
from novation.engine.matching import book_unit
from novation.engine.orders import cancel_order, waits
from novation.engine.parametric import (
    left_in_bar,
    open_liquidity,
    opened_beyond,
    opening_ticks,
    state_liquidity,
)
from novation.engine.phases import change_limits, change_phase
from novation.engine.replay import replay_rows, row_is_due
from novation.engine.sampling import sample_account
from novation.engine.state import account_, asset_, command_, contract_, feed_, has_book, market_, order_, terms_of
from novation.engine.taking import fill_working, meet_ladder, taking_unit
from novation.engine.watch import all_changed, next_endangered, put_due

UNIT_EVENTS = 8

IDLE = 0
INSTANT = 1
MORE = 2

_ROWS, _TERMS_ORDERS, _EXTREMES, _LIMITS, _RECHECK, _FUND, _SETTLE, _CHECK, _OPENINGS, _SAMPLE = range(1, 11)
_DELIVER_ORDERS, _DELIVER, _EXPIRE, _DAY_ORDERS, _AUCTION, _RESUME, _STOPS = range(11, 18)
_LAST, _BY_MARK = int(TriggerPrice.LAST), int(TriggerPrice.MARK)

_TERMS = int(MarketEventKind.TERMS)
_ASSET_INDEX = int(MarketEventKind.ASSET_INDEX)
_BAR_CLOSE = int(MarketEventKind.BAR_CLOSE)
_PHASE = int(MarketEventKind.PHASE)
_HALT = int(MarketEventKind.HALT)
_LIMITS_ROW = int(MarketEventKind.LIMITS)
_BAR_OPEN = int(MarketEventKind.BAR_OPEN)
_LIQUIDITY = int(MarketEventKind.LIQUIDITY)
_MARK = int(MarketEventKind.MARK)
_OPEN, _CLOSED = int(MarketPhase.OPEN), int(MarketPhase.CLOSED)
_FUNDING = int(MarketEventKind.FUNDING)
_SETTLEMENT = int(MarketEventKind.SETTLEMENT)
_INDEX = int(MarketEventKind.INDEX)
_STATUS = int(MarketEventKind.STATUS)
_DELIVERING = int(InstrumentStatus.DELIVERING)
_DELIVERED = int(InstrumentStatus.DELIVERED)
_MARKET = int(OrderKind.MARKET)
_TERMS_CHANGED = int(EventKind.TERMS_CHANGED)
_STATUS_CHANGED = int(EventKind.STATUS_CHANGED)
_OFF_TICK = int(CancelReason.OFF_TICK_BY_NEW_TERMS)
_CANCEL_HALTED = int(CancelReason.MARKET_HALTED)
_CANCEL_DELIVERY = int(CancelReason.DELIVERY)


@kernel
def next_instant(venue):
    """Time of the next row of the feed, of the next stamp of the venue's own or of the first order that expires, -1
    when there is none of them."""
    ts_ns = min(venue.due_ns, venue.resume_ns, find_expiry(venue))
    if venue.feed_next < venue.feed_rows:
        ts_ns = min(ts_ns, feed_(venue, venue.feed_next).ts_ns)
    return ts_ns if ts_ns < NEVER_NS else -1


@kernel
def begin_instant(venue, ts_ns):
    """Move the clock to the next instant."""
    venue.clock_ns = ts_ns
    venue.stage = _RESUME if venue.resume_ns <= ts_ns else _ROWS
    if venue.expire_ns <= ts_ns:
        venue.stage = _EXPIRE
        venue.next_order = venue.first_order
    venue.closed_from = venue.feed_next
    venue.closed_to = venue.feed_next
    venue.closing = 0
    venue.settled = 0


@kernel
def apply_row(venue, row):
    """One market event; most only move the market, those that touch every account start a stage."""
    m = market_(venue, row.instrument)
    if row.kind == _BAR_CLOSE:
        if venue.closed_to == venue.closed_from:
            venue.closed_from = venue.feed_next
        venue.closed_to = venue.feed_next + 1
        m.start_ns = row.start_ns
        m.bar = row.bar
        if has_book(venue, row.instrument):  # nothing trades by it: a trader looks at the market by its clock
            m.closed_ns = venue.clock_ns
            m.bar_low_e8 = row.mark_low_e8
            m.bar_high_e8 = row.mark_high_e8
            venue.feed_next += 1
            return
        venue.closing = 1
        m.closing = 1
        m.last_high_e8 = row.last_high_e8
        m.last_low_e8 = row.last_low_e8
        m.last_close_e8 = row.last_e8
        m.mark_close_e8 = row.mark_e8
        if row.mark_e8 != 0:
            m.mark_high_e8 = row.mark_high_e8
            m.mark_low_e8 = row.mark_low_e8
    elif row.kind == _BAR_OPEN:
        m.last_e8 = row.last_e8
        m.centre_e8 = row.last_e8
        m.open_ns = row.ts_ns
        open_liquidity(venue, row)
        set_mark(m, row.mark_e8)
    elif row.kind == _LIQUIDITY:
        state_liquidity(venue, row)
    elif row.kind == _MARK:
        set_mark(m, row.mark_e8)
        mark_moved(venue, row.instrument)
    elif row.kind == _PHASE or row.kind == _HALT:
        before = m.phase
        change_phase(venue, row)
        if has_book(venue, row.instrument):
            forget_halt(venue, row.instrument)
        if m.phase != before and has_book(venue, row.instrument):
            if m.phase == _OPEN:
                begin_auction(venue, row.instrument, 1)
                return
            if m.phase == _CLOSED:
                venue.stage = _DAY_ORDERS
                venue.next_order = venue.first_order
                return
    elif row.kind == _LIMITS_ROW:
        low, high = m.limit_low_e8, m.limit_high_e8
        change_limits(venue, row)
        changed = low != m.limit_low_e8 or high != m.limit_high_e8
        if changed and m.phase == _OPEN and has_book(venue, row.instrument):
            begin_auction(venue, row.instrument, 1)
            return
    elif row.kind == _ASSET_INDEX:
        x = asset_(venue, row.asset)
        x.index_e8 = row.index_e8
        x.buffer = x.buffer_first + row.terms
        touch_multi(venue)
    elif row.kind == _FUNDING:
        set_mark(m, row.mark_e8)
        if row.mark_e8 != 0:
            mark_moved(venue, row.instrument)
        venue.funding_instrument = row.instrument
        venue.funding_rate_e8 = row.rate_e8
        venue.stage = _FUND
        venue.cursor = 0
        return
    elif row.kind == _INDEX:
        set_mark(m, index_mark(venue, row))
        mark_moved(venue, row.instrument)
    elif row.kind == _STATUS:
        if m.status != _DELIVERED:
            if row.status == _DELIVERING:
                venue.delivery_e8, venue.delivery_samples = delivery_price(venue, row)
            change_status(venue, row.instrument, row.status)
            if has_book(venue, row.instrument):
                look_at_marks(venue, row.instrument)
            venue.stage = _DELIVER_ORDERS
            venue.next_order = venue.first_order
            return
    elif row.kind == _SETTLEMENT:
        m.settlement_ticks = row.price_ticks
        venue.settled = 1 + row.trade_date
        venue.stage = _SETTLE
        venue.cursor = 0
        return
    elif row.kind == _TERMS:
        m.terms = row.terms
        if terms_of(venue, row.instrument).calls_due:
            m.deadline_ns = venue.clock_ns
        venue.terms_changes += 1
        all_changed(venue)
        e = next_event(venue, _TERMS_CHANGED, -1, row.instrument)
        e.amount = row.terms
        venue.stage = _TERMS_ORDERS
        venue.next_order = venue.first_order
        return
    venue.feed_next += 1


@kernel
def begin_auction(venue, instrument, by_row):
    """The two sides of a book may cross now. Where a record is replayed it has the auction."""
    venue.stage = _AUCTION
    venue.auctioning = 1
    venue.auction_of = instrument
    venue.auction_row = by_row
    begin_window(venue, instrument)
    look_at_marks(venue, instrument)


@kernel
def resume_unit(venue):
    """Open the next market whose halt ends now."""
    instrument = resuming(venue)
    if instrument < 0:
        venue.stage = _ROWS
    else:
        begin_auction(venue, instrument, 0)


@kernel
def change_status(venue, instrument, status):
    """Put an instrument into a status, and say so."""
    market_(venue, instrument).status = status
    e = next_event(venue, _STATUS_CHANGED, -1, instrument)
    e.amount = status
    if status >= _DELIVERING:
        e.price_e8 = venue.delivery_e8
        e.lots = venue.delivery_samples


@kernel
def set_mark(m, mark_e8):
    """A new mark without extremes; 0 says that none was given."""
    if mark_e8 != 0:
        m.mark_e8 = mark_e8
        m.mark_low_e8 = mark_e8
        m.mark_high_e8 = mark_e8


@kernel
def finish_bars(venue):
    """The closed bars become history: their close is the mark, their extremes have been dealt with."""
    for i in range(venue.closed_from, venue.closed_to):
        m = market_(venue, feed_(venue, i).instrument)
        if m.closing == 0:
            continue
        m.closing = 0
        m.closed_ns = venue.clock_ns
        m.last_e8 = m.last_close_e8
        m.bar_low_e8 = m.mark_low_e8
        m.bar_high_e8 = m.mark_high_e8
        set_mark(m, m.mark_close_e8)
    venue.closing = 0
    venue.stage = _ROWS


@kernel
def rows_unit(venue):
    """Take the rows of this instant until one says something or starts a stage, or leave for the stage that is due."""
    events = venue.event_count
    while venue.stage == _ROWS and venue.event_count == events:
        more = venue.feed_next < venue.feed_rows
        if more:
            row = feed_(venue, venue.feed_next)
            more = row.ts_ns == venue.clock_ns
        if venue.closing and (not more or row.kind > _BAR_CLOSE):
            venue.stage = _EXTREMES
            venue.cursor = 0
            venue.touched = 0
            venue.in_turn = -1
        elif venue.due_ns <= venue.clock_ns and (not more or row.kind > _INDEX):
            if settle_due(venue):
                venue.own_stamp = 1
                venue.stage = _FUND
                venue.cursor = 0
        elif more:
            apply_row(venue, row)
        else:
            venue.stage = _CHECK
            venue.cursor = 0


@kernel
def terms_order_unit(venue):
    """After new rules: cancel one working order whose price is off the new tick."""
    row = venue.next_order
    if row < 0:
        venue.feed_next += 1
        venue.stage = _ROWS
        return
    o = order_(venue, row)
    venue.next_order = o.next
    if o.price_ticks % terms_of(venue, o.instrument).tick_step != 0:
        cancel_order(venue, row, _OFF_TICK)


@kernel
def account_unit(venue, extremes, then):
    """Check accounts until one of them has something to say; go to stage `then` after the last.

    Left out are those whose test would do nothing (`bands`). One in liquidation is tested again when that is done.
    """
    events = venue.event_count
    while venue.event_count == events:
        if venue.watching:
            venue.cursor = next_endangered(venue, venue.cursor, extremes)
        if venue.cursor >= venue.accounts:
            venue.stage = then
            venue.cursor = 0
            venue.next_order = venue.first_order
            venue.queue_of = 0  # its ranks are those at the marks of this stage
            return
        if test_one(venue, venue.cursor, extremes):
            return
        venue.cursor += 1


@kernel
def looked_past(venue, account, extremes):
    """Find an account's bands, and whether its test would do nothing: first without looking at its positions."""
    if still_clear(venue, account, 1) if extremes else put_bands(venue, account):
        return True
    return watch(venue, account) and (not extremes or still_clear(venue, account, 1))


@kernel
def test_one(venue, account, extremes):
    """Test one account and find its bands; True when a liquidation has begun."""
    if venue.watching and looked_past(venue, account, extremes):
        return False
    a = account_(venue, account)
    if (a.positions != 0 or a.multi) and check_account(venue, account, extremes):
        put_due(venue, account, 1)
        return True
    if venue.watching:
        watch(venue, account)
    return False


@kernel
def path_unit(venue):
    """The next working order that the bars which closed touch on their paths; the first time, which these are."""
    if venue.in_turn < 0:
        venue.in_turn = find_touched(venue)
    row = next_touched(venue) if venue.in_turn > 0 else -1
    if row < 0:
        if venue.touched:
            venue.stage = _RECHECK
            venue.cursor = 0
        else:
            finish_bars(venue)
        return
    o = order_(venue, row)
    o.turn = 0
    venue.in_turn -= 1
    if o.trigger != 0:
        if trigger_inside(venue, row):
            venue.touched = 1
        return
    lots = left_in_bar(venue, o.instrument, o.lots)
    if lots > 0:
        venue.touched = 1
        fill_working(venue, row, lots, o.price_ticks, o.price_ticks * contract_(venue, o.instrument).tick_e8, 1)


@kernel
def opening_unit(venue):
    """One working order against the bars that open now."""
    row = venue.next_order
    if row < 0:
        venue.stage = _STOPS if venue.openings_trigger else _SAMPLE
        venue.openings_trigger = 0
        venue.cursor = 0
        venue.next_order = venue.first_order
        return
    o = order_(venue, row)
    if has_book(venue, o.instrument):
        venue.next_order = o.next
        return
    if has_ladder(venue, o.instrument):
        after = o.next
        if not meet_ladder(venue, row):
            venue.next_order = after
        return
    venue.next_order = o.next
    if o.trigger != 0:
        if opens_at_trigger(venue, o):
            venue.openings_trigger = 1
        return
    if o.kind == _MARKET and market_(venue, o.instrument).halt != 0 and not o.held:
        cancel_order(venue, row, _CANCEL_HALTED)
        return
    if waits(venue, o.account, o.after):
        return
    lots = left_in_bar(venue, o.instrument, o.lots)
    if lots == 0:
        return
    if o.kind == _MARKET:
        ticks = opening_ticks(venue, o.instrument, o.side, lots)
        maker = 0
    else:
        ticks = opened_beyond(venue, o.instrument, o.side, o.price_ticks)
        maker = 1
    if ticks != NO_PRICE:
        fill_working(venue, row, lots, ticks, market_(venue, o.instrument).last_e8, maker)


@kernel
def funding_unit(venue):
    """Pay one account's funding of the stamp in hand."""
    i, rate_e8 = venue.funding_instrument, venue.funding_rate_e8
    mark_e8 = market_(venue, i).mark_e8
    if venue.cursor == 0:
        fund_outside(venue, i, mark_e8, rate_e8)
    for leg in range(LEGS):
        fund(venue, venue.cursor, i, leg, mark_e8, rate_e8)
    next_account(venue)


@kernel
def settlement_unit(venue):
    """Pay one account's variation margin of the settlement at the feed's cursor."""
    row = feed_(venue, venue.feed_next)
    for leg in range(LEGS):
        settle(venue, venue.cursor, row.instrument, leg, row.price_ticks)
    next_account(venue)


@kernel
def next_account(venue):
    """On to the next account, or to the next row of the feed after the last."""
    venue.cursor += 1
    if venue.cursor >= venue.accounts:
        if venue.own_stamp:  # no row of the feed stands for it
            venue.own_stamp = 0
        else:
            venue.feed_next += 1
        venue.stage = _ROWS


@kernel
def delivery_order_unit(venue):
    """After a new status: cancel one working order of an instrument that is being delivered, or go on."""
    row = venue.next_order
    instrument = feed_(venue, venue.feed_next).instrument
    delivering = market_(venue, instrument).status == _DELIVERING
    if delivering and row >= 0:
        o = order_(venue, row)
        venue.next_order = o.next
        if o.instrument == instrument:
            cancel_order(venue, row, _CANCEL_DELIVERY)
        return
    venue.cursor = 0
    venue.delivered_lots = 0
    venue.delivered_rest = 0
    venue.stage = _DELIVER
    if not delivering:
        venue.feed_next += 1
        venue.stage = _ROWS


@kernel
def delivery_unit(venue):
    """Deliver one account's position; after the last, the instrument is delivered."""
    instrument = feed_(venue, venue.feed_next).instrument
    deliver_account(venue, venue.cursor, instrument)
    if venue.cursor + 1 >= venue.accounts:
        close_delivery(venue, instrument)
        set_mark(market_(venue, instrument), venue.delivery_e8)
        change_status(venue, instrument, _DELIVERED)
    next_account(venue)


@kernel
def sample_unit(venue):
    """Write one account's sample, when a bar closed."""
    if venue.sampling and venue.closed_to > venue.closed_from:
        sample_account(venue, venue.cursor)
        venue.cursor += 1
        if venue.cursor < venue.accounts:
            return
    venue.stage = 0


@kernel
def has_room(venue):
    """Whether one more unit of any kind fits in the buffers."""
    return (
        venue.event_rows - venue.event_count >= UNIT_EVENTS + LEGS * venue.instruments + venue.assets
        and venue.sample_rows > venue.sample_count
        and venue.holding_rows - venue.holding_count >= LEGS * venue.instruments
    )


@kernel
def work(venue, until_ns):
    """Do units of work up to an instant.

    Returns INSTANT after each instant at which a bar closed or something happened (or after every one, if the head
    says so), MORE when buffers must be drained or the table of orders be enlarged first, IDLE when nothing is left up
    to `until_ns`; the clock then stands at `until_ns`.
    """
    while True:
        if not has_room(venue):
            return MORE
        stage = venue.stage
        if venue.taking >= 0:
            if not has_book(venue, order_(venue, venue.taking).instrument):
                taking_unit(venue)
            else:
                book_unit(venue)
                if venue.grow_side >= 0:
                    return MORE
        elif venue.closers_due and venue.deleveraging < 0 and not venue.auctioning and not venue.in_row:
            gone_unit(venue)
        elif venue.elections > 0 and not venue.auctioning and not venue.in_row:
            election_unit(venue, _LAST)
        elif venue.mark_elections > 0 and stage == _OPENINGS:
            election_unit(venue, _BY_MARK)
        elif venue.liquidating >= 0:
            liquidation_unit(venue)
        elif venue.cancelling >= 0:
            cancel_all_unit(venue)
        elif stage == 0:
            if venue.flows > 0 and row_is_due(venue, venue.clock_ns):
                replay_rows(venue, venue.clock_ns)
                if venue.grow_side >= 0:
                    return MORE
                continue
            if venue.command_next < venue.command_count:
                if venue.free_order < 0:
                    return MORE
                execute_command(venue, command_(venue, venue.command_next))
                venue.command_next += 1
                continue
            venue.command_next = 0
            venue.command_count = 0
            if venue.told:  # all that a row of a flow brought is done
                venue.told = 0
                venue.closed_from = venue.closed_to
                return INSTANT
            ts_ns = next_instant(venue)
            if venue.flows > 0:
                bound_ns = min(until_ns, ts_ns - 1) if ts_ns >= 0 else until_ns
                if row_is_due(venue, bound_ns):
                    replay_rows(venue, bound_ns)
                    if venue.grow_side >= 0:
                        return MORE
                    continue
            if ts_ns < 0 or ts_ns > until_ns:
                if until_ns > venue.clock_ns:
                    venue.clock_ns = until_ns
                return IDLE
            begin_instant(venue, ts_ns)
            rows_unit(venue)
        elif stage == _ROWS:
            rows_unit(venue)
        elif stage == _EXTREMES:
            account_unit(venue, 1, _LIMITS)
        elif stage == _LIMITS:
            path_unit(venue)
        elif stage == _RECHECK:
            account_unit(venue, 1, 0)
            if venue.stage == 0:
                finish_bars(venue)
        elif stage == _CHECK:
            account_unit(venue, 0, _OPENINGS)
        elif stage == _OPENINGS:
            opening_unit(venue)
        elif stage == _STOPS:
            if not trigger_opening(venue):
                venue.stage = _SAMPLE
        elif stage == _SAMPLE:
            sample_unit(venue)
            if venue.stage == 0 and (
                venue.closed_to > venue.closed_from
                or venue.event_count > 0
                or venue.every_instant
                or venue.others_end > 0  # what simulated traders will do may depend on what has happened
            ):
                return INSTANT
        elif stage == _FUND:
            funding_unit(venue)
        elif stage == _SETTLE:
            settlement_unit(venue)
        elif stage == _EXPIRE:
            if not expiry_unit(venue):
                venue.stage = _RESUME
        elif stage == _RESUME:
            resume_unit(venue)
        elif stage == _DAY_ORDERS:
            if not day_order_unit(venue, feed_(venue, venue.feed_next).instrument):
                venue.feed_next += 1
                venue.stage = _ROWS
        elif stage == _AUCTION:
            if auction_unit(venue, venue.auction_of):
                venue.feed_next += venue.auction_row
                venue.stage = _ROWS if venue.auction_row else _RESUME
        elif stage == _DELIVER_ORDERS:
            delivery_order_unit(venue)
        elif stage == _DELIVER:
            delivery_unit(venue)
        else:
            terms_order_unit(venue)
