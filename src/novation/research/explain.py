"""Why a row is what it is: the arithmetic with its numbers, the rule, the table row it came from.

Fees, funding payments, variation margin, the maintenance of a margin call and of an isolated position closed out are
computed here from the event's own integers with exact decimals, apart from the engine, so that they are a check as
well: their lines "= computed" and "booked" must agree. What else a liquidation says (equity, the maintenance of a cross
account, the lots closed, the mark) is what the exchange booked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import polars as pl

from novation.domain.enums import EventKind, MarginCallPolicy
from novation.domain.errors import InvalidInput
from novation.domain.events import DELEVERAGED, ISOLATED, LIQUIDATED, LONG_SIDE, MAKER, SHORT_SIDE
from novation.domain.units import iso
from novation.domain.words import percent
from novation.trading.record import RunRecord


class _Case:
    """One event with its instrument, the terms in force at it, and decimal views of its integers."""

    def __init__(self, record: RunRecord, venue: str, row: int) -> None:
        self.venue = venue
        self.events = record.venues[venue].events
        self.event = self.events[row]
        self.row = row
        about = record.manifest["venues"][venue]
        self.currency, self.decimals = about["asset"], about["decimals"]
        self.rules, self.execution = about["rules"], record.manifest.get("execution", {})
        self.instruments = about["instruments"]
        self.instrument = self.instruments[int(self.event["instrument"])] if self.event["instrument"] >= 0 else None
        self._call_marks = about["call_marks"]
        self.holdings = record.venues[venue].holdings
        self.ts_ns = int(self.event["ts_ns"])

    def n(self, field: str) -> int:
        return int(self.event[field])

    def money(self, field: str) -> Decimal:
        return Decimal(self.n(field)).scaleb(-self.decimals)

    def show(self, amount: Decimal) -> str:
        return f"{amount:,.{self.decimals}f} {self.currency}"

    def cut(self, amount: Decimal, rounding: str = ROUND_DOWN) -> Decimal:
        return amount.quantize(Decimal(1).scaleb(-self.decimals), rounding=rounding)

    @property
    def name(self) -> str:
        return str(self.instrument["id"]) if self.instrument else f"{self.venue} account"

    @property
    def position(self) -> str:
        """The position an event is about, in words; of an account in hedge mode it says which."""
        sides = {LONG_SIDE: "long position", SHORT_SIDE: "short position"}
        return sides.get(self.n("flags") & (LONG_SIDE | SHORT_SIDE), "position")

    @property
    def unit(self) -> Decimal:
        """Quantity of one lot times the multiplier: money per 1.00 of price."""
        return self.unit_of(self.n("instrument"))

    def unit_of(self, index: int) -> Decimal:
        """`unit` of any instrument of the venue."""
        about = self.instruments[index]
        return Decimal(about["lot_e8"]) * Decimal(about["multiplier_e8"]) / Decimal(10) ** 16

    @property
    def qty(self) -> Decimal:
        assert self.instrument is not None
        return Decimal(self.n("lots")) * Decimal(self.instrument["lot_e8"]) / Decimal(10) ** 8

    @property
    def price(self) -> Decimal:
        assert self.instrument is not None
        return Decimal(self.n("price_ticks")) * Decimal(self.instrument["tick_e8"]) / Decimal(10) ** 8

    @property
    def mark(self) -> Decimal:
        return Decimal(self.n("price_e8")) / Decimal(10) ** 8

    @property
    def terms(self) -> dict[str, Any]:
        """The dated row in force of the event's instrument."""
        return self.terms_of(self.n("instrument"))

    def terms_of(self, index: int) -> dict[str, Any]:
        """The last dated row of an instrument that took effect at or before the event."""
        before = self.events[: self.row + 1]
        changed = before[(before["kind"] == EventKind.TERMS_CHANGED) & (before["instrument"] == index)]
        return self.terms_row(changed[-1]) if len(changed) else dict(self.instruments[index]["terms"][0])

    def terms_row(self, changed: Any) -> dict[str, Any]:
        """The row that a TERMS_CHANGED event put in force."""
        index = int(changed["instrument"])
        first = sum(len(instrument["terms"]) for instrument in self.instruments[:index])
        return dict(self.instruments[index]["terms"][int(changed["amount"]) - first])

    def lots_held(self) -> list[tuple[int, int]]:
        """Instrument and lots of every position the account holds at the event, from its fills and deliveries."""
        before = self.events[: self.row]
        changes = np.isin(before["kind"], [EventKind.FILL, EventKind.DELIVERY])
        fills = before[changes & (before["account"] == self.event["account"])]
        held = {(int(f["instrument"]), int(f["flags"]) & SHORT_SIDE): int(f["position_lots"]) for f in fills}
        return [(index, lots) for (index, _), lots in sorted(held.items()) if lots]

    def call_marks(self) -> dict[int, list[int]]:
        """Marks of tiered instruments at a margin call of the balance: in force, least, greatest, in 1e-8."""
        return {int(index): marks for index, marks in self._call_marks.get(str(self.n("sequence")), {}).items()}

    def source(self, *groups: str) -> list[str]:
        sources = self.terms["sources"]
        return [f"source: {sources[group]}" for group in groups if group in sources]


