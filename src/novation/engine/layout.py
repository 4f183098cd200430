"""The tables of the exchange, each declared once; kernels reach their rows through `engine.state`.

A venue is one *head* record and flat tables of records reached through addresses held in the head, so that capacity is
data: every venue shares one compilation. Only `venues.Venue` makes heads and owns the tables.

Every field is int64, but for two from which bands are found (`SPARE`, `SLOPE`), as nothing that is said or owed is
computed from them, and the terms of models (`IMPACT`): they are float64. Lists are intrusive: `next`/`previous` hold
rows, -1 ends.
"""

from __future__ import annotations

import numpy as np

from novation.domain.commands import COMMAND_DTYPE
from novation.domain.events import EVENT_DTYPE
from novation.domain.market import MARKET_DTYPE

#: Of an account whose margin call came due while it could not be closed out.
OVERDUE = -1
#: Positions of one account in one instrument.
LEGS = 2
#: No price can be had: what no price in ticks can be. And: no worst price is named.
NO_PRICE = -(1 << 62)
ANY_PRICE = 1 << 62
#: Instruments up to which all rows of an account are looked at, instead of its list.
FEW = 4


def _table(*names: str) -> np.dtype:
    return np.dtype([(name, np.int64) for line in names for name in line.split()])


#: Tables in the order of the head's address fields.
TABLES = (
    "contract",
    "terms",
    "tier",
    "market",
    "account",
    "position",
    "order",
    "feed",
    "event",
    "command",
    "sample",
    "holding",
    "pool",
    "level",
    "queue",
    "pricing",
    "basis",
    "band",
    "asset",
    "buffer",
    "balance",
    "spare",
    "slope",
    "book",
    "maker",
    "side",
    "chunk",
    "slot",
    "page",
    "price",
    "resting",
    "crossing",
    "look",
    "flight",
    "news",
    "sent",
    "delay",
    "window",
    "impact",
    "bar_liquidity",
)

HEAD = _table(
    # clock and counters
    "clock_ns sequence order_sequence trade_sequence",
    # rules of the venue (venues.binance_usdm, venues.cme_globex)
    "call_policy call_ratio_e8 liquidation_target_e8 hedge_mode deficit_to_fund spread_e8 asset_unit",
    "profit_withdrawable hold_orders countdown bar_path",
    # the ledger beside the accounts; totals in two limbs of 2**60
    "fees_high fees_low outside_high outside_low",
    "deposits_high deposits_low rounding",
    # the work in hand: stage of the instant, and the row at which it stands
    # `settled`: 1 + the trade date of a settlement at this instant, 0 if there was none
    "stage cursor next_order closed_from closed_to closing touched settled",
    # orders that the bars closing now touch and that have not had their turn, and whether opening bars trigger any
    "in_turn openings_trigger",
    "liquidating liquidating_position liquidating_instrument deleveraging deleveraging_ticks",
    # the order that is taking liquidity, -1: none
    "taking",
    # matching on a book: the next order that a share was given to (-1: none; -2: own orders at a price are cancelled
    # first); whether the next fill is the other side of the last; instruments whose conditional orders are to be looked
    # at, by their last price and by their mark; whether orders may have lost the position that they close
    "giving prevented_ticks paired elections mark_elections closers_due",
    # the auction in hand: its step (`auction`), its price once it is found, its instrument, and whether a row of the
    # feed began it
    "auctioning auction_ticks auction_of auction_row",
    # what CANCEL_ALL still has to do: account (-1: nothing), instrument, side, the next order, how many are gone
    "cancelling cancelling_instrument cancelling_side cancelling_hold cancel_next cancelled",
    # the first instant at which an order expires (NEVER_NS: none does), and whether it has to be found again
    "expire_ns expire_stale",
    # the first instant at which a halted book opens (NEVER_NS: none does)
    "resume_ns",
    # free rows of orders in books and free pages, and the side and price that need room (-1: none does)
    "free_resting free_page grow_side grow_ticks",
    # orders that came to stand so far; how many books have a flow, whether rows of it said something, and whether one
    # is not done yet
    "stand_sequence flows told in_row",
    # what is under way to and from a compiled strategy (`flight`): looks, whether anything takes time, the rings of
    # commands and of news with the last time of each, events that are on their way, orders it knows of, responses
    "look_next look_count delayed flight_first flight_count flight_last_ns news_first news_count news_last_ns",
    "event_told sent_count response_kind response_state response_next",
    # simulated traders (`venues.population`): when they act next (NEVER_NS: there are none), their accounts, first ..
    # end, and whether something was said of anybody else since the door was last left
    "others_ns others_first others_end others_told",
    # cursors of feed, commands, events and samples; what the door wants to hear of
    "feed_next command_next command_count event_count sample_count holding_count sampling every_instant",
    # the list of working orders, in order of arrival, and the free rows
    "first_order last_order free_order working",
    "accounts instruments terms_changes",
    # `due_ns`: the next stamp of a rate the venue computes itself; the funding in hand, and whether it is such a one
    "due_ns pro_rata funding_span_ns funding_instrument funding_rate_e8 own_stamp",
    "delivery_e8 delivery_samples delivered_lots delivered_rest",
    # how many assets there are, and accounts in Multi-Assets mode
    "assets multi_accounts",
    *(f"{table}_address {table}_rows" for table in TABLES),
    # who a liquidation closes first, and who pays when the fund is empty; pro rata: how many share, and how far it is;
    # queue: whether ranks are kept, and how many accounts changed since these were right
    "liquidation_priority deleveraging_method queue_count queue_next queue_of stale_count",
    # which accounts a mark can endanger (`watch`): 0 tests everybody always; accounts a tree has room for, a power of 2
    "watching band_base",
)

