"""Assets that an account may hold beside each other, and at what they count for margin (Multi-Assets mode)."""

from __future__ import annotations

import msgspec

from novation.domain.errors import InvalidInput
from novation.domain.units import E8


class AssetTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The dated rules of one asset from `effective_ns` until the next row; buffers are shares of its index in 1e-8.

    What is owned counts at index * (1 - bid buffer), what is owed at index * (1 + ask buffer); an automatic exchange
    takes the `auto` buffers instead.
    """

    effective_ns: int = 0
    bid_buffer_e8: int = 0
    ask_buffer_e8: int = 0
    auto_bid_buffer_e8: int = 0
    auto_ask_buffer_e8: int = 0
    exchange_below: int = 0  #: a debt worth more than so many USD (1e-8) is exchanged automatically; 0: no such limit
    source: str = ""

    def __post_init__(self) -> None:
        for buffer in (self.bid_buffer_e8, self.ask_buffer_e8, self.auto_bid_buffer_e8, self.auto_ask_buffer_e8):
            if not 0 <= buffer <= E8:
                raise InvalidInput("a buffer is a share between 0 and 1", source="asset", value=buffer)
        if self.exchange_below < 0:
            raise InvalidInput("zero or more USD", source="asset", where="exchange_below", value=self.exchange_below)


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One asset: its name, the decimals its minor unit counts, and its rows of rules, of which the first is in force
    until an ASSET_INDEX row names another."""

    name: str  #: "USDT", "BNB"
    decimals: int = 8
    terms: tuple[AssetTerms, ...] = (AssetTerms(),)

    def __post_init__(self) -> None:
        if not self.terms or not 0 <= self.decimals <= 8:
            raise InvalidInput("needs rows of rules and 0 to 8 decimals", source=self.name)

    @property
    def unit(self) -> int:
        """Minor units of one coin."""
        return 10**self.decimals  # type: ignore[no-any-return]
