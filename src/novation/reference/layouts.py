"""Which tables each venue has, and what their columns mean.

A table is `tables/<venue>/<name>.csv`. Every row has `effective_from` (a date, which is midnight UTC, or an
ISO instant) and `source`; a source that begins with `assumed:` says up to its first semicolon what is not
known of the exchange, and a result that rests on the row lists it. Beside the tables, `known.csv` says per
table and key (`*`: every other key) through which day the rows are known to be complete. After that day
nothing is in force.

To add a product is to add rows; to add a venue is to add an entry of `VENUES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from novation.reference.limit_rows import circuit_breakers_problem, price_limits_problem, verified_problem
from novation.reference.matching_rows import matching_problem
from novation.reference.settlement_rows import settlements_problem
from novation.reference.slippage_rows import slippage_problem


class Kind(Enum):
    """What a cell may hold."""

    TEXT = "a text"
    NUMBER = "a number"
    AMOUNT = "a number of zero or more"
    POSITIVE = "a number above zero"
    WHOLE = "a whole number above zero"
    COUNT = "a whole number of zero or more"
    SHARE = "a number above zero, at most 1"
    TIME = "a time of day, HH:MM or HH:MM:SS"
    MAYBE = "a text or nothing"


@dataclass(frozen=True)
class Layout:
    """One table: the column it is keyed by, and its further columns in order."""

    key: str
    columns: dict[str, Kind]
    many: bool = False  #: several rows make up one rule (the tiers of a bracket table)
    problem: Callable[[Mapping[str, Any]], str] | None = None  #: what is wrong with a row and its key; empty: nothing


@dataclass(frozen=True)
class VenueTables:
    """The tables of one venue.

    groups: the group of `Terms.sources` -> its table. optional: further groups, each the name of its table, without
    whose rows there are terms all the same. fixed: groups keyed by something else than the product.
    overrides: the name of an override -> (group, the columns that it replaces). Where an override names
    several columns, the first takes the value and the others become zero.
    """

    layouts: dict[str, Layout]
    groups: dict[str, str]
    overrides: dict[str, tuple[str, tuple[str, ...]]]
    tick: str  #: column of the contracts table
    asset: str  #: column of the contracts table
    fixed: dict[str, str]
    dated: bool  #: products are traded as dated months
    said: dict[str, Kind] = field(default_factory=dict)  #: columns that only overrides have
    spot: bool = False  #: products are bought in full, for cash
    optional: tuple[str, ...] = ()


_CONTRACT = {
    "base": Kind.TEXT,
    "quote": Kind.TEXT,
    "asset": Kind.TEXT,
    "tick_usdt": Kind.POSITIVE,
    "lot_base": Kind.POSITIVE,
    "min_qty_base": Kind.POSITIVE,
    "max_qty_base": Kind.POSITIVE,
    "min_notional_usdt": Kind.AMOUNT,
    "liquidation_fee_fraction": Kind.AMOUNT,
}
_BRACKETS = {
    "tier": Kind.WHOLE,
    "floor_usdt": Kind.AMOUNT,
    "cap_usdt": Kind.POSITIVE,
    "maintenance_fraction": Kind.POSITIVE,
    "max_leverage": Kind.WHOLE,
    "cum_usdt": Kind.AMOUNT,
}

#: What a taker without a book pays, by product (or group, or *) and term: `reference.slippage`. An assumed row is off
#: until asked for.
_SLIPPAGE = Layout(
    "term",
    dict.fromkeys(("coefficient", "low", "high", "begins", "full", "on", "values"), Kind.MAYBE),
    problem=slippage_problem,
)

#: Binance USDⓈ-M perpetuals. Only VIP 0 is looked up; the other fee levels are there for whoever needs them.
BINANCE_UM = VenueTables(
    layouts={
        "contracts": Layout("symbol", {**_CONTRACT, "funding_interval_hours": Kind.WHOLE}),
        # What an asset counts for in Multi-Assets mode. Asked for by `Reference.asset` alone; 0 USD: no threshold.
        "assets": Layout(
            "asset",
            {
                "bid_buffer_fraction": Kind.AMOUNT,
                "ask_buffer_fraction": Kind.AMOUNT,
                "auto_bid_buffer_fraction": Kind.AMOUNT,
                "auto_ask_buffer_fraction": Kind.AMOUNT,
                "auto_exchange_below_usd": Kind.AMOUNT,
            },
        ),
        # At which price an order is assumed to fill, for every symbol alike (`rules.order_cost`); 0: at its own.
        "order_cost": Layout(
            "symbol",
            {"limit_sell_above_last_fraction": Kind.AMOUNT, "market_buy_above_ask_fraction": Kind.AMOUNT},
        ),
        "fees": Layout("vip", {"maker_fraction": Kind.NUMBER, "taker_fraction": Kind.NUMBER}),
        # What is taken off them for an asset that they are paid in.
        "fee_discounts": Layout("asset", {"discount_fraction": Kind.SHARE}),
        "brackets": Layout("symbol", _BRACKETS, many=True),
        # What a settled rate is held between, per interval.
        "funding": Layout("symbol", {"floor_fraction": Kind.NUMBER, "cap_fraction": Kind.NUMBER}),
        # How the exchange marks and what its rates are made of; `*` is every symbol without rows of its own.
        "marks": Layout(
            "symbol",
            {
                "interest_fraction": Kind.NUMBER,
                "clamp_fraction": Kind.AMOUNT,
                "impact_usdt": Kind.POSITIVE,
                "basis_seconds": Kind.WHOLE,
                "hourly_at_limit": Kind.AMOUNT,
                "quiet_rates": Kind.AMOUNT,
                "quiet_fraction": Kind.AMOUNT,
                "quiet_hours": Kind.WHOLE,
            },
        ),
        # What an order book asks beyond the contract's rules (`reference.book_rules`): of each symbol, and of all.
        "filters": Layout(
            "symbol",
            {
                "max_market_base": Kind.POSITIVE,
                "min_price_usdt": Kind.AMOUNT,
                "max_price_usdt": Kind.POSITIVE,
                "multiplier_up": Kind.POSITIVE,
                "multiplier_down": Kind.AMOUNT,
                "max_orders": Kind.WHOLE,
                "market_take_bound_fraction": Kind.AMOUNT,
                "trigger_protect_fraction": Kind.AMOUNT,
                "max_amends": Kind.COUNT,
            },
        ),
        "orders": Layout(
            "symbol",
            {
                "max_conditional": Kind.WHOLE,
                "least_callback_fraction": Kind.SHARE,
                "most_callback_fraction": Kind.SHARE,
                "gtd_seconds": Kind.COUNT,
                "gtc_days": Kind.COUNT,
                "opponent_most": Kind.COUNT,
            },
        ),
        "slippage": _SLIPPAGE,
        # Quarterlies, by pair: the rows hold for every contract of it.
        "quarterlies": Layout(
            "pair", {**_CONTRACT, "delivery_seconds": Kind.WHOLE, "delivery_fee_fraction": Kind.AMOUNT}
        ),
        "quarterly_brackets": Layout("pair", _BRACKETS, many=True),
    },
    groups={"contract": "contracts", "fees": "fees", "brackets": "brackets", "order_cost": "order_cost"},
    overrides={
        "tick": ("contract", ("tick_usdt",)),
        "lot": ("contract", ("lot_base",)),
        "min_qty": ("contract", ("min_qty_base",)),
        "max_qty": ("contract", ("max_qty_base",)),
        "min_notional": ("contract", ("min_notional_usdt",)),
        "liquidation_fee": ("contract", ("liquidation_fee_fraction",)),
        "funding_interval_hours": ("contract", ("funding_interval_hours",)),
        "maker_fee": ("fees", ("maker_fraction",)),
        "taker_fee": ("fees", ("taker_fraction",)),
        "brackets": ("brackets", ()),
    },
    tick="tick_usdt",
    asset="asset",
    fixed={"fees": "0", "order_cost": "all"},
    dated=False,
)

#: CME Group futures. Margins are of one outright contract; fees are per contract and side, broker and
#: exchange together.
CME = VenueTables(
    layouts={
        "contracts": Layout(
            "root",
            {
                "exchange": Kind.TEXT,
                "multiplier_usd": Kind.POSITIVE,
                "tick_points": Kind.POSITIVE,
                "currency": Kind.TEXT,
            },
        ),
        "fees": Layout(
            "root",
            {
                "commission_usd": Kind.AMOUNT,
                "exchange_usd": Kind.AMOUNT,
                "regulatory_usd": Kind.AMOUNT,
            },
        ),
        "margins": Layout("root", {"initial_usd": Kind.POSITIVE, "maintenance_usd": Kind.POSITIVE}),
        # Which months there are, when they end, what others call them (`reference.products`).
        "products": Layout(
            "root",
            {
                "name": Kind.TEXT,
                "group": Kind.TEXT,
                "cycle": Kind.TEXT,
                "count": Kind.WHOLE,
                "serials": Kind.COUNT,
                "further": Kind.MAYBE,
                "active": Kind.TEXT,
                "last_day": Kind.TEXT,
                "last_time": Kind.TIME,
                "zone": Kind.TEXT,
                "calendar": Kind.TEXT,
                "notice": Kind.TEXT,
                "settlement": Kind.TEXT,
                "lead": Kind.TEXT,
                "display": Kind.TEXT,
                "ib_symbol": Kind.TEXT,
                "ib_exchange": Kind.TEXT,
                "ib_class": Kind.TEXT,
            },
        ),
        # Hours of a product group, in its products' zone, by trade date (`reference.sessions`).
        "sessions": Layout(
            "group",
            {
                "open": Kind.TIME,
                "close": Kind.TIME,
                "pause_start": Kind.MAYBE,
                "pause_end": Kind.MAYBE,
                "rth_open": Kind.TIME,
                "rth_close": Kind.TIME,
                "pre_open": Kind.MAYBE,  # of weekdays and of Sundays, blank: orders are taken from the opening on
                "pre_open_sunday": Kind.MAYBE,
            },
        ),
        # Special days: `<group> <holiday>` or `<group> <date>`, a close (a time, `closed`, `regular`), a late opening.
        "holidays": Layout("day", {"open": Kind.MAYBE, "close": Kind.TEXT}),
        # How many contracts one account may hold; `verified` is no where the value in force today is not confirmed.
        "position_limits": Layout(
            "root",
            {
                "spot_lots": Kind.MAYBE,
                "spot_period": Kind.MAYBE,
                "all_months_lots": Kind.MAYBE,
                "any_month_accountability_lots": Kind.MAYBE,
                "all_months_accountability_lots": Kind.MAYBE,
                "verified": Kind.TEXT,
            },
        ),
        # How far a price may be from where it was the day before (`reference.market_limits`, `limit_rows`): each method
        # fills the cells it needs. points: of price.
        "price_limits": Layout(
            "root",
            {
                "method": Kind.TEXT,
                "band_fraction": Kind.MAYBE,
                "first_fraction": Kind.MAYBE,
                "second_fraction": Kind.MAYBE,
                "third_fraction": Kind.MAYBE,
                "after_fraction": Kind.MAYBE,
                "step_fraction": Kind.MAYBE,
                "first_points": Kind.MAYBE,
                "step_points": Kind.MAYBE,
                "expansions": Kind.MAYBE,
                "rounding": Kind.MAYBE,
                "outside": Kind.MAYBE,
                "verified": Kind.TEXT,
            },
            problem=price_limits_problem,
        ),
        # How far it may be from the trades of the last hour; without a fraction there is none.
        "circuit_breakers": Layout(
            "root",
            {
                "fraction": Kind.MAYBE,
                "window_minutes": Kind.MAYBE,
                "halt_seconds": Kind.MAYBE,
                "late_minutes": Kind.MAYBE,
                "late_halt_seconds": Kind.MAYBE,
                "rounding": Kind.MAYBE,
                "hours": Kind.MAYBE,  # all, or outside_regular: not while the cash market of an index is open
                "verified": Kind.TEXT,
            },
            problem=circuit_breakers_problem,
        ),
        # How outrights match: CME's letter of the algorithm, its cells, and how far a protected order goes beyond the
        # market (`reference.book_rules`; blank: not known, so there are no such orders).
        "matching": Layout(
            "root",
            {
                "algorithm": Kind.TEXT,
                "fifo_percent": Kind.MAYBE,
                "pro_rata_min": Kind.MAYBE,
                "protection_points": Kind.MAYBE,
                "verified": Kind.TEXT,
            },
            problem=matching_problem,
        ),
        # A move too fast, and how far a limit price may be from the market. CME's numbers are in spreadsheets that we
        # do not have: no rows are shipped, a file of products or a folder may state them.
        "velocity": Layout(
            "root",
            {"ticks": Kind.WHOLE, "milliseconds": Kind.WHOLE, "halt_seconds": Kind.WHOLE, "verified": Kind.TEXT},
            problem=verified_problem,
        ),
        "banding": Layout("root", {"points": Kind.POSITIVE, "verified": Kind.TEXT}, problem=verified_problem),
        # The window whose trades make the daily settlement price, local time; early_end: where a day is cut short;
        # method: what settles a day without a trade in it (`settlement_rows`).
        "settlements": Layout(
            "root",
            {"start": Kind.TIME, "end": Kind.TIME, "early_end": Kind.MAYBE, "method": Kind.TEXT},
            problem=settlements_problem,
        ),
        "slippage": _SLIPPAGE,
        # When a report that moves a product comes out, every week: weekday 0 is Monday.
        "reports": Layout("root", {"name": Kind.TEXT, "weekday": Kind.COUNT, "time": Kind.TIME, "zone": Kind.TEXT}),
    },
    groups={"contract": "contracts", "fees": "fees", "margins": "margins"},
    overrides={
        "tick": ("contract", ("tick_points",)),
        "multiplier": ("contract", ("multiplier_usd",)),
        "fee_per_contract": ("fees", ("commission_usd", "exchange_usd", "regulatory_usd")),
        "initial_margin": ("margins", ("initial_usd",)),
        "maintenance_margin": ("margins", ("maintenance_usd",)),
        # Initial over maintenance: 1.1 of a heightened-risk account, 1 of members and hedgers (facts/cme.md §0 row 11).
        "initial_ratio": ("margins", ("initial_ratio",)),
        # What a broker asks beyond the exchange, a fraction of both margins.
        "house_add_on": ("margins", ("house_add_on_fraction",)),
        # What a broker asks by day, a share of both margins (`reference.day_margin.intraday_ratio_e8`).
        "intraday_ratio": ("margins", ("intraday_ratio",)),
        "margin_deadline_minutes": ("margins", ("margin_deadline_minutes",)),
        # How far beyond the market a limit price may be, points of price.
        "price_band": ("banding", ("points",)),
    },
    tick="tick_points",
    asset="currency",
    fixed={},
    dated=True,
    said={
        "initial_ratio": Kind.POSITIVE,
        "house_add_on_fraction": Kind.AMOUNT,
        "intraday_ratio": Kind.SHARE,
        "margin_deadline_minutes": Kind.WHOLE,
    },
    optional=("banding",),
)

#: The quarterlies of the same venue: other tables, no overrides.
QUARTERLIES = replace(
    BINANCE_UM,
    groups={
        "contract": "quarterlies",
        "fees": "fees",
        "brackets": "quarterly_brackets",
        "order_cost": "order_cost",
    },
    overrides={},
)

#: Binance spot: coins for cash, so neither brackets nor funding. VIP levels are those of its own fee table.
BINANCE_SPOT = VenueTables(
    layouts={
        "contracts": Layout(
            "symbol", {name: kind for name, kind in _CONTRACT.items() if name != "liquidation_fee_fraction"}
        ),
        "fees": BINANCE_UM.layouts["fees"],
        "fee_discounts": BINANCE_UM.layouts["fee_discounts"],
    },
    groups={"contract": "contracts", "fees": "fees"},
    overrides={
        name: BINANCE_UM.overrides[name]
        for name in ("tick", "lot", "min_qty", "max_qty", "min_notional", "maker_fee", "taker_fee")
    },
    tick="tick_usdt",
    asset="asset",
    fixed={"fees": "0"},
    dated=False,
    spot=True,
)

VENUES: dict[str, VenueTables] = {"binance_um": BINANCE_UM, "cme": CME, "binance_spot": BINANCE_SPOT}