def explain_row(record: RunRecord, row: Any) -> str:
    """The explanation of one row of a table, or of (venue, sequence)."""
    venue, sequence = _key_of(row)
    if venue not in record.venues:
        raise InvalidInput("no such venue in this run", source="row", where="venue", value=venue)
    events = record.venues[venue].events
    found = np.flatnonzero(events["sequence"] == sequence)
    if not len(found):
        raise InvalidInput("no such event in this run", source="row", where="sequence", value=sequence)
    case = _Case(record, venue, int(found[0]))
    kind = EventKind(case.n("kind"))
    if kind not in _EXPLAINERS:
        raise InvalidInput(
            f"{kind.name} has no arithmetic to explain",
            source="row",
            hint="Rows of fills, fees, funding, settlements, deliveries, margin_calls and liquidations have, and moved "
            "margins.",
        )
    whose = "" if case.position == "position" else f", {case.position}"
    head = f"{kind.name.lower().replace('_', ' ')} of {case.name}{whose} at {iso(case.ts_ns)} UTC (event {sequence})"
    return "\n".join([head, *(f"  {line}" for line in _EXPLAINERS[kind](case))])


def _key_of(row: Any) -> tuple[str, int]:
    """Venue and sequence of a row, however it is held."""
    hint = "For example result.liquidations.iloc[0], or one row of it as a frame."
    if isinstance(row, tuple) and not hasattr(row, "_asdict") and len(row) == 2:
        return str(row[0]), int(row[1])
    count = _rows_of(row)
    if count is not None:
        if count != 1:
            raise InvalidInput("explain takes one row", source="row", value=f"{count} rows", hint=hint)
        row = _first(row)
    elif hasattr(row, "_asdict"):  # a named tuple, as pandas' itertuples gives
        row = row._asdict()
    elif hasattr(row, "to_dict"):  # a pandas Series
        row = row.to_dict()
    if not isinstance(row, Mapping) or "venue" not in row or "sequence" not in row:
        raise InvalidInput("a row of one of the result's tables has `venue` and `sequence`", source="row", hint=hint)
    if row["sequence"] is None or row["sequence"] != row["sequence"]:
        raise InvalidInput("has no event behind it: nothing was traded", source="row", where="sequence")
    return str(row["venue"]), int(row["sequence"])


def _rows_of(row: Any) -> int | None:
    """How many rows a frame (polars, Arrow, pandas) has; None for what is no frame."""
    if hasattr(row, "num_rows"):
        return int(row.num_rows)
    return len(row) if getattr(row, "ndim", 0) == 2 or isinstance(row, pl.DataFrame) else None


