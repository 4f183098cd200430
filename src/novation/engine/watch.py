"""Which accounts a mark can endanger: the bands of marks inside which an account needs no test.

An account was tested, and `bands.watch` has found for each of its instruments how far the mark may move before a test
could say anything (the proof is there). Here these bands are kept so that the accounts whose band a mark has left are
found in ascending order, without looking at the others.

One tree an instrument, over all accounts: leaf `base + account` holds the account's band, a node the narrowest of the
two below it. So the root says in one look whether a mark endangers anybody, the way down finds the first who is, and a
new band is written on the way up, which ends as soon as a node stays as it is. A last tree, after those of the
instruments, holds those who are due whatever the marks are: their band is empty.

What changes an account calls `changed`; what changes the rules calls `all_changed`. A mark needs no word: bands are
compared with the marks of the moment.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.layout import IS_STALE, NEVER, STALE, UNKNOWN
from novation.engine.state import account_, band_, market_, queue_, slope_, spare_


@kernel
def put_band(venue, tree, account, below_e8, above_e8):
    """Have an account tested when the mark is at or below one price, or at or above another."""
    first = tree * 2 * venue.band_base
    node = venue.band_base + account
    b = band_(venue, first + node)
    while b.below_e8 != below_e8 or b.above_e8 != above_e8:
        b.below_e8 = below_e8
        b.above_e8 = above_e8
        if node == 1:
            return
        other = band_(venue, first + (node ^ 1))
        below_e8 = max(below_e8, other.below_e8)
        above_e8 = min(above_e8, other.above_e8)
        node //= 2
        b = band_(venue, first + node)


@kernel
def forget_slope(venue, instrument, account):
    """What an account can spare does not change with the mark of an instrument."""
    g = slope_(venue, account * venue.instruments + instrument)
    g.slope, g.below_e8, g.above_e8 = 0.0, -NEVER, NEVER


@kernel
def forget_band(venue, instrument, account):
    """An account holds nothing of an instrument any more: its mark means nothing to it."""
    forget_slope(venue, instrument, account)
    put_band(venue, instrument, account, -NEVER, NEVER)


@kernel
def put_due(venue, account, due):
    """Whether an account is to be tested at the next check whatever the marks are: nobody knows what it can spare."""
    if due:
        spare_(venue, account).constant = UNKNOWN
    put_band(venue, venue.instruments, account, NEVER if due else -NEVER, NEVER)


@kernel
def put_stale(venue, account):
    """Have an account ranked anew before the queue of counterparties is asked again."""
    flag = queue_(venue, IS_STALE, account)
    if flag.number == 0:
        flag.number = 1
        queue_(venue, STALE, venue.stale_count).number = account
        venue.stale_count += 1


@kernel
def changed(venue, account):
    """Something changed that tests of an account look at (wallet, margin, lots, cost): prices found for it before, its
    bands, and its place in the queue of counterparties, hold no longer."""
    account_(venue, account).version += 1
    put_due(venue, account, 1)
    if venue.queue_of != 0:
        put_stale(venue, account)


@kernel
def all_changed(venue):
    """Something changed that tests of every account look at, other than a mark: rules."""
    first = venue.instruments * 2 * venue.band_base
    for account in range(venue.accounts):
        band_(venue, first + venue.band_base + account).below_e8 = NEVER
        spare_(venue, account).constant = UNKNOWN
    for node in range(venue.band_base - 1, 0, -1):
        below_e8 = max(band_(venue, first + 2 * node).below_e8, band_(venue, first + 2 * node + 1).below_e8)
        band_(venue, first + node).below_e8 = below_e8


@kernel
def first_outside(venue, tree, at, end, low_e8, high_e8):
    """The first account from `at` on, and before `end`, whose band a mark between two prices leaves; `end` if none."""
    first = tree * 2 * venue.band_base
    b = band_(venue, first + 1)
    if at >= end or (b.below_e8 < low_e8 and b.above_e8 > high_e8):
        return end
    node = venue.band_base + at
    b = band_(venue, first + node)
    while b.below_e8 < low_e8 and b.above_e8 > high_e8:
        while node & 1:  # out of the right halves, then into the next one
            node //= 2
        if node == 0:
            return end
        node += 1
        b = band_(venue, first + node)
    while node < venue.band_base:
        node *= 2
        b = band_(venue, first + node)
        if b.below_e8 < low_e8 and b.above_e8 > high_e8:
            node += 1
    return min(end, node - venue.band_base)


@kernel
def next_endangered(venue, at, extremes):
    """The first account from `at` on that has to be tested, at the marks or at a bar's extremes; `accounts` if none."""
    end = first_outside(venue, venue.instruments, at, venue.accounts, 0, 0)
    for instrument in range(venue.instruments):
        m = market_(venue, instrument)
        low_e8, high_e8 = m.mark_e8, m.mark_e8
        if extremes:
            low_e8 = min(m.mark_low_e8, m.mark_high_e8)
            high_e8 = max(m.mark_low_e8, m.mark_high_e8)
        end = first_outside(venue, instrument, at, end, low_e8, high_e8)
    return end
