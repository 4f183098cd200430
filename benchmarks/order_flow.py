"""A seeded synthetic flow of orders for the benchmarks of the order book, and the forms in which peers read it.

Orders arrive at a number of ticks, on average `reach`, from the other side's best and are cancelled at random; so many
rest as are asked for. An aggressor meets the first orders of the best price, now and then all of them. The same seed
gives the same rows everywhere: chance is Numba's own Mersenne twister, seeded inside the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from novation._jit import kernel
from novation.data.flow.slots import dense_orders
from novation.domain.flow import FLOW_DTYPE, FlowKind

ADD, CANCEL, AMEND = int(FlowKind.ADD), int(FlowKind.CANCEL), int(FlowKind.AMEND)
FILL, TRADE = int(FlowKind.FILL), int(FlowKind.TRADE)
#: Columns of what the generator writes; `LEVEL` is what the order's price shows then, `LEFT` what the order has left,
#: and an amendment that moves an order says what its old price shows (`OLD`, `OLD_LEVEL`).
TS, ID, PRICE, LOTS, KIND, SIDE, LEVEL, LEFT, OLD, OLD_LEVEL, COLUMNS = range(11)
BEGIN_NS = 1_780_000_000 * 10**9
#: Prices that the generator knows, the middle one the first price.
SPAN = 1 << 16


@dataclass(frozen=True)
class Form:
    """What a flow is like."""

    name: str
    rows: int
    resting: int  #: orders that rest, about
    reach: float  #: ticks from the other side's best, on average
    gap_ns: float  #: between two messages, on average
    middle: int  #: the first price, in ticks
    seed: int = 7
    far: float = 0.0  #: the share of orders that go up to SPAN / 4 ticks away
    step: int = 1  #: ticks between two prices
    shrinks: float = 0.5  #: the share of amendments that only make an order smaller


SHALLOW = Form("shallow", 750_000, 2_000, 6.0, 100_000.0, 1_100_000)
DEEP = Form("deep", 750_000, 20_000, 6.0, 100_000.0, 1_100_000)
DAY = Form("day", 10_000_000, 5_000, 60.0, 9_500_000.0, 11_000_000, far=0.05, step=10)


@kernel
def generate(seed, resting, reach, gap_ns, far, shrinks, out, first, last, shown, link, order):
    """Fill `out`, int64 (rows, COLUMNS), prices from the middle of SPAN; how many rows were written.

    first, last, shown: int64 of SPAN, the queue at each price. link: int64 (rows, 2), the neighbours of each order.
    order: int64 (rows, 5): price, lots, side, place among those that rest, and at [k, 4] who rests k-th.
    """
    np.random.seed(seed)
    rows, span = out.shape[0], first.shape[0]
    bid, ask = span // 2, span // 2 + 1
    n, ids, live, now = 0, 0, 0, 0.0
    first[:] = -1
    last[:] = -1
    while n < rows - 1:
        warm = ids < resting
        if not warm:
            now += -np.log(1.0 - np.random.random()) * gap_ns
        u = np.random.random()
        # the fuller the book, the more is cancelled
        adds = 1.0 if warm else 0.45 + 0.4 * (resting - live) / resting
        if u < adds or live < resting // 2:
            k, kind = ids, ADD
            ids += 1
            order[k, 2] = 1 if np.random.random() < 0.5 else -1
            order[k, 1] = 1 + int(-np.log(1.0 - np.random.random()) * 3.0)
            order[k, 3] = live
            order[live, 4] = k
            live += 1
        elif u < adds + 0.02:
            # an aggressor at the best price
            side = 1 if np.random.random() < 0.5 else -1
            at = bid if side > 0 else ask
            lots = 1 + int(-np.log(1.0 - np.random.random()) * 20.0)
            if np.random.random() < 120.0 / (120.0 + resting / 2.0):
                lots = shown[at]
            lots = min(lots, shown[at])
            if first[at] < 0 or n + 2 > rows:
                continue
            out[n, TS], out[n, ID], out[n, PRICE], out[n, LOTS] = now, -1, at, lots
            out[n, KIND], out[n, SIDE], out[n, LEVEL] = TRADE, -side, shown[at]
            n += 1
            while lots > 0 and n < rows:
                k = first[at]
                traded = min(lots, order[k, 1])
                lots -= traded
                order[k, 1] -= traded
                shown[at] -= traded
                out[n, TS], out[n, ID], out[n, PRICE], out[n, LOTS] = now, k, at, traded
                out[n, KIND], out[n, SIDE], out[n, LEVEL], out[n, LEFT] = FILL, side, shown[at], order[k, 1]
                n += 1
                if order[k, 1] == 0:
                    first[at] = link[k, 1]
                    if link[k, 1] >= 0:
                        link[link[k, 1], 0] = -1
                    else:
                        last[at] = -1
                    live -= 1
                    order[order[k, 3], 4] = order[live, 4]
                    order[order[live, 4], 3] = order[k, 3]
            while first[bid] < 0 or bid >= ask:
                bid -= 1
            while first[ask] < 0 or ask <= bid:
                ask += 1
            continue
        else:
            k = order[int(np.random.random() * live), 4]
            kind = CANCEL if np.random.random() < 0.8 else AMEND
        at, lots, old = order[k, 0], order[k, 1], -1
        if kind == AMEND and lots > 1 and np.random.random() < shrinks:
            # smaller, at its place
            less = 1 + int(np.random.random() * (lots - 1))
            shown[at] -= less
            order[k, 1] -= less
            out[n, TS], out[n, ID], out[n, PRICE], out[n, LOTS] = now, k, at, order[k, 1]
            out[n, KIND], out[n, SIDE], out[n, LEVEL], out[n, LEFT] = AMEND, order[k, 2], shown[at], order[k, 1]
            out[n, OLD] = -1
            n += 1
            continue
        if kind != ADD:
            # it leaves its queue
            shown[at] -= lots
            if link[k, 0] >= 0:
                link[link[k, 0], 1] = link[k, 1]
            else:
                first[at] = link[k, 1]
            if link[k, 1] >= 0:
                link[link[k, 1], 0] = link[k, 0]
            else:
                last[at] = link[k, 0]
            while first[bid] < 0 or bid >= ask:
                bid -= 1
            while first[ask] < 0 or ask <= bid:
                ask += 1
            old = at
        if kind == CANCEL:
            out[n, TS], out[n, ID], out[n, PRICE], out[n, LOTS] = now, k, at, lots
            out[n, KIND], out[n, SIDE], out[n, LEVEL], out[n, LEFT] = CANCEL, order[k, 2], shown[at], 0
            n += 1
            live -= 1
            order[order[k, 3], 4] = order[live, 4]
            order[order[live, 4], 3] = order[k, 3]
            continue
        # it stands last at a price some ticks from the other side's best
        away = int(-np.log(1.0 - np.random.random()) * reach)
        if np.random.random() < far:
            away = int(np.random.random() * span / 4)
        side = order[k, 2]
        at = ask - 1 - away if side > 0 else bid + 1 + away
        at = min(max(at, 8), span - 8)
        if at == old:
            lots += 1  # else it would keep its place
        order[k, 0], order[k, 1] = at, lots
        link[k, 0], link[k, 1] = last[at], -1
        if last[at] >= 0:
            link[last[at], 1] = k
        else:
            first[at] = k
        last[at] = k
        shown[at] += lots
        if side > 0:
            bid = max(bid, at)
        else:
            ask = min(ask, at)
        out[n, TS], out[n, ID], out[n, PRICE], out[n, LOTS] = now, k, at, lots
        out[n, KIND], out[n, SIDE], out[n, LEVEL], out[n, LEFT] = kind, side, shown[at], lots
        out[n, OLD] = old if old != at else -1
        out[n, OLD_LEVEL] = shown[old] if old >= 0 else 0
        n += 1
    return n


@dataclass(frozen=True)
class Flow:
    """A flow, as made, and as the exchange reads it."""

    form: Form
    made: np.ndarray
    rows: np.ndarray  #: FLOW_DTYPE with dense slots
    slots: int


def flow_of(form: Form) -> Flow:
    """Make a flow. The orders the book begins with come at the first instant."""
    made = np.zeros((form.rows, COLUMNS), np.int64)
    queues = np.zeros((3, SPAN), np.int64)
    link, order = np.zeros((form.rows, 2), np.int64), np.zeros((form.rows, 5), np.int64)
    count = generate(
        form.seed, form.resting, form.reach, form.gap_ns, form.far, form.shrinks, made, *queues, link, order
    )
    made = made[:count]
    made[:, TS] += BEGIN_NS
    for column in (PRICE, OLD):
        made[:, column] = np.where(made[:, column] >= 0, form.step * (made[:, column] - SPAN // 2) + form.middle, -1)
    raw = raw_rows(made)
    rows, slots = dense_orders(raw)
    return Flow(form, made, rows, slots)


def raw_rows(made: np.ndarray) -> np.ndarray:
    """The flow with the ids of a source: sparse, 64 bits wide."""
    rows = np.zeros(len(made), FLOW_DTYPE)
    for name, column in (
        ("ts_ns", TS),
        ("local_ns", TS),
        ("price_ticks", PRICE),
        ("lots", LOTS),
        ("kind", KIND),
        ("side", SIDE),
    ):
        rows[name] = made[:, column]
    ids = sparse(made[:, ID])
    rows["order"] = np.where(made[:, ID] >= 0, ids, 0)
    return rows


def sparse(ids: np.ndarray) -> np.ndarray:
    """Ids as exchanges give them: far apart, in no order, below 2**62."""
    with np.errstate(over="ignore"):
        mixed = (ids.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        return ((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(2)).astype(np.int64)


def converted(flow: Flow) -> dict[str, np.ndarray]:
    """The flow as hftbacktest reads it, by the order and by the level, columns as in its `event_dtype` without the last
    two; `ev` as its kind and side, flags of time left out: 10 add, 11 cancel, 12 modify, 13 fill; 1 depth, 2 trade.

    By the order a fill is told first and then what it did, a smaller order or none, as exchanges do; trades are left
    out, which its model does not read.
    """
    made = flow.made
    kind, side, ids = made[:, KIND], made[:, SIDE], sparse(made[:, ID])
    fills = kind == FILL
    first = np.select([kind == ADD, kind == CANCEL, kind == AMEND, fills], [10, 11, 12, 13])
    then = np.where(made[:, LEFT] > 0, 12, 11)
    orders = np.repeat(np.arange(len(made)), np.where(kind == TRADE, 0, 1 + fills))
    second = np.append(False, orders[1:] == orders[:-1])
    code = np.where(second, then[orders], first[orders])
    lots = np.where(second, made[orders, LEFT], made[orders, LOTS])
    by_order = np.stack([code, side[orders], made[orders, TS], made[orders, PRICE], lots, ids[orders]], 1)
    moved = (kind == AMEND) & (made[:, OLD] >= 0)
    levels = np.repeat(np.arange(len(made)), 1 + moved)
    old = np.append(levels[1:] == levels[:-1], False)
    trades = kind[levels] == TRADE
    price = np.where(old, made[levels, OLD], made[levels, PRICE])
    shown = np.where(old, made[levels, OLD_LEVEL], made[levels, LEVEL])
    by_level = np.stack(
        [
            np.where(trades, 2, 1),
            side[levels],
            made[levels, TS],
            price,
            np.where(trades, made[levels, LOTS], shown),
            np.zeros(len(levels), np.int64),
        ],
        1,
    )
    return {"orders": by_order, "levels": by_level}
