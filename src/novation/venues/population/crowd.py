"""A population of simulated traders: what it is made of (`Population`), and the one that lives in a venue (`Crowd`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np

from novation._jit import STRATEGY_SIGNATURE, address_of, kernel_with, record_table
from novation.domain.commands import COMMAND_DTYPE
from novation.domain.digest import Line
from novation.domain.enums import CommandKind, EventKind, MarginMethod, RejectReason
from novation.domain.errors import InvalidInput
from novation.domain.events import EVENT_DTYPE
from novation.domain.order_flow import Factor, Hawkes, OrderFlow, QueueReactive, Sizes, ZeroIntelligence
from novation.domain.units import BALANCE_BOUND, E8
from novation.engine.layout import NEVER_NS
from novation.rules.chance import first_state
from novation.venues.population.acting import HAWKES, NOBODY, QUEUE_REACTIVE, ZERO_INTELLIGENCE, act
from novation.venues.population.memory import CHANCE, COUNT, COUNTS, CROWD, LISTS, NUMBER, TRADER
from novation.venues.population.traders import FOLLOWER, LEVERAGED, MAKER, Leveraged, MarketMaker, Momentum
from novation.venues.venue import Venue

_MODELS = {ZeroIntelligence: ZERO_INTELLIGENCE, QueueReactive: QUEUE_REACTIVE, Hawkes: HAWKES}
_TABLES = {"crowd": CROWD, "number": NUMBER, "count": COUNT, "trader": TRADER, "chance": CHANCE}
#: Fields of CROWD that are no part of the state: addresses, and what only says that an instant is not over yet.
_NO_STATE = {f"{name}_address" for name in _TABLES} | {
    *("bid_before", "ask_before", "seen_ns", "base_ns", "base_budget", "base_rate", "bid_cancels", "ask_cancels"),
    *("change_ns", "rest_next", "sequence", "book_rate"),
}
#: Where a market begins, at most.
_MOST_TICKS = 1 << 40
#: Minor units that a leveraged trader's position may be worth where the market begins; later 16 times as much.
_MOST_VALUE = 1 << 57
_REFUSALS = (int(EventKind.ORDER_REJECTED), int(EventKind.COMMAND_REJECTED))


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """Simulated traders of one instrument that trades on a book (docs/rules/population.md); `Venue.attach_population`
    lets them in.

    flow: orders without a purpose, spread over `accounts`. makers, momentum, leveraged: traders with one, an account
    each. instrument: dense id. first: the first of their accounts, in this order. money: minor units that an account
    begins with; leveraged traders bring their own. price_ticks: where the market begins, 0: at the last price, else the
    mark. seed: of all chance.
    """

    flow: OrderFlow | None = None
    makers: tuple[MarketMaker, ...] = ()
    momentum: tuple[Momentum, ...] = ()
    leveraged: tuple[Leveraged, ...] = ()
    instrument: int = 0
    first: int = 1
    accounts: int = 100
    money: int = 1 << 50
    price_ticks: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        kinds = {"makers": MarketMaker, "momentum": Momentum, "leveraged": Leveraged}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), tuple) or not all(isinstance(t, kind) for t in getattr(self, name)):
                _refuse(f"are a tuple of {kind.__name__}", name, getattr(self, name))
        if self.flow is not None and type(self.flow) not in _MODELS:
            _refuse("is one of novation.domain.order_flow", "flow", self.flow)
        bounds = {
            "instrument": (0, 1 << 20),
            "first": (0, 1 << 30),
            "money": (0, BALANCE_BOUND),
            "accounts": (1, 1 << 24),
            "price_ticks": (-_MOST_TICKS, _MOST_TICKS),
        }
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                _refuse(f"is a whole number, {least:,} to {most:,}", name, value)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            _refuse("is a whole number", "seed", self.seed)
        if self.flow is None and not self.traders:
            _refuse("nobody is in it", "flow", None)

    @property
    def traders(self) -> int:
        """How many have a purpose."""
        return sum(group.count for group in self.groups)

    @property
    def groups(self) -> tuple[MarketMaker | Momentum | Leveraged, ...]:
        """Who has a purpose, in the order of their accounts."""
        return (*self.makers, *self.momentum, *self.leveraged)

    @property
    def flow_accounts(self) -> int:
        """Accounts of the flow."""
        return self.accounts if self.flow is not None else 0

    @property
    def end(self) -> int:
        """The account behind its last one."""
        return self.first + self.flow_accounts + self.traders

    def join(self, venue: Venue) -> Crowd:
        """Come in, with accounts and money."""
        self._check(venue)
        price = self._first_price(venue)
        self._bring_money(venue)
        crowd = Crowd(self, venue, price)
        venue.head["others_first"], venue.head["others_end"] = self.first, self.end
        venue.head["others_ns"] = venue.clock_ns
        return crowd

    def _check(self, venue: Venue) -> None:
        if not self.instrument < len(venue.instruments):
            _refuse("there is no such instrument", "instrument", self.instrument)
        instrument = venue.instruments[self.instrument]
        if instrument.id not in venue.books:
            _refuse(f"{instrument.id} has no order book", "instrument", self.instrument, "Give the venue BookRules.")
        if int(venue.table("contract")[self.instrument]["book"]) - 1 in venue.flows:
            _refuse(f"the book of {instrument.id} replays a record", "instrument", self.instrument)
        accounts = venue.number("accounts")
        if self.end > accounts:
            hint = f"Make the venue with {self.end:,} accounts."
            _refuse(f"takes accounts up to {self.end - 1:,}, and there are {accounts:,}", "first", self.first, hint)
        if self._first_price(venue) <= 0 and instrument.method == MarginMethod.TIERED:
            _refuse(f"{instrument.id} trades above 0 only", "price_ticks", self.price_ticks)
        self._check_sizes(venue)
        self._check_leverage(venue)
        held = venue.table("position").reshape(accounts, -1)[self.first : self.end]
        used = venue.table("account")[self.first : self.end]
        if held["lots"].any() or (used["first_order"] >= 0).any() or used["wallet"].any():
            _refuse("its accounts are in use already", "first", self.first)

    def _check_sizes(self, venue: Venue) -> None:
        """A market in which the exchange takes nobody's orders is no market."""
        terms = venue.table("terms")[int(venue.table("market")[self.instrument]["terms"])]
        each = abs(self._first_price(venue) * int(venue.table("contract")[self.instrument]["tick_value"]))
        least = max(int(terms["min_lots"]), -(-int(terms["min_notional"]) // max(1, each)))
        for name, lots in self._sizes().items():
            if lots < least:
                problem = f"orders of {lots:,} lots are below what {venue.instruments[self.instrument].id} takes"
                _refuse(problem, name, lots, f"Use {least:,} lots or more.")

    def _sizes(self) -> dict[str, int]:
        """Lots of the smallest orders, by whose they are."""
        found = {"makers.lots": [group.lots for group in self.makers]}
        found["momentum.lots"] = [group.lots for group in self.momentum]
        found["leveraged.lots"] = [group.lots[0] for group in self.leveraged]
        if isinstance(self.flow, QueueReactive):
            found["flow.unit"] = list(self.flow.unit)
        elif self.flow is not None:
            found |= {f"flow.{name}": list(getattr(self.flow, name).lots) for name in ("limit_lots", "market_lots")}
        return {name: min(lots) for name, lots in found.items() if lots}

    def _check_leverage(self, venue: Venue) -> None:
        instrument = venue.instruments[self.instrument]
        if self.leveraged and instrument.method != MarginMethod.TIERED:
            _refuse(f"leverage is not a setting of {instrument.id}", "leveraged", None)
        terms = venue.table("terms")[int(venue.table("market")[self.instrument]["terms"])]
        each = self._first_price(venue) * int(venue.table("contract")[self.instrument]["tick_value"])
        for group in self.leveraged:
            most = int(venue.table("tier")[terms["tier_first"]]["max_leverage"])
            least = -(-8 * (-(-E8 // most) + int(terms["taker_fee_e8"])) // 7) + 1
            if group.margin_e8[0] < least:
                problem = f"a margin of {group.margin_e8[0] / E8:.4%} is too small for {most}x"
                _refuse(problem, "leveraged.margin_e8", group.margin_e8, f"Use {least:,} or more.")
            if abs(each) * group.lots[1] >= _MOST_VALUE:
                _refuse("the largest position is worth too much", "leveraged.lots", group.lots)

    def _first_price(self, venue: Venue) -> int:
        if self.price_ticks:
            return self.price_ticks
        market, tick_e8 = venue.table("market")[self.instrument], venue.instruments[self.instrument].tick_e8
        price_e8 = int(market["last_e8"]) or int(market["mark_e8"])
        if price_e8 == 0:
            _refuse("there is neither a last price nor a mark to begin at", "price_ticks", 0, "Say where it begins.")
        return price_e8 // tick_e8

    def _bring_money(self, venue: Venue) -> None:
        count = self.end - self.first - sum(group.count for group in self.leveraged)
        rows = np.zeros(count if self.money else 0, COMMAND_DTYPE)
        rows["kind"], rows["amount"] = int(CommandKind.TRANSFER), self.money
        rows["account"] = np.arange(self.first, self.first + len(rows))
        venue.submit_all(rows)


def _refuse(problem: str, where: str, value: object, hint: str = "") -> None:
    raise InvalidInput(problem, source="population", where=where, value=value, hint=hint)


@cache
def _act() -> Any:
    return kernel_with(STRATEGY_SIGNATURE, act)


class Crowd:
    """A population in a venue: what it remembers, and what it did so far."""

    def __init__(self, made: Population, venue: Venue, price: int) -> None:
        self.made, self.instrument = made, made.instrument
        self.act = _act()
        self._refused = np.zeros(max(RejectReason) + 1, np.int64)
        self._liquidated = np.zeros(1, np.int64)
        lists = _lists(made.flow)
        numbers = [x for name in LISTS for x in lists[name][0]]
        sizes = {"crowd": 1, "number": len(numbers), "count": len(COUNTS)}
        sizes |= {"trader": made.traders, "chance": 1 + made.traders}
        self.tables = {name: record_table(dtype, sizes[name]) for name, dtype in _TABLES.items()}
        self.tables["number"]["number"] = numbers
        for row, purpose in enumerate(["flow", *(f"trader {k}" for k in range(made.traders))]):
            self.tables["chance"][row] = first_state(made.seed, purpose)
        self._begin(venue, price, lists)
        self._traders(venue.clock_ns)
        self.address = self._point()

    def _begin(self, venue: Venue, price: int, lists: dict[str, tuple[list[float], int]]) -> None:
        c, flow, now_ns = self.tables["crowd"][0], self.made.flow, venue.clock_ns
        step = int(venue.table("terms")[int(venue.table("market")[self.instrument]["terms"])]["tick_step"])
        price -= price % step
        c["instrument"], c["first"], c["accounts"] = self.instrument, self.made.first, self.made.flow_accounts
        c["model"], c["step"] = NOBODY if flow is None else _MODELS[type(flow)], step
        c["next_ns"] = c["change_ns"] = c["review_ns"] = c["traders_ns"] = NEVER_NS
        c["then_ns"] = c["base_ns"] = c["seen_ns"] = now_ns
        c["bid_ticks"] = c["bid_before"] = price
        c["ask_ticks"] = c["ask_before"] = price + step
        c["reference"] = c["mid"] = 2 * (price // step) + 1
        c["redraw"], c["rate"], c["base_rate"], c["sequence"] = -1, -1.0, -1.0, -1
        at = 0
        for name in LISTS:
            c[f"{name}_at"], c[f"{name}_count"] = at, lists[name][1]
            at += len(lists[name][0])
        if isinstance(flow, ZeroIntelligence):
            c["limits"], c["markets"] = sum(flow.limit), flow.market
        elif isinstance(flow, QueueReactive):
            c["follows"], c["redraws"] = flow.follows, flow.redraws
            c["redraw"] = 0 if flow.queues else -1
        elif isinstance(flow, Hawkes):
            c["decay"] = flow.decay
            factors = [f for f in (flow.to_funding, flow.to_limit) if f is not None]
            c["most_factor"] = float(np.prod([max(f.factors) for f in factors]))

    def _traders(self, now_ns: int) -> None:
        row, account = 0, self.made.first + self.made.flow_accounts
        for group in self.made.groups:
            for _ in range(group.count):
                t = self.tables["trader"][row]
                t["account"], t["every_ns"] = account, group.every_ns
                t["next_ns"] = now_ns + group.every_ns
                if isinstance(group, MarketMaker):
                    t["kind"], t["lots"], t["most_lots"] = MAKER, group.lots, group.most_lots
                    t["half_spread"], t["skew"] = group.half_spread, group.skew
                elif isinstance(group, Momentum):
                    t["kind"], t["lots"], t["most_lots"] = FOLLOWER, group.lots, group.most_lots
                    t["threshold"], t["horizon_ns"] = group.threshold, group.horizon_ns
                else:
                    t["kind"], t["side"], t["wait_ns"] = LEVERAGED, int(group.side or 0), group.wait_ns
                    t["least_lots"], t["most_lots"] = group.lots
                    t["least_e8"], t["most_e8"] = group.margin_e8
                row, account = row + 1, account + 1
        self.tables["crowd"]["traders_ns"] = min(self.tables["trader"]["next_ns"].tolist(), default=NEVER_NS)

    def _point(self) -> int:
        """Tell the record where the tables are; its own address."""
        c = self.tables["crowd"][0]
        for name in ("number", "count", "trader", "chance"):
            c[f"{name}_address"], c[f"{name}_rows"] = address_of(self.tables[name]), len(self.tables[name])
        return address_of(self.tables["crowd"])

    # -- what it did ------------------------------------------------------------------------------------------------

    @property
    def counts(self) -> dict[str, int]:
        """How often they did what (`memory.COUNTS`), and how often one of them was liquidated, by steps."""
        found = dict(zip(COUNTS, self.tables["count"]["number"].tolist(), strict=True))
        return found | {"liquidated": int(self._liquidated[0])}

    @property
    def refused(self) -> dict[str, int]:
        """How often the exchange refused them something, by `RejectReason`; up to the events that were drained."""
        return {RejectReason(k).name: int(n) for k, n in enumerate(self._refused) if n}

    def hear(self, events: bytes) -> None:
        """Count refusals and liquidations."""
        rows = np.frombuffer(events, EVENT_DTYPE)
        own = (rows["account"] >= self.made.first) & (rows["account"] < self.made.end)
        refused = rows["reason"][own & np.isin(rows["kind"], _REFUSALS)]
        self._refused += np.bincount(refused, minlength=len(self._refused))
        self._liquidated += int((own & (rows["kind"] == int(EventKind.LIQUIDATION))).sum())

    # -- memory -----------------------------------------------------------------------------------------------------

    def _all(self) -> dict[str, np.ndarray]:
        return self.tables | {"refused": self._refused, "liquidated": self._liquidated}

    def _made_of(self) -> bytes:
        return hashlib.blake2b(repr(self.made).encode(), digest_size=8).digest()

    def kept(self) -> dict[str, bytes]:
        """A copy of all they remember."""
        return {name: table.tobytes() for name, table in self._all().items()} | {"made_of": self._made_of()}

    def restore(self, kept: dict[str, bytes]) -> None:
        """Remember that instead."""
        if kept["made_of"] != self._made_of():
            raise InvalidInput("the snapshot is of another population", source="population")
        for name, table in self._all().items():
            _bits(table)[:] = np.frombuffer(kept[name], np.int64)
        self._point()

    def lines(self) -> Iterator[Line]:
        """Their lines of the canonical form of the venue's state, floats by their bits.

        others    fields of CROWD that are state
        excited   in `Hawkes`, what is left of past events
        trader, chance: a row of theirs each
        """
        c = self.tables["crowd"]
        yield "others", tuple(int(c[name].view(np.int64)[0]) for name in CROWD.names or () if name not in _NO_STATE)
        first, count = int(c["excited_at"][0]), int(c["excited_count"][0])
        yield "excited", tuple(_bits(self.tables["number"]["number"][first : first + count]).tolist())
        for name in ("trader", "chance"):
            width = _TABLES[name].itemsize // 8
            for row in _bits(self.tables[name]).reshape(-1, width):
                yield name, tuple(row.tolist())


def _bits(numbers: np.ndarray) -> np.ndarray:
    """The same memory as int64."""
    return numbers.view(np.int64)


def _lists(flow: OrderFlow | None) -> dict[str, tuple[list[float], int]]:
    """The numbers of a model by their list, and how many the list has, as kernels count."""
    found: dict[str, tuple[list[float], int]] = {name: ([], 0) for name in LISTS}
    found["to_funding"] = found["to_limit"] = ([], -1)
    if flow is None:
        return found
    if isinstance(flow, QueueReactive):
        for name in ("limit", "cancel", "market", "queues"):
            found[name] = _rows(getattr(flow, name))
        found["unit"] = [float(unit) for unit in flow.unit], len(flow.unit)
    else:
        found["limit_lots"], found["market_lots"] = _sizes(flow.limit_lots), _sizes(flow.market_lots)
    if isinstance(flow, ZeroIntelligence):
        for name in ("limit", "cancel"):
            found[name] = [float(rate) for rate in getattr(flow, name)], len(getattr(flow, name))
    if isinstance(flow, Hawkes):
        found["base"] = [float(rate) for rate in flow.base], len(flow.base)
        found["jump"] = [float(jump) for row in flow.jump for jump in row], len(flow.jump)
        found["distance"] = [float(weight) for weight in flow.limit_at], len(flow.limit_at)
        found["excited"] = [0.0] * len(flow.base), len(flow.base)
    for name, unit in (("to_funding", 1e9), ("to_limit", 1.0)):
        factor: Factor | None = getattr(flow, name)
        if factor is not None:
            bounds = [float(round(bound * unit)) if unit > 1.0 else float(bound) for bound in factor.until]
            found[name] = [*bounds, *map(float, factor.factors)], len(factor.until)
    return found


def _rows(rows: Sequence[Sequence[float]]) -> tuple[list[float], int]:
    """Of each row where it begins and how long it is, then all of them."""
    begins: list[float] = []
    numbers: list[float] = []
    at = 2 * len(rows)
    for row in rows:
        begins += [float(at + len(numbers)), float(len(row))]
        numbers += [float(number) for number in row]
    return [*begins, *numbers], len(rows)


def _sizes(sizes: Sizes) -> tuple[list[float], int]:
    return [*map(float, sizes.weights), *map(float, sizes.lots)], len(sizes.lots)