def _first(frame: Any) -> dict[str, Any]:
    """The first row of a frame."""
    if isinstance(frame, pl.DataFrame):
        return frame.row(0, named=True)
    return dict(frame.to_pylist()[0] if hasattr(frame, "to_pylist") else frame.iloc[0].to_dict())


def _fill(c: _Case) -> list[str]:
    terms = c.terms
    value = abs(c.n("lots")) * c.unit * c.price
    maker = bool(c.n("flags") & MAKER)
    role = "maker" if maker else "taker"
    rate = Decimal(terms[f"{role}_fee_e8"]) / Decimal(10) ** 8
    per_lot = Decimal(terms["fee_per_lot"]).scaleb(-c.decimals)
    fee = c.cut(value * rate) + abs(c.n("lots")) * per_lot
    verb = "bought" if c.n("lots") > 0 else "sold"
    lines = [f"{verb} {abs(c.qty).normalize():f} at {c.price.normalize():f} = {c.show(value)}"]
    if c.n("price_e8") != c.n("price_ticks") * int(c.instrument["tick_e8"] if c.instrument else 1):
        lines.append(
            f"market price {c.mark.normalize():f}, moved to the tick (and by half the spread) against the order"
        )
    lines.append(
        f"rule: {role} fee = value * {rate.normalize():f}"
        + (f" + {abs(c.n('lots'))} lots * {per_lot.normalize():f}" if per_lot else "")
    )
    lines += c.source("fees", "contract")
    lines.append(f"fee = computed {c.show(fee)}")
    if c.n("flags") & LIQUIDATED and fee != c.money("fee"):
        lines.append("cut to what was left behind the position: the insurance fund takes what a liquidation cannot pay")
    lines.append(f"fee booked {c.show(c.money('fee'))}")
    if c.n("amount"):
        lines.append(f"realised {c.show(c.money('amount'))} against the entry cost of the lots closed")
    return lines


def _funding(c: _Case) -> list[str]:
    rate = Decimal(c.n("rate_e8")) / Decimal(10) ** 8
    value = c.n("lots") * c.unit * c.mark
    amount = c.cut(-value * rate)
    return [
        "rule: payment = position value at the stamp's mark * rate, cut towards zero; a long pays a positive rate",
        f"position {c.qty.normalize():f}, mark {c.mark.normalize():f}: value {value.normalize():f} {c.currency}",
        f"rate {rate.normalize():f} of the stamp; paid whole, not pro rata",
        f"= computed {c.show(amount)}",
        f"booked {c.show(c.money('amount'))}" + (" to the position's own margin" if c.n("flags") & ISOLATED else ""),
        "source: docs/rules/funding.md (Binance funding FAQ); the rate and the mark are from the run's history",
    ]


def _settlement(c: _Case) -> list[str]:
    value = c.n("lots") * c.unit * c.price
    cost = c.money("cost")
    before = c.events[: c.row]
    mine = (before["instrument"] == c.event["instrument"]) & (before["account"] == c.event["account"])
    settled = np.flatnonzero(mine & (before["kind"] == EventKind.SETTLEMENT))
    lines = [
        "rule: variation margin = value at the settlement price - entry cost, which carries yesterday's settlement",
        "      and today's trades: multiplier * [Q * (S - S_before) + sum of q * (S - trade price)]",
    ]
    since = before[settled[-1] + 1 :] if len(settled) else before
    if len(settled):
        last = before[settled[-1]]
        lines.append(
            f"carried {int(last['lots'])} lots from settlement "
            f"{_price(c, int(last['price_ticks']))} of {iso(int(last['ts_ns']))}"
        )
    for trade in since[(since["kind"] == EventKind.FILL) & (since["instrument"] == c.event["instrument"])]:
        at = f"{_price(c, int(trade['price_ticks']))} on {iso(int(trade['ts_ns']))}"
        lines.append(f"traded {int(trade['lots']):+d} lots at {at}")
    lines += [
        f"{c.n('lots')} lots at {c.price.normalize():f} * {c.unit.normalize():f} per point = {c.show(value)}",
        f"entry cost {c.show(cost)}",
        f"= computed {c.show(value - cost)}",
        f"booked {c.show(c.money('amount'))}",
        *c.source("contract"),
        "source: docs/rules/settlement.md (CME settlement procedure)",
    ]
    return lines