#: One instrument: what never changes. Its ladder is `level` rows level_first .. level_first + level_count, none: bars.
CONTRACT = _table(
    "tick_e8 lot_value tick_value method daily_settled pool",
    "level_first level_count heals",
    "marked dated deliver_ns",
    # 1 + its row of BOOK, 0: it has none
    "book",
    # bought in full and sold only where it is held (docs/rules/spot.md)
    "spot",
)
#: One dated row of rules (`domain.Terms`); its brackets are `tier` rows tier_first .. tier_first + tier_count.
TERMS = _table(
    "tick_step min_lots max_lots min_notional maker_fee_e8 taker_fee_e8 fee_per_lot "
    "liquidation_fee_e8 initial_per_lot maintenance_per_lot tier_first tier_count",
    "funding_interval_hours funding_floor_e8 funding_cap_e8 interest_e8 funding_clamp_e8 impact_base hourly_at_limit "
    "quiet_needed quiet_e8 quiet_hours basis_seconds delivery_seconds delivery_fee_e8",
    "limit_sell_above_last_e8 market_buy_above_ask_e8",
    "band_ticks calls_due",
)
TIER = _table("cap rate_e8 max_leverage cum")
#: One instrument: what the market did. `mark_low_e8`/`mark_high_e8` are the extremes to be checked, equal to the mark
#: when there are none; `bar_low_e8`/`bar_high_e8` keep those of the last complete bar. `deadline_ns`: when overnight
#: margins took effect last, whose calls are due at once.
MARKET = _table(
    "terms last_e8 last_high_e8 last_low_e8 last_close_e8 mark_e8 mark_low_e8 mark_high_e8 mark_close_e8 "
    "bar_low_e8 bar_high_e8 start_ns closed_ns open_ns closing bar settlement_ticks",
    "centre_e8 bid_taken ask_taken healed_ns",
    "status",
    "phase halt limit_low_e8 limit_high_e8 refuse_beyond deadline_ns",
    # what a participant to whom news takes time has heard that it holds (`flight`)
    "heard_lots",
)
#: `wallet` excludes the margins of isolated positions. `version` counts changes that move liquidation prices.
#: `called`: 0 no margin call, 1 called, trade date + 2: called (or still called) at the settlement of that trade date,
#: OVERDUE: to be closed out as soon as its markets trade.
#: `multi`: whether all its assets stand behind its positions. Its working orders are a list of their own.
ACCOUNT = _table(
    "wallet first_position last_position positions called version hedge",
    "multi",
    "first_order last_order",
)
#: Two rows per account and instrument: leg 0 is the only position, or in hedge mode the long one; leg 1 the short one.
#: `margin` is the isolated margin; bid/ask_* sum the working orders; `opened_ns` is when the lots last left zero or
#: changed sides, 0 without lots.
POSITION = _table(
    "account instrument leg lots cost margin scope leverage linked next previous called "
    "bid_lots ask_lots bid_value ask_value liquidation_e8 liquidation_version trigger_e8",
    "opened_ns",
    # of leg 0: when the countdown of the account's orders in the instrument ends, or ended
    "countdown_ns",
    # untriggered orders that close it and end with it
    "closers",
)
#: `assumed_e8`: the price at which a limit order reserves margin. `held`: a market order that a broker keeps while the
#: market is not open; `after`: the order that has to be gone first, 0 for none. A working order stands in two lists in
#: order of arrival, that of the venue (`next`, also of the free rows) and that of its account (`own_next`).
ORDER = _table(
    "id account instrument side kind lots price_ticks reduce_only leg arrival_ns next previous",
    "assumed_e8 held after",
    "own_next own_previous",
    # `filled` so far; `trigger`: it waits for one (`TriggerKind`); on a book: `extreme_e8` of a trailing one;
    # `resting`: its row in a queue, -1 while it stands in none
    "time_in_force expire_ns display_lots filled self_trade",
    # how often it was amended, where that is bounded
    "amended",
    # when the countdown ends that its account has set, 0 without one
    "countdown_ns",
    "trigger trigger_e8 trigger_by callback_e8 extreme_e8 resting close_position price_protect",
    # until it stands: whether it is cancelled where it would halt its market
    "gives_way",
    # in a flow of levels: micro-lots of what stands ahead of it that are gone, short of a lot
    "ahead_rest",
    # on bars: when on the path of the bar that closes now it is touched (`bar_path`), 0 once it has had its turn
    "turn",
)
#: Money of one account at one instant.
SAMPLE = _table("ts_ns account wallet isolated unrealised initial maintenance")
#: One open position at one instant; low and high are those of the mark inside the bar that just closed.
HOLDING = _table(
    "ts_ns account instrument bar lots cost margin mark_e8 mark_low_e8 mark_high_e8 liquidation_e8 "
    "unrealised maintenance"
)

