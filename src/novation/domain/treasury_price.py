"""Prices of Treasury futures as they are shown: points, 32nds, and a digit for the part of a 32nd.

`110-165` is 110 points and 16.5 thirty-seconds. The digit is the first decimal of one 32nd, cut off: .125 reads 1, .25
2, .375 3, .5 5, .625 6, .75 7, .875 8, and 0 may be left out (CBOT specification text; facts/cme.md §1). Wires carry
the decimal price; this is for people.
"""

from __future__ import annotations

import re
from decimal import Decimal

from novation.domain.errors import InvalidInput
from novation.domain.units import Number, to_decimal

_EIGHTHS = {"": 0, "0": 0, "1": 1, "2": 2, "3": 3, "5": 4, "6": 5, "7": 6, "8": 7}
_DIGITS = {eighth: digit for digit, eighth in _EIGHTHS.items() if digit}
_SHOWN = re.compile(r"(-?)(\d+)[-'](\d\d)(\d?)")


def from_32nds(text: str) -> Decimal:
    """The decimal price of a quote in points and 32nds. Raises `InvalidInput`.

    >>> from_32nds("110-165"), from_32nds("103-126"), from_32nds("110-16")
    (Decimal('110.515625'), Decimal('103.39453125'), Decimal('110.5'))
    """
    found = _SHOWN.fullmatch(text.strip())
    if found is None or int(found[3]) > 31 or found[4] not in _EIGHTHS:
        hint = "Points, a dash, two digits of 32nds below 32, then 0 1 2 3 5 6 7 8 or nothing: 110-165."
        raise InvalidInput("is no price in 32nds", source="price", value=text, hint=hint)
    eighths = int(found[2]) * 256 + int(found[3]) * 8 + _EIGHTHS[found[4]]
    price = (Decimal(eighths) / 256).normalize()
    return -price if found[1] else price


def to_32nds(price: Number) -> str:
    """A decimal price in points and 32nds; refuse one that is no multiple of an eighth of a 32nd.

    >>> to_32nds("110.515625"), to_32nds(Decimal("103.39453125")), to_32nds("110.5")
    ('110-165', '103-126', '110-160')
    """
    exact = to_decimal(price)
    eighths = abs(exact) * 256
    if eighths != eighths.to_integral_value():
        raise InvalidInput("is no multiple of an eighth of a 32nd", source="price", value=price)
    points, rest = divmod(int(eighths), 256)
    return f"{'-' if exact < 0 else ''}{points}-{rest // 8:02d}{_DIGITS[rest % 8]}"
