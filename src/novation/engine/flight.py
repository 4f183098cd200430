"""What is under way between a participant and the exchange (docs/rules/latency.md): its commands, and what it has not
heard yet. Of account 0, which a compiled strategy trades.

    LOOK     when the strategy looks, what it then sees of the exchange, and when what it sends arrives
    FLIGHT   a ring of commands on their way, the earliest first
    NEWS     a ring of events about the account that are not heard yet
    SENT     orders sent and not heard to be gone: as the participant knows them
    DELAY    what responses take
"""

from __future__ import annotations

from novation._jit import integers_at, kernel
from novation.domain.commands import COMMAND_DTYPE
from novation.domain.enums import CommandKind, EventKind
from novation.domain.events import SHORT_SIDE
from novation.domain.latency import MODULUS, MULTIPLIER, DelayKind
from novation.engine.layout import NEVER_NS
from novation.engine.state import command_, delay_, event_, flight_, market_, news_, sent_

_PLACE = int(CommandKind.PLACE)
_ACCEPTED, _REJECTED = int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_REJECTED)
_CANCELLED, _AMENDED = int(EventKind.ORDER_CANCELLED), int(EventKind.ORDER_AMENDED)
_TRIGGERED = int(EventKind.ORDER_TRIGGERED)
_FILL, _LIQUIDATION = int(EventKind.FILL), int(EventKind.LIQUIDATION)
_DELEVERAGED, _DELIVERY = int(EventKind.DELEVERAGED), int(EventKind.DELIVERY)
_DRAWN, _RECORDED = int(DelayKind.DRAWN), int(DelayKind.RECORDED)
_WIDTH = len(COMMAND_DTYPE.names or ())


@kernel
def has_room(venue):
    """Whether what one more look and one more stretch of work can bring has room."""
    if venue.look_next >= venue.look_count:
        return False
    if not venue.delayed:
        return True
    return (
        venue.flight_count + venue.command_rows <= venue.flight_rows
        and venue.news_count + venue.event_rows <= venue.news_rows
        and venue.sent_count + venue.command_rows <= venue.sent_rows
    )


@kernel
def first_arrival(venue):
    """When the next command under way reaches the exchange."""
    if venue.flight_count == 0:
        return NEVER_NS
    return flight_(venue, venue.flight_first).arrive_ns


@kernel
def copy(from_address, from_, to_address, to):
    """Copy a command between tables of int64, from the one place to the other."""
    source = integers_at(from_address, from_, _WIDTH)
    target = integers_at(to_address, to, _WIDTH)
    for k in range(_WIDTH):
        target[k] = source[k]


@kernel
def depart(venue, arrive_ns):
    """Send what a strategy has put in line: it reaches the exchange at an instant, or after what was sent before."""
    for row in range(venue.command_next, venue.command_count):
        at = (venue.flight_first + venue.flight_count) % venue.flight_rows
        venue.flight_last_ns = max(venue.flight_last_ns, arrive_ns)
        copy(venue.command_address, row * _WIDTH, venue.flight_address, at * (_WIDTH + 1))
        flight_(venue, at).arrive_ns = venue.flight_last_ns
        venue.flight_count += 1
        c = command_(venue, row)
        if c.kind == _PLACE:
            s = sent_(venue, venue.sent_count)
            s.order = c.order
            s.instrument = c.instrument
            s.kind = c.order_kind if c.trigger == 0 else 0  # it is no market order that waits for a price
            s.lots = c.side * c.lots
            s.accepted = 0
            venue.sent_count += 1
    venue.command_count = venue.command_next


@kernel
def arrive(venue):
    """Put the commands that have reached the exchange in its line."""
    while venue.flight_count > 0 and venue.command_count < venue.command_rows:
        if flight_(venue, venue.flight_first).arrive_ns > venue.clock_ns:
            break
        from_ = venue.flight_first * (_WIDTH + 1)
        copy(venue.flight_address, from_, venue.command_address, venue.command_count * _WIDTH)
        venue.command_count += 1
        venue.flight_first = (venue.flight_first + 1) % venue.flight_rows
        venue.flight_count -= 1


@kernel
def response_ns(venue, ts_ns):
    """What the response to something at an instant takes."""
    if venue.response_kind == _DRAWN:
        venue.response_state = venue.response_state * MULTIPLIER % MODULUS
        return delay_(venue, venue.response_state % venue.delay_rows).ns
    if venue.response_kind == _RECORDED:
        while venue.response_next + 1 < venue.delay_rows and delay_(venue, venue.response_next + 1).from_ns <= ts_ns:
            venue.response_next += 1
    return delay_(venue, venue.response_next).ns


@kernel
def respond(venue):
    """Send what has happened to the account on its way."""
    if not venue.delayed:
        return
    while venue.event_told < venue.event_count:
        e = event_(venue, venue.event_told)
        venue.event_told += 1
        if e.account != 0:
            continue
        venue.news_last_ns = max(venue.news_last_ns, e.ts_ns + response_ns(venue, e.ts_ns))
        n = news_(venue, (venue.news_first + venue.news_count) % venue.news_rows)
        n.heard_ns = venue.news_last_ns
        n.kind = e.kind
        n.order = e.order
        n.instrument = e.instrument
        n.lots = e.lots
        n.position_lots = e.position_lots
        n.short_side = e["flags"] & SHORT_SIDE  # as an attribute the name is one of NumPy's
        venue.news_count += 1


@kernel
def sent_row(venue, order):
    """Row of SENT of an order, -1 of one that is not known to the participant, or known to be gone."""
    for row in range(venue.sent_count):
        if sent_(venue, row).order == order:
            return row
    return -1


@kernel
def learn(venue, now_ns):
    """Take in what is heard by an instant."""
    while venue.news_count > 0 and news_(venue, venue.news_first).heard_ns <= now_ns:
        n = news_(venue, venue.news_first)
        venue.news_first = (venue.news_first + 1) % venue.news_rows
        venue.news_count -= 1
        if (n.kind == _FILL or n.kind == _LIQUIDATION or n.kind == _DELEVERAGED) and not n.short_side:
            market_(venue, n.instrument).heard_lots = n.position_lots
        elif n.kind == _DELIVERY and not n.short_side:
            market_(venue, n.instrument).heard_lots = 0
        changes = n.kind == _AMENDED or n.kind == _TRIGGERED or n.kind == _ACCEPTED
        if changes or n.kind == _FILL or n.kind == _CANCELLED or n.kind == _REJECTED:
            learn_of_order(venue, n)


@kernel
def learn_of_order(venue, n):
    """What is heard of an order."""
    row = sent_row(venue, n.order)
    if row < 0:
        return
    s = sent_(venue, row)
    if n.kind == _ACCEPTED:
        s.accepted = 1
        return
    if n.kind == _AMENDED or n.kind == _TRIGGERED:  # one that closes a position has its lots by then
        s.lots = n.lots
    elif n.kind == _FILL:
        s.lots -= n.lots
    else:
        s.lots = 0
    if s.lots == 0:
        last = sent_(venue, venue.sent_count - 1)
        s.order = last.order
        s.instrument = last.instrument
        s.kind = last.kind
        s.lots = last.lots
        s.accepted = last.accepted
        venue.sent_count -= 1