#: One insurance fund, its balance in two limbs of 2**60; unlimited: it pays whatever there is to pay.
POOL = _table("high low unlimited")
#: One instrument that the venue marks or delivers: its index, the premium samples of the interval (the last one and its
#: five seconds, sums plain and weighted), the interval and its end (0 before the first row), what delivery averages.
PRICING = _table(
    "index_e8 index_second basis_second premium_e8 premium_slot premium_sum weighted_sum premium_count "
    "interval_hours stated_hours next_ns quiet last_rate_e8 last_ns delivery_sum delivery_count delivery_second"
)
#: BASIS_ROWS of each such instrument: twice the basis of a second, at its place modulo BASIS_ROWS.
BASIS = _table("second twice")
BASIS_ROWS = 60
#: No stamp is due, and the second of a row of BASIS that was never written.
NEVER_NS = 1 << 62
NO_SECOND = -(1 << 40)

#: One level of a ladder: ticks of the grid from the centre, and lots of the side up to and with it.
LEVEL = _table("offset upto")

#: One book: its rules (`domain.BookRules`), and whether its conditional orders are to be looked at.
BOOK = _table(
    "fifo_percent pro_rata_min top top_min top_max maker_first maker_count levelling protection_ticks market_orders "
    "price_match opponent_most "
    "amend_keeps_place amend_drops_self_trade refuse_unfillable self_trade by_time",
    # `domain.Filters`
    "max_market_lots min_ticks max_ticks up_e8 down_e8 max_orders max_conditional least_callback_e8 most_callback_e8",
    "least_gtd_ns gtc_ns take_bound_e8 trigger_protect_e8 max_amends",
    "elect_last elect_mark",
    # orders in it that may only reduce
    "reducing",
    # its flow of recorded orders: the rows, the next of them, whether that has begun and what it has used so far; the
    # rows of RESTING that its orders stand in, one a slot
    "flow_address flow_rows flow_next flow_begun flow_used slots_first slots",
    # of a flow of levels: who is taken to have left, and the row that came to stand last
    "of_levels queue_model queue_exponent_e8 flow_level",
    # whether orders of accounts trade by the record's FILL rows in place of its trades
    "by_fills",
    # `domain.Velocity` and `domain.StopLogic`, 0 without; the window of trades is a state of `rules.rolling_extremes`
    "group velocity_ticks velocity_ns velocity_pause_ns window_first window_words",
    "stop_ticks stop_pause_ns stop_most_ns stop_thresholds",
    # the trade that triggered the first of the stops in hand, 0: none is; of a halt: when it ends (0: there is none),
    # when it began, and the price from which stops had gone too far, 0 of velocity
    "cascade_ticks resume_ns halted_ns halted_ticks",
)
#: A lead market maker: its account and percent.
MAKER = _table("account percent")
#: The lists of a book, each a row of SIDE: prices with a queue each. `best`: the highest price where the list is
#: descending, else the lowest; meaningless without orders. `top`: the top order, -1. Trailing orders all stand at 0.
BIDS, ASKS, FALLING_LAST, RISING_LAST, FALLING_MARK, RISING_MARK, TRAILING = range(7)
LISTS = 7
SIDE = _table("orders best top chunk_first chunks chunk_base")
#: Prices lie in pages of PAGE ticks, found through a slot each; PAGE slots are a chunk. `used`: which of its prices, or
#: of its pages, have orders: a bit each.
PAGE_BITS = 5
PAGE = 1 << PAGE_BITS
CHUNK_BITS = 2 * PAGE_BITS
CHUNK = _table("used")
SLOT = _table("page")
PAGES = _table("used next_free")
#: The queue at one price: lots shown and hidden, orders, the first and the last of them.
PRICE = _table("lots hidden orders first last")
#: An order in a queue. `owner`: its row of ORDER, -1 of an order of a record; `place`: of SIDE; `key`: the trigger it
#: waits for; `given`: lots of the taker in hand; `sequence`: orders came to stand in this order; of an order of a
#: record `recorded` and `taken`: its lots there, and those that accounts took.
RESTING = _table("owner place ticks shown hidden next previous key given sequence recorded taken")
#: Prices and lots of the two sides where they cross.
CROSSING = _table("number")

