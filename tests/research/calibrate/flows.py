"""Order flow of known rates, drawn here and not by the exchange: bare simulations that write down rows."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from novation.data.flow import Flow, check
from novation.domain.flow import FLOW_DTYPE, LAST, SNAPSHOT, FlowKind
from novation.domain.order_flow import Hawkes, QueueReactive, ZeroIntelligence

ADD, CANCEL, AMEND = FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND
FILL, TRADE, CLEAR = FlowKind.FILL, FlowKind.TRADE, FlowKind.CLEAR
BID, ASK = 1, -1


def recorded(*rows: tuple[float, FlowKind, int, int, int, int], flags: int = LAST) -> Flow:
    """A flow of rows (seconds, kind, order, side, lots, price), each an event of its own."""
    told = [
        (round(at * 1e9), round(at * 1e9), order, price, lots, int(kind), side, flags)
        for at, kind, order, side, lots, price in rows
    ]
    array = np.array(told, dtype=FLOW_DTYPE)
    return Flow(array, Decimal(1), Decimal(1), "orders", "record", np.arange(1, len(array) + 1))


class Tape:
    """A book of orders by price, and the rows of what is done to it."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.rows: list[tuple[int, ...]] = []
        self.at: dict[int, dict[int, list[int]]] = {BID: {}, ASK: {}}  # side -> price -> ids, the first ahead
        self.lots: dict[int, int] = {}
        self.next_id = 1

    def tell(self, seconds: float, kind: FlowKind, order: int, side: int, lots: int, price: int, flags: int) -> None:
        ns = round(seconds * 1e9)
        self.rows.append((ns, ns, order, price, lots, int(kind), side, flags))

    def best(self, side: int) -> int:
        return max(self.at[BID]) if side > 0 else min(self.at[ASK])

    def orders(self, side: int) -> int:
        return sum(map(len, self.at[side].values()))

    def join(self, seconds: float, side: int, price: int, lots: int, flags: int = LAST) -> None:
        self.at[side].setdefault(price, []).append(self.next_id)
        self.lots[self.next_id] = lots
        self.tell(seconds, ADD, self.next_id, side, lots, price, flags)
        self.next_id += 1

    def leave(self, seconds: float, side: int, price: int, n: int) -> None:
        """The n-th order of a price is cancelled."""
        order = self.at[side][price].pop(n)
        if not self.at[side][price]:
            del self.at[side][price]
        self.tell(seconds, CANCEL, order, side, self.lots[order], price, LAST)

    def take(self, seconds: float, side: int) -> None:
        """A market order takes the first order of the other side's best price."""
        price = self.best(-side)
        order = self.at[-side][price].pop(0)
        if not self.at[-side][price]:
            del self.at[-side][price]
        self.tell(seconds, TRADE, self.next_id, side, self.lots[order], price, 0)
        self.tell(seconds, FILL, order, -side, self.lots[order], price, LAST)
        self.next_id += 1

    def flow(self) -> Flow:
        array = np.array(self.rows, dtype=FLOW_DTYPE)
        return check(Flow(array, Decimal(1), Decimal(1), "orders", "drawn", np.arange(1, len(array) + 1)))

    def wait(self, total: float) -> float:
        return float(self.random.exponential(1.0 / total))

    def pick(self, weights: list[float]) -> int:
        """One of them, as likely as it weighs."""
        ends = np.cumsum(weights)
        return int(np.searchsorted(ends, self.random.random() * ends[-1], side="right"))


