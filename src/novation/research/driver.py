"""The loop of a backtest: let the exchange move to the next instant, tell the strategy, carry out what it sends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, repeat
from types import MappingProxyType
from typing import Any

import numpy as np

from novation.data.series import Bars
from novation.domain.commands import Command
from novation.domain.enums import EventKind, MarketEventKind
from novation.domain.events import EVENT_FORMAT, LIQUIDATED, LONG_SIDE, MAKER, SHORT_SIDE, Event
from novation.domain.units import E8
from novation.trading import views
from novation.trading.broker import HEARD_BY_BROKER, Broker, Line
from novation.trading.limits import DrawdownGuard
from novation.trading.rollover import Rollover
from novation.trading.strategy import Strategy
from novation.venues.markets import Markets
from novation.venues.venue import Venue

_TERMS_CHANGED, _FUNDING = int(EventKind.TERMS_CHANGED), int(EventKind.FUNDING)
_KIND = Event.__struct_fields__.index("kind")
_NO_EXTRA: Mapping[str, Any] = MappingProxyType({})
#: Bars converted at once: few enough to stay in the cache, many enough for NumPy.
_BLOCK = 1024
#: Progress is told every so many bars.
_PROGRESS_BARS = 500


class SimulatedExchange:
    """`trading.broker.Exchange` over simulated venues."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets

    @property
    def now_ns(self) -> int:
        """The exchange's time."""
        return self._markets.clock_ns

    def send(self, venue: str, command: Command) -> list[Event]:
        """Carry out a command at the present instant."""
        return self._markets.submit(venue, command)

    def money(self, venue: str) -> tuple[int, int, int, int, int]:
        """Wallet, equity, initial, maintenance and available of account 0."""
        return self._markets.by_name[venue].money(0)


class _BarMaker:
    """Turns bar numbers of one instrument into `Bar`s. Numbers ascend by one, so whole blocks are converted ahead."""

    __slots__ = ("_bars", "ahead", "contract", "number", "symbol")

    def __init__(self, symbol: str, contract: str, bars: Bars) -> None:
        self.symbol, self.contract = symbol, contract
        self._bars = bars
        self.seek(0)

    def seek(self, number: int) -> None:
        """Let `ahead` go on with bar `number`."""
        self.number = number
        self.ahead: Iterator[views.Bar] = chain.from_iterable(self._blocks(number))

    def _blocks(self, number: int) -> Iterator[Iterator[views.Bar]]:
        bars = self._bars
        for first in range(number, len(bars), _BLOCK):
            block = slice(first, first + _BLOCK)
            given = bars.mark_close_e8[block] != 0
            prices = [getattr(bars, f"{name}_e8")[block] for name in ("open", "high", "low", "close")]
            marks = [getattr(bars, f"mark_{name}_e8")[block] for name in ("open", "high", "low", "close")]
            marks = [np.where(given, mark, price) for mark, price in zip(marks, prices, strict=True)]
            extra: Iterable[Mapping[str, Any]] = repeat(_NO_EXTRA)
            if bars.extra:
                rows: list[dict[str, Any]] = [{} for _ in range(len(given))]
                extra = rows
                for name, column in bars.extra.items():
                    for row, value in zip(rows, column[block], strict=True):
                        row[name] = value
            yield map(
                views.Bar,
                repeat(self.symbol),
                repeat(self.contract),
                bars.start_ns[block].tolist(),
                bars.end_ns[block].tolist(),
                *((column / E8).tolist() for column in (*prices, *marks)),
                extra,
            )


class _VenueSide:
    """One venue as the loop sees it: its feed by row, its bars, its settlement currency."""

    def __init__(self, venue: Venue, symbols: list[str], bars: list[Bars], lines: Mapping[int, Line]) -> None:
        self.venue, self.name, self.lines = venue, venue.rules.name, lines
        feed = venue.table("feed")
        self.instrument = memoryview(np.ascontiguousarray(feed["instrument"]))  # type: ignore[arg-type]
        self.bar_number = memoryview(np.ascontiguousarray(feed["bar"]))  # type: ignore[arg-type]
        self.funding_rows = deque(np.flatnonzero(feed["kind"] == MarketEventKind.FUNDING).tolist())
        self.closed = range(0)  # rows of the feed, of this instant
        self.bars: list[views.Bar] = []  # of this instant
        self.funded: dict[int, tuple[int, int]] = {}  # instrument -> lots and amount of this instant's payment
        self.makers = [
            _BarMaker(symbol, instrument.id, b)
            for symbol, instrument, b in zip(symbols, venue.instruments, bars, strict=True)
        ]