def _delivery(c: _Case) -> list[str]:
    value, cost, fee = c.n("lots") * c.unit * c.mark, c.money("cost"), c.money("fee")
    rate = Decimal(c.n("rate_e8")) / Decimal(10) ** 8
    return [
        "rule: realised = value at the delivery price - entry cost, cut towards zero; the fee is charged on that value",
        f"{c.n('lots')} lots at {c.mark.normalize():f} * {c.unit.normalize():f} per point = {c.show(value)}",
        f"entry cost {c.show(cost)}",
        f"= computed {c.show(value - cost)}",
        f"booked {c.show(c.money('amount'))}",
        f"fee {rate.normalize():f} of {c.show(abs(value))} = {c.show(abs(value) * rate)}, charged {c.show(fee)}",
        *c.source("contract"),
        "source: docs/rules/delivery.md (Binance delivery and settlement of quarterly futures)",
    ]


def _price(c: _Case, ticks: int) -> str:
    assert c.instrument is not None
    return f"{(Decimal(ticks) * Decimal(c.instrument['tick_e8']) / Decimal(10) ** 8).normalize():f}"


def _maintenance(c: _Case, index: int, lots: int, mark: Decimal) -> tuple[Decimal, list[str]]:
    """Maintenance of one position, truncated once, with its bracket."""
    terms = c.terms_of(index)
    if not terms["tiers"]:
        per_lot = Decimal(terms["maintenance_per_lot"]).scaleb(-c.decimals)
        amount = abs(lots) * per_lot
        return amount, [f"maintenance = {abs(lots)} lots * {per_lot.normalize():f} = {c.show(amount)}"]
    value = abs(lots) * c.unit_of(index) * mark
    minor = int(c.cut(value, ROUND_FLOOR).scaleb(c.decimals))
    number, tier = next(
        ((i, t) for i, t in enumerate(terms["tiers"], 1) if minor <= t["cap"]),
        (len(terms["tiers"]), terms["tiers"][-1]),
    )
    rate = Decimal(tier["rate_e8"]) / Decimal(10) ** 8
    cum = Decimal(tier["cum"]).scaleb(-c.decimals)
    amount = c.cut(value * rate - cum)
    return amount, [
        f"bracket {number}: maintenance = value {value.normalize():f} * {rate.normalize():f} - "
        f"{cum.normalize():f} = {c.show(amount)}"
    ]


