"""The compiled exchange and the plain-Python twin, driven alike and compared event by event."""

from __future__ import annotations

import difflib
from fractions import Fraction
from math import floor, trunc
from random import Random
from typing import Any

import msgspec
import numpy as np

from novation.domain.account import Account, Balance, Position
from novation.domain.commands import Command, set_hedge_mode, set_multi_assets
from novation.domain.digest import canonical_bytes
from novation.domain.enums import CancelReason, EventKind, HaltReason, MarginScope, PositionSide, RejectReason
from novation.domain.events import Event
from novation.domain.market import MarketEvent
from novation.domain.units import E8
from novation.venues.canonical import state_lines
from novation.venues.venue import Venue
from tests.reference import collateral, margin
from tests.venues import scenarios
from tests.venues.scenarios import Setup, World

SEARCHED_E8 = 1 << 53


def venue_of(setup: Setup, *, buffer: int = 16, orders: int = 4) -> Venue:
    """The compiled one; small tables, so that events are taken out in several turns and orders grow."""
    return Venue(
        setup.rules,
        setup.instruments,
        setup.terms,
        accounts=setup.accounts,
        spread_e8=setup.spread_e8,
        pools=setup.pools,
        ladders=setup.ladders,
        marked=setup.marked,
        pro_rata=setup.pro_rata,
        assets=setup.assets,
        books=setup.books,
        impacts=setup.impacts,
        bar_liquidity=setup.bar_liquidity,
        bar_path=setup.bar_path,
        buffer=buffer,
        orders=orders,
    )


def shown(event: Event) -> str:
    """An event on one line, without the fields that are zero."""
    parts = [EventKind(event.kind).name]
    for name in event.__struct_fields__:
        number = getattr(event, name)
        if name == "kind" or not number:
            continue
        if name == "reason":
            of = {EventKind.ORDER_CANCELLED: CancelReason, EventKind.PHASE_CHANGED: HaltReason}
            number = of.get(EventKind(event.kind), RejectReason)(number).name
        parts.append(f"{name}={number}")
    return " ".join(parts)


def brief(record: Command | MarketEvent) -> str:
    """A record as code, without the fields that are zero."""
    fields = [(name, getattr(record, name)) for name in record.__struct_fields__]
    return f"{type(record).__name__}({', '.join(f'{name}={int(number)}' for name, number in fields if number)})"


def difference(kernel: list[Event], twin: list[Event]) -> str:
    """A diff of two lists of events."""
    lines = difflib.unified_diff([shown(e) for e in twin], [shown(e) for e in kernel], "twin", "venue", lineterm="")
    return "\n".join(lines)


