"""A trading idea: what to do when something happens.

Define the callbacks you need; nothing is built for the others. Class attributes are parameters: `Carry(threshold=2)`
sets one, and so do `params` of a configuration.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal

from novation.domain.errors import ConfigError, VenueError
from novation.domain.units import Number
from novation.trading.views import (
    Bar,
    Fill,
    FundingPayment,
    Liquidation,
    MarginCall,
    SettlementPayment,
    to_datetime,
)

if TYPE_CHECKING:
    from novation.trading.broker import Broker

#: The two positions of a symbol in hedge mode.
PositionName = Literal["long", "short"]
#: Which price a trigger is compared with.
PriceName = Literal["last", "mark"]


class Strategy:
    """Base class of strategies.

    Sizes: orders take a positive `qty`, positions and targets are signed. `buy`, `sell` and `target` round prices
    passively (a buy down, a sell up) and sizes towards zero, and the result counts how often; `place` refuses what is
    off the grid. What the exchange refuses is in `result.refusals`; these methods then return None.

    In hedge mode (`Backtest(..., hedge=True)`) a symbol has a long and a short position, and each order names one:
    `buy(symbol, 1, position_side="long")` opens or adds, `sell(symbol, 1, position_side="long")` reduces, never beyond
    what there is; a short is sold to open and bought to reduce. `position(symbol)` is then both together, the long less
    the short.

    An order may wait for a price: a `stop` buys above the market or sells below it, `if_touched` buys below or sells
    above. `close_at` puts both behind a position. On bars they are filled at their price, or at the open of a bar that
    opens beyond it (docs/rules/fills.md).
    """

    def __init__(self, **params: Any) -> None:
        self._broker: Broker | None = None
        for name, value in params.items():
            if not hasattr(type(self), name) or callable(getattr(type(self), name)):
                known = ", ".join(sorted(self.parameters())) or "none"
                raise ConfigError(
                    "is no parameter of the strategy",
                    source=type(self).__name__,
                    where=name,
                    hint=f"Known: {known}.",
                )
            setattr(self, name, value)

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """The class attributes that can be set, with their defaults."""
        return {
            name: getattr(cls, name)
            for base in reversed(cls.__mro__)
            if base is not object
            for name in vars(base)
            if not name.startswith("_")
            and not callable(getattr(cls, name))
            and not isinstance(vars(base)[name], property | classmethod | staticmethod)
        }

    # -- callbacks ------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Before the first bar."""

    def on_bar(self, bar: Bar) -> None:
        """At a bar's close, with that bar; orders sent from here meet the next bar's open."""

    def on_fill(self, fill: Fill) -> None:
        """After a trade of ours."""

    def on_funding(self, payment: FundingPayment) -> None:
        """After a funding stamp of a perpetual we trade, whether or not we hold it."""

    def on_settlement(self, settlement: SettlementPayment) -> None:
        """After a day's variation margin was paid."""

    def on_margin_call(self, call: MarginCall) -> None:
        """Equity has come near maintenance."""

    def on_liquidation(self, liquidation: Liquidation) -> None:
        """The exchange closed a position of ours."""

    def on_stop(self) -> None:
        """After the last bar."""

    # -- acting ---------------------------------------------------------------------------------------------------

    @property
    def broker(self) -> Broker:
        """What the strategy trades through."""
        if self._broker is None:
            raise VenueError("the strategy is not running: hand it to Backtest first")
        return self._broker

    def buy(
        self,
        symbol: str,
        qty: Number,
        price: Number | None = None,
        *,
        stop: Number | None = None,
        if_touched: Number | None = None,
        by: PriceName = "last",
        reduce_only: bool = False,
        position_side: PositionName | None = None,
    ) -> int | None:
        """Buy at the market, or at `price` or better. Returns the order's id, None if it was refused.

        stop: not before the price has risen to it. if_touched: not before it has fallen to it. by: "last" or "mark",
        the price that is looked at. A trigger off the tick is moved to the tick at which it is reached later.
        reduce_only: refused where it would open a position, and cancelled if it would by the time it trades.
        position_side: in hedge mode, and only there: of which position.
        """
        waits = {"stop": stop, "if_touched": if_touched}
        return self.broker.order(
            symbol, 1, qty, price, **waits, by=by, reduce_only=reduce_only, position_side=position_side
        )

    def sell(
        self,
        symbol: str,
        qty: Number,
        price: Number | None = None,
        *,
        stop: Number | None = None,
        if_touched: Number | None = None,
        by: PriceName = "last",
        reduce_only: bool = False,
        position_side: PositionName | None = None,
    ) -> int | None:
        """Sell at the market, or at `price` or better; as `buy`, with `stop` below the price and `if_touched` above."""
        waits = {"stop": stop, "if_touched": if_touched}
        return self.broker.order(
            symbol, -1, qty, price, **waits, by=by, reduce_only=reduce_only, position_side=position_side
        )

    def close_at(
        self,
        symbol: str,
        *,
        stop: Number | None = None,
        take_profit: Number | None = None,
        by: PriceName = "last",
        position_side: PositionName | None = None,
    ) -> tuple[int | None, int | None]:
        """Close the whole position, whatever its size by then, once the price reaches one of these.

        Both end with the position, so that one is gone as the other is filled. Returns their ids; None of one that was
        not asked for or was refused: a position has one of each at a time, so `cancel` it before it is moved. A roll to
        the next contract cancels them, as it does every order.
        """
        return self.broker.close_at(symbol, stop=stop, take_profit=take_profit, by=by, position_side=position_side)

    def target(
        self,
        symbol: str,
        qty: Number | None = None,
        *,
        notional: Number | None = None,
        weight: Number | None = None,
        position_side: PositionName | None = None,
    ) -> int | None:
        """Trade to a signed position: of `qty`, of `notional` in quote currency, or of `weight` times the equity.

        Market orders still waiting for a price count as done. In hedge mode the target is of the position named, and of
        its sign: a short one's is at most 0. Returns the order's id, None when nothing is to be traded.
        """
        return self.broker.target(symbol, qty=qty, notional=notional, weight=weight, position_side=position_side)

    def place(
        self,
        symbol: str,
        side: Literal["buy", "sell"],
        qty: Number,
        price: Number | None = None,
        *,
        stop: Number | None = None,
        if_touched: Number | None = None,
        by: PriceName = "last",
        reduce_only: bool = False,
        position_side: PositionName | None = None,
    ) -> int | None:
        """Exactly this order; raises OffGrid for a price or trigger between ticks or a size between lots."""
        waits = {"stop": stop, "if_touched": if_touched}
        return self.broker.place(
            symbol, side, qty, price, **waits, by=by, reduce_only=reduce_only, position_side=position_side
        )

    def adjust_margin(self, symbol: str, amount: Number, *, position_side: PositionName | None = None) -> bool:
        """Move money into the margin of an isolated position, or (negative) out of it; False if it was refused."""
        return self.broker.adjust_margin(symbol, amount, position_side=position_side)

    def cancel(self, order: int) -> bool:
        """Take an order out; False when it was not working any more."""
        return self.broker.cancel(order)

    # -- looking --------------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """The exchange's time, ns UTC."""
        return self.broker.now_ns

    @property
    def now(self) -> dt.datetime:
        """The exchange's time as an aware datetime."""
        return to_datetime(self.broker.now_ns)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Public ids of what is traded."""
        return self.broker.symbols

    def position(self, symbol: str, *, position_side: PositionName | None = None) -> float:
        """Signed quantity held; in hedge mode of the position named, or without a name of both together."""
        return self.broker.position(symbol, position_side=position_side)

    def price(self, symbol: str) -> float:
        """Close of the symbol's last bar."""
        return self.broker.price(symbol)

    def equity(self, symbol: str | None = None) -> float:
        """Equity of the account that trades `symbol`; without one, of the only account."""
        return self.broker.equity(symbol)

    def round_price(self, symbol: str, price: Number, side: Literal["buy", "sell"]) -> float:
        """A price on the tick in force, passively: down for a buy, up for a sell."""
        return self.broker.round_price(symbol, price, side)

    def round_qty(self, symbol: str, qty: Number) -> float:
        """A size in whole lots, towards zero."""
        return self.broker.round_qty(symbol, qty)
