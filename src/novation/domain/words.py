"""Numbers in sentences."""

from __future__ import annotations

from novation.domain.units import from_scaled


def counted(count: int, noun: str) -> str:
    """A number with its noun, in the plural where there is not one of it.

    >>> counted(1, "bar"), counted(2_000, "missing 1h bar")
    ('1 bar', '2,000 missing 1h bars')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share_e8: int) -> str:
    """A share of 1e-8 as text.

    >>> percent(80_000_000)
    '80 %'
    """
    return f"{from_scaled(share_e8, 6).normalize():f} %"
