"""The codes of the exchange: one enum each, its integer used unchanged by records and kernels."""

from __future__ import annotations

from enum import IntEnum


class Side(IntEnum):
    """Buy or sell; the integer is the sign of the position change."""

    BUY = 1
    SELL = -1


class InstrumentKind(IntEnum):
    """What is traded: a future without expiry and with funding, a dated one, or the thing itself against cash."""

    PERPETUAL = 1
    FUTURE = 2
    SPOT = 3


class InstrumentStatus(IntEnum):
    """Where an instrument is in its life (`contractStatus` on the wire; facts/binance.md §13).

    PENDING_TRADING and DELIVERING: no order is taken. PRE_DELIVERING: only what reduces a position. DELIVERED: the end.
    """

    PENDING_TRADING = 1
    TRADING = 2
    PRE_DELIVERING = 3
    DELIVERING = 4
    DELIVERED = 5


class MarketPhase(IntEnum):
    """What an exchange does with orders at this time of its day (facts/cme.md §8).

    CLOSED: it takes none. PRE_OPEN: limit orders are taken, changed and cancelled, and nothing matches. NO_CANCEL: as
    before an opening, and what is there stays. OPEN: it trades. PAUSED: orders can only be cancelled.
    """

    CLOSED = 1
    PRE_OPEN = 2
    NO_CANCEL = 3
    OPEN = 4
    PAUSED = 5


class HaltReason(IntEnum):
    """Why a market is not open: by its schedule, or halted though it would be."""

    SCHEDULE = 0
    CASH_MARKET = 1
    CIRCUIT_BREAKER = 2
    VELOCITY = 3
    STOP_LOGIC = 4


class MarkRule(IntEnum):
    """How a venue marks an instrument itself, at each sample of its index.

    MEDIAN: the exchange's own, of index, basis and last price. LAST: the last price alone.
    """

    MEDIAN = 1
    LAST = 2


class OrderKind(IntEnum):
    """How an order finds its price.

    MARKET: at the next price. LIMIT: at its price or better. On a book also MARKET_LIMIT: a limit order at the best
    price of the other side as it arrives (Binance: price match OPPONENT). MARKET_PROTECTED: a limit order so many ticks
    beyond that price. OPPONENT_n, QUEUE_n: a limit order at the n-th price of the other, or of its own side.
    """

    MARKET = 1
    LIMIT = 2
    MARKET_LIMIT = 3
    MARKET_PROTECTED = 4
    OPPONENT_5 = 5
    OPPONENT_10 = 6
    OPPONENT_20 = 7
    QUEUE = 8
    QUEUE_5 = 9
    QUEUE_10 = 10
    QUEUE_20 = 11


class TimeInForce(IntEnum):
    """How long an order works.

    GTC: until cancelled. DAY: until its market closes. GTD: until an instant. IOC: what does not trade at once is
    cancelled (Globex: fill and kill). FOK: at once all of it, or nothing. POST_ONLY: never a taker (Binance: GTX).
    """

    GTC = 0
    DAY = 1
    GTD = 2
    IOC = 3
    FOK = 4
    POST_ONLY = 5


class TriggerKind(IntEnum):
    """What a conditional order waits for.

    STOP: a buy for the price at or above its trigger, a sale for at or below. TAKE_PROFIT: the other way round.
    TRAILING: a buy for the price at or above its lowest since it began, plus a share; a sale mirrored.
    """

    NONE = 0
    STOP = 1
    TAKE_PROFIT = 2
    TRAILING = 3


class TriggerPrice(IntEnum):
    """Which price a conditional order looks at."""

    LAST = 0
    MARK = 1


class BarPath(IntEnum):
    """Which way the last price went inside a bar: from the open to one extreme, to the other, to the close.

    WORST: to the extreme first that is against the position, the low of a long one; without one as NEARER_FIRST.
    NEARER_FIRST: to the extreme first that is nearer to the open; of two as near to the one away from the close.
    """

    WORST = 0
    HIGH_FIRST = 1
    LOW_FIRST = 2
    NEARER_FIRST = 3


class SelfTrade(IntEnum):
    """What happens where an order would trade with another of its account; the taker's word counts.

    AS_THE_BOOK: what the book's rules say. TRADE: they trade. CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH: so.
    """

    AS_THE_BOOK = 0
    TRADE = 1
    CANCEL_TAKER = 2
    CANCEL_MAKER = 3
    CANCEL_BOTH = 4


