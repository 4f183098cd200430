"""Fills joined to round trips: what a statement lists one by one, from flat to flat.

Fills of one order (by its number, else of one instant, symbol and side) are one execution at their mean price, as the
filters of an exchange are asked about orders. A fill that turns a position round is cut in two, its fee in proportion.
A fill that closes what the file does not open belongs to a position from before it, and is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from novation.data.trade_files.records import Execution, RoundTrip
from novation.domain.enums import Side
from novation.domain.words import counted

_ZERO = Decimal(0)


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a statement. book: whose position it changes, beside its symbol (LONG, SHORT of hedge mode).

    realised: what the source says it made, None where it does not say. closes: None where the source does not say.
    """

    where: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    ts_ns: int
    fee: Decimal | None = None
    realised: Decimal | None = None
    order: str = ""
    maker: bool = False
    book: str = ""
    closes: bool | None = None


def one_an_order(fills: Iterable[Fill]) -> list[tuple[Fill, bool]]:
    """Fills in order of time, those of one order together; with each whether its price is a mean of several prices."""
    merged: dict[tuple[object, ...], list[Fill]] = {}
    for fill in sorted(fills, key=lambda fill: fill.ts_ns):
        key = (fill.symbol, fill.book, fill.side, fill.order or fill.ts_ns, fill.maker)
        merged.setdefault(key, []).append(fill)
    return sorted((_merge(group) for group in merged.values()), key=lambda pair: pair[0].ts_ns)


def _merge(group: list[Fill]) -> tuple[Fill, bool]:
    first = group[0]
    if len(group) == 1:
        return first, False
    qty = sum((fill.qty for fill in group), _ZERO)
    same = len({fill.price for fill in group}) == 1
    price = first.price if same else sum((fill.qty * fill.price for fill in group), _ZERO) / qty
    fees, gains = [fill.fee for fill in group], [fill.realised for fill in group]
    merged = msgspec.structs.replace(
        first,
        qty=qty,
        price=price,
        ts_ns=group[-1].ts_ns,
        fee=None if None in fees else sum((fee for fee in fees if fee is not None), _ZERO),
        realised=None if None in gains else sum((gain for gain in gains if gain is not None), _ZERO),
    )
    return merged, not same


@dataclass
class _Trip:
    """A round trip that grows. net: signed, what is held."""

    first: Fill
    entries: list[Execution] = field(default_factory=list)
    exits: list[Execution] = field(default_factory=list)
    fees: list[Decimal | None] = field(default_factory=list)
    gains: list[Decimal | None] = field(default_factory=list)
    net: Decimal = _ZERO

    def take(self, fill: Fill, averaged: bool) -> None:
        opens = self.net * fill.side >= 0
        execution = Execution(ts_ns=fill.ts_ns, qty=fill.qty, price=fill.price, maker=fill.maker, averaged=averaged)
        (self.entries if opens else self.exits).append(execution)
        self.net += fill.side * fill.qty
        self.fees.append(fill.fee)
        self.gains.append(fill.realised)

    def finished(self, net_of_fees: bool) -> RoundTrip:
        fee = _total(self.fees)
        gain = _total(self.gains) if self.net == 0 else None
        pnl = gain if gain is None or net_of_fees else gain - (fee or _ZERO)
        return RoundTrip(
            where=self.first.where,
            symbol=self.first.symbol,
            side=self.first.side,
            entries=tuple(self.entries),
            exits=tuple(self.exits),
            fee=fee,
            pnl=pnl,
        )


def _total(values: list[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, _ZERO) if len(known) == len(values) else None


def join(fills: Iterable[Fill], *, net_of_fees: bool) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    """Round trips in order of their entries, and cautions. net_of_fees: whether what fills realised has fees in it."""
    running: dict[tuple[str, str], _Trip] = {}
    done: list[RoundTrip] = []
    before = 0
    for fill, averaged in one_an_order(fills):
        key = fill.symbol, fill.book
        trip = running.get(key)
        held = _ZERO if trip is None else trip.net
        closing = fill.book and (fill.side > 0) == (fill.book == "SHORT")
        if held == 0 and (closing or fill.closes or (fill.closes is None and fill.realised)):
            before += 1
            continue
        for part in _parts(fill, held):
            trip = running.get(key)
            if trip is None:
                if closing:
                    before += 1
                    continue
                trip = running[key] = _Trip(part)
            trip.take(part, averaged)
            if trip.net == 0:
                done.append(running.pop(key).finished(net_of_fees))
    done += [trip.finished(net_of_fees) for trip in running.values()]
    note = f"{counted(before, 'order')} closed positions from before the file: left out"
    cautions = (note,) if before else ()
    return tuple(sorted(done, key=lambda trip: trip.entry_ns)), cautions


def _parts(fill: Fill, held: Decimal) -> list[Fill]:
    """A fill, cut where it turns the position round; what it realised belongs to the part that closes."""
    if held * fill.side >= 0 or fill.qty <= abs(held):
        return [fill]
    closing = abs(held)
    fee = None if fill.fee is None else (fill.fee * closing / fill.qty).quantize(Decimal("1e-8"))
    rest = None if fill.fee is None or fee is None else fill.fee - fee
    none = None if fill.realised is None else _ZERO
    return [
        msgspec.structs.replace(fill, qty=closing, fee=fee),
        msgspec.structs.replace(fill, qty=fill.qty - closing, fee=rest, realised=none),
    ]
