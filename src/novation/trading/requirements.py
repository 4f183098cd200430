"""What positions require and where they end: the exchange's own rules asked by a trader, outside any run.

Values and maintenance come from the very functions of `rules` that the engine compiles; here they are added up in
Python's integers. A quantity is counted in 1e-8 of a coin, so one unit of it is worth one minor unit per 1.00 of
price in every USDT or USDC contract, whatever its lot.

An *exact* amount is one integer: minor units times 1e16 (`rules.integers.PART`), so that a price, a size and a rate
multiply without a rest.

Not modelled: open orders, Multi-Assets mode.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from novation.domain.errors import InvalidInput
from novation.domain.instruments import Tier
from novation.domain.units import E8, from_e8
from novation.rules.bankruptcy import bankruptcy_price
from novation.rules.integers import PART
from novation.rules.margin import tiered_maintenance
from novation.rules.value import signed_value

#: Prices are searched up to here, as the engine does.
_TOP_E8 = 1 << 53
#: Values stay below 2**61, half of what the rules allow, so that two legs can be compared.
_VALUE = 1 << 61


class Held(msgspec.Struct, frozen=True):
    """One position: signed quantity in 1e-8, exact entry cost signed alike, the tiers of its symbol."""

    qty_e8: int
    cost: int
    tiers: tuple[Tier, ...]


def exact_value(price_e8: int, qty_e8: int) -> int:
    """Exact value of a signed quantity at a price."""
    whole, part = signed_value(price_e8, abs(qty_e8), 1)
    value = int(whole) * PART + int(part)
    return value if qty_e8 >= 0 else -value


def exact_maintenance(price_e8: int, held: Held) -> int:
    """Exact maintenance margin at a price."""
    whole, part = signed_value(price_e8, abs(held.qty_e8), 1)
    tier = next((tier for tier in held.tiers if whole <= tier.cap), held.tiers[-1])
    needed, rest = tiered_maintenance(whole, part, tier.rate_e8, tier.cum)
    return int(needed) * PART + int(rest)


def profit(price_e8: int, held: Held) -> int:
    """Exact unrealised profit at a price."""
    return exact_value(price_e8, held.qty_e8) - held.cost


def cut(exact: int) -> int:
    """An exact amount in minor units, cut towards zero as the exchange cuts what it shows."""
    return exact // PART if exact >= 0 else -(-exact // PART)


def top_price(legs: Sequence[Held]) -> int:
    """The highest price in 1e-8 at which no leg's value leaves its bound."""
    return min(_TOP_E8, *(_VALUE * E8 // max(1, abs(leg.qty_e8)) for leg in legs))


def check_size(legs: Sequence[Held], price_e8: int, *, source: str, size: str = "") -> None:
    """Refuse positions whose values the integers cannot hold. source: whose price it is; size: whose quantity."""
    top = top_price(legs)
    if top <= price_e8 < _TOP_E8:  # a price that can be, of more than can be held at it
        raise InvalidInput(
            f"positions worth {from_e8(_VALUE).normalize():,.0f} and more cannot be computed",
            source=size or source,
            value=f"{from_e8(sum(abs(leg.qty_e8) for leg in legs)).normalize():f}",
        )
    if not 0 < price_e8 < top:
        raise InvalidInput(
            f"a price lies between 0 and {from_e8(top).normalize():f} for this quantity",
            source=source,
            value=f"{from_e8(price_e8).normalize():f}",
        )


def surplus(legs: Sequence[Held], behind: int, price_e8: int) -> int:
    """What is left at a price of the margin behind positions in one symbol, after their maintenance."""
    return behind + sum(profit(price_e8, leg) - exact_maintenance(price_e8, leg) for leg in legs)


class Ends(msgspec.Struct, frozen=True):
    """Where positions in one symbol end: the highest price below, the lowest above at which they do not survive.

    0: there is none on that side. always: they do not survive at any price, and the two have changed places: below
    is the highest price searched and above the lowest.
    """

    below_e8: int = 0
    above_e8: int = 0
    always: bool = False

    def adverse(self, rising: bool) -> int:
        """The end that lies against a position which gains as the price rises (or falls)."""
        return self.below_e8 if rising else self.above_e8


def ends(legs: Sequence[Held], behind: int) -> Ends:
    """The prices at which positions in one symbol are liquidated.

    For a long the highest, for a short the lowest 1e-8 price at which margin and profit are no more than the
    maintenance, everything exact. Maintenance rises with the price ever faster, so what is left is a concave
    function of the price: positive on at most one stretch, whose two ends are found by bisection. A long has the
    lower end alone, a short the upper one; a hedged pair that shares its margin can have both.
    """

    def left(price_e8: int) -> int:
        return surplus(legs, behind, price_e8)

    top = top_price(legs)
    low, high = 1, top  # the first price after which nothing is gained
    while low < high:
        middle = (low + high) // 2
        if left(middle + 1) > left(middle):
            low = middle + 1
        else:
            high = middle
    peak = low
    if left(peak) <= 0:
        return Ends(top, 1, always=True)
    below = above = 0
    if left(1) <= 0:
        low, high = 1, peak
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if left(middle) <= 0 else (low, middle)
        below = low
    if left(top) <= 0:
        low, high = peak, top
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if left(middle) <= 0 else (middle, high)
        above = high
    return Ends(below, above)


def bankruptcy(legs: Sequence[Held], behind: int) -> int:
    """Bankruptcy price in 1e-8 of positions in one symbol that share their margin (`rules.bankruptcy`).

    Without maintenance the legs of a pair are as one position of their sum. 0: none, also where it lies beyond the
    prices that are searched for liquidations.
    """
    net = sum(leg.qty_e8 for leg in legs)
    left = behind - sum(leg.cost for leg in legs)  # what there would be at a price of zero
    whole, part = divmod(left, PART)
    if net == 0 or abs(whole) * E8 >= min(_TOP_E8 * abs(net), _VALUE * E8):
        return 0
    return int(bankruptcy_price(net, 1, 0, whole, part))


def gains_by_a_rise(legs: Sequence[Held], price_e8: int) -> bool:
    """Whether positions in one symbol, their maintenance counted, are better off one step above a price."""
    return surplus(legs, 0, price_e8 + 1) > surplus(legs, 0, price_e8)
