"""Orders and positions from the trader's side: human units in, commands out, positions kept from the events.

The broker knows an exchange only through `Exchange`: something that takes commands and answers with events. A backtest
gives it the simulated venues, live trading gives it real ones; nothing here asks which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from novation.domain import commands
from novation.domain.commands import Command
from novation.domain.enums import EventKind, OrderKind, PositionSide, Side, TriggerKind, TriggerPrice
from novation.domain.errors import InvalidInput, UnknownInstrument
from novation.domain.events import SHORT_SIDE, Event
from novation.domain.instruments import Instrument, Terms
from novation.domain.units import E8, Number, ceil_steps, floor_steps, to_decimal

#: Sizes and prices beyond this do not fit in the exchange's integers.
_LARGE = 1 << 60


_ACCEPTED, _FILL, _CANCELLED = int(EventKind.ORDER_ACCEPTED), int(EventKind.FILL), int(EventKind.ORDER_CANCELLED)
_DELIVERY, _TRIGGERED = int(EventKind.DELIVERY), int(EventKind.ORDER_TRIGGERED)
#: Kinds of events that `Broker.hear` makes something of.
HEARD_BY_BROKER = frozenset({_ACCEPTED, _FILL, _CANCELLED, _DELIVERY, _TRIGGERED})


class Exchange(Protocol):
    """What a broker needs of the other side."""

    def send(self, venue: str, command: Command) -> list[Event]:
        """Carry out a command; the events that followed."""
        ...

    def money(self, venue: str) -> tuple[int, int, int, int, int]:
        """Wallet, equity, initial, maintenance and available of our account, in minor units."""
        ...

    @property
    def now_ns(self) -> int:
        """The exchange's time."""
        ...


class Line:
    """One traded symbol: the contract behind it now, what we hold of it, and its last price.

    legs, coming: signed lots held, and of market orders that wait for a price; first of the only position or the long
    one, then of the short one of hedge mode.
    """

    __slots__ = ("coming", "index", "instrument", "last", "legs", "symbol", "terms", "venue")

    def __init__(self, symbol: str, venue: str, instrument: Instrument, index: int, terms: Terms) -> None:
        self.symbol, self.venue = symbol, venue
        self.use(instrument, index, terms)
        self.last = 0.0

    def use(self, instrument: Instrument, index: int, terms: Terms) -> None:
        """Point to a contract that we do not hold yet."""
        self.instrument, self.index, self.terms = instrument, index, terms
        self.legs = [0, 0]
        self.coming = [0, 0]

    @property
    def lots(self) -> int:
        """Signed lots held, both positions of hedge mode together."""
        return self.legs[0] + self.legs[1]

    @property
    def waiting(self) -> int:
        """Signed lots of market orders that wait for a price."""
        return self.coming[0] + self.coming[1]

    @property
    def money_scale(self) -> float:
        """Quote currency per lot and 1.00 of price."""
        return self.instrument.lot_e8 * self.instrument.multiplier_e8 / (E8 * E8)


class Working(NamedTuple):
    """An order the exchange has accepted and not finished."""

    venue: str
    order: int  #: the venue's id
    instrument: int
    lots: int  #: signed, those that have not traded yet; 0 of one that closes a position until it is triggered
    market: bool  #: a market order that waits for a price, not for a trigger
    leg: int  #: 1 of the short position of hedge mode, else 0


class Trigger(NamedTuple):
    """What an order waits for before it is an order like any other."""

    kind: TriggerKind
    price_e8: int
    by: TriggerPrice
    closes: bool = False  #: the whole position, with which it ends


def _by(line: Line, by: str) -> TriggerPrice:
    """Which price a trigger is compared with."""
    if by not in ("last", "mark"):
        raise InvalidInput('is "last" or "mark"', source=line.symbol, where="by", value=by)
    return TriggerPrice.MARK if by == "mark" else TriggerPrice.LAST


def _rises(kind: TriggerKind, side: int) -> bool:
    """Whether the price has to rise to a trigger: a stop to buy, a sale if touched."""
    return (side > 0) == (kind == TriggerKind.STOP)


#: Numbers of an order that are prices.
_PRICES = ("price", "stop", "if_touched", "take_profit")


def _number(value: Number, line: Line, what: str) -> Decimal:
    """A number of an order, or an error that says whose."""
    try:
        return to_decimal(line.instrument.read_price(value) if what in _PRICES else value)
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error.problem}", source=line.symbol, value=value) from None


