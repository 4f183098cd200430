"""`calibrate_flow`: a record of orders in, a model of order flow out, with what it rests on."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from novation.data.flow import Flow, hold_arrivals
from novation.domain.errors import InvalidInput
from novation.domain.order_flow import OrderFlow
from novation.domain.units import NS, iso, to_ns
from novation.research.calibrate import hawkes, queue_reactive, zero_intelligence
from novation.research.calibrate.estimates import Estimate, Held
from novation.research.calibrate.walk import Walk, Watcher

#: As `--model` takes them, in the order of the models of `domain.order_flow`.
MODELS = ("zero-intelligence", "queue-reactive", "hawkes")
#: Share of the rows that the check on unseen rows is fitted to.
_FIRST = 0.8
#: Most ticks that are looked at one by one.
MOST_REACH = 10_000


class FlowCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """A model, and what it rests on; `to_dict()` is the `--json` of `novation calibrate flow`."""

    source: str
    name: str
    model: OrderFlow
    tick: str
    lot: str
    reach: int
    from_: str = msgspec.field(name="from")  #: UTC
    until: str
    seconds: float  #: that counted: both sides showed orders, and did not cross
    rows: int  #: of the record, from the opening on
    events: dict[str, int]
    estimates: tuple[Estimate, ...]
    in_sample: Held | None  #: of a fit by likelihood: the whole record by its own numbers
    out_of_sample: Held  #: the last fifth of the rows by numbers of those before
    branching: float | None  #: of a Hawkes process: events that one event brings on average
    left_out: dict[str, float]  #: rows by reason, and seconds that did not count
    repairs: dict[str, int]  #: what was mended in the record before (`data.flow.check`)
    assumed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return cast(dict[str, Any], msgspec.to_builtins(self))

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {what}" for what, count in self.events.items())
        lines = [
            f"{self.source}: {self.name}, tick {self.tick}, lot {self.lot}, reach {self.reach}",
            f"{self.from_} .. {self.until}, {self.seconds:,.3f} seconds counted, {self.rows:,} rows: {counts}",
            "",
            *_table(self),
            "",
        ]
        for title, held in (("its own numbers", self.in_sample), ("the last fifth by the rest", self.out_of_sample)):
            if held is not None:
                lines.append(
                    f"log likelihood an event, {title}: {held.model:.4f}, constant rates {held.constant_rates:.4f} "
                    f"({held.events:,} events, {held.seconds:,.0f} s)"
                )
        if self.branching is not None:
            lines.append(f"one event brings {self.branching:.3f} others on average")
        lines += [f"  left out: {count:>10,.10g}  {why}" for why, count in self.left_out.items()]
        lines += [f"  mended:   {count:>10,}  {why}" for why, count in self.repairs.items()]
        lines += [f"  assumed: {what}" for what in self.assumed]
        return "\n".join(lines)


def _table(found: FlowCalibration) -> list[str]:
    """The estimates as lines; of queues, which have hundreds, the sums by distance."""
    rows = found.estimates
    if found.name == "queue-reactive":
        merged: dict[tuple[str, int | None], list[float]] = {}
        for one in rows:
            row = merged.setdefault((one.what, one.distance), [0.0, 0.0, 0.0])
            row[0] += one.events
            row[1] += one.exposure
            row[2] += 1
        lines = [f"  {'':<10}{'ticks':>6}{'events':>10}{'a second':>12}{'s.e.':>10}{'states':>8}"]
        for (what, distance), (events, seconds, states) in merged.items():
            rate, error = (events / seconds, events**0.5 / seconds) if seconds else (0.0, 0.0)
            lines.append(f"  {what:<10}{distance:>6}{events:>10,.0f}{rate:>12.5g}{error:>10.2g}{states:>8.0f}")
        return lines
    width = max(len(one.what) for one in rows)
    lines = [f"  {'':<{width}}{'ticks':>6}{'events':>10}{'a second':>12}{'s.e.':>10}{'exposure s':>16}"]
    for one in rows:
        error = "-" if one.standard_error is None else f"{one.standard_error:.2g}"
        lines.append(
            f"  {one.what:<{width}}{one.distance or '':>6}{one.events:>10,}{one.rate:>12.5g}{error:>10}"
            f"{one.exposure:>16,.1f}"
        )
    return lines


def check_asked(model: str, reach: int) -> None:
    """Refuse what `calibrate_flow` would, before a record is read."""
    if model not in MODELS:
        raise InvalidInput("is one of " + ", ".join(MODELS), source="model", value=model)
    if isinstance(reach, bool) or not isinstance(reach, int) or not 1 <= reach <= MOST_REACH:
        raise InvalidInput(f"is 1 to {MOST_REACH:,} ticks", source="reach", value=reach)


def calibrate_flow(flow: Flow, model: str, *, reach: int = 10, open_from: Any = None) -> FlowCalibration:
    """Find the numbers of a model in recorded orders.

    model: zero-intelligence, queue-reactive or hawkes (`domain.order_flow`). reach: ticks that are told apart, from the
    other side's best or (queue-reactive) from the reference price. open_from: when counting begins; else with the first
    row that is no snapshot. Orders that come across the best are held back until their trades are told
    (`data.flow.hold_arrivals`).
    """
    check_asked(model, reach)
    opens = flow.opens_ns or None if open_from is None else to_ns(open_from, source="open_from")
    if flow.kind != "orders":
        hint = "Levels told together hide how many orders came and went, and where in the queue."
        raise InvalidInput("is level data, which tells of no single order", source=flow.source, hint=hint)
    if not len(flow):
        raise InvalidInput("has no row", source=flow.source)
    flow = hold_arrivals(flow)
    watcher: zero_intelligence.Rates | queue_reactive.Rates | hawkes.Events
    if model == "zero-intelligence":
        watcher = zero_intelligence.Rates(reach)
    elif model == "queue-reactive":
        watcher = queue_reactive.Rates(reach)
    else:
        watcher = hawkes.Events(reach)
    walk = Walk(flow, cast(Watcher, watcher), opens, _FIRST)
    walk.run()
    if not walk.ns:
        hint = "Is --open-from after its end?" if opens is not None else ""
        raise InvalidInput("never shows a bid and an ask that do not cross for any time", source=flow.source, hint=hint)
    return _report(flow, model, walk, watcher, reach)


def _report(
    flow: Flow,
    name: str,
    walk: Walk,
    watcher: zero_intelligence.Rates | queue_reactive.Rates | hawkes.Events,
    reach: int,
) -> FlowCalibration:
    left: dict[str, float] = dict(walk.left_out.most_common())
    for why, ns in (
        ("seconds in which the book crossed", walk.crossed_ns),
        ("seconds with a side empty", walk.empty_ns),
    ):
        if ns:
            left[why] = ns / NS
    in_sample: Held | None = None
    branching: float | None = None
    assumed: tuple[str, ...] = ("both sides have the same rates",)
    found: OrderFlow
    if isinstance(watcher, zero_intelligence.Rates):
        both = watcher.first + watcher.rest
        events = {"limit": sum(both.limit), "cancel": sum(both.cancel), "market": both.market}
        _enough(events, flow.source, watcher.first.ns, watcher.rest.ns)
        _left(left, zero_intelligence.FAR, both.far)
        found, estimates = zero_intelligence.model(both), zero_intelligence.estimates(both)
        out_of_sample = zero_intelligence.held(watcher.first, watcher.rest)
        assumed += ("orders beyond the reach are cancelled at one rate, wherever they stand",)
    elif isinstance(watcher, queue_reactive.Rates):
        tally = watcher.first + watcher.rest
        events = {kind: sum(counts.values()) for kind, counts in tally.events.items()}
        _enough(events, flow.source, watcher.first.ns, watcher.rest.ns)
        for why, count in tally.left.items():
            _left(left, why, count)
        found, estimates = queue_reactive.model(tally, reach), queue_reactive.estimates(tally, reach)
        out_of_sample = queue_reactive.held(watcher.first, watcher.rest, reach)
        assumed += (
            "a queue counts in units of the mean size of its limit orders and cancellations, rounded up",
            "the reference price follows every change of the mid, and no queue is drawn anew (follows 1, redraws 0)",
        )
    else:
        kinds = watcher.kind
        events = {
            "limit": sum(kind < 2 for kind in kinds),
            "cancel": sum(2 <= kind < 4 for kind in kinds),
            "market": sum(kind >= 4 for kind in kinds),
        }
        seconds = watcher.ns / NS
        _enough(events, flow.source, watcher.rest_ns, watcher.ns - watcher.rest_ns)
        _left(left, hawkes.FAR, watcher.far)
        fitted = hawkes.fit(*hawkes.arrays(watcher), seconds)
        found, estimates = hawkes.model(watcher, fitted, flow.source), hawkes.estimates(watcher, fitted)
        in_sample, out_of_sample = hawkes.in_sample(watcher, fitted), hawkes.held(watcher)
        branching = found.branching()
        at, _ = hawkes.arrays(watcher)
        together = len(at) - len(set(watcher.at))
        assumed = (f"events of one instant ({together:,}) do not excite each other",)
    return FlowCalibration(
        source=flow.source,
        name=name,
        model=found,
        tick=f"{flow.tick:f}",
        lot=f"{flow.lot:f}",
        reach=reach,
        from_=iso(walk.first_ns),
        until=iso(walk.last_ns),
        seconds=walk.ns / NS,
        rows=walk.rows,
        events=events,
        estimates=estimates,
        in_sample=in_sample,
        out_of_sample=out_of_sample,
        branching=branching,
        left_out=left,
        repairs=flow.repairs,
        assumed=assumed,
    )


def _left(left: dict[str, float], why: str, count: int) -> None:
    if count:
        left[why] = left.get(why, 0) + count


def _enough(events: dict[str, int], source: str, first_ns: int, rest_ns: int) -> None:
    """Refuse a record that has none of a kind, or too little time to judge the rest by the first of."""
    for kind, count in events.items():
        if not count:
            what = {"limit": "limit order", "cancel": "cancellation", "market": "market order"}[kind]
            raise InvalidInput(
                f"has no {what} within the reach while both sides showed orders",
                source=source,
                hint="A model has a rate of each kind: give a longer record, or a larger reach.",
            )
    if not (first_ns and rest_ns):
        raise InvalidInput("is too short: a part of it, as rows go, covers no time that counts", source=source)