class Driver:
    """Runs one strategy against venues whose feeds are attached."""

    def __init__(
        self,
        strategy: Strategy,
        broker: Broker,
        markets: Markets,
        sides: list[tuple[Venue, list[str], list[Bars]]],
        rollover: Rollover,
        *,
        guards: dict[str, DrawdownGuard] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.strategy, self.broker, self.markets, self.rollover = strategy, broker, markets, rollover
        self.sides = [_VenueSide(*side, broker.lines_at(side[0].rules.name)) for side in sides]
        self.guards = guards or {}
        self.progress = progress
        self._after_bars = bool(self.guards) or progress is not None
        kind = type(strategy)
        self._callbacks: dict[int, Callable[[Any, Event], None]] = {}
        for event_kind, name, tell in (
            (EventKind.FILL, "on_fill", self._tell_fill),
            (EventKind.SETTLEMENT, "on_settlement", self._tell_settlement),
            (EventKind.MARGIN_CALL, "on_margin_call", self._tell_margin_call),
            (EventKind.LIQUIDATION, "on_liquidation", self._tell_liquidation),
        ):
            if getattr(kind, name) is not getattr(Strategy, name):
                self._callbacks[int(event_kind)] = tell
        #: Kinds of events that somebody listens to: no object is made of the others.
        self._heard = frozenset({*self._callbacks, *HEARD_BY_BROKER, _TERMS_CHANGED})
        self._on_bar = strategy.on_bar if kind.on_bar is not Strategy.on_bar else None
        self._on_funding = strategy.on_funding if kind.on_funding is not Strategy.on_funding else None
        if self._on_funding is not None:
            self._heard |= {_FUNDING}
            for side in self.sides:
                side.venue.stop_at_every_instant()
        self.bars = 0
        self._seen, self._told = 0, 0
        self._total = sum(len(bars) for _, _, held in sides for bars in held)

    def run(self) -> None:
        """From `on_start` to `on_stop`."""
        self.strategy._broker = self.broker
        try:
            self._run(self.strategy)
        finally:
            self.strategy._broker = None

    def _run(self, strategy: Strategy) -> None:
        strategy.on_start()
        self._tell_own()
        markets, rollover = self.markets, self.rollover
        end_ns = markets.end_ns
        by_venue = {id(side.venue): side for side in self.sides}
        only = self.sides[0] if len(self.sides) == 1 else None
        listen, look = self._listen, self._look
        while True:
            roll_ns = rollover.next_ns
            until_ns = end_ns if roll_ns is None else min(end_ns, roll_ns - 1)
            if only is not None:
                step = only.venue.step
                while step(until_ns):
                    look(only, listen(only))
            else:
                while moved := markets.step(until_ns):
                    # the broker takes in what happened everywhere before any callback acts on it
                    heard = [(side, listen(side)) for side in (by_venue[id(venue)] for venue in moved)]
                    for side, events in heard:
                        look(side, events)
            if roll_ns is None or roll_ns > end_ns:
                break
            rollover.carry_out(roll_ns)
            self._tell_own()
        if self.progress is not None:
            self.progress(self._total, self._total)
        strategy.on_stop()
        self._tell_own()

    def _listen(self, side: _VenueSide) -> list[Event]:
        """Take in the events and the last prices of one venue's instant."""
        venue = side.venue
        events = self._take_in(side, venue.drain()) if venue.eventful else []
        closed = side.closed = venue.closed_rows
        bars = side.bars = []
        for row in closed:
            instrument = side.instrument[row]
            line = side.lines.get(instrument)
            if line is not None:
                maker, number = side.makers[instrument], side.bar_number[row]
                if maker.number != number:
                    maker.seek(number)
                maker.number = number + 1
                bar = next(maker.ahead)
                line.last = bar.close  # known to every callback of this instant
                bars.append(bar)
        self.bars += len(bars)
        return events

    def _take_in(self, side: _VenueSide, chunks: list[bytes]) -> list[Event]:
        events = []
        for row in chain.from_iterable(map(EVENT_FORMAT.iter_unpack, chunks)):
            if row[_KIND] not in self._heard:
                continue
            event = Event(*row)
            events.append(event)
            self.broker.hear(side.name, event)
            if event.kind == _TERMS_CHANGED:
                self._new_terms(side, event)
            elif event.kind == _FUNDING:
                lots, amount = side.funded.get(event.instrument, (0, 0))  # of the other position in hedge mode
                side.funded[event.instrument] = (lots + event.lots, amount + event.amount)
        return events

    def _look(self, side: _VenueSide, events: list[Event]) -> None:
        """What the strategy makes of one instant of one venue."""
        on_bar, unheard = self._on_bar, self.broker.unheard
        for event in events:
            tell = self._callbacks.get(event.kind)
            if tell is not None:
                tell(side, event)
                if unheard:
                    self._tell_own()
        if self._on_funding is not None:
            self._tell_funding(side)
        if on_bar is not None:
            for bar in side.bars:
                on_bar(bar)
                if unheard:
                    self._tell_own()
        if self._after_bars and side.closed:
            self._finish_instant(side)

    def _finish_instant(self, side: _VenueSide) -> None:
        """What follows the bars of an instant: own limits, and word of the progress."""
        if self.guards:
            self._guard(side)
        if self.progress is not None:
            self._seen += len(side.closed)
            if self._seen - self._told >= _PROGRESS_BARS:
                self._told = self._seen
                self.progress(self._seen, self._total)

    def _guard(self, side: _VenueSide) -> None:
        guard = self.guards.get(side.name)
        if guard is not None:
            equity = side.venue.money(0)[1]
            if guard.breach(side.venue.clock_ns, equity):
                self.broker.paused = True
                self.broker.close_all()
                self._tell_own()

    # -- telling --------------------------------------------------------------------------------------------------

    def _tell_own(self) -> None:
        """Pass on the events of our own commands; a callback may cause more."""
        waiting = self.broker.unheard
        while waiting:
            name, event = waiting.pop(0)
            tell = self._callbacks.get(event.kind)
            if tell is not None:
                tell(next(side for side in self.sides if side.name == name), event)

    def _new_terms(self, side: _VenueSide, event: Event) -> None:
        line = side.lines.get(event.instrument)
        if line is not None:
            first = side.venue.first_terms[event.instrument]
            line.terms = side.venue.terms[event.instrument][event.amount - first]

    def _about(self, side: _VenueSide, event: Event) -> tuple[str, str, str, float]:
        if event.instrument < 0:
            return "", "", side.venue.rules.asset, 10.0 ** self.broker.decimals[side.name]
        maker = side.makers[event.instrument]
        return maker.symbol, maker.contract, side.venue.rules.asset, 10.0 ** self.broker.decimals[side.name]

    def _tell_fill(self, side: _VenueSide, event: Event) -> None:
        symbol, contract, currency, scale = self._about(side, event)
        instrument = side.venue.instruments[event.instrument]
        self.strategy.on_fill(
            views.Fill(
                symbol,
                event.ts_ns,
                contract,
                self.broker.id_of(side.name, event.order),
                "buy" if event.lots > 0 else "sell",
                instrument.qty(abs(event.lots)),
                instrument.price(event.price_ticks),
                event.fee / scale,
                event.amount / scale,
                currency,
                bool(event.flags & MAKER),
                bool(event.flags & LIQUIDATED),
                _position_side(event),
            )
        )

    def _tell_settlement(self, side: _VenueSide, event: Event) -> None:
        symbol, contract, currency, scale = self._about(side, event)
        instrument = side.venue.instruments[event.instrument]
        self.strategy.on_settlement(
            views.SettlementPayment(
                symbol,
                event.ts_ns,
                contract,
                instrument.price(event.price_ticks),
                instrument.qty(event.lots),
                event.amount / scale,
                currency,
            )
        )

    def _tell_margin_call(self, side: _VenueSide, event: Event) -> None:
        symbol, _, currency, scale = self._about(side, event)
        self.strategy.on_margin_call(
            views.MarginCall(
                symbol,
                event.ts_ns,
                event.equity / scale,
                event.maintenance / scale,
                event.amount / scale,
                currency,
                _position_side(event),
            )
        )

    def _tell_liquidation(self, side: _VenueSide, event: Event) -> None:
        symbol, contract, currency, scale = self._about(side, event)
        instrument = side.venue.instruments[event.instrument]
        self.strategy.on_liquidation(
            views.Liquidation(
                symbol,
                event.ts_ns,
                contract,
                instrument.qty(event.lots),
                event.price_e8 / E8,
                instrument.price(event.price_ticks),
                event.amount / scale,
                event.fee / scale,
                currency,
                _position_side(event),
            )
        )

    def _tell_funding(self, side: _VenueSide) -> None:
        """Every stamp that has passed, held or not."""
        assert self._on_funding is not None
        venue, rows = side.venue, side.funding_rows
        done = venue.number("feed_next")
        scale = 10.0 ** self.broker.decimals[side.name]
        while rows and rows[0] < done:
            row = venue.table("feed")[rows.popleft()]
            instrument = int(row["instrument"])
            symbol = side.makers[instrument].symbol
            lots, amount = side.funded.pop(instrument, (0, 0))
            line = side.lines.get(instrument)
            if line is not None and not line.last:
                line.last = float(row["mark_e8"] / E8)  # a stamp before the first close: size by its mark
            self._on_funding(
                views.FundingPayment(
                    symbol,
                    int(row["ts_ns"]),
                    float(row["rate_e8"] / E8),
                    float(row["mark_e8"] / E8),
                    venue.instruments[instrument].qty(lots),
                    amount / scale,
                    venue.rules.asset,
                )
            )
            if self.broker.unheard:
                self._tell_own()


def _position_side(event: Event) -> str:
    """Which position of hedge mode an event is about."""
    return "long" if event.flags & LONG_SIDE else "short" if event.flags & SHORT_SIDE else ""