#: What is under way (`flight`): when a strategy looks, what it then sees of the exchange, when what it sends is there.
LOOK = _table("now_ns seen_ns arrive_ns")
FLIGHT = np.dtype([*COMMAND_DTYPE.descr, ("arrive_ns", np.int64)])
NEWS = _table("heard_ns kind order instrument lots position_lots short_side")
SENT = _table("order instrument kind lots accepted")
DELAY = _table("from_ns ns")

#: One instrument whose takers move its price (`venues.impacts`), `on` where it is: what the model's terms are (float64,
#: as nothing is found from them but whole 1e-8), how many of its units of time an order takes and a ns is; then where
#: its takers have left the price: what stays, and what fades from an instant on.
IMPACT = np.dtype(
    [
        (name, np.float64)
        for name in ["half_spread", "temporary", "temporary_by", "order", "order_by", "permanent", "transient"]
    ]
    + [(name, np.float64) for name in ("fades", "takes", "unit")]
    + [(name, np.int64) for name in ("on", "stays_e8", "fading_e8", "since_ns")]
)

#: One instrument with `domain.BarLiquidity`: its exponent and bounds (float64, as in IMPACT), whether it slips and what
#: share of a bar can be had; what the last LIQUIDITY row said; then the bar that opened last: lots that can be had of
#: it, used so far by anybody, and by takers of each side; how likely a touched order is reached, and the state of
#: `rules.chance` that says whether it was.
BAR_LIQUIDITY = np.dtype(
    [(name, np.float64) for name in ("exponent", "least", "most")]
    + [(name, np.int64) for name in ("on", "slips", "participation_e8")]
    + [(name, np.int64) for name in ("volume", "sold_e8", "bought_e8", "sold_whole_e8", "bought_whole_e8")]
    + [(name, np.int64) for name in ("bar_lots", "used", "sold", "bought", "touch_e8")]
    + [(name, np.int64) for name in ("a0", "a1", "a2", "b0", "b1", "b2")]
)

