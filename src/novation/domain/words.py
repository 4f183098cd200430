"""Numbers in sentences."""

from __future__ import annotations

from novation.domain.units import from_scaled


def counted(count: int, noun: str) -> str:
    """A number with its noun, which is put into the plural where there is not one of it.

    >>> counted(1, "bar"), counted(2_000, "missing 1h bar"), counted(0, "bar of last prices")
    ('1 bar', '2,000 missing 1h bars', '0 bars of last prices')
    """
    if count != 1:
        head, of, rest = noun.partition(" of ")
        noun = f"{head}s{of}{rest}"
    return f"{count:,} {noun}"


def either(count: int, one: str, many: str) -> str:
    """The verb that goes with a number of things."""
    return one if count == 1 else many


def percent(share_e8: int) -> str:
    """A share of 1e-8 as text.

    >>> percent(80_000_000)
    '80 %'
    """
    return f"{from_scaled(share_e8, 6).normalize():f} %"
