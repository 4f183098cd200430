"""Twin: a naive book that replays recorded order flow, written from `domain/flow.py` and from nothing else."""

from __future__ import annotations

from typing import Any

from novation.domain.flow import FlowKind


class RecordedBook:
    """Orders and the lots shown at each price; the best price is looked for among all. What cannot be fails loudly."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}  # id -> [side, price, lots], in the order of their places
        self.shown: dict[int, dict[int, int]] = {1: {}, -1: {}}  # side -> price -> lots

    def apply(self, row: Any) -> None:
        """One row, as a tuple in the order of FLOW_DTYPE."""
        _, _, order, price, lots, kind, side, _ = row
        if kind == FlowKind.CLEAR:
            self.orders.clear()
            self.shown = {1: {}, -1: {}}
        elif kind == FlowKind.ADD:
            assert order not in self.orders and lots > 0
            self.orders[order] = [side, price, lots]
            self.show(side, price, lots)
        elif kind in (FlowKind.CANCEL, FlowKind.FILL):
            resting = self.orders[order]
            assert 0 < lots <= resting[2] and side == resting[0]
            resting[2] -= lots
            self.show(side, resting[1], -lots)
            if not resting[2]:
                del self.orders[order]
        elif kind == FlowKind.AMEND:
            resting = self.orders[order]
            assert lots > 0 and side == resting[0]
            self.show(side, resting[1], -resting[2])
            self.show(side, price, lots)
            if price != resting[1] or lots > resting[2]:
                del self.orders[order]
            self.orders[order] = [side, price, lots]
        elif kind == FlowKind.LEVEL:
            assert lots >= 0
            self.show(side, price, lots - self.shown[side].get(price, 0))

    def show(self, side: int, price: int, more: int) -> None:
        """So many lots more at a price."""
        lots = self.shown[side].pop(price, 0) + more
        assert lots >= 0
        if lots:
            self.shown[side][price] = lots

    def best(self, side: int) -> int | None:
        """The best price of a side."""
        prices = self.shown[side]
        return (max(prices) if side > 0 else min(prices)) if prices else None

    def crossed(self) -> bool:
        """Whether the best bid is not below the best ask."""
        bid, ask = self.best(1), self.best(-1)
        return bid is not None and ask is not None and bid >= ask
