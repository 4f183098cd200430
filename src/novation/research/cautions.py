"""Every assumption a run rests on, in the words of a report."""

from __future__ import annotations

import numpy as np

from novation.domain.enums import BarPath, EventKind, InstrumentKind
from novation.domain.events import DELEVERAGED, LIQUIDATED
from novation.domain.instruments import IN_FULL
from novation.domain.units import from_scaled, iso
from novation.domain.words import counted, percent
from novation.reference.position_limits import position_limits
from novation.research.finished import FinishedRun
from novation.trading.record import events_of
from novation.trading.rollover import ROLL_WAIT_NS, PlannedRoll
from novation.venues.venue import Venue


def cautions(run: FinishedRun) -> list[str]:
    """The cautions, each once: of the look-ups, of the data, of the fills, of what was rounded or left undone."""
    spread = from_scaled(run.spread_e8, 4)
    half = f" plus {(spread / 2).normalize():f} bp" if spread else ""
    found = list(run.reference.cautions()) + run.plan.cautions
    found.append(_fills(run, half))
    found += _paths(run)
    if run.limit_fill is not None:
        chance = f"{run.limit_fill.chance.normalize():f}"
        found.append(
            f"a limit order that a bar touches is reached with a chance of {chance}: {run.limit_fill.rests_on}"
        )
    for used in run.slippage:
        terms = "; ".join(f"{name} {what}" for name, what in used.on.items())
        found.append(f"{used.symbol}: takers slip by {terms}")
        for names, why in ((used.off, "off, as assumed"), (used.unknown, "on, but its driver is not known")):
            if names:
                found.append(f"{used.symbol}: terms of slippage {why}: {', '.join(names)}")
    for venue in run.venues.values():
        if any(terms[0].tiers not in ((), IN_FULL) for terms in venue.terms):
            target = percent(venue.rules.liquidation_target_e8)
            found.append(
                f"a liquidation closes as much as brings maintenance to {target} of equity, the largest loss first, at "
                "the mark that triggered it (the exchange publishes neither), and the insurance fund pays any deficit"
            )
    for venue in run.venues.values():
        if venue.rules.asset in run.rates and venue.rules.asset != run.report_currency:
            found.append(
                f"totals in {run.report_currency}: one {venue.rules.asset} counted as "
                f"{run.rates[venue.rules.asset].normalize():f} at all times"
            )
    for what, count in sorted(run.broker.rounded.items()):
        found.append(
            f"{what} rounded {counted(count, 'time')}" if what in ("qty", "price", "trigger") else f"{what}: {count:,}"
        )
    for name, venue in run.venues.items():
        off = _off_tick_fills(venue)
        if off:
            found.append(
                f"{name}: {counted(off, 'fill')} moved to the tick, against us, because the bar's price lies off it"
            )
        missed = _missed_rolls(
            venue, [roll for roll, lots in run.rollover.done if lots and roll.instrument.venue == name]
        )
        if missed:
            found.append(
                f"{counted(len(missed), 'roll')} not completed: the old contract was not left, or the new one not "
                f"bought or sold, for want of margin or price ({', '.join(missed[:3])})"
            )
        closed_out = _closed_out(run, venue)
        if closed_out:
            found.append(
                f"{counted(len(closed_out), 'position')} closed by the broker at the deadline before delivery "
                f"({', '.join(closed_out[:3])})"
            )
        found += _beyond_position_limits(run, venue)
        open_contracts = [
            venue.instruments[p.instrument].id
            for p in venue.account(0).positions
            if p.lots and venue.instruments[p.instrument].kind == InstrumentKind.FUTURE
        ]
        if open_contracts:
            found.append(f"still open at the end of the data, valued at its last mark: {', '.join(open_contracts)}")
    return list(dict.fromkeys(found))


def _fills(run: FinishedRun, half: str) -> str:
    """How orders are filled, in one sentence."""
    if run.level == "L3":
        return "fills on the recorded order book"
    where = "fills at the next open"
    share = f"at most {percent(run.participation_e8)} of what a bar traded" if run.participation_e8 else "any size"
    if run.slippage:
        return f"{where} plus a slippage of the order's size, {share}: no book, later orders find the price unmoved"
    return f"{where}{half}, {share} at one price: no book, no impact"


#: Where the price goes first inside a bar.
_FIRST = {
    BarPath.WORST: "the extreme that is against the position",
    BarPath.HIGH_FIRST: "its high",
    BarPath.LOW_FIRST: "its low",
    BarPath.NEARER_FIRST: "the extreme nearer to its open",
}


