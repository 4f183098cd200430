"""The exchange: a deterministic state machine. Commands and market events in, venue events out.

`Venue` owns the tables that the kernels of `engine` work on: it alone makes heads, grows tables, copies and restores
them. It knows no clock but the instants it is given, and it draws no random number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from novation._jit import address_of, entry_point, first_compile, record_table, strategy_loop
from novation.domain.account import Account, DeleveragingRank, InsurancePool, Totals
from novation.domain.assets import Asset
from novation.domain.book import BookRules, BookView
from novation.domain.commands import COMMAND_DTYPE, Command, pack_command
from novation.domain.digest import state_digest
from novation.domain.enums import (
    BarPath,
    CommandKind,
    InstrumentKind,
    InstrumentStatus,
    MarkRule,
    QueueModel,
)
from novation.domain.errors import VenueError
from novation.domain.events import EVENT_DTYPE, EVENT_FORMAT, Event
from novation.domain.funding import FundingState
from novation.domain.instruments import Instrument, Terms
from novation.domain.latency import NO_LATENCY, Latency
from novation.domain.liquidity import BarLiquidity, Ladder
from novation.domain.market import MARKET_DTYPE
from novation.domain.order_flow import OrderFlow
from novation.domain.units import asset_decimals, from_e8, iso
from novation.engine import doors
from novation.engine.doors import INSTANT, MORE
from novation.engine.layout import DTYPES, HEAD, NEVER_NS, TABLES
from novation.engine.ledger import LIMB
from novation.venues import book_tables, tables
from novation.venues.account_query import account_of, ranks_of
from novation.venues.assets import in_limbs, totals_of
from novation.venues.bar_liquidity import fill as fill_bar_liquidity
from novation.venues.canonical import state_lines
from novation.venues.checks import bar_path_of, by_id, check_feed, check_flow, check_venue, queue_model
from novation.venues.fill_query import FillProbability, fill_probability
from novation.venues.funding_query import funding_state
from novation.venues.impacts import Impact, check_impacts, check_on_bars
from novation.venues.impacts import fill as fill_impacts
from novation.venues.looks import Line, Looks, whole_ns
from novation.venues.others import Joins, Others, nobody
from novation.venues.snapshots import Snapshot, check_snapshot, layout, made_of
from novation.venues.venue_rules import VenueRules

#: Where each field of the head lies in its memory.
_OFFSETS = {name: i for i, name in enumerate(HEAD.names or ())}
_EVENT_COUNT, _COMMAND_COUNT = _OFFSETS["event_count"], _OFFSETS["command_count"]
_EVENT_TOLD = _OFFSETS["event_told"]


class Venue:
    """One exchange with its instruments, accounts and ledger.

    instruments: in the order of their dense ids. terms: per instrument its dated rows; the first is in force from the
    start, later ones take effect through TERMS rows of a feed. accounts: how many, ids 0..n-1.
    spread_e8: the stated spread of parametric liquidity, a fraction of the price in 1e-8. pools: the insurance funds,
    each instrument in one of them; without any, one unlimited fund that begins at zero. ladders: by instrument id, the
    levels it trades on instead of the prices of bars. books: by instrument id, how it matches on an order book
    (docs/rules/book.md), where accounts trade with each other. impacts, bar_liquidity: by instrument id on bars, what
    takers do to the price, or pay and can have. bar_path: which way the price went inside a bar. marked: by instrument
    id, how the venue marks what it marks and funds itself, from INDEX rows; of the others mark and rate come with the
    data. pro_rata: a rate of the venue's own is paid for the share of the interval a position was held, which no
    exchange here does. assets: what accounts may hold, the settlement asset first; without any, that one alone. The
    index of a settlement asset stays between 0.5 and 2 USD.
    """

    def __init__(
        self,
        rules: VenueRules,
        instruments: Sequence[Instrument],
        terms: Sequence[Sequence[Terms]],
        *,
        accounts: int = 1,
        spread_e8: int = 0,
        pools: Sequence[InsurancePool] = (),
        ladders: Mapping[str, Ladder] | None = None,
        books: Mapping[str, BookRules] | None = None,
        marked: Mapping[str, MarkRule] | None = None,
        impacts: Mapping[str, Impact] | None = None,
        bar_liquidity: Mapping[str, BarLiquidity] | None = None,
        bar_path: BarPath | str = BarPath.WORST,
        pro_rata: bool = False,
        assets: Sequence[Asset] = (),
        sampling: bool = False,
        orders: int = 1024,
        buffer: int = 4096,
    ) -> None:
        self.rules = rules
        self.instruments = tuple(instruments)
        self.terms = tuple(tuple(rows) for rows in terms)
        self.pools = tuple(pools) or (
            InsurancePool(name="all", instruments=tuple(i.id for i in self.instruments), unlimited=True),
        )
        self.ladders, self.books = by_id(ladders, "ladders", Ladder), by_id(books, "books", BookRules)
        self.marked = {name: MarkRule(rule) for name, rule in (marked or {}).items()}
        self.assets = tuple(assets) or (Asset(name=rules.asset, decimals=asset_decimals(rules.asset)),)
        self.impacts = by_id(impacts, "impacts")
        check_venue(self, accounts)
        self.bar_path = bar_path_of(bar_path)
        self.bar_liquidity = by_id(bar_liquidity, "bar_liquidity", BarLiquidity)
        check_impacts(self.impacts, self.instruments, (self.ladders, self.books))
        depths = (self.ladders, self.books, self.impacts)
        has = "a ladder, a book or a model of impact"
        check_on_bars("bar_liquidity", self.bar_liquidity, self.instruments, depths, has)
        count = len(self.instruments)
        rows = tables.first_rows(self, accounts, orders=orders, buffer=buffer)
        rows |= book_tables.first_rows(self.books, orders) | {"impact": count if self.impacts else 0}
        rows["bar_liquidity"] = count if self.bar_liquidity else 0
        self.cautions: tuple[str, ...] = ()  #: of the last run of a compiled strategy that looks
        self.flows: dict[int, np.ndarray] = {}  #: by row of BOOK: recorded flow that it replays
        self.heads = record_table(HEAD, 1)
        self.head = self.heads[0]
        self._tables: dict[str, np.ndarray] = {}
        for name in TABLES:
            self.own(name, record_table(DTYPES[name], rows[name]))
        self.address = address_of(self.heads)
        self._fields = self.heads.view(np.int64)
        self._numbers = memoryview(self._fields)  # type: ignore[arg-type]  # one int64 a field, for cheap reads
        self.first_terms = tables.fill(self)
        h = self.head
        h["call_policy"], h["call_ratio_e8"] = int(rules.call_policy), rules.call_ratio_e8
        h["liquidation_target_e8"] = rules.liquidation_target_e8
        h["hedge_mode"] = int(rules.hedge_mode)
        h["deficit_to_fund"] = int(rules.deficit_to_fund)
        h["hold_orders"], h["countdown"] = int(rules.hold_orders), int(rules.countdown)
        h["profit_withdrawable"] = int(rules.profit_withdrawable)
        h["asset_unit"] = 10 ** asset_decimals(rules.asset)
        h["spread_e8"], h["sampling"], h["bar_path"] = spread_e8, int(sampling), int(self.bar_path)
        h["accounts"], h["instruments"], h["assets"] = accounts, count, len(self.assets)
        h["due_ns"], h["pro_rata"] = NEVER_NS, int(pro_rata)
        h["liquidation_priority"], h["deleveraging_method"] = int(rules.liquidation_priority), int(rules.deleveraging)
        h["watching"], h["band_base"] = 1, tables.leaves(accounts)
        h["liquidating"], h["deleveraging"], h["next_order"] = -1, -1, -1
        h["first_order"], h["last_order"], h["taking"], h["giving"], h["cancelling"] = -1, -1, -1, -1, -1
        h["expire_ns"], h["resume_ns"], h["others_ns"], h["grow_side"] = NEVER_NS, NEVER_NS, NEVER_NS, -1
        book_tables.fill(self, self.instruments, self.books)
        fill_impacts(self._tables["impact"], self.impacts, self.instruments)
        fill_bar_liquidity(self._tables["bar_liquidity"], self.bar_liquidity, self.instruments)
        self._event_hasher = hashlib.blake2b(digest_size=16)
        self._event_bytes = memoryview(self._tables["event"].view(np.uint8))  # type: ignore[arg-type]
        self._money = np.zeros(6, np.int64)
        self.closed_rows = range(0)  #: rows of the feed whose bars closed at the instant of the last `step`
        self.eventful: object = False  #: true if events waited after the last `step`
        self._waiting: list[bytes] = []  # events taken out of a full buffer in the middle of a step
        self.log: list[bytes] | None = None
        self._kept: dict[str, list[np.ndarray]] = {"sample": [], "holding": []}
        self._looked_ns = 0  # by the clock of a compiled strategy, when it looked last
        self._ids_given: set[int] = set()  # of orders that are sent and have not arrived
        self._looks: Looks | None = None  # of the compiled strategy that looks
        self.population: Others | None = None  #: who trades here beside the participants
        first_compile(Path(doors.__file__), self._open_doors)
        self._open_doors()

    def _open_doors(self) -> None:
        """Bind the doors that are called often, compiling them if need be."""
        self._advance = entry_point(doors.advance, self.heads, 0)
        self._submit = entry_point(doors.submit, self.heads, 0)

    def own(self, name: str, table: np.ndarray) -> None:
        """Let a table take the place of one of its name; `venues.tables` and `venues.book_tables` grow theirs."""
        self._tables[name] = table
        self.head[f"{name}_address"] = address_of(table)
        self.head[f"{name}_rows"] = len(table)

    # -- what a door does -------------------------------------------------------------------------------------------

    def attach(self, feed: np.ndarray) -> None:
        """Give the venue the market events it will meet; `advance` consumes them.

        feed: array of `MARKET_DTYPE`, ordered by (ts_ns, kind, instrument), none before the clock.
        """
        if feed.dtype != MARKET_DTYPE:
            raise VenueError("a feed is an array of domain.market.MARKET_DTYPE")
        check_feed(self, feed)
        rest = self._tables["feed"][int(self.head["feed_next"]) :]
        table = record_table(MARKET_DTYPE, len(rest) + len(feed))
        for name in MARKET_DTYPE.names or ():
            table[name][: len(rest)] = rest[name]
            table[name][len(rest) :] = feed[name]
        order = np.lexsort((table["instrument"], table["kind"], table["ts_ns"]))
        if not np.array_equal(order, np.arange(len(table))):
            table[:] = table[order]
        if len(table) and table["ts_ns"][0] < self.clock_ns:
            raise VenueError(
                f"{self.rules.name}: a market event of {iso(int(table['ts_ns'][0]))} lies before the "
                f"clock, {iso(self.clock_ns)}"
            )
        self.own("feed", table)
        self.head["feed_next"] = 0

    def attach_flow(
        self,
        instrument: int,
        rows: np.ndarray,
        slots: int = 0,
        *,
        queue: QueueModel | str = QueueModel.BACK,
        exponent_e8: int = 200_000_000,
        by_fills: bool = False,
    ) -> None:
        """Let a book replay recorded flow, of orders or of levels, once (docs/rules/replay.md).

        rows: array of `FLOW_DTYPE`, none before the clock; orders as slots 0 .. slots - 1 (`data.flow.dense_orders`).
        queue, exponent_e8: of levels, who is taken to have left (and the n of POWER in 1e-8): a `QueueModel`, or its
        name in small letters; "mbp" is "back", "mbo" states that the flow is of orders, whose queues are exact.
        by_fills: of a flow of orders, those of accounts trade by the record's fills behind them, as in hftbacktest, and
        not by its trades.
        """
        self._booked(instrument)
        row = int(self._tables["contract"][instrument]["book"]) - 1
        check_flow(self, instrument, rows, slots, by_fills)
        queue = queue_model(queue, rows)
        if row in self.flows:
            raise VenueError(f"{self.rules.name}: {self.instruments[instrument].id} has a flow already")
        if self.population is not None and self.population.instrument == instrument:
            raise VenueError(f"{self.rules.name}: simulated traders trade {self.instruments[instrument].id}")
        book_tables.attach_flow(self, row, rows, slots, (int(queue), exponent_e8), int(by_fills))

    def attach_population(self, population: Joins) -> None:
        """Let simulated traders live here from now on (docs/rules/population.md): one population, for good."""
        if self.population is not None:
            raise VenueError(f"{self.rules.name}: has a population already")
        if not isinstance(population, Joins):
            raise VenueError(f"{self.rules.name}: {type(population).__name__} is no Population of simulated traders")
        self.population = population.join(self)
        self._live()

    def _live(self) -> None:
        """Let `advance` pass through the door behind which others act."""
        others = self.population
        assert others is not None
        loop = strategy_loop(doors.advance_among, HEAD)

        def advance(heads: np.ndarray, until_ns: int) -> tuple[int, int, int, int]:
            status = loop(heads, until_ns, self.address, others.act, others.address)
            return status, self.number("closed_from"), self.number("closed_to"), self.number("event_count")

        self._advance = advance

    def new_order_id(self) -> int:
        """An id for an order that is sent now and arrives later, with `submit`."""
        self.head["order_sequence"] += 1
        self._ids_given.add(self.number("order_sequence"))
        return self.number("order_sequence")

    def submit(self, command: Command, *, order: int = 0) -> list[Event]:
        """Carry out one command now and return what happened; order: the `new_order_id` that it was sent with."""
        if order:
            if command.kind != CommandKind.PLACE or order not in self._ids_given:
                raise VenueError(f"{self.rules.name}: {order} is no id that was given to this order by new_order_id")
            self._ids_given.remove(order)
        at = self._numbers[_COMMAND_COUNT] * COMMAND_DTYPE.itemsize
        pack_command(command, self._tables["command"], at, self.rules.name)
        self._carry_out(1, order)
        return self._collect(self.drain())

    def submit_all(self, commands: np.ndarray) -> None:
        """Carry out many commands, one after another, in one go; what happened waits to be drained.

        commands: array of `COMMAND_DTYPE`.
        """
        if commands.dtype != COMMAND_DTYPE:
            raise VenueError("commands are an array of domain.commands.COMMAND_DTYPE")
        table = self._tables["command"].view(np.int64).reshape(len(self._tables["command"]), -1)
        rows = np.ascontiguousarray(commands).view(np.int64).reshape(-1, table.shape[1])
        for first in range(0, len(rows), len(table)):
            some = rows[first : first + len(table)]
            table[: len(some)] = some
            self._carry_out(len(some))

    def _carry_out(self, count: int, order: int = 0) -> None:
        self._submit(self.heads, count)
        if order:
            self._tables["command"][0]["order"] = order
            self.head["order_sequence"] -= 1
        try:
            while self._advance(self.heads, self.clock_ns)[0] == MORE:
                self._empty_buffers()
        except OverflowError as error:
            self.head["command_next"] = self.head["command_count"] = 0  # it is not to be carried out a second time
            raise self._overflow(error) from None

    def advance(self, until_ns: int, market: np.ndarray | None = None) -> list[Event]:
        """Let time pass up to an instant, through the attached feed and `market`; return everything that happened."""
        if until_ns < self.clock_ns:
            raise self._past(until_ns)
        if market is not None:
            self.attach(market)
        while self.step(until_ns):
            pass
        return self._collect(self.drain())

    def _past(self, until_ns: int) -> VenueError:
        here, there = iso(self.clock_ns), iso(until_ns)
        return VenueError(f"{self.rules.name}: the clock stands at {here} and cannot go back to {there}")

    def _overflow(self, error: OverflowError) -> VenueError:
        marks = self._tables["market"]["mark_e8"]
        known = ", ".join(f"{i.id} {from_e8(int(m)):f}" for i, m in zip(self.instruments, marks, strict=True))
        return VenueError(
            f"{self.rules.name}, {iso(self.clock_ns)}: {error}: a price is out of all proportion; marks before: {known}"
        )

    def stop_at_every_instant(self) -> None:
        """Let `step` return after instants without bars and events too: funding stamps that pay nobody, for example."""
        self.head["every_instant"] = 1

    def step(self, until_ns: int) -> bool:
        """Advance to the next instant worth looking at; False when nothing is left up to `until_ns`."""
        try:
            status, first, end, events = self._advance(self.heads, until_ns)
            while status == MORE:
                self._empty_buffers()
                status, first, end, events = self._advance(self.heads, until_ns)
        except OverflowError as error:
            raise self._overflow(error) from None
        self.closed_rows = range(first, end)
        self.eventful = events or self._waiting
        return status == INSTANT  # type: ignore[no-any-return]

    def run_compiled(self, on_bar: Any, state_address: int, until_ns: int | None = None) -> None:
        """Drive the feed up to an instant, else to its last row, with a compiled strategy."""
        until_ns = self.end_ns if until_ns is None else until_ns
        self._nothing_under_way()
        self._drive(doors.run_compiled, on_bar, state_address, until_ns)

    def run_looking(
        self,
        on_look: Any,
        state_address: int,
        *,
        every_ns: int,
        start_ns: int | None = None,
        until_ns: int | None = None,
        latency: Latency | None = None,
        seed: int = 0,
    ) -> None:
        """Drive what is attached up to an instant, else to its last row, with a compiled strategy that looks every
        `every_ns` of its own clock, first at `start_ns`, else that long from now.

        latency: what lies between it and the exchange (docs/rules/latency.md); it begins knowing how things stand; None
        is none, and one of `cautions`. What is under way at the end arrives in the next run. seed: of the delays that
        are drawn.
        """
        until_ns = self.end_ns if until_ns is None else until_ns
        start_ns = max(self.clock_ns, self._looked_ns) + every_ns if start_ns is None else start_ns
        for name, value in (("every_ns", every_ns), ("start_ns", start_ns), ("until_ns", until_ns)):
            whole_ns(name, value)
        if every_ns < 1:
            raise VenueError(f"a strategy looks every nanosecond at most, not every {every_ns}")
        if until_ns < self.clock_ns:
            raise self._past(until_ns)
        self.cautions = () if latency is not None else (NO_LATENCY,)
        if latency is None:
            self._nothing_under_way()
        start_ns = max(start_ns, self.clock_ns, self._looked_ns)
        self._looks = Looks(self, Line(latency, seed, self.clock_ns), start_ns, every_ns)
        try:
            self._drive(doors.run_looking, on_look, state_address, until_ns)
        finally:
            self._looked_ns = self._looks.looked_ns(self._looked_ns)
            self._looks, self.head["delayed"] = None, 0

    def _nothing_under_way(self) -> None:
        count = self.number("flight_count")
        if count:
            raise VenueError(
                f"{self.rules.name}: {count} commands of a run with a latency are under way: go on with a latency"
            )

    def _drive(self, door: Any, strategy: Any, state_address: int, until_ns: int) -> None:
        if hasattr(strategy, "bind"):
            raise VenueError("a strategy is bound first: function, record, address = strategy.bind(); keep the record")
        loop = strategy_loop(door, HEAD)
        act, others = (nobody(), 0) if self.population is None else (self.population.act, self.population.address)
        try:
            while loop(self.heads, until_ns, self.address, strategy, state_address, act, others) == MORE:
                self._empty_buffers()
                self._waiting = []
        except OverflowError as error:
            raise self._overflow(error) from None
        except BaseException as error:
            self.head["command_next"] = self.head["command_count"] = 0  # half of a look is not carried out later
            error.add_note(f"in {getattr(strategy, 'novation_strategy', 'a compiled strategy')}")
            raise
        self.drain()

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def clock_ns(self) -> int:
        """Where the venue's time stands."""
        return self.number("clock_ns")

    def number(self, field: str) -> int:
        """One int64 of the head."""
        return self._numbers[_OFFSETS[field]]

    def table(self, name: str) -> np.ndarray:
        """The rows of a table, not to be written."""
        return self._tables[name]

    @property
    def end_ns(self) -> int:
        """The last instant of what is attached, or where the clock stands."""
        feed = self._tables["feed"]
        last = [int(rows["ts_ns"][-1]) for rows in (feed, *self.flows.values()) if len(rows)]
        return max(last, default=self.clock_ns)

    def next_instant(self) -> int | None:
        """When the attached feed has its next row, the venue a stamp of its own, an order its end, or simulated traders
        act; None when there is nothing of these."""
        row = self.number("feed_next")
        feed = self._tables["feed"]
        ts_ns = min(int(feed["ts_ns"][row]) if row < len(feed) else NEVER_NS, self.number("due_ns"))
        ts_ns = min(ts_ns, self.number("resume_ns"), self.number("others_ns"))
        expiry = doors.next_expiry(self.heads) if self.number("expire_stale") else self.number("expire_ns")
        ts_ns = min(ts_ns, int(expiry))
        for row, flow in self.flows.items():
            done = int(self._tables["book"][row]["flow_next"])
            if done < len(flow):
                ts_ns = min(ts_ns, int(flow["ts_ns"][done]))
        return ts_ns if ts_ns < NEVER_NS else None

    def drain(self) -> list[bytes]:
        """The events since the last call, in chunks of whole rows."""
        if not self._numbers[_EVENT_COUNT] and not self._waiting:
            return []
        self._empty_events()
        chunks, self._waiting = self._waiting, []
        return chunks

    def sampled(self, table: str) -> np.ndarray:
        """All rows of "sample" or "holding" so far: what accounts and positions looked like when bars closed."""
        self._empty_samples(table)
        kept = self._kept[table]
        return np.concatenate(kept) if kept else np.zeros(0, DTYPES[table])

    def _empty_buffers(self) -> None:
        """Make room for more units of work."""
        if self.number("free_order") < 0:
            tables.grow_orders(self)
        if self.number("grow_side") >= 0:
            book_tables.grow(self)
        self._empty_events()
        if self._looks is not None:
            self._looks.go_on()
        for table in self._kept:
            if 2 * self.number(f"{table}_count") > len(self._tables[table]):
                self._empty_samples(table)

    def _empty_events(self) -> None:
        """Take the events out of their buffer, and chain them into the event hash."""
        count = self._numbers[_EVENT_COUNT]
        if not count:
            return
        chunk = bytes(self._event_bytes[: count * EVENT_DTYPE.itemsize])
        self._numbers[_EVENT_COUNT] = self._numbers[_EVENT_TOLD] = 0
        self._event_hasher.update(chunk)
        if self.log is not None:
            self.log.append(chunk)
        if self.population is not None:
            self.population.hear(chunk)
        self._waiting.append(chunk)

    def _empty_samples(self, table: str) -> None:
        count = self.number(f"{table}_count")
        if count:
            # as plain integers: NumPy copies records field by field, twenty times slower
            self._kept[table].append(self._tables[table][:count].view(np.int64).copy().view(DTYPES[table]))
        self._numbers[_OFFSETS[f"{table}_count"]] = 0

    @staticmethod
    def _collect(chunks: list[bytes]) -> list[Event]:
        return [Event(*row) for chunk in chunks for row in EVENT_FORMAT.iter_unpack(chunk)]

    def account(self, account: int, *, ranks: bool = False) -> Account:
        """An account as the exchange reports it.

        ranks: with each position's place in the deleveraging queue, which takes a look at every account of the venue.
        """
        if not 0 <= account < self.number("accounts"):
            raise VenueError(f"{self.rules.name}: no account {account}")
        return account_of(self, account, ranks=ranks)

    def deleveraging_ranks(self, instrument: int) -> tuple[DeleveragingRank, ...]:
        """Every position of an instrument by its place in the deleveraging queue, at the present marks: the longs from
        the head of their queue on, then the shorts. Looks at every account."""
        self._known(instrument, self.instruments, "instrument")
        return tuple(rank for side in (1, -1) for rank in ranks_of(self, instrument, side))

    def money(self, account: int) -> tuple[int, int, int, int, int]:
        """Wallet, equity, initial, maintenance and available (below zero where margin is missing), in minor units."""
        doors.account_numbers(self.heads, account, self._money)
        wallet, equity, initial, maintenance, available, _ = self._money.tolist()
        return wallet, equity, initial, maintenance, available

    def funding(self, instrument: int) -> FundingState:
        """The funding of a perpetual that the venue marks itself: stamp, average, estimate, forecast, last rate."""
        if not 0 <= instrument < len(self.instruments) or (
            self.instruments[instrument].id not in self.marked
            or self.instruments[instrument].kind != InstrumentKind.PERPETUAL
        ):
            raise VenueError(
                f"{self.rules.name}: instrument {instrument} is no perpetual whose rate the venue computes"
            )
        return funding_state(self, instrument)

    def status(self, instrument: int) -> InstrumentStatus:
        """Where an instrument is in its life."""
        return InstrumentStatus(int(self._tables["market"][instrument]["status"]))

    def _known(self, index: int, of: Sequence[object], what: str) -> None:
        if not 0 <= index < len(of):
            raise VenueError(f"{self.rules.name}: no {what} {index}; there are {len(of)}")

    def fund(self, pool: int) -> int:
        """Balance of an insurance fund, in minor units."""
        self._known(pool, self.pools, "insurance fund")
        row = self._tables["pool"][pool]
        return int(row["high"]) * LIMB + int(row["low"])

    def totals(self, asset: int = 0) -> Totals:
        """Both sides of the ledger of an asset, the settlement asset unless named, in Python integers."""
        self._known(asset, self.assets, "asset")
        if asset:
            return totals_of(asset, len(self.assets), self._tables["asset"], self._tables["balance"])

        def limbs(name: str) -> int:
            return self.number(f"{name}_high") * LIMB + self.number(f"{name}_low")

        def total(table: str, field: str) -> int:
            column = self._tables[table][field]
            high = int((column >> 32).sum())  # two halves: their sums stay far inside int64
            return (high << 32) + int((column & 0xFFFFFFFF).sum())

        return Totals(
            wallets=total("account", "wallet"),
            isolated=total("position", "margin"),
            costs=total("position", "cost"),
            fees=limbs("fees"),
            insurance=sum(self.fund(k) for k in range(len(self.pools))),
            outside=limbs("outside"),
            rounding=self.number("rounding"),
            deposits=limbs("deposits"),
            exchanged=in_limbs(self._tables["asset"], 0, "exchanged"),
        )

    def book(self, instrument: int, *, depth: int | None = None) -> BookView:
        """Both sides of an instrument's book, the best price first; depth: so many prices of each, one at least."""
        if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 1):
            raise VenueError(f"{self.rules.name}: a depth of {depth!r} prices shows nothing")
        return book_tables.view(self, self._booked(instrument), depth)

    def queue_position(self, order: int) -> tuple[int, int] | None:
        """Orders and lots (hidden ones too) ahead of a working order at its price; None where it stands in no queue."""
        return book_tables.queue_position(self, order)

    def fill_probability(
        self, order: int, model: OrderFlow, within_ns: int | None = None, *, reference: int | None = None
    ) -> FillProbability:
        """How likely a working order at the best price is to fill before the mid moves (`venues.fill_query`)."""
        return fill_probability(self, order, model, within_ns, reference=reference)

    def indicative_price(self, instrument: int) -> tuple[int, int] | None:
        """Ticks and lots at which a market would open now (docs/rules/book.md); None where its sides do not cross."""
        self._booked(instrument)
        ticks, lots = doors.indicative_price(self.heads, instrument)
        return (int(ticks), int(lots)) if lots > 0 else None

    def _booked(self, instrument: int) -> int:
        self._known(instrument, self.instruments, "instrument")
        if self.instruments[instrument].id not in self.books:
            raise VenueError(f"{self.rules.name}: {self.instruments[instrument].id} has no order book")
        return instrument

    # -- identity ---------------------------------------------------------------------------------------------------

    def state_hash(self) -> str:
        """BLAKE2b of the canonical form of the logical state (`venues.canonical`)."""
        others = self.population.lines() if self.population is not None else ()
        return state_digest(chain(state_lines(self), others))

    def event_hash(self) -> str:
        """BLAKE2b over the bytes of every event so far, in order."""
        self._empty_events()
        return self._event_hasher.copy().hexdigest()

    def snapshot(self) -> Snapshot:
        """A copy of the whole state; events not yet drained stay to be drained here, and are not part of it."""
        self._empty_events()
        kept_tables = {name: table.tobytes() for name, table in self._tables.items() if name not in ("feed", "queue")}
        kept_tables["head"] = self.heads.tobytes()
        kept = {name: tuple(chunks) for name, chunks in self._kept.items()}
        log = None if self.log is None else tuple(self.log)
        return Snapshot(
            layout(),
            made_of(self),
            kept_tables,
            self._tables["feed"],
            dict(self.flows),
            self._event_hasher.copy(),
            kept,
            log,
            None if self.population is None else self.population.kept(),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot back; of this venue or of one with the same instruments and accounts."""
        check_snapshot(snapshot, self)
        if self.population is not None and snapshot.others is not None:
            self.population.restore(snapshot.others)
        for name, data in snapshot.tables.items():
            if name == "head":
                continue
            rows = np.frombuffer(data, DTYPES[name])
            if len(rows) != len(self._tables[name]):
                self.own(name, record_table(DTYPES[name], len(rows)))
            self._tables[name][:] = rows
        head = np.frombuffer(snapshot.tables["head"], HEAD)[0]
        for name in HEAD.names or ():
            if not name.endswith(("_address", "_rows")):
                self.head[name] = head[name]
        self.own("feed", snapshot.feed)
        self.flows = dict(snapshot.flows)
        book_tables.find_flows(self)
        self._event_bytes = memoryview(self._tables["event"].view(np.uint8))  # type: ignore[arg-type]
        self._event_hasher = snapshot.event_hasher.copy()
        self._kept = {name: list(chunks) for name, chunks in snapshot.kept.items()}
        self.log = None if snapshot.log is None else list(snapshot.log)
        self._waiting = []
        self._ids_given.clear()
        self._looked_ns = 0
        self.closed_rows, self.eventful = range(0), False
