"""The compiled exchange by itself, for runs too large for the twin; what it says is added up beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from types import SimpleNamespace

from novation.domain.commands import Command
from novation.domain.enums import EventKind
from novation.domain.events import Event
from novation.domain.instruments import Terms
from novation.domain.market import MarketEvent
from novation.venues.venue import Venue
from tests.venues import scenarios
from tests.venues.lockstep import brief, venue_of
from tests.venues.scenarios import Setup


class Seen:
    """What `scenarios` asks of the twin, read from a venue."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.accounts, self.markets = Rows(self.account), Rows(self.market)

    clock_ns = property(lambda self: self.venue.clock_ns)
    order_sequence = property(lambda self: self.venue.number("order_sequence"))
    index_e8 = property(lambda self: self.venue.table("asset")["index_e8"].tolist())

    def account(self, account: int) -> SimpleNamespace:
        """Money, mode, positions by slot and ids of working orders."""
        a, several = self.venue.table("account")[account], len(self.venue.assets) - 1
        held = self.venue.table("balance")["amount"][several * account : several * (account + 1)].tolist()
        return SimpleNamespace(
            wallet=int(a["wallet"]),
            hedge=int(a["hedge"]),
            multi=int(a["multi"]),
            balances=[0, *held],
            positions=Rows(lambda slot: self.position(account, slot)),
            orders=self.orders(int(a["first_order"])),
        )

    def position(self, account: int, slot: int) -> SimpleNamespace:
        """Lots, margin and leverage."""
        p = self.venue.table("position")[2 * len(self.venue.instruments) * account + slot]
        assert (p["account"], p["instrument"], p["leg"]) == (account, slot // 2, slot % 2)
        return SimpleNamespace(lots=int(p["lots"]), margin=int(p["margin"]), leverage=int(p["leverage"]))

    def orders(self, row: int) -> list[int]:
        """Ids of an account's own list from a row on."""
        found, table = [], self.venue.table("order")
        while row >= 0:
            found.append(int(table[row]["id"]))
            row = int(table[row]["own_next"])
        return found

    def market(self, slot: int) -> SimpleNamespace:
        """The last price."""
        m = self.venue.table("market")[slot // 2]
        return SimpleNamespace(last_e8=int(m["last_e8"]), mark_e8=int(m["mark_e8"]))

    def terms_of(self, slot: int) -> Terms:
        """The terms in force."""
        row = int(self.venue.table("market")[slot // 2]["terms"])
        return [terms for dated in self.venue.terms for terms in dated][row]

    def available(self, account: int) -> int:
        """What may be taken for new margin."""
        return self.venue.money(account)[4]

    def withdrawable(self, account: int, asset: int = 0) -> int:
        """The most of an asset that may be taken out."""
        told = self.venue.account(account)
        return told.balances[asset].max_withdrawal if asset else told.max_withdrawal


class Rows:
    """`rows[k]`, made when asked for."""

    def __init__(self, made) -> None:
        self.made = made

    def __getitem__(self, k: int) -> SimpleNamespace:
        return self.made(k)


class Alone:
    """A venue; after every door its ledger is whole, and deposits and fees are those its events told of."""

    def __init__(self, setup: Setup, **sizes: int) -> None:
        self.setup, self.venue = setup, venue_of(setup, **sizes)
        self.twin = Seen(self.venue)
        self.met: Counter[EventKind] = Counter()
        self.fees = 0
        self.deposits = [0] * len(self.venue.assets)
        self.deposits[0] = sum(pool.balance for pool in self.venue.pools)
        self.last = ""

    def submit(self, command: Command) -> list[Event]:
        """One command."""
        self.last = brief(command)
        return self._whole(self.venue.submit(command))

    def advance(self, until_ns: int, rows: list[MarketEvent]) -> list[Event]:
        """Time."""
        self.last = f"advance {until_ns}"
        return self._whole(self.venue.advance(until_ns, scenarios.array(rows)))

    def _whole(self, events: Iterable[Event]) -> list[Event]:
        for e in events:
            self.met[EventKind(e.kind)] += 1
            if e.kind == EventKind.TRANSFER:
                self.deposits[e.order] += e.amount
            elif e.kind in (EventKind.FILL, EventKind.DELIVERY):
                self.fees += e.fee
        for asset, deposits in enumerate(self.deposits):
            totals = self.venue.totals(asset)
            assert totals.gap == 0, (self.last, asset, totals)
            assert totals.deposits == deposits, (self.last, asset, totals, deposits)
            assert asset == 0 or totals.wallets >= 0, (self.last, asset, totals)
        assert self.venue.totals().fees == self.fees, (self.last, self.fees)
        return list(events)

    def compare(self) -> None:
        """Nothing to compare with."""
