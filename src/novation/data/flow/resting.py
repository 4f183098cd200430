"""A plain book of what rests, as the checks and readers need it: who rests where, and the best price of each side."""

from __future__ import annotations

from heapq import heappop, heappush


class Resting:
    """Orders by id and by price. An order is [side, price_ticks, lots, row that put it there]."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}
        self.at: dict[int, dict[int, set[int]]] = {1: {}, -1: {}}  # side -> price -> ids
        self._heaps: dict[int, list[int]] = {1: [], -1: []}  # -side * price, best first, with prices that are gone

    def put(self, id: int, side: int, price: int, lots: int, row: int) -> None:
        """An order that does not rest, or a new size where it does."""
        self.orders[id] = [side, price, lots, row]
        ids = self.at[side].get(price)
        if ids is None:
            self.at[side][price] = {id}
            heappush(self._heaps[side], -side * price)
        else:
            ids.add(id)

    def drop(self, id: int) -> None:
        """Take an order out."""
        side, price, _, _ = self.orders.pop(id)
        ids = self.at[side][price]
        ids.remove(id)
        if not ids:
            del self.at[side][price]

    def clear(self) -> None:
        """Take all orders out."""
        self.orders.clear()
        self.at = {1: {}, -1: {}}
        self._heaps = {1: [], -1: []}

    def best(self, side: int) -> int | None:
        """The best price of a side, or None."""
        heap, at = self._heaps[side], self.at[side]
        while heap:
            price = -side * heap[0]
            if price in at:
                return price
            heappop(heap)
        return None

    def crossed(self) -> tuple[int, int] | None:
        """Best bid and ask where the bid is not below the ask."""
        bid, ask = self.best(1), self.best(-1)
        return (bid, ask) if bid is not None and ask is not None and bid >= ask else None

    def longer_there(self, bid: int, ask: int) -> list[int]:
        """The ids at the best price of a crossed book whose side was told of less lately."""
        newest = {side: max(self.orders[id][3] for id in self.at[side][price]) for side, price in ((1, bid), (-1, ask))}
        return sorted(self.at[1][bid] if newest[1] < newest[-1] else self.at[-1][ask])