class QueueModel(IntEnum):
    """Who left when a level shows less and no trade tells why (`rules.queue_position`).

    FRONT: who is ahead of us. BACK: who is behind us. PROPORTIONAL: both, by what they have. POWER, LOG: both, weighed
    by x**n or ln(1 + x).
    """

    FRONT = 1
    BACK = 2
    PROPORTIONAL = 3
    POWER = 4
    LOG = 5


class MarginMethod(IntEnum):
    """How a requirement is computed: notional brackets, or an amount of money per contract."""

    TIERED = 1
    PER_CONTRACT = 2


class MarginScope(IntEnum):
    """What stands behind a position: the whole balance, or its own margin alone."""

    CROSS = 1
    ISOLATED = 2


class PositionSide(IntEnum):
    """Which position of an instrument is meant: the only one (one-way), or one of the two of hedge mode."""

    BOTH = 0
    LONG = 1
    SHORT = 2


class MarginCallPolicy(IntEnum):
    """When an account below its maintenance margin is closed out.

    AT_ONCE: the venue liquidates as the mark reaches the liquidation price (Binance).
    NEXT_SETTLEMENT: a margin call is made and has to be met by the next daily settlement (CME).
    """

    AT_ONCE = 1
    NEXT_SETTLEMENT = 2


class LiquidationPriority(IntEnum):
    """Which of a cross account's positions a liquidation closes first; ties by ascending id."""

    #: The smallest profit first.
    HIGHEST_LOSS_FIRST = 1
    #: The smallest (initial margin + profit) / maintenance first; without maintenance last.
    LOWEST_MARGIN_RATIO = 2
    #: The earliest opened first.
    OLDEST_POSITION = 3
    #: The largest value at the mark first.
    LARGEST_POSITION = 4
    #: The highest leverage setting first.
    HIGHEST_LEVERAGE = 5


class DeleveragingMethod(IntEnum):
    """Who is closed against a bankrupt position that the insurance fund cannot take.

    QUEUE: one after another, the highest leverage P&L first (Binance). PRO_RATA: all who keep a profit, in proportion
    to it.
    """

    QUEUE = 1
    PRO_RATA = 2


