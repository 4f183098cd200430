"""How an order book matches, and what it shows of itself (docs/rules/book.md)."""

from __future__ import annotations

import msgspec

from novation.domain.enums import SelfTrade
from novation.domain.errors import InvalidInput
from novation.domain.units import E8

#: Lots that an order, and a split, may name at most.
MOST_LOTS = 1 << 50
#: Ticks that a price may move before a market halts.
MOST_MOVE = 1 << 20
#: How often a halt is prolonged at most: each time is an instant.
MOST_PAUSES = 1_000
#: Ten years.
MOST_NS = 315_576_000_000_000_000


def _whole(number: object, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= most


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What Binance asks of an order beyond its tick, its size and its money (facts/binance.md 7.1, 7.3); 0: nothing."""

    max_market_lots: int = 0  #: MARKET_LOT_SIZE
    min_ticks: int = 0  #: PRICE_FILTER: the lowest and the highest price
    max_ticks: int = 0
    up_e8: int = 0  #: PERCENT_PRICE: what a buyer may bid, as a multiple of the mark; of a stop limit, of its trigger
    down_e8: int = 0  #: ... and what a seller has to ask
    max_orders: int = 0  #: MAX_NUM_ORDERS: working orders of an account in the instrument
    max_conditional: int = 0  #: ... and untriggered ones of an account in all instruments
    least_callback_e8: int = 0  #: of a trailing order, the share that it lets the price come back
    most_callback_e8: int = 0
    least_gtd_ns: int = 0  #: how far ahead the end of a GTD order lies; it has to be further
    gtc_ns: int = 0  #: after which a GTC or post-only order ends
    take_bound_e8: int = 0  #: marketTakeBound: how far from the mark a market order trades
    trigger_protect_e8: int = 0  #: triggerProtect: how far last price and mark lie apart where protected orders wait on
    max_amends: int = 0  #: maxMoveOrderLimit: an order is amended less often than this

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            most = {"up_e8": 100 * E8, "down_e8": 100 * E8, "take_bound_e8": E8, "trigger_protect_e8": E8}.get(name)
            most = MOST_NS if name == "gtc_ns" else most or MOST_LOTS
            if not _whole(getattr(self, name), most):
                value = getattr(self, name)
                raise InvalidInput(f"is a whole number, 0 to {most:,}", source="filters", where=name, value=value)
        for low, high in (("min_ticks", "max_ticks"), ("least_callback_e8", "most_callback_e8"), ("down_e8", "up_e8")):
            if 0 < getattr(self, high) < getattr(self, low):
                raise InvalidInput(f"{low} is above {high}", source="filters", value=getattr(self, low))


class Velocity(msgspec.Struct, frozen=True, kw_only=True):
    """A move that is too fast halts a market (facts/cme.md 5; the numbers of each product are in a spreadsheet of
    CME's)."""

    move_ticks: int  #: so many ticks or more
    within_ns: int  #: from a trade that is younger than this
    pause_ns: int  #: until the auction that ends the halt

    def __post_init__(self) -> None:
        _positive(self, "velocity", {"move_ticks": MOST_MOVE, "within_ns": MOST_NS, "pause_ns": MOST_NS})


class StopLogic(msgspec.Struct, frozen=True, kw_only=True):
    """Stops that would trade too far from the trade that triggers the first of them halt a market (facts/cme.md 5: a
    notice of 2003; today's timers are unverified)."""

    move_ticks: int  #: more than so many ticks
    pause_ns: int = 5_000_000_000  #: how long the market halts, and by how much that is prolonged
    most_ns: int = 20_000_000_000  #: ... in all
    thresholds: int = 2  #: it is prolonged while the indicative price is more than so many moves away

    def __post_init__(self) -> None:
        most = {"move_ticks": MOST_MOVE, "pause_ns": MOST_NS, "most_ns": MOST_NS, "thresholds": MOST_MOVE}
        _positive(self, "stop logic", most)
        if not self.pause_ns <= self.most_ns <= MOST_PAUSES * self.pause_ns:
            problem = f"is pause_ns to {MOST_PAUSES:,} times it"
            raise InvalidInput(problem, source="stop logic", where="most_ns", value=self.most_ns)


def _positive(rules: msgspec.Struct, source: str, most: dict[str, int]) -> None:
    for name, bound in most.items():
        value = getattr(rules, name)
        if not _whole(value, bound) or value == 0:
            raise InvalidInput(f"is a whole number, 1 to {bound:,}", source=source, where=name, value=value)


_YES_OR_NO = (
    "top",
    "levelling",
    "market_orders",
    "price_match",
    "amend_keeps_place",
    "amend_drops_self_trade",
    "refuse_unfillable",
)


def _is_shares(shares: object) -> bool:
    return isinstance(shares, tuple) and all(isinstance(share, tuple) and len(share) == 2 for share in shares)


class BookRules(msgspec.Struct, frozen=True, kw_only=True):
    """The matching of one instrument.

    At a price that a taker does not take whole its lots are given out in this order: top order, lead market makers, by
    time, pro rata, levelling, by time. The default is by time alone.
    """

    fifo_percent: int = 100  #: of the taker's lots, given out by time; the rest pro rata
    pro_rata_min: int = 0  #: a share below this counts as none
    top: bool = False  #: whether the order that first bettered the market comes ahead of all
    top_min: int = 0  #: ... if it has so many lots
    top_max: int = 0  #: ... with so many lots at most; 0: with all
    lead_makers: tuple[tuple[int, int], ...] = ()  #: (account, percent): who gets a share ahead of the others
    levelling: bool = False  #: whether an order whose pro-rata share is none gets one lot
    protection_ticks: int = 0  #: how far beyond the market a protected order may trade; 0: there are none
    market_orders: bool = True  #: whether there are market orders without protection
    price_match: bool = False  #: whether there are orders at the n-th price of a side (OPPONENT_n, QUEUE_n)
    opponent_most: int = 20  #: ... of OPPONENT_n up to this n
    amend_keeps_place: bool = True  #: whether an order that is only made smaller keeps its place
    amend_drops_self_trade: bool = False  #: whether an order that is amended trades with its account's own from then on
    refuse_unfillable: bool = False  #: whether a fill-or-kill order that cannot be filled is refused, not cancelled
    self_trade: SelfTrade = SelfTrade.TRADE
    filters: Filters = Filters()
    velocity: Velocity | None = None
    stop_logic: StopLogic | None = None
    group: int = 0  #: books of a group other than 0 halt with one whose velocity halts it

    def __post_init__(self) -> None:
        wrong: str = ""
        value: object = 0
        for name in _YES_OR_NO:
            if not wrong and not isinstance(getattr(self, name), bool):
                wrong, value = f"{name} is True or False", repr(getattr(self, name))
        if not wrong and not _is_shares(self.lead_makers):
            wrong, value = "lead_makers is a tuple of (account, percent)", repr(self.lead_makers)[:60]
        for name in ("pro_rata_min", "top_min", "top_max", "protection_ticks"):
            if not wrong and not _whole(getattr(self, name), MOST_LOTS):
                wrong, value = f"{name} is a whole number, 0 to 2**50", getattr(self, name)
        if wrong:
            pass
        elif not _whole(self.fifo_percent, 100):
            wrong, value = "fifo_percent is a whole number, 0 to 100", self.fifo_percent
        elif any(not _whole(number, MOST_LOTS) for share in self.lead_makers for number in share):
            wrong = "accounts and shares of lead makers are whole numbers"
        elif isinstance(self.self_trade, bool | str) or self.self_trade not in list(SelfTrade):
            wrong, value = "self_trade is a SelfTrade", self.self_trade
        elif self.fifo_percent == 100 and (self.pro_rata_min or self.levelling):
            wrong = "pro_rata_min and levelling say nothing without a pro-rata part: fifo_percent is 100"
        elif not self.top and (self.top_min or self.top_max):
            wrong = "top_min and top_max say nothing without top"
        elif self.top_max and self.top_min > self.top_max:
            wrong, value = "top_min is above top_max", self.top_min
        elif any(not 0 < percent <= 100 for _, percent in self.lead_makers) or self._makers_share > 100:
            wrong, value = "shares of lead makers are above 0 and 100 percent together", self._makers_share
        elif len({account for account, _ in self.lead_makers}) != len(self.lead_makers):
            wrong = "an account is a lead maker once"
        elif self.self_trade == SelfTrade.AS_THE_BOOK:
            wrong = "self_trade names what the book does"
        elif not isinstance(self.filters, Filters):
            wrong, value = "filters is a Filters", repr(self.filters)
        elif not isinstance(self.velocity, Velocity | None):
            wrong, value = "velocity is a Velocity", repr(self.velocity)
        elif not isinstance(self.stop_logic, StopLogic | None):
            wrong, value = "stop_logic is a StopLogic", repr(self.stop_logic)
        elif not _whole(self.opponent_most, 20):
            wrong, value = "opponent_most is a whole number, 0 to 20", self.opponent_most
        elif not _whole(self.group, MOST_LOTS):
            wrong, value = "group is a whole number, 0 or more", self.group
        if wrong:
            raise InvalidInput(wrong, source="book rules", value=value or None)

    @property
    def _makers_share(self) -> int:
        return sum(percent for _, percent in self.lead_makers)

    @property
    def by_time(self) -> bool:
        """Whether time alone decides."""
        return self.fifo_percent == 100 and not self.top and not self.lead_makers


class BookLevel(msgspec.Struct, frozen=True, gc=False):
    """One price of a side."""

    price_ticks: int
    lots: int  #: shown
    hidden: int  #: of iceberg orders, not shown to the market
    orders: int


class BookView(msgspec.Struct, frozen=True):
    """Both sides, the best price first."""

    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