def _paths(run: FinishedRun) -> list[str]:
    """How stops were filled, and what is assumed of the inside of bars: where it mattered, or was chosen."""
    found: list[str] = []
    for venue in run.venues.values() if run.level != "L3" else ():
        triggered = bool((events_of(venue.log or [])["kind"] == EventKind.ORDER_TRIGGERED).any())
        stops = "stops are filled at their trigger, or at an open beyond it; " if triggered else ""
        if stops or venue.bar_path != BarPath.WORST:
            found.append(f"{stops}a bar that reaches several orders goes to {_FIRST[venue.bar_path]} first")
    return found


def _closed_out(run: FinishedRun, venue: Venue) -> list[str]:
    """Contracts that a broker closed before delivery, each once with the day: exits whose order traded."""
    events = events_of(venue.log or [])
    fills = events[events["kind"] == EventKind.FILL]
    found: dict[int, str] = {}
    for leave, lots in run.rollover.exited:
        if leave.symbol.startswith(f"{venue.rules.name}:"):
            later = fills[(fills["instrument"] == leave.contract) & (fills["ts_ns"] >= leave.ts_ns)]
            if (later["lots"] * lots < 0).any():
                found.setdefault(leave.contract, f"{venue.instruments[leave.contract].id} {iso(leave.ts_ns)[:10]}")
    return list(found.values())


def _beyond_position_limits(run: FinishedRun, venue: Venue) -> list[str]:
    """Products of which more was held, net over their months, than the exchange's limit or accountability level."""
    events = events_of(venue.log or [])
    fills = events[np.isin(events["kind"], [EventKind.FILL, EventKind.DELIVERY])]
    found = []
    for root in dict.fromkeys(i.root for i in venue.instruments if i.daily_settled):
        own = [k for k, instrument in enumerate(venue.instruments) if instrument.root == root]
        mine = fills[np.isin(fills["instrument"], own)]
        moved = np.zeros(len(mine), np.int64)
        for k in own:
            rows = mine["instrument"] == k
            moved[rows] = np.diff(mine["position_lots"][rows], prepend=0)
        net = np.abs(np.cumsum(moved))
        most = int(net.max(initial=0))
        when = int(mine["ts_ns"][net.argmax()]) if most else 0
        limits = position_limits(run.reference, root, when) if most else None
        if limits is None:
            continue
        levels = (
            (limits.all_months, "the exchange's limit"),
            (limits.all_months_accountability, "the exchange's accountability level"),
        )
        for level, what in levels:
            if level is not None and most > level:
                known = "" if limits.verified else " (unverified)"
                found.append(
                    f"{venue.rules.name}:{root}: {most:,} contracts held at {iso(when)}, above {what} of "
                    f"{level:,}{known}; nobody refused them"
                )
    return found


def _missed_rolls(venue: Venue, rolls: list[PlannedRoll]) -> list[str]:
    """New contracts of rolls of a held position one of whose legs did not trade, a long weekend later at the latest."""
    events = events_of(venue.log or [])
    fills = events[events["kind"] == EventKind.FILL]
    missed = []
    for roll in rolls:
        around = (fills["ts_ns"] >= roll.ts_ns) & (fills["ts_ns"] <= roll.ts_ns + ROLL_WAIT_NS)
        traded = set(fills["instrument"][around].tolist())
        if not {roll.old, roll.new} <= traded:
            missed.append(f"{roll.instrument.id} {iso(roll.ts_ns)}")
    return missed


def _off_tick_fills(venue: Venue) -> int:
    """Fills of orders at a market price that lies off the tick in force at the fill.

    Without a spread these are the fills whose price is not the market's; half a spread moves the others too.
    """
    events = events_of(venue.log or [])
    filled = (events["kind"] == EventKind.FILL) & (events["flags"] & (LIQUIDATED | DELEVERAGED) == 0)
    count = 0
    for index, (instrument, rows) in enumerate(zip(venue.instruments, venue.terms, strict=True)):
        own = events["instrument"] == index
        fills = events[filled & own]
        changes = events[(events["kind"] == EventKind.TERMS_CHANGED) & own]
        in_force = np.concatenate([[0], changes["amount"] - venue.first_terms[index]])
        numbers = in_force[np.searchsorted(changes["sequence"], fills["sequence"])]
        steps = np.array([terms.tick_step for terms in rows])[numbers]
        count += int((fills["price_e8"] % (instrument.tick_e8 * steps) != 0).sum())
    return count
