"""What the world does to the exchange: one row per happening, an array of rows is a feed.

Rows are ordered by (`ts_ns`, `kind`, `instrument`); the integer of `MarketEventKind` is the order within one instant.

    TERMS       `terms`: index of the row of dated terms that takes effect
    BAR_CLOSE   the bar [`start_ns`, `ts_ns`) is complete: `last_e8` (close), `last_high_e8`, `last_low_e8`, and the
                same of the mark; `bar`: its row in the history. Of an instrument on a book it changes nothing: whoever
                looks at bars does so then
    HALT        as PHASE, but in force as the bars of its instant close: what they traded beyond it did not happen
    PHASE       `status` (`MarketPhase`) from now on; `terms` (`HaltReason`): why it is not open though it would be
    LIMITS      nothing trades below `last_low_e8` or above `last_high_e8` from now on (-+NO_LIMIT_E8: no limit); with
                `status` 1 orders beyond are refused, else they rest
    LIQUIDITY   what takers of an instrument with `BarLiquidity` pay beyond the price from now on: `bid_e8` (sellers)
                and `ask_e8` (buyers) whatever the size, in 1e-8 of price; `impact_bid_e8`, `impact_ask_e8` more for the
                whole of `traded_lots`, those of a day; 0: nobody is known to trade, and nobody takes
    BAR_OPEN    a bar opens: `last_e8`, `mark_e8` are its open prices; `bar`; `traded_lots` of it, where they bound
                what can be had
    MARK        `mark_e8` of an instrument on a book
    INDEX       `index_e8`: one sample of the price index, for an instrument that the venue marks itself or delivers;
                `bid_e8`, `ask_e8` best prices of its book and `impact_bid_e8`, `impact_ask_e8` the average prices at
                which the impact notional fills, 0 = what the venue's own liquidity offers
    ASSET_INDEX `asset`: `index_e8` USD a coin, and `terms`, the row of the asset's rules in force, counted from 0
    FUNDING     `rate_e8`; paid on `mark_e8`, the mark that opens at the stamp
    STATUS      `status` (`InstrumentStatus`) from now on; with DELIVERING `index_e8`: the delivery price, 0 = the mean
                of the samples
    SETTLEMENT  `price_ticks` of the settlement of `trade_date`, in days since 1970-01-01

`mark_e8` = 0 says that no mark was given for that bar: the mark stays as it was, and margin is tested at it.
"""

from __future__ import annotations

import msgspec

from novation.domain.records import record_dtype, record_format


class MarketEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One row of a feed, all fields int64."""

    ts_ns: int
    kind: int
    instrument: int
    start_ns: int = 0
    bar: int = 0
    last_e8: int = 0
    last_high_e8: int = 0
    last_low_e8: int = 0
    mark_e8: int = 0
    mark_high_e8: int = 0
    mark_low_e8: int = 0
    rate_e8: int = 0
    price_ticks: int = 0
    terms: int = 0
    trade_date: int = 0
    index_e8: int = 0
    bid_e8: int = 0
    ask_e8: int = 0
    impact_bid_e8: int = 0
    impact_ask_e8: int = 0
    status: int = 0
    asset: int = 0
    traded_lots: int = 0


#: Above every price: no limit, of a LIMITS row.
NO_LIMIT_E8 = 1 << 53

MARKET_SCHEMA = 8
MARKET_DTYPE = record_dtype(MarketEvent)
MARKET_FORMAT = record_format(MarketEvent)