def from_events(events: list[Event], setup: Setup) -> tuple[int, ...]:
    """(outside, rounding, fees, insurance, deposits, exchanged) from the events alone, in whole numbers."""
    instruments = setup.instruments
    outside = rounding = fees = insurance = deposits = exchanged = 0
    stamps: dict[tuple[int, int, int, int], list[Event]] = {}
    deliveries: dict[tuple[int, int, int], list[Event]] = {}
    for e in events:
        if e.kind == EventKind.FILL:
            outside += (
                e.lots * e.price_ticks * (instruments[e.instrument].tick_e8 * instruments[e.instrument].lot_value // E8)
            )
            fees += e.fee
        elif e.kind == EventKind.LIQUIDATION:
            insurance += e.fee
        elif e.kind == EventKind.INSURANCE:
            insurance -= e.amount
        elif e.kind == EventKind.TAKEN_OVER:
            insurance += e.amount
            outside -= e.amount
        elif e.kind == EventKind.TRANSFER and e.order == 0:
            deposits += e.amount
        elif e.kind == EventKind.DELIVERY:
            fees += e.fee
            deliveries.setdefault((e.ts_ns, e.instrument, e.price_e8), []).append(e)
        elif e.kind == EventKind.AUTO_EXCHANGE:
            exchanged -= e.amount
        elif e.kind == EventKind.FUNDING:
            stamps.setdefault((e.ts_ns, e.instrument, e.price_e8, e.rate_e8), []).append(e)
    for (_, i, mark, rate), paid in stamps.items():
        net = sum(e.lots for e in paid)
        due = abs(net) * mark * instruments[i].lot_value * abs(rate) // E8**2
        gain = due if net * rate > 0 else -due
        if setup.pro_rata and instruments[i].id in setup.marked:
            gain = -sum(e.amount for e in paid)
        outside += gain
        rounding -= gain + sum(e.amount for e in paid)
    for (_, i, price), closed in deliveries.items():
        net = sum(e.lots for e in closed)
        gain = -(abs(net) * price * instruments[i].lot_value // E8) * (1 if net > 0 else -1)
        outside += gain
        rounding -= gain + sum(e.amount + e.cost for e in closed)
    return outside, rounding, fees, insurance, deposits, exchanged


def bounded(account: Account) -> Account:
    """Without liquidation prices above 90 million, where the engine stops looking and the pages set no bound."""
    known = tuple(
        p if p.liquidation_e8 < SEARCHED_E8 else msgspec.structs.replace(p, liquidation_e8=0) for p in account.positions
    )
    return msgspec.structs.replace(account, positions=known)


def order_lists(venue: Venue) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Rows of working orders by account, in the order of the venue's list, and as each account's own list has them."""
    orders, accounts = venue.table("order"), venue.table("account")
    together: dict[int, list[int]] = {}
    row = venue.number("first_order")
    while row >= 0:
        together.setdefault(int(orders[row]["account"]), []).append(row)
        row = int(orders[row]["next"])
    own: dict[int, list[int]] = {}
    for account, (first, last) in enumerate(accounts[["first_order", "last_order"]].tolist()):
        before = -1
        while first >= 0:
            own.setdefault(account, []).append(first)
            assert orders[first]["own_previous"] == before
            before, first = first, int(orders[first]["own_next"])
        assert last == before
    return together, own


class Lockstep:
    """Both exchanges; every door checks that they said the same and that the ledger is whole."""

    def __init__(self, setup: Setup, **sizes: int) -> None:
        self.setup = setup
        self.venue, self.twin = venue_of(setup, **sizes), setup.twin()
        self.story: list[str] = []

    def attach_flow(self, instrument: int, rows: np.ndarray, slots: int = 0, **model: Any) -> None:
        """Recorded flow for both."""
        self.story.append(f"attach_flow {instrument}, {len(rows)} rows, {slots} slots {model or ''}")
        self.venue.attach_flow(instrument, rows, slots, **model)
        self.twin.attach_flow(instrument, rows, slots, **model)

    def submit(self, command: Command) -> list[Event]:
        """One command to both."""
        self.story.append(f"submit {brief(command)}")
        return self._same(self.venue.submit(command), self.twin.submit(command))

    def advance(self, until_ns: int, rows: list[MarketEvent]) -> list[Event]:
        """Time for both."""
        self.story.append("\n  ".join([f"advance {until_ns}", *map(brief, rows)]))
        return self._same(self.venue.advance(until_ns, scenarios.array(rows)), self.twin.advance(until_ns, rows))

    def twin_account(self, account: int) -> Account:
        """The account as the twin would report it."""
        t = self.twin
        a = t.accounts[account]
        positions, isolated = [], Fraction(0)
        for i, p in enumerate(a.positions):
            if margin.linked(t, account, i):
                mark = t.markets[i].mark_e8
                if p.scope == MarginScope.ISOLATED:
                    isolated += p.margin + margin.profit(t, account, i, mark)
                positions.append(
                    Position(
                        instrument=i // 2,
                        side=PositionSide(1 + i % 2 if a.hedge else 0),
                        lots=p.lots,
                        cost=p.cost,
                        isolated_margin=p.margin,
                        scope=MarginScope(p.scope),
                        leverage=p.leverage,
                        mark_e8=mark,
                        unrealised=trunc(margin.profit(t, account, i, mark)),
                        notional=trunc(abs(margin.value(t.instruments[i], mark, p.lots))),
                        initial=margin.taken(t, account, i),
                        maintenance=trunc(margin.required(t, account, i, mark)),
                        liquidation_e8=margin.position_liquidation_price(t, account, i),
                        opened_ns=p.opened_ns,
                    )
                )
        return Account(
            id=account,
            asset=t.rules.asset,
            wallet=a.wallet,
            equity=floor(margin.cross_equity(t, account, t.marks()) + isolated),
            initial=sum(p.initial + p.isolated_margin for p in positions),
            maintenance=sum(p.maintenance for p in positions),
            available=max(0, margin.available(t, account)),
            positions=tuple(positions),
            max_withdrawal=margin.withdrawable(t, account),
            multi_assets=bool(a.multi),
            balances=self._twin_balances(account),
        )

    def _twin_balances(self, account: int) -> tuple[Balance, ...]:
        t, a = self.twin, self.twin.accounts[account]
        found = []
        for k, asset in enumerate(t.assets if len(t.assets) > 1 else ()):
            amount = a.balances[k] if k else a.wallet
            equity = amount if k else floor(margin.own_equity(t, account, t.marks()))
            found.append(
                Balance(
                    asset=asset.name,
                    amount=amount,
                    index_e8=t.index_e8[k],
                    bid_e8=collateral.rates(t, k)[0],
                    ask_e8=collateral.rates(t, k)[1],
                    equity_usd=collateral.counted_usd(t, k, equity),
                    max_withdrawal=margin.withdrawable(t, account, k),
                )
            )
        return tuple(found)

    def _same(self, kernel: list[Event], twin: list[Event]) -> list[Event]:
        if kernel != twin:
            raise AssertionError("\n".join([str(self.setup), *self.story[-6:], difference(kernel, twin)]))
        totals = self.venue.totals()
        assert totals.gap == 0, (totals, self.story[-1])
        for asset in range(1, len(self.setup.assets)):
            held = self.venue.totals(asset)
            assert held.gap == 0 and held.wallets >= 0, (asset, held, self.story[-1])
        return kernel

    def compare(self) -> None:
        """States, hashes, accounts and the ledger recomputed from the events."""
        kernel, twin = canonical_bytes(state_lines(self.venue)), canonical_bytes(self.twin.state_lines())
        if kernel != twin:
            diff = difflib.unified_diff(
                twin.decode().split("\n"), kernel.decode().split("\n"), "twin", "venue", lineterm=""
            )
            raise AssertionError("\n".join([str(self.setup), *self.story[-3:], *diff]))
        assert self.venue.state_hash() == self.twin.state_hash()
        assert self.venue.event_hash() == self.twin.event_hash()
        assert self.twin.gap() == 0
        together, own = order_lists(self.venue)
        assert together == own
        for account in range(self.setup.accounts):
            ours, theirs = bounded(self.venue.account(account)), bounded(self.twin_account(account))
            assert ours == theirs, f"account {account}\nvenue {ours}\ntwin  {theirs}\n{self.setup}"
        t = self.venue.totals()
        again = from_events(self.twin.events, self.setup)
        brought = sum(pool.balance for pool in self.venue.pools)
        assert (t.outside, t.rounding, t.fees, t.insurance - brought, t.deposits - brought, t.exchanged) == again


def random_run(r: Random, pair: Lockstep, commands: int, *, every: int = 10, burst: int = 6) -> World:
    """A run of about so many commands on a random feed, compared throughout."""
    world = World(r, pair.setup)
    for account in range(pair.setup.accounts):
        if r.randint(0, 9):
            pair.submit(scenarios.deposit(r, account))
        if r.randint(0, 2) == 0:
            pair.submit(set_hedge_mode(account, True))
    if pair.setup.assets:
        rows = world.bars(1)
        pair.advance(rows[-1].ts_ns, rows)
        for account in range(pair.setup.accounts):
            for _ in range(r.choice([0, 1, 3])):
                pair.submit(scenarios.of_asset(r, pair.setup, pair.twin, account))
            if r.randint(0, 2):
                pair.submit(set_multi_assets(account, True))
    more(r, pair, world, commands, every=every, burst=burst)
    return world


def more(r: Random, pair: Lockstep, world: World, commands: int, *, every: int = 10, burst: int = 6) -> None:
    """Go on with a run: rows, then up to `burst` commands, now and then between two instants."""
    sent = rounds = 0
    while sent < commands:
        rows = world.bars(r.choice([1, 1, 1, 2, 4]))
        until = rows[-1].ts_ns if rows else pair.twin.clock_ns
        pair.advance(until, rows)
        for moment in range(r.choice([1, 1, 2])):
            if moment:
                pair.advance(min(until + 1, world.now - 1), [])
            for _ in range(r.choice([0, 1, 2, 3, burst])):
                pair.submit(scenarios.command(r, pair.setup, pair.twin))
                sent += 1
        rounds += 1
        if rounds % every == 0:
            pair.compare()
    pair.compare()