#: Words of the windows of trades.
WINDOW = _table("number")

#: Columns of the queue of counterparties, one after another in its table, each `band_base` long, so with room for all
#: accounts: one has at most one position on the other side. Pro rata: rows of positions, what they are weighed by, ids,
#: order, sizes, lots to be taken. Queue: the accounts that changed since ranks were right, and by account whether it is
#: one of these; then what a ranking is made from. Scratch, and no part of the state.
ROWS, KEYS, IDS, ORDER_OF, SIZES, TAKEN = range(6)
STALE, IS_STALE, FOUND, FOUND_LIMITS, FOUND_SCORES, SORTED, SWAPPED = range(7)
QUEUE_COLUMNS = 7
#: Then, for each side of each instrument, its ranks, by ascending limit (`deleveraging`): limits, accounts, scores (-1
#: of nobody), the winners of a tournament of scores and at 0 how many there are (-1: not ranked); by account its place.
LIMITS, HOLDERS, SCORES, WINNERS, PLACES = range(5)
RANK_COLUMNS = 5
QUEUE = _table("number")

#: Node of a tree of `watch`: below are accounts to be tested at a mark at or below the one price, or at or above the
#: other.
BAND = _table("below_e8 above_e8")
#: What an account can spare (`bands`) where all marks are zero, less what is given away for errors; UNKNOWN where it is
#: no linear function of the marks, or not yet found.
SPARE = np.dtype([("constant", np.float64)])
UNKNOWN = -1e300
#: By how much that changes with 1e-8 of the mark of one instrument, and the marks between which it does.
SLOPE = np.dtype([("slope", np.float64), ("below_e8", np.int64), ("above_e8", np.int64)])
#: Above every mark; all marks are above minus it.
NEVER = 1 << 62
#: One asset, 0 the settlement asset: its index (USD, 0 unknown), the row of BUFFER in force, its ledger in two limbs.
ASSET = _table("unit index_e8 buffer buffer_first deposits_high deposits_low exchanged_high exchanged_low")
#: One dated row of `domain.AssetTerms`.
BUFFER = _table("bid_buffer_e8 ask_buffer_e8 auto_bid_buffer_e8 auto_ask_buffer_e8 exchange_below")
#: What an account holds of an asset other than the settlement asset.
BALANCE = _table("amount")

DTYPES = {
    "contract": CONTRACT,
    "terms": TERMS,
    "tier": TIER,
    "market": MARKET,
    "account": ACCOUNT,
    "position": POSITION,
    "order": ORDER,
    "feed": MARKET_DTYPE,
    "event": EVENT_DTYPE,
    "command": COMMAND_DTYPE,
    "sample": SAMPLE,
    "holding": HOLDING,
    "pool": POOL,
    "level": LEVEL,
    "queue": QUEUE,
    "pricing": PRICING,
    "basis": BASIS,
    "band": BAND,
    "asset": ASSET,
    "buffer": BUFFER,
    "balance": BALANCE,
    "spare": SPARE,
    "slope": SLOPE,
    "book": BOOK,
    "maker": MAKER,
    "side": SIDE,
    "chunk": CHUNK,
    "slot": SLOT,
    "page": PAGES,
    "price": PRICE,
    "resting": RESTING,
    "crossing": CROSSING,
    "look": LOOK,
    "flight": FLIGHT,
    "news": NEWS,
    "sent": SENT,
    "delay": DELAY,
    "window": WINDOW,
    "impact": IMPACT,
    "bar_liquidity": BAR_LIQUIDITY,
}
