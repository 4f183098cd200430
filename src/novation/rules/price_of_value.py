"""The 1e-8 price at which lots are worth an amount: value = price * lots * lot_value / 1e8, solved for the price.

Exact integer arithmetic: the two scales are divided by their common divisor first, so that the divisor is the number
of lots for all but odd contracts. Bounds: amounts below 2**61, lots * lot_value / gcd(lot_value, 1e8) at most 2**60.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8
from novation.rules.wide import wide_mul_div_rem


@kernel
def _common(a, b):
    while b != 0:
        a, b = b, a % b
    return a


@kernel
def highest_price_worth(whole, part, lots, lot_value):
    """The highest price >= 0 at which lots are worth at most an exact amount (whole, part); 0 for none.

    lots > 0. `part` is in 1e-16 of a minor unit, as everywhere.
    """
    if whole < 0:
        return 0
    common = _common(E8, lot_value)
    divisor = lots * (lot_value // common)
    price, rest = wide_mul_div_rem(whole, E8 // common, divisor)
    # of the fraction only what a value can hold counts: 1e-8 of a unit, in steps of the common divisor
    return price + (rest + part // E8 // common) // divisor


@kernel
def lowest_price_worth(whole, part, lots, lot_value):
    """The lowest price >= 0 at which lots are worth at least an exact amount (whole, part); lots > 0."""
    if whole < 0:
        return 0
    price = highest_price_worth(whole, part, lots, lot_value)
    # exactly the amount: nothing was cut, neither here nor from the fraction
    common = _common(E8, lot_value)
    divisor = lots * (lot_value // common)
    _, rest = wide_mul_div_rem(whole, E8 // common, divisor)
    if part % (E8 * common) == 0 and (rest + part // E8 // common) % divisor == 0:
        return price
    return price + 1


@kernel
def entry_price(cost, lots, lot_value):
    """Average entry price of a position from its exact cost (same sign as the lots), cut at 1e-8."""
    return highest_price_worth(abs(cost), 0, abs(lots), lot_value)


@kernel
def break_even_price(cost, lots, lot_value, fees):
    """Price at which closing pays back the cost and `fees` paid for it (facts/binance.md §3), cut at 1e-8.

    (entry notional + fees) / size for a long, (entry notional - fees) / size for a short.
    """
    if lots > 0:
        return highest_price_worth(cost + fees, 0, lots, lot_value)
    return highest_price_worth(-cost - fees, 0, -lots, lot_value)