def zero_intelligence(model: ZeroIntelligence, events: int, seed: int) -> Flow:
    """So many events of the model, orders of a lot, from five orders at each of twice its reach."""
    tape, reach = Tape(seed), len(model.limit)
    for away in range(2 * reach):
        for _ in range(5):
            tape.join(0.0, BID, 1000 - away, 1, LAST | SNAPSHOT)
            tape.join(0.0, ASK, 1001 + away, 1, LAST | SNAPSHOT)
    now = 0.0
    for _ in range(events):
        choices: list[tuple[float, int, int, int]] = []  # rate, what, side, distance or price
        for side in (BID, ASK):
            opposite = tape.best(-side)
            choices += [(rate, 0, side, opposite - side * i) for i, rate in enumerate(model.limit, 1)]
            for price, orders in tape.at[side].items():
                away = min(side * (opposite - price), len(model.cancel))
                choices.append((model.cancel[away - 1] * len(orders), 1, side, price))
            choices.append((model.market, 2, side, 0))
        rates = [choice[0] for choice in choices]
        now += tape.wait(sum(rates))
        _, what, side, price = choices[tape.pick(rates)]
        if what == 0:
            tape.join(now, side, price, 1)
        elif what == 1:
            assert tape.orders(side) > 1
            tape.leave(now, side, price, int(tape.random.integers(len(tape.at[side][price]))))
        else:
            assert tape.orders(-side) > 1
            tape.take(now, side)
    return tape.flow()


def queue_reactive(model: QueueReactive, events: int, seed: int) -> Flow:
    """So many events of queues whose first never empties, so that the reference price stays."""
    tape, reach = Tape(seed), len(model.limit)
    for side in (BID, ASK):
        for _ in range(3):
            tape.join(0.0, side, 1000 if side > 0 else 1001, model.unit[0], LAST | SNAPSHOT)
    now = 0.0
    for _ in range(events):
        choices: list[tuple[float, int, int, int]] = []
        for side in (BID, ASK):
            for distance in range(1, reach + 1):
                price = 1001 - distance if side > 0 else 1000 + distance
                units = len(tape.at[side].get(price, ()))
                row = [one[distance - 1][min(units, len(one[distance - 1]) - 1)] for one in (model.limit, model.cancel)]
                choices += [(row[0], 0, side, price), (row[1] if units else 0.0, 1, side, price)]
            units = len(tape.at[-side][tape.best(-side)])
            choices.append((model.market[0][min(units, len(model.market[0]) - 1)], 2, side, 0))
        rates = [choice[0] for choice in choices]
        now += tape.wait(sum(rates))
        _, what, side, price = choices[tape.pick(rates)]
        if what == 0:
            distance = 1001 - price if side > 0 else price - 1000
            tape.join(now, side, price, model.unit[distance - 1])
        elif what == 1:
            tape.leave(now, side, price, 0)
        else:
            tape.take(now, side)
    return tape.flow()


def hawkes_times(model: Hawkes, end: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Instants and kinds of the model by thinning (Ogata, IEEE Trans. Inf. Theory 27 (1981) 23)."""
    random = np.random.default_rng(seed)
    base, jump = np.array(model.base), np.array(model.jump)
    excited, now = np.zeros(len(base)), 0.0  # the rates beyond the base, at `now`
    at, kind = [], []
    while True:
        bound = float(base.sum() + excited.sum())
        wait = random.exponential(1.0 / bound)
        now += wait
        if now >= end:
            return np.array(at), np.array(kind)
        excited *= np.exp(-model.decay * wait)
        ends = np.cumsum(base + excited)
        x = random.random() * bound
        if x < ends[-1]:
            k = int(np.searchsorted(ends, x, side="right"))
            at.append(now)
            kind.append(k)
            excited += jump[:, k]


def hawkes_flow(at: np.ndarray, kind: np.ndarray, reach: int, seed: int) -> Flow:
    """Rows of such events: limit orders at any distance of the reach, each as likely."""
    tape = Tape(seed)
    for i in range(20_000):
        tape.join(0.0, BID, 1000 - i % 2, 1, LAST | SNAPSHOT)
        tape.join(0.0, ASK, 1001 + i % 2, 1, LAST | SNAPSHOT)
    for now, k in zip(at.tolist(), kind.tolist(), strict=True):
        side = BID if k % 2 == 0 else ASK
        if k < 2:
            opposite = tape.best(-side)
            tape.join(now, side, opposite - side * int(tape.random.integers(1, reach + 1)), 1)
        elif k < 4:
            tape.leave(now, side, tape.best(side), 0)
        else:
            tape.take(now, side)
    return tape.flow()
