"""How an instrument's order book matches at an instant, and what it asks of orders: its venue's rules as dated rows.

Sources: `tables/cme/matching.csv` by root (facts/cme.md §7) and `velocity.csv`; `tables/binance_um/filters.csv` by
symbol and `orders.csv` for all of them (facts/binance.md §7). Prices of rows become ticks of the instrument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from novation.domain.book import BookRules, Filters, StopLogic, Velocity
from novation.domain.enums import InstrumentKind, SelfTrade
from novation.domain.errors import DataError, InvalidInput
from novation.domain.instruments import Instrument
from novation.domain.units import DAY_NS, NS, to_e8
from novation.reference.market_limits import velocity

if TYPE_CHECKING:
    from novation.reference.lookup import Reference

#: Tag 1142 of CME's market data (facts/cme.md §7, "Matching algorithms"): what comes of it beside the row's own cells.
#: F: FIFO. C: pro rata. A: allocation, the top order and pro rata of two lots or more. K: configurable, by the cells of
#: its row, without top order and levelling. O, Q: threshold pro rata, Q with lead makers. S: FIFO behind top order and
#: lead makers. T: behind lead makers.
ALGORITHMS: dict[str, dict[str, Any]] = {
    "F": {},
    "C": {"fifo_percent": 0},
    "A": {"fifo_percent": 0, "top": True, "pro_rata_min": 2},
    "K": {},
    "O": {"fifo_percent": 0, "top": True},
    "Q": {"fifo_percent": 0, "top": True},
    "S": {"top": True},
    "T": {},
}
#: Those among which lead makers have a share.
WITH_MAKERS = ("K", "Q", "S", "T")


def book_rules(
    reference: Reference,
    symbol: str,
    at_ns: int,
    *,
    self_trade: SelfTrade | None = None,
    lead_makers: Sequence[tuple[int, int]] = (),
    group: int = 0,
    stop_logic: StopLogic | None = None,
) -> BookRules:
    """The rules of an instrument's book at an instant, in ns.

    self_trade: on Globex that of a registered firm; None: its orders trade with each other (Globex), the maker is
    cancelled (Binance). lead_makers: (account, percent) where the algorithm knows any. group: of the months of a
    product, which halt together by a velocity. stop_logic: no table has one. Raises `UnknownInstrument`,
    `NoRuleInForce`.

    >>> from novation.domain.units import to_ns
    >>> from novation.reference.lookup import Reference
    >>> book_rules(Reference(), "cme:ESZ2026", to_ns("2026-01-05")).by_time
    True
    """
    if isinstance(at_ns, bool) or not isinstance(at_ns, int):
        raise InvalidInput("is ns since 1970", source="book_rules", where="at_ns", value=at_ns, hint="domain.to_ns")
    instrument = reference.instrument(symbol, at_ns)
    if instrument.kind == InstrumentKind.SPOT:
        raise InvalidInput(
            "is spot, which trades on bars or a ladder: no rules of its book are known", source=instrument.id
        )
    if instrument.venue == "cme":
        rules = _globex(reference, instrument, at_ns, self_trade or SelfTrade.TRADE, tuple(lead_makers))
        return replace(rules, group=group, stop_logic=stop_logic)
    for name, given in (("lead_makers", lead_makers), ("group", group), ("stop_logic", stop_logic)):
        if given:
            raise InvalidInput("there is none on this venue", source=instrument.id, where=name)
    return _binance(reference, instrument, at_ns, self_trade or SelfTrade.CANCEL_MAKER)


def _globex(
    reference: Reference,
    instrument: Instrument,
    at_ns: int,
    self_trade: SelfTrade,
    lead_makers: tuple[tuple[int, int], ...],
) -> BookRules:
    row = reference.required("cme/matching", instrument.root, at_ns).row
    algorithm = row["algorithm"]
    if lead_makers and algorithm not in WITH_MAKERS:
        raise InvalidInput(f"algorithm {algorithm} has none", source=instrument.id, where="lead_makers")
    own = {name: int(row[name]) for name in ("fifo_percent", "pro_rata_min") if row[name]}
    tick = reference.required("cme/contracts", instrument.root, at_ns).row["tick_points"]
    step = to_e8(tick) // instrument.tick_e8
    fast = velocity(reference, instrument.root, at_ns)
    return BookRules(
        **ALGORITHMS[algorithm] | own,
        lead_makers=lead_makers,
        protection_ticks=_ticks(instrument, row["protection_points"] or 0),
        market_orders=False,
        self_trade=self_trade,
        velocity=Velocity(move_ticks=fast.ticks * step, within_ns=fast.window_ns, pause_ns=fast.halt_ns)
        if fast
        else None,
    )


def _binance(reference: Reference, instrument: Instrument, at_ns: int, self_trade: SelfTrade) -> BookRules:
    own = reference.required("binance_um/filters", instrument.symbol, at_ns).row
    all_of_them = reference.required("binance_um/orders", "all", at_ns).row
    filters = Filters(
        max_market_lots=to_e8(own["max_market_base"]) // instrument.lot_e8,
        min_ticks=_ticks(instrument, own["min_price_usdt"]),
        max_ticks=_ticks(instrument, own["max_price_usdt"]),
        up_e8=to_e8(own["multiplier_up"]),
        down_e8=to_e8(own["multiplier_down"]),
        max_orders=int(own["max_orders"]),
        take_bound_e8=to_e8(own["market_take_bound_fraction"]),
        trigger_protect_e8=to_e8(own["trigger_protect_fraction"]),
        max_amends=int(own["max_amends"]),
        max_conditional=int(all_of_them["max_conditional"]),
        least_callback_e8=to_e8(all_of_them["least_callback_fraction"]),
        most_callback_e8=to_e8(all_of_them["most_callback_fraction"]),
        least_gtd_ns=int(all_of_them["gtd_seconds"]) * NS,
        gtc_ns=int(all_of_them["gtc_days"]) * DAY_NS,
    )
    return BookRules(
        price_match=True,
        opponent_most=int(all_of_them["opponent_most"]),
        amend_keeps_place=False,
        amend_drops_self_trade=True,
        refuse_unfillable=True,
        self_trade=self_trade,
        filters=filters,
    )


def _ticks(instrument: Instrument, price: Any) -> int:
    ticks, rest = divmod(to_e8(price), instrument.tick_e8)
    if rest:
        raise DataError("is no whole number of ticks", source=instrument.id, value=price)
    return ticks