def _liquidation(c: _Case) -> list[str]:
    isolated = bool(c.n("flags") & ISOLATED)
    lots = c.n("position_lots") - c.n("lots")  # before
    scope = "isolated position" if isolated else "cross account"
    held = c.qty / c.n("lots") * lots
    at_once = c.rules["call_policy"] == _AT_ONCE
    lines = [
        f"{scope}: rule: {'liquidated when equity <= maintenance at the mark' if at_once else _close_out_rule(c)}",
        f"{c.position} {held.normalize():f}, entry cost {c.show(c.money('cost'))}, mark {c.mark.normalize():f}",
    ]
    profit = lots * c.unit * c.mark - c.money("cost")
    lines.append(
        f"profit at that mark = {lots * c.unit} * {c.mark.normalize():f} - entry cost = {profit.normalize():f}"
    )
    behind = c.money("equity") - c.cut(profit, ROUND_FLOOR)
    lines.append(
        f"behind it {c.show(behind)}" + ("" if isolated else " (wallet and the other cross positions' profit)")
    )
    maintenance, how = _maintenance(c, c.n("instrument"), lots, c.mark)
    lines += how
    compared = " <= maintenance" if at_once else ", maintenance"
    lines.append(f"equity {c.show(c.money('equity'))}{compared} {c.show(c.money('maintenance'))}")
    if isolated:
        lines.append(f"maintenance = computed {c.show(maintenance)}")
        lines.append(f"maintenance booked {c.show(c.money('maintenance'))}")
    lines += [f"closed {c.qty.copy_abs().normalize():f}: {_how_many(c, at_once)}", *_closed_at(c)]
    if c.n("flags") & DELEVERAGED or _taken_over(c):
        lines.append("no fee: nothing is left behind the position that could pay one")
    elif c.rules["deficit_to_fund"]:
        value = abs(c.n("lots")) * c.unit * c.price
        rate = Decimal(c.n("rate_e8")) / Decimal(10) ** 8
        clearance = c.cut(value * rate)
        lines.append(f"clearance fee = {c.show(value)} * {rate.normalize():f} = computed {c.show(clearance)}")
        if clearance != c.money("fee"):
            lines.append("cut to what was left behind the position")
        lines.append(f"clearance fee booked {c.show(c.money('fee'))} into the insurance fund")
    else:
        lines.append("no clearance fee, and no insurance fund: a deficit stays a debt of the account")
    lines += c.source("brackets", "margins", "contract")
    lines.append("source: docs/rules/liquidation.md")
    return lines


def _how_many(c: _Case, at_once: bool) -> str:
    """Why so many lots of a position were closed."""
    if c.n("flags") & DELEVERAGED:
        return "what one account of the other side took" if c.n("position_lots") else "all that was left of it"
    if _taken_over(c):
        return "what the best level of the market took" if c.n("position_lots") else "all that was left of it"
    target = percent(c.rules["liquidation_target_e8"])
    if c.n("position_lots"):
        return f"the fewest lots after which maintenance is at most {target} of equity"
    if at_once and c.n("rate_e8"):
        return f"all of it, because no smaller number of lots brings maintenance to {target} of equity"
    return "all of it"


def _taken_over(c: _Case) -> bool:
    """Whether the insurance fund took the lots over, as the event after says."""
    after = c.events[c.row + 1 : c.row + 2]
    return bool(len(after) and after["kind"][0] == EventKind.TAKEN_OVER and after["trade"][0] == c.event["trade"])


def _closed_at(c: _Case) -> list[str]:
    """The price of a liquidation, and what price that is."""
    price = f"{c.price.normalize():f}"
    bankruptcy = "the bankruptcy price, at which nothing is left, on the tick in the account's favour"
    if c.n("flags") & DELEVERAGED:
        return [
            f"closed at {price} ({bankruptcy})",
            "deleveraged: the insurance fund could not pay, accounts of the other side took the lots at that price",
            "source: docs/rules/deleveraging.md",
        ]
    if _taken_over(c):
        return [f"closed at {price} ({bankruptcy}): taken over by the insurance fund"]
    if c.execution.get("level") == "L3":
        return [f"closed at {price} (what the book offered)"]
    paid = "the slippage of the lots" if "slippage" in c.execution else "half the spread"
    return [f"closed at {price} (the trigger mark, {paid} and the tick against us)"]


def _close_out_rule(c: _Case) -> str:
    """Why an account was closed out where a margin call may be met until a settlement."""
    before = c.events[: c.row + 1]
    own = before[before["account"] == c.event["account"]]
    closed = own[(own["kind"] == EventKind.LIQUIDATION) & (own["ts_ns"] == c.ts_ns)]
    if int(closed["equity"][0]) <= 0:  # of the first position closed; its costs count for those after it
        return "closed out at once when equity is gone (equity <= 0) at the marks"
    called = iso(int(own["ts_ns"][own["kind"] == EventKind.MARGIN_CALL][-1]))
    changed = before[before["kind"] == EventKind.TERMS_CHANGED]
    deadlines = [int(row["ts_ns"]) for row in changed if c.terms_row(row).get("calls_due")]
    settled = before["ts_ns"][before["kind"] == EventKind.SETTLEMENT]
    if deadlines and not (settled > deadlines[-1]).any():
        waited = "" if deadlines[-1] == c.ts_ns else f" of {iso(deadlines[-1])}, as soon as its markets traded"
        return f"closed out at the mark at the margin deadline{waited}: equity does not carry the position overnight"
    return f"closed out at the mark, the margin call of {called} being unmet at a settlement of a later trade date"


