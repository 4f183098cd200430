"""How far marks may move before a test of an account could say anything: its bands, proved.

Let m be the current marks, E(m) what stands behind some positions with their profits (the cross wallet, or an isolated
margin), M(m) their maintenance, c the venue's call ratio or 1 if that is less. A test does nothing while

    spare = c * E - M    is above the roundings: no call is due, and as M >= 0, E > M: nothing is liquidated;

or, where a call has been made already and the venue liquidates at once, while E - M and -spare both are: it stays
called, and is not liquidated.

While every position stays in the bracket it is in, value V and maintenance are linear in the mark. If the mark of
position p moves by the fraction x_p, spare changes by the sum of x_p * g_p, g_p = c * V_p - r_p * |V_p| (r_p: the rate
of its bracket), and E - M by the sum of x_p * h_p, h_p = V_p - r_p * |V_p|. So as long as no mark has moved by more
than a fraction R against its position, spare has lost at most R * sum |g_p| and E - M at most R * sum |h_p|: R is what
can be lost over that sum. Marks that move along with their positions lose nothing; they end a call that was made, when
-spare is used up. Positions are taken as if each had a mark of its own, which includes that two of them share one.

So while no bracket ends, spare is a linear function of the marks. For the cross positions of an account that holds no
isolated one and has no call, `find_spare` keeps that function; then `still_clear` tests the account, and `put_bands`
finds new bands for it, without a look at its positions.

A band is cut short where the bracket ends, so nothing is assumed of how brackets join; and where the value leaves the
integers, so that the exact test is there to say so. All of this is floating point with relative errors of 1e-15, one
for each of a few sums and products: 1e-9 of all amounts that go in, _UNITS and one for each position (the cuts of what
the exact test compares), and 1e-6 of the radius are given away for that. Bands hold at a bar's extremes as well: its
scenes are marks inside them.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginCallPolicy, MarginMethod, MarginScope
from novation.engine.layout import LEGS, UNKNOWN
from novation.engine.margining import tier_of
from novation.engine.state import (
    account_,
    band_,
    contract_,
    first_row,
    market_,
    next_row,
    position_row_,
    slope_,
    spare_,
    terms_of,
    tier_,
)
from novation.engine.watch import forget_band, forget_slope, put_band, put_due

_TIERED = int(MarginMethod.TIERED)
_CROSS = int(MarginScope.CROSS)
_AT_ONCE = int(MarginCallPolicy.AT_ONCE)
#: Values above are left to the exact test.
_LARGE = 4e18
#: Minor units by which equity, its share and each position's maintenance are cut before they are compared.
_UNITS = 4.0
#: Above every mark, below NEVER.
_FAR = 1e18
#: By how much a mark may grow until what an account can spare is found again: errors are bounded by the values so far.
_GROWN = 2.0
#: What is left of a radius for the errors of floating point.
_SURELY = 1.0 - 1e-6


@kernel
def standing(venue, p):
    """Of a position at its mark, in floating point: signed value, maintenance, the rate at which this grows with the
    value, and the values between which that holds; the last is 0 where none of it is to be relied on."""
    if p.lots == 0:
        return 0.0, 0.0, 0.0, 0.0, _LARGE
    c = contract_(venue, p.instrument)
    mark = market_(venue, p.instrument).mark_e8
    value = float(mark) * float(p.lots) * float(c.lot_value) * 1e-8
    size = abs(value)
    if mark <= 0 or size > _LARGE:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    if c.method != _TIERED:
        return value, float(abs(p.lots)) * float(terms_of(venue, p.instrument).maintenance_per_lot), 0.0, 0.0, _LARGE
    row = tier_of(venue, p.instrument, int(size))
    tier = tier_(venue, row)
    rate = float(tier.rate_e8) * 1e-8
    needed = size * rate - float(tier.cum)
    t = terms_of(venue, p.instrument)
    low = 0.0
    if row > t.tier_first:
        low = float(tier_(venue, row - 1).cap) + 1.0
    high = _LARGE
    if row < t.tier_first + t.tier_count - 1:
        high = min(_LARGE, float(tier.cap))
    if needed < 0.0 or low * rate < float(tier.cum):  # somewhere in this bracket it is below zero
        high = 0.0
    return value, needed, rate, low, high


@kernel
def call_share(venue):
    """The share of equity that maintenance may reach before anything happens."""
    return min(float(venue.call_ratio_e8) * 1e-8, 1.0)


@kernel
def radii_of(venue, account, only):
    """By what fraction the marks may move against the cross positions (only: -1) or an isolated one (its row), and
    along with them. Not above zero where nothing is certain."""
    a = account_(venue, account)
    share = call_share(venue)
    equity, called, row = float(a.wallet), a.called, first_row(venue, account)
    if only >= 0:
        equity, called, row = float(position_row_(venue, only).margin), position_row_(venue, only).called, only
    needed, around, slopes, steeps, units = 0.0, abs(equity), 1.0, 1.0, _UNITS
    while row >= 0:
        p = position_row_(venue, row)
        if only >= 0 or p.scope == _CROSS:
            value, maintenance, rate, _, high = standing(venue, p)
            if high == 0.0:
                return 0.0, 0.0
            cost = float(p.cost)
            equity += value - cost
            needed += maintenance
            around += abs(value) + abs(cost) + maintenance
            slope, steep = share * value - rate * abs(value), value - rate * abs(value)
            if called and slope * steep < 0.0:
                return 0.0, 0.0
            slopes += abs(slope)
            steeps += abs(steep)
            units += 1.0
        row = -1 if only >= 0 else next_row(venue, account, row)
    spare, lost = equity * share - needed, 1e-9 * around + units
    if called == 0:
        return _SURELY * (spare - lost) / slopes, _FAR
    if venue.call_policy != _AT_ONCE:
        return 0.0, 0.0
    return _SURELY * (equity - needed - lost) / steeps, _SURELY * (-spare - lost) / slopes


@kernel
def watch_positions(venue, account, only):
    """Put the bands of the cross positions (only: -1) or of an isolated one (its row); False where there are none."""
    against, along = radii_of(venue, account, only)
    if not (against > 0.0 and along > 0.0):
        return False
    share = call_share(venue)
    row = first_row(venue, account) if only < 0 else only
    while row >= 0:
        p = position_row_(venue, row)
        if p.lots != 0 and (only >= 0 or p.scope == _CROSS):
            value, _, rate, low, high = standing(venue, p)
            mark = float(market_(venue, p.instrument).mark_e8)
            below = mark * low / abs(value) * (1.0 + 1e-9)
            above = min(_FAR, mark * high / abs(value) * (1.0 - 1e-9))
            if share * value >= rate * abs(value):
                below, above = max(below, mark * (1.0 - against)), min(above, mark * (1.0 + along))
            else:
                below, above = max(below, mark * (1.0 - along)), min(above, mark * (1.0 + against))
            below_e8, above_e8 = int(below) + 1, int(above)
            if p.leg == LEGS - 1 and position_row_(venue, row - 1).lots != 0:
                b = band_(venue, (2 * p.instrument + 1) * venue.band_base + account)
                below_e8, above_e8 = max(below_e8, b.below_e8), min(above_e8, b.above_e8)
            put_band(venue, p.instrument, account, below_e8, above_e8)
        row = -1 if only >= 0 else next_row(venue, account, row)
    return True


@kernel
def find_spare(venue, account):
    """Keep what an account can spare as a function of the marks; False where there is none: with a call, an isolated
    position, in Multi-Assets mode, or where nothing is certain.

    Positions of one instrument share its slope, and the marks between which no bracket of theirs ends.
    """
    a, s = account_(venue, account), spare_(venue, account)
    s.constant = UNKNOWN
    if a.called or a.multi:
        return False
    share = call_share(venue)
    constant, around, units, exposed = share * float(a.wallet), abs(float(a.wallet)), _UNITS, False
    row = first_row(venue, account)
    while row >= 0:
        p = position_row_(venue, row)
        if p.leg == 0 or position_row_(venue, row - 1).lots == 0:
            forget_slope(venue, p.instrument, account)
        if p.scope == _CROSS:
            value, maintenance, rate, low, high = standing(venue, p)
            if high == 0.0:
                return False
            cost = float(p.cost)
            constant += rate * abs(value) - maintenance - share * cost
            around += abs(value) + abs(cost) + maintenance
            units += 1.0
            if p.lots != 0:
                exposed = True
                mark, size = float(market_(venue, p.instrument).mark_e8), abs(value)
                g = slope_(venue, account * venue.instruments + p.instrument)
                g.slope += (share * value - rate * size) / mark
                g.below_e8 = max(g.below_e8, int(mark * low / size * (1.0 + 1e-9)) + 1)
                g.above_e8 = min(g.above_e8, int(min(_FAR, mark * min(_GROWN, high / size) * (1.0 - 1e-9))))
        elif p.lots != 0:
            return False
        row = next_row(venue, account, row)
    s.constant = constant - 1e-9 * around - units if exposed else -UNKNOWN
    return True


@kernel
def spare_at(venue, account, extremes):
    """What an account can surely spare at the marks, or with each at its worse extreme, and how much that changes if
    all marks change by as much as they are; the first far below zero where it is not known."""
    spare, slopes, first = spare_(venue, account).constant, 1.0, account * venue.instruments
    for instrument in range(venue.instruments):
        g, m = slope_(venue, first + instrument), market_(venue, instrument)
        low_e8, high_e8 = m.mark_e8, m.mark_e8
        if extremes:
            low_e8 = min(m.mark_low_e8, m.mark_high_e8)
            high_e8 = max(m.mark_low_e8, m.mark_high_e8)
        change = g.slope * float(low_e8 if g.slope > 0.0 else high_e8)
        spare += change if g.below_e8 < low_e8 and high_e8 < g.above_e8 else UNKNOWN
        slopes += abs(change)
    return spare, slopes


@kernel
def still_clear(venue, account, extremes):
    """Whether a test of an account at the marks, or at both extremes, would surely do nothing: its positions are not
    looked at. Each mark is taken at its worse extreme, which is harsher than any scene."""
    spare, _ = spare_at(venue, account, extremes)
    return spare > 0.0


@kernel
def put_bands(venue, account):
    """Put an account's bands around the current marks from what it can spare; False where that is not known."""
    spare, slopes = spare_at(venue, account, 0)
    radius = _SURELY * spare / slopes
    if not radius > 0.0:
        return False
    for instrument in range(venue.instruments):
        g = slope_(venue, account * venue.instruments + instrument)
        mark = float(market_(venue, instrument).mark_e8)
        below_e8, above_e8 = g.below_e8, g.above_e8
        if g.slope > 0.0:
            below_e8 = max(below_e8, int(mark * (1.0 - min(1.0, radius))) + 1)
        elif g.slope < 0.0:
            above_e8 = min(above_e8, int(min(_FAR, mark * (1.0 + radius))))
        put_band(venue, instrument, account, below_e8, above_e8)
    return True


@kernel
def watch(venue, account):
    """Put an account's bands around the current marks. True where a test at these marks would do nothing; where it
    might, the account stays due."""
    a = account_(venue, account)
    if a.multi:  # indices move its equity too: it is tested always
        put_due(venue, account, 1)
        return False
    if find_spare(venue, account):
        quiet = put_bands(venue, account)
        put_due(venue, account, 0 if quiet else 1)
        return quiet
    exposed, quiet = False, True
    row = first_row(venue, account)
    while row >= 0:
        p = position_row_(venue, row)
        if p.lots == 0:
            if position_row_(venue, row ^ 1).lots == 0:
                forget_band(venue, p.instrument, account)
        elif p.scope == _CROSS:
            exposed = True
        elif quiet:
            quiet = watch_positions(venue, account, row)
        row = next_row(venue, account, row)
    if exposed:
        quiet = quiet and watch_positions(venue, account, -1)
    elif a.called:
        quiet = False
    put_due(venue, account, 0 if quiet else 1)
    return quiet