def _sign(line: Line, side: str) -> int:
    """1 of a buy, -1 of a sell."""
    if side not in ("buy", "sell"):
        raise InvalidInput('side is "buy" or "sell"', source=line.symbol, value=side)
    return 1 if side == "buy" else -1


class Broker:
    """One trader's account at one or more venues.

    hedge: the account holds a long and a short position of each symbol, and every order names one of them.
    """

    def __init__(self, exchange: Exchange, *, account: int = 0, hedge: bool = False) -> None:
        self._exchange = exchange
        self._account = account
        self.hedge = hedge
        self._lines: dict[str, Line] = {}
        self._aliases: dict[str, str] = {}
        self._by_instrument: dict[str, dict[int, Line]] = {}
        self._held: dict[tuple[str, int, int], int] = {}  # by venue, instrument and leg
        self._venues: list[str] = []
        self.decimals: dict[str, int] = {}
        self._working: dict[int, Working] = {}
        self._ids: dict[tuple[str, int], int] = {}
        self.rounded: Counter[str] = Counter()  #: what was rounded, how often
        self.unheard: list[tuple[str, Event]] = []  #: events of our own commands, for the driver to pass on
        self.paused = False  #: own limits forbid new risk

    # -- set up ---------------------------------------------------------------------------------------------------

    def add_venue(self, name: str, decimals: int) -> None:
        """A venue we have an account at; decimals of its settlement asset."""
        self._venues.append(name)
        self._by_instrument[name] = {}
        self.decimals[name] = decimals

    def add(self, line: Line, aliases: tuple[str, ...] = ()) -> None:
        """Trade a symbol, under these other names too."""
        self._lines[line.symbol] = line
        self._by_instrument[line.venue][line.index] = line
        for alias in (line.symbol, *aliases):
            self._aliases[alias] = line.symbol

    def line(self, symbol: str) -> Line:
        """The line of a symbol, by any of its names."""
        name = self._aliases.get(symbol)
        if name is None:
            raise UnknownInstrument.not_traded(symbol, self._lines)
        return self._lines[name]

    def lines_at(self, venue: str) -> Mapping[int, Line]:
        """The lines of a venue by the instrument each of them points to now; kept up to date."""
        return self._by_instrument[venue]

    def point(self, line: Line, instrument: Instrument, index: int, terms: Terms) -> None:
        """Let a rolled symbol point to its next contract."""
        self._by_instrument[line.venue].pop(line.index, None)
        line.use(instrument, index, terms)
        line.legs = [self._held.get((line.venue, index, leg), 0) for leg in (0, 1)]
        self._by_instrument[line.venue][index] = line

    @property
    def symbols(self) -> tuple[str, ...]:
        """Public ids of what is traded."""
        return tuple(self._lines)

    # -- looking --------------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """The exchange's time."""
        return self._exchange.now_ns

    def position(self, symbol: str, *, position_side: str | None = None) -> float:
        """Signed quantity held; in hedge mode of one position, or without its name of both together."""
        line = self.line(symbol)
        if position_side is None:
            return line.instrument.qty(line.lots)
        return line.instrument.qty(line.legs[self._leg(line, position_side)])

    def _leg(self, line: Line, position_side: str | None) -> int:
        """0 of the only or the long position, 1 of the short one; refuses a name that cannot be meant."""
        if not self.hedge:
            if position_side is None:
                return 0
            raise InvalidInput(
                "names a position of hedge mode, but the account holds one position a symbol",
                source=line.symbol,
                where="position_side",
                value=position_side,
                hint="Set Backtest(..., hedge=True).",
            )
        if position_side not in ("long", "short"):
            raise InvalidInput(
                'the account is in hedge mode: name the position, "long" or "short"',
                source=line.symbol,
                where="position_side",
                value=position_side,
            )
        return int(position_side == "short")

    def _named(self, leg: int) -> PositionSide:
        """A position as commands name it."""
        if not self.hedge:
            return PositionSide.BOTH
        return PositionSide.SHORT if leg else PositionSide.LONG

    @property
    def account(self) -> int:
        """Our account's number at the venues."""
        return self._account

    def held(self, venue: str, instrument: int) -> int:
        """Signed lots held of an instrument, both positions of hedge mode together."""
        return sum(self._held.get((venue, instrument, leg), 0) for leg in (0, 1))

    def price(self, symbol: str) -> float:
        """Last price seen, 0 before the first bar."""
        return self.line(symbol).last

    def equity(self, symbol: str | None = None) -> float:
        """Equity of the account at the venue of `symbol`."""
        if symbol is None:
            if len(self._venues) != 1:
                raise InvalidInput("there are several accounts", source="equity", hint="Name a symbol: equity(symbol).")
            venue = self._venues[0]
        else:
            venue = self.line(symbol).venue
        return float(self._exchange.money(venue)[1] / 10 ** self.decimals[venue])

    def round_price(self, symbol: str, price: Number, side: str) -> float:
        """A price on the tick in force, passively."""
        line = self.line(symbol)
        sign = _sign(line, side)
        return line.instrument.price(self._passive(line, _number(price, line, "price"), sign))

    def round_qty(self, symbol: str, qty: Number) -> float:
        """A size in whole lots, towards zero."""
        line = self.line(symbol)
        size = _number(qty, line, "qty")
        lots = floor_steps(abs(size), line.instrument.lot_e8)
        return line.instrument.qty(lots if size >= 0 else -lots)

    def _passive(self, line: Line, price: Number, side: int) -> int:
        step = line.instrument.tick_e8 * line.terms.tick_step
        steps = floor_steps(price, step) if side > 0 else ceil_steps(price, step)
        return steps * line.terms.tick_step

    # -- acting ---------------------------------------------------------------------------------------------------

    def order(
        self,
        symbol: str,
        side: int,
        qty: Number,
        price: Number | None,
        *,
        stop: Number | None = None,
        if_touched: Number | None = None,
        by: str = "last",
        reduce_only: bool = False,
        position_side: str | None = None,
    ) -> int | None:
        """A helper's order: rounds passively and down, and counts."""
        line = self.line(symbol)
        leg = self._leg(line, position_side)
        size = _number(qty, line, "qty")
        lots = floor_steps(size, line.instrument.lot_e8)
        if lots * line.instrument.lot_e8 != size * E8:
            self.rounded["qty"] += 1
        if lots <= 0:
            if size <= 0:
                raise InvalidInput(
                    "qty must be positive",
                    source=symbol,
                    value=str(qty),
                    hint="Sell with self.sell, or use self.target with a signed position.",
                )
            self.rounded["qty to zero"] += 1
            return None
        ticks = 0
        if price is not None:
            exact = _number(price, line, "price")
            ticks = self._passive(line, exact, side)
            if ticks * line.instrument.tick_e8 != exact * E8:
                self.rounded["price"] += 1
        trigger = self._trigger(line, side, stop, if_touched, by, exact=False)
        return self._send(line, leg, side, lots, ticks, price is not None, reduce_only, trigger)

    def place(
        self,
        symbol: str,
        side: Literal["buy", "sell"],
        qty: Number,
        price: Number | None,
        *,
        stop: Number | None = None,
        if_touched: Number | None = None,
        by: str = "last",
        reduce_only: bool = False,
        position_side: str | None = None,
    ) -> int | None:
        """Exactly this order, or OffGrid."""
        line = self.line(symbol)
        leg = self._leg(line, position_side)
        sign = _sign(line, side)
        lots = line.instrument.lots(_number(qty, line, "qty"))
        ticks = 0 if price is None else line.instrument.ticks(_number(price, line, "price"), line.terms)
        trigger = self._trigger(line, sign, stop, if_touched, by, exact=True)
        return self._send(line, leg, sign, lots, ticks, price is not None, reduce_only, trigger)

    def close_at(
        self,
        symbol: str,
        *,
        stop: Number | None = None,
        take_profit: Number | None = None,
        by: str = "last",
        position_side: str | None = None,
    ) -> tuple[int | None, int | None]:
        """Close the whole position at the market once a price is reached; the ids of stop and take-profit order."""
        line = self.line(symbol)
        leg = self._leg(line, position_side)
        if stop is None and take_profit is None:
            raise InvalidInput("give stop, take_profit or both", source=symbol, where="close_at")
        side = -1 if (line.legs[leg] > 0 if line.legs[leg] else leg == 0) else 1
        triggers = (
            self._trigger(line, side, stop, None, by, exact=False),
            self._trigger(line, side, None, take_profit, by, exact=False, what="take_profit"),
        )
        first, second = (
            None if each is None else self._send(line, leg, side, 0, 0, False, False, each._replace(closes=True))
            for each in triggers
        )
        return first, second

    def _trigger(
        self,
        line: Line,
        side: int,
        stop: Number | None,
        if_touched: Number | None,
        by: str,
        *,
        exact: bool,
        what: str = "if_touched",
    ) -> Trigger | None:
        """What an order waits for; a price off the tick in force is refused, or moved to where it is reached later."""
        looked_at = _by(line, by)
        if stop is None and if_touched is None:
            if looked_at != TriggerPrice.LAST:
                raise InvalidInput("goes with stop or if_touched", source=line.symbol, where="by", value=by)
            return None
        if stop is not None and if_touched is not None:
            raise InvalidInput("an order waits for one price: give stop or if_touched", source=line.symbol)
        kind = TriggerKind.TAKE_PROFIT if stop is None else TriggerKind.STOP
        given = if_touched if stop is None else stop
        assert given is not None
        price = _number(given, line, what if stop is None else "stop")
        if exact:
            ticks = line.instrument.ticks(price, line.terms)
        else:
            ticks = self._passive(line, price, -1 if _rises(kind, side) else 1)
            if ticks * line.instrument.tick_e8 != price * E8:
                self.rounded["trigger"] += 1
        if abs(ticks) >= _LARGE // line.instrument.tick_e8:
            raise InvalidInput("a trigger is larger than any exchange counts", source=line.symbol)
        return Trigger(kind, ticks * line.instrument.tick_e8, looked_at)

    def adjust_margin(self, symbol: str, amount: Number, *, position_side: str | None = None) -> bool:
        """Move money between the wallet and an isolated margin, cut to minor units; False if it was refused."""
        line = self.line(symbol)
        named = self._named(self._leg(line, position_side))
        minor = int(_number(amount, line, "amount").scaleb(self.decimals[line.venue]))
        if abs(minor) >= _LARGE:
            raise InvalidInput("amount is larger than any exchange counts", source=line.symbol)
        command = commands.adjust_margin(self._account, line.index, minor, position_side=named)
        events = self._exchange.send(line.venue, command)
        self.unheard += [(line.venue, event) for event in events]
        return any(event.kind == EventKind.MARGIN_ADJUSTED for event in events)

    def target(
        self,
        symbol: str,
        *,
        qty: Number | None = None,
        notional: Number | None = None,
        weight: Number | None = None,
        position_side: str | None = None,
    ) -> int | None:
        """Trade the difference to a signed position."""
        line = self.line(symbol)
        leg = self._leg(line, position_side)
        given = [
            name for name, value in (("qty", qty), ("notional", notional), ("weight", weight)) if value is not None
        ]
        if len(given) != 1:
            raise InvalidInput("give one of qty, notional, weight", source=symbol, value=", ".join(given) or None)
        if qty is not None:
            goal = _number(qty, line, "qty")
        else:
            if notional is not None:
                money = _number(notional, line, "notional")
            else:
                assert weight is not None
                money = _number(weight, line, "weight") * Decimal(repr(self.equity(symbol)))
            if line.last <= 0:
                raise InvalidInput(
                    "no price yet to size by",
                    source=symbol,
                    hint="Size by notional or weight after the first bar, or give qty.",
                )
            unit = to_decimal(line.last) * line.instrument.multiplier_e8 / E8
            goal = money / unit
        lots = floor_steps(abs(goal), line.instrument.lot_e8)
        if lots * line.instrument.lot_e8 != abs(goal) * E8:
            self.rounded["qty"] += 1
        wanted = lots if goal >= 0 else -lots
        if self.hedge and wanted * (-1 if leg else 1) < 0:
            raise InvalidInput(
                "a long position is at least 0, a short one at most 0",
                source=symbol,
                where=f"target of the {position_side} position",
                value=f"{goal:f}",
            )
        difference = wanted - line.legs[leg] - line.coming[leg]
        if difference == 0:
            return None
        return self._send(line, leg, 1 if difference > 0 else -1, abs(difference), 0, False)

    def _send(
        self,
        line: Line,
        leg: int,
        side: int,
        lots: int,
        ticks: int,
        is_limit: bool,
        reduce_only: bool = False,
        trigger: Trigger | None = None,
    ) -> int | None:
        held = line.legs[leg] + line.coming[leg]
        if self.paused and abs(held + side * lots) > abs(held):
            self.rounded["held back by own limits"] += 1
            return None
        if max(lots, abs(ticks)) >= _LARGE:
            raise InvalidInput("qty or price is larger than any exchange counts", source=line.symbol)
        where, sign, named = (self._account, line.index), Side.BUY if side > 0 else Side.SELL, self._named(leg)
        if trigger is not None:
            command = commands.place(
                *where,
                sign,
                OrderKind.LIMIT if is_limit else OrderKind.MARKET,
                lots,
                price_ticks=ticks,
                reduce_only=int(reduce_only),
                position_side=named,
                trigger=trigger.kind,
                trigger_e8=trigger.price_e8,
                trigger_by=trigger.by,
                close_position=int(trigger.closes),
            )
        elif is_limit:
            command = commands.place_limit(*where, sign, lots, ticks, reduce_only=reduce_only, position_side=named)
        else:
            command = commands.place_market(*where, sign, lots, reduce_only=reduce_only, position_side=named)
        return self.send(line.venue, command)

    def send(self, venue: str, command: Command) -> int | None:
        """Send a command to a venue; the id of a new order, None if it was refused or none."""
        placed = None
        for event in self._exchange.send(venue, command):
            self.hear(venue, event)
            self.unheard.append((venue, event))
            if event.kind == _ACCEPTED:
                placed = self._ids[venue, event.order]
        return placed

    def id_of(self, venue: str, order: int) -> int:
        """Our id of a venue's order, as `order` and `place` gave it; 0 for an order that is not ours."""
        return self._ids.get((venue, order), 0)

    def cancel(self, order: int, *, hold: bool = False) -> bool:
        """Take an order out; False when it was not working. hold: in every phase of the market."""
        if order not in self._working:
            return False
        working = self._working[order]
        self.send(working.venue, commands.cancel(self._account, working.order, hold=hold))
        return order not in self._working

    def cancel_contract(self, venue: str, instrument: int) -> None:
        """Take out every order in a contract, whatever the phase of its market."""
        for order, working in list(self._working.items()):
            if working.venue == venue and working.instrument == instrument:
                self.cancel(order, hold=True)

    def close_all(self) -> None:
        """Cancel every order and close every position at the market, or when it opens."""
        for order in list(self._working):
            self.cancel(order, hold=True)
        for (venue, instrument, leg), lots in list(self._held.items()):
            if lots:
                self.trade(venue, instrument, -lots, position_side=self._named(leg))

    def trade(self, venue: str, instrument: int, lots: int, *, position_side: int = 0, after: int = 0) -> int:
        """Trade signed lots of a contract at the market, or when it opens, and not before another order is gone.

        Returns the venue's id of the order if it still works, else 0.
        """
        side = Side.BUY if lots > 0 else Side.SELL
        command = commands.place_market(
            self._account, instrument, side, abs(lots), position_side=position_side, hold=True, after=after
        )
        placed = self.send(venue, command)
        return self._working[placed].order if placed in self._working else 0

    # -- hearing --------------------------------------------------------------------------------------------------

    def hear(self, venue: str, event: Event) -> None:
        """Take in what the exchange says happened."""
        kind = event.kind
        if event.account != self._account:
            return
        if kind == _ACCEPTED:
            identity = len(self._ids) + 1
            self._ids[venue, event.order] = identity
            leg = int(event.flags & SHORT_SIDE > 0)
            is_market = event.price_ticks == 0 and event.price_e8 == 0  # which is the trigger of one that has one
            working = Working(venue, event.order, event.instrument, event.lots, is_market, leg)
            self._working[identity] = working
            self._wait(working, 1)
        elif kind == _TRIGGERED:
            self._change(venue, event.order, lots=event.lots, market=event.price_ticks == 0)
        elif kind in (_FILL, _DELIVERY):
            leg = int(event.flags & SHORT_SIDE > 0)
            self._held[venue, event.instrument, leg] = event.position_lots
            line = self._by_instrument[venue].get(event.instrument)
            if line is not None:
                line.legs[leg] = event.position_lots
            self._traded(venue, event)
        elif kind == _CANCELLED:
            self._done(venue, event.order)

    def _wait(self, working: Working, direction: int) -> None:
        line = self._by_instrument[working.venue].get(working.instrument)
        if line is not None and working.market:
            line.coming[working.leg] += direction * working.lots

    def _traded(self, venue: str, event: Event) -> None:
        """Lots of an order have traded; it works on while there are others."""
        working = self._working.get(self.id_of(venue, event.order))
        if working is not None and working.lots == event.lots:
            self._done(venue, event.order)
        elif working is not None:
            self._change(venue, event.order, lots=working.lots - event.lots, market=working.market)

    def _change(self, venue: str, order: int, *, lots: int, market: bool) -> None:
        """A working order is another one from now on: triggered, or filled in part."""
        identity = self.id_of(venue, order)
        before = self._working.get(identity)
        if before is not None:
            self._wait(before, -1)
            self._working[identity] = before._replace(lots=lots, market=market)
            self._wait(self._working[identity], 1)

    def _done(self, venue: str, order: int) -> None:
        identity = self._ids.get((venue, order))
        working = self._working.pop(identity, None) if identity else None
        if working is not None:
            self._wait(working, -1)