class DeleveragingRisk(IntEnum):
    """How likely a position is to be deleveraged, from its rank 1-5."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class CommandKind(IntEnum):
    """What a participant can ask."""

    PLACE = 1
    CANCEL = 2
    SET_LEVERAGE = 3
    SET_MARGIN_SCOPE = 4
    TRANSFER = 5
    ADJUST_MARGIN = 6
    SET_HEDGE_MODE = 7
    SET_MULTI_ASSETS = 8
    AMEND = 9
    CANCEL_ALL = 10
    TRANSFER_POSITION = 11
    COUNTDOWN_CANCEL = 12


class MarketEventKind(IntEnum):
    """What the world does. The integer is also the order within one instant (DESIGN §2), with room between."""

    TERMS = 10
    HALT = 18
    BAR_CLOSE = 20
    PHASE = 22
    LIMITS = 24
    LIQUIDITY = 26
    BAR_OPEN = 30
    MARK = 31
    INDEX = 35
    ASSET_INDEX = 32
    FUNDING = 40
    STATUS = 45
    SETTLEMENT = 50


class EventKind(IntEnum):
    """What the exchange says happened."""

    ORDER_ACCEPTED = 1
    ORDER_REJECTED = 2
    ORDER_CANCELLED = 3
    FILL = 4
    FUNDING = 5
    SETTLEMENT = 6
    MARGIN_CALL = 7
    LIQUIDATION = 8
    INSURANCE = 9
    TERMS_CHANGED = 10
    LEVERAGE_SET = 11
    MARGIN_SCOPE_SET = 12
    TRANSFER = 13
    COMMAND_REJECTED = 14
    DELEVERAGED = 15
    MARGIN_ADJUSTED = 16
    HEDGE_MODE_SET = 17
    FUNDING_SETTLED = 18
    STATUS_CHANGED = 19
    DELIVERY = 20
    MULTI_ASSETS_SET = 25
    AUTO_EXCHANGE = 26
    TAKEN_OVER = 33
    PHASE_CHANGED = 40
    LIMITS_CHANGED = 41
    ORDER_TRIGGERED = 42
    ORDER_AMENDED = 43
    ALL_CANCELLED = 44
    COUNTDOWN_SET = 45


class RejectReason(IntEnum):
    """Why the exchange refused, grouped by the stage that refuses: account, instrument, order, risk."""

    NONE = 0
    UNKNOWN_ACCOUNT = 101
    UNKNOWN_INSTRUMENT = 201
    NO_TERMS = 202
    NOT_TRADING = 203
    OPENING_NOT_ALLOWED = 204
    MARKET_CLOSED = 205
    MARKET_ORDER_BEFORE_OPEN = 206
    CANCEL_NOT_ALLOWED = 207
    IMMEDIATE_BEFORE_OPEN = 208
    NO_BOOK = 209
    QTY_NOT_POSITIVE = 301
    QTY_BELOW_MIN = 302
    QTY_ABOVE_MAX = 303
    PRICE_NOT_POSITIVE = 304
    PRICE_OFF_TICK = 305
    MIN_NOTIONAL = 306
    UNKNOWN_ORDER = 307
    BAD_ORDER_KIND = 308
    UNKNOWN_COMMAND = 309
    PRICE_BEYOND_LIMIT = 310
    PRICE_OUTSIDE_BAND = 311
    BAD_TIME_IN_FORCE = 312
    BAD_DISPLAY = 313
    BAD_MINIMUM = 314
    BAD_TRIGGER = 315
    WOULD_TRIGGER = 316
    NO_OPPOSITE = 317
    WOULD_TAKE = 318
    NOT_FILLABLE = 319
    BAD_SELF_TRADE = 320
    NOT_AMENDABLE = 321
    BAD_SIDE = 322
    PRICE_BELOW_MIN = 323
    PRICE_ABOVE_MAX = 324
    PRICE_ABOVE_CAP = 325
    PRICE_BELOW_FLOOR = 326
    TOO_MANY_ORDERS = 327
    TOO_MANY_CONDITIONAL = 328
    OPPOSITE_OUT_OF_RANGE = 329
    BAD_CLOSE_POSITION = 330
    ALREADY_CLOSING = 331
    NO_POSITION = 332
    INSUFFICIENT_MARGIN = 401
    POSITION_LIMIT = 402
    LEVERAGE_ABOVE_BRACKET = 403
    LEVERAGE_NOT_USED = 404
    OPEN_POSITION = 405
    OPEN_ORDERS = 406
    SCOPE_NOT_OFFERED = 407
    BALANCE_TOO_SMALL = 408
    NUMBER_TOO_LARGE = 409
    NO_ISOLATED_POSITION = 410
    WOULD_NOT_REDUCE = 411
    WRONG_POSITION_SIDE = 412
    REDUCE_ONLY_NOT_OFFERED = 413
    HEDGE_MODE_NOT_OFFERED = 414
    NO_CHANGE = 415
    COUNTDOWN_NOT_OFFERED = 416
    AMENDED_TOO_OFTEN = 417
    HOLDING_TOO_SMALL = 418
    MULTI_ASSETS_NOT_OFFERED = 431
    MULTI_ASSETS = 432
    ISOLATED_SCOPE = 433
    UNKNOWN_ASSET = 434
    NO_ASSET_INDEX = 435
    ENTRY_OFF_MARKET = 461


class CancelReason(IntEnum):
    """Why an order left the book without being filled."""

    REQUESTED = 1
    LIQUIDATION = 2
    INSUFFICIENT_MARGIN = 3
    POSITION_LIMIT = 4
    MIN_NOTIONAL = 5
    OFF_TICK_BY_NEW_TERMS = 6
    NUMBER_TOO_LARGE = 7
    DELEVERAGED = 8
    WOULD_NOT_REDUCE = 9
    DELIVERY = 10
    NO_LIQUIDITY = 13
    MARKET_HALTED = 14
    UNFILLED = 15
    MINIMUM_NOT_MET = 16
    SELF_TRADE = 17
    DAY_OVER = 18
    EXPIRED = 19
    WOULD_TAKE = 20
    NOTHING_LEFT = 21
    NO_OPPOSITE = 22
    COUNTDOWN = 23
    BEYOND_TAKE_BOUND = 24
    POSITION_GONE = 25
    WOULD_HALT = 26
    BALANCE_TOO_SMALL = 27