def _margin_adjusted(c: _Case) -> list[str]:
    amount, after = c.money("amount"), c.money("cost")
    moved = "out of the wallet into the position's own margin"
    if amount < 0:
        moved = "out of the position's own margin into the wallet"
    return [
        f"moved {c.show(abs(amount))} {moved}: equity is the same before and after",
        f"margin before {c.show(after - amount)}",
        f"margin after {c.show(after)}",
        "source: docs/rules/margin.md",
    ]


def _margin_call(c: _Case) -> list[str]:
    ratio = c.money("maintenance") / c.money("equity") if c.n("equity") > 0 else None
    lines = [
        f"equity {c.show(c.money('equity'))}, maintenance {c.show(c.money('maintenance'))}"
        + (f": maintenance is {ratio:.2%} of equity" if ratio is not None else "")
    ]
    if c.instrument is not None:
        maintenance, how = _maintenance(c, c.n("instrument"), c.n("lots"), c.mark)
        lines += [
            f"mark {c.mark.normalize():f}",
            *how,
            f"maintenance = computed {c.show(maintenance)}",
            f"maintenance booked {c.show(c.money('maintenance'))}",
            *c.source("brackets", "margins"),
        ]
    else:
        lines += _cross_maintenance(c)
    lines.append(f"missing to the initial margin: {c.show(c.money('amount'))}")
    lines.append("source: docs/rules/liquidation.md")
    return lines


def _cross_maintenance(c: _Case) -> list[str]:
    """Maintenance of a whole cross balance, position by position.

    The call does not say at which marks it was made: those in force, or one of the bar's extremes. The scene whose
    sum is what was booked is the one. Margin per contract is the same at every mark, so none is shown.
    """
    held = c.lots_held()
    scenes = ("mark_e8", "mark_low_e8", "mark_high_e8")
    known = {
        int(row["instrument"]): [int(row[scene]) for scene in scenes]
        for row in c.holdings[c.holdings["ts_ns"] == c.ts_ns]
    } | c.call_marks()
    for scene in range(len(scenes)):
        total, lines = Decimal(0), []
        for index, lots in held:
            mark = Decimal(known[index][scene] if index in known else 0) / Decimal(10) ** 8
            amount, how = _maintenance(c, index, lots, mark)
            total += amount
            at = f" at mark {mark.normalize():f}" if c.terms_of(index)["tiers"] else f", {lots} lots"
            lines.append(f"{c.instruments[index]['id']}{at}")
            lines += [f"  {line}" for line in how]
            sources = c.terms_of(index)["sources"]
            lines += [f"  source: {sources[group]}" for group in ("brackets", "margins") if group in sources]
        if total == c.money("maintenance"):
            break
    return [
        *lines,
        f"maintenance = computed {c.show(total)}",
        f"maintenance booked {c.show(c.money('maintenance'))}",
    ]


_AT_ONCE = MarginCallPolicy.AT_ONCE.name.lower()

_EXPLAINERS: dict[EventKind, Callable[[_Case], list[str]]] = {
    EventKind.FILL: _fill,
    EventKind.FUNDING: _funding,
    EventKind.SETTLEMENT: _settlement,
    EventKind.LIQUIDATION: _liquidation,
    EventKind.MARGIN_CALL: _margin_call,
    EventKind.MARGIN_ADJUSTED: _margin_adjusted,
    EventKind.DELIVERY: _delivery,
}
