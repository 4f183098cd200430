"""`audit`: trades of any source replayed under the exchange's rules, and what the source missed.

Each round trip is replayed on a venue of its own with the dated terms of its time, isolated at the leverage that its
source staked (`replay`); with `cash`, all trades of a file, or of each strategy in it, share one account on one venue.

Not modelled: what the orders would have moved (docs/rules/impact.md), hours and halts of CME, margin that was added or
taken out of a position, transfers, fee levels above the lowest and discounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from novation.data.trade_files import RoundTrip, TradeFile, mean_price, read_trades
from novation.domain.enums import InstrumentKind, MarginMethod, MarginScope, Side
from novation.domain.errors import ConfigError, InvalidInput, NoRuleInForce, NovationError, UnknownInstrument
from novation.domain.instruments import Terms
from novation.domain.units import (
    BALANCE_BOUND,
    E8,
    Number,
    asset_decimals,
    from_e8,
    from_scaled,
    iso,
    money,
    to_decimal,
    to_ns,
)
from novation.domain.words import counted
from novation.reference.lookup import Reference
from novation.research.assembly import RULES
from novation.research.audit.findings import (
    LIQUIDATED,
    NO_DATA,
    ONLY_IN_SOURCE,
    POSSIBLE,
    Finding,
    off_tick,
    outside_bar,
)
from novation.research.audit.market import Histories, Market
from novation.research.audit.played import Account, Played
from novation.research.audit.replay import Replay
from novation.research.audit.result import PARTS, Audit, AuditedTrade, LiquidationFound, Totals
from novation.venues.venue import Venue

_SCALE = Decimal("1e-8")
_ZERO = Decimal(0)
#: Beyond it prices in 1e-8 leave the integers of a feed (`domain.market.NO_LIMIT_E8`).
_HIGHEST = Decimal(80_000_000)
#: Orders of one instant follow each other: terms are looked up to so much after the last one.
_AFTER_NS = 1_000_000


def audit(
    trades: Any,
    *,
    format: str | None = None,
    data: str | Path | Mapping[str, Any] | None = None,
    margin: str = "isolated",
    leverage: Number | None = None,
    cash: Number | None = None,
    rules_as_of: Any = None,
    tables: Sequence[str | Path] = (),
    products: str | Path | None = None,
    tz: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Replay trades under the exchange's rules, and list what their source missed.

    trades: a path or a frame; format: "trades", "freqtrade", "binance" or "ib", None: told from it. data: a folder of
    histories, or {symbol: History}; None: where histories lie anyway. margin, leverage: of trades whose source states
    none; unset leverage is 1. cash: one account of so much trades them all (needed for "cross"). rules_as_of: pins the
    instant at which dated tables are read. tables, products: the user's own tables and products. tz: the zone of stamps
    without one. progress: called with the trades done and the trades there are.

    Raises `DataError` for a file that is wrong; `NoRuleInForce` or `UnknownInstrument` where not one trade can be
    audited (what they say of some trades stands with those).

    >>> import polars as pl
    >>> frame = pl.DataFrame({"symbol": ["BTCUSDT"], "side": ["long"], "qty": ["0.1"], "leverage": ["5"],
    ...     "entry_time": ["2026-05-02T00:00Z"], "entry_price": ["60000"],
    ...     "exit_time": ["2026-05-02T04:00Z"], "exit_price": ["60600"]})
    >>> found = audit(frame, data={}, rules_as_of="2026-05-01")
    >>> str(found.trades[0].fee), str(found.totals[0].pnl)  # 0.05 % of 6,000 and of 6,060
    ('6.03000000', '53.97000000')
    """
    settings = _Settings(margin, leverage, cash)
    pinned = rules_as_of
    if pinned is not None and not isinstance(pinned, Mapping):
        pinned = to_ns(pinned, source="rules_as_of")
    own = (*([products] if products is not None else []), *tables)
    reference = Reference.default(tables=own, rules_as_of=pinned)
    file = read_trades(trades, format=format, tz=tz)
    book = _Book(file, settings, reference, Histories(reference, data))
    return book.audited(progress)


class _Settings:
    """How the trades were margined, where their source does not say."""

    def __init__(self, margin: str, leverage: Number | None, cash: Number | None) -> None:
        if margin not in ("isolated", "cross"):
            raise ConfigError('is "isolated" or "cross"', source="margin", value=margin)
        self.scope = MarginScope.ISOLATED if margin == "isolated" else MarginScope.CROSS
        self.margin = margin
        self.leverage = None if leverage is None else to_decimal(leverage, source="leverage")
        if self.leverage is not None and not 1 <= self.leverage <= 1000:
            raise ConfigError("is a number of at least 1", source="leverage", value=str(leverage))
        self.cash = None if cash is None else to_decimal(cash, source="cash")
        if self.cash is not None and self.cash <= 0:
            raise ConfigError("must be above zero", source="cash", value=str(cash))
        if margin == "cross" and cash is None:
            hint = "Give the account's balance before the first trade: cash=10_000 (--cash 10000)."
            raise ConfigError("is needed: a cross position stands on the whole account", source="cash", hint=hint)


class _Book:
    """A file of trades on its way to an audit."""

    def __init__(self, file: TradeFile, settings: _Settings, reference: Reference, histories: Histories) -> None:
        self.file, self.settings, self.reference, self.histories = file, settings, reference, histories
        self.terms: dict[str, tuple[Terms, ...]] = {}
        self.failed: dict[int, NovationError] = {}
        self.assumed_leverage = 0
        self._venues: dict[Any, tuple[Venue, Any]] = {}

    def audited(self, progress: Callable[[int, int], None] | None = None) -> Audit:
        """Replay everything; raises what stood in the way where nothing could be."""
        ready: dict[int, Played] = {}
        for number, trip in enumerate(self.file.trips):
            try:
                ready[number] = self._ready(trip)
            except (UnknownInstrument, NoRuleInForce) as error:
                self.failed[number] = error
        if not ready:
            raise self._nothing_audited()
        if self.settings.cash is None:
            for done, one in enumerate(ready.values(), 1):
                self._alone(one)
                if progress is not None:
                    progress(done, len(ready))
        else:
            for group in dict.fromkeys(trip.group for trip in self.file.trips):
                self._together([one for one in ready.values() if one.trip.group == group])
        rows = tuple(
            self._row(number, ready[number]) if number in ready else self._not_audited(number, trip)
            for number, trip in enumerate(self.file.trips)
        )
        counted_in = [row for row in rows if row.audited]
        currencies = dict.fromkeys(row.currency for row in counted_in)
        totals = tuple(Totals.of(name, [row for row in counted_in if row.currency == name]) for name in currencies)
        return Audit(
            source=self.file.source,
            format=self.file.format,
            margin=self.settings.margin,
            trades=rows,
            totals=totals,
            cautions=self._cautions(ready),
        )

    def _nothing_audited(self) -> NovationError:
        first = next(iter(self.failed.values()))
        trip = self.file.trips[next(iter(self.failed))]
        if isinstance(first, UnknownInstrument):
            return first.at(self.file.source, trip.where)
        assert isinstance(first, NoRuleInForce)
        hint = "Pin the look-ups: rules_as_of=DATE (--rules-as-of DATE), a day that the table knows."
        return NoRuleInForce(first.table, first.key, first.at, known=first.known, hint=hint)

    # -- before the replay --------------------------------------------------------------------------------------------

    def _ready(self, trip: RoundTrip) -> Played:
        """A trade with its market and the terms of its time."""
        id = self.reference.resolve(trip.symbol, on_ns=trip.entry_ns)
        if id.partition(":")[0] not in RULES:
            raise UnknownInstrument(trip.symbol, reason="is at a venue that is not simulated.")
        if self.reference.is_rolled(id):
            raise UnknownInstrument(trip.symbol, reason="is a series of contracts: name the month, e.g. ESZ2026.")
        if self.reference.instrument(id, on_ns=trip.entry_ns).kind == InstrumentKind.SPOT:
            raise UnknownInstrument(trip.symbol, reason="is spot: trades of futures are audited.")
        market = self.histories.market(id)
        tiered = market.instrument.method == MarginMethod.TIERED
        for order in (*trip.entries, *trip.exits):
            self._check_price(order.price, trip, above_zero=tiered)
        terms = self._terms_of(market, [trip])
        leverage = trip.leverage or self.settings.leverage
        if leverage is None and tiered:
            leverage = Decimal(1)
            self.assumed_leverage += 1
        return Played(trip, market, terms, leverage)

    def _check_price(self, price: Decimal, trip: RoundTrip, *, above_zero: bool) -> None:
        """Refuse a price that no market of this kind can stand at."""
        problem = "is no price above zero" if above_zero and price < _SCALE else "is no price that is counted here"
        if abs(price) > _HIGHEST or (above_zero and price < _SCALE):
            hint = f"{trip.symbol}: mend or drop the trade."
            raise InvalidInput(problem, source=self.file.source, where=trip.where, value=f"{price:f}", hint=hint)

    def _terms_of(self, market: Market, trips: Sequence[RoundTrip]) -> tuple[Terms, ...]:
        """The dated terms while trades ran; the first row in force from the start."""
        first = min(trip.entry_ns for trip in trips)
        last = max(order.ts_ns for trip in trips for order in (*trip.entries, *trip.exits))
        if market.bars is not None and any(trip.exit_ns is None for trip in trips):
            last = max(last, int(market.bars.end_ns[-1]))
        rows = self.reference.terms(market.instrument.id, first, last + _AFTER_NS)
        return msgspec.structs.replace(rows[0], effective_ns=0), *rows[1:]

    # -- the replay ---------------------------------------------------------------------------------------------------

    def _venue(self, markets: Sequence[Market], terms: Sequence[tuple[Terms, ...]]) -> Venue:
        """A venue that nothing has happened on: made once for the same contracts and terms, then restored."""
        name = markets[0].instrument.venue
        asset = markets[0].instrument.asset
        key = asset, tuple(market.instrument.id for market in markets), msgspec.msgpack.encode(terms)
        if key not in self._venues:
            rules = msgspec.structs.replace(RULES[name], asset=asset)
            venue = Venue(rules, [market.instrument for market in markets], terms)
            self._venues[key] = venue, venue.snapshot()
        venue, fresh = self._venues[key]
        venue.restore(fresh)
        return venue

    def _alone(self, one: Played) -> None:
        """One trade on a venue of its own. Its account can always pay: what is at stake is the position's own margin;
        of contracts margined by the piece it is what the source staked, if it says so."""
        asset = one.instrument.asset
        worth = sum((entry.qty * abs(entry.price) for entry in one.trip.entries), _ZERO)
        worth *= from_e8(one.instrument.multiplier_e8)
        deposit = 2 * worth + 1_000_000
        if one.instrument.method != MarginMethod.TIERED and one.leverage is not None:
            fees = one.terms[0].fee_per_lot * one.trip.qty * E8 / one.instrument.lot_e8
            deposit = worth / one.leverage + from_scaled(1, asset_decimals(asset)) * fees
        places = Decimal(1).scaleb(-asset_decimals(asset))
        units = min(money(deposit.quantize(places), asset), BALANCE_BOUND)
        venue = self._venue([one.market], [one.terms])
        account = Account(units, MarginScope.ISOLATED)
        Replay(venue, {one.instrument.id: 0}, [one], account, {one.instrument.id: one.terms}).run()

    def _together(self, played: Sequence[Played]) -> None:
        """Trades that share one account, in order of time."""
        if not played:
            return
        places = {(one.instrument.venue, one.instrument.asset) for one in played}
        if len(places) > 1:
            names = " and ".join(sorted(f"{venue} in {asset}" for venue, asset in places))
            hint = "Audit them apart, each with its cash."
            raise InvalidInput(f"one account holds the trades of one venue, not {names}", source="cash", hint=hint)
        hedge = self._both_ways(played)
        markets = {one.instrument.id: one.market for one in played}
        terms = {
            id: self._terms_of(market, [one.trip for one in played if one.instrument.id == id])
            for id, market in markets.items()
        }
        venue = self._venue(list(markets.values()), list(terms.values()))
        asset = played[0].instrument.asset
        assert self.settings.cash is not None
        deposit = money(self.settings.cash, asset, source="cash")
        if deposit > BALANCE_BOUND:
            raise ConfigError("is more than an account can hold", source="cash", value=str(self.settings.cash))
        account = Account(deposit, self.settings.scope, hedge)
        Replay(venue, {id: i for i, id in enumerate(markets)}, played, account, terms).run()

    def _both_ways(self, played: Sequence[Played]) -> bool:
        """Whether some symbol was held long and short at once, which takes hedge mode."""
        spans: dict[str, list[tuple[int, int, int]]] = {}
        for one in played:
            trip = one.trip
            until = (1 << 62) if trip.exit_ns is None else trip.exit_ns
            spans.setdefault(one.instrument.id, []).append((trip.entry_ns, until, int(trip.side)))
        for id, own in spans.items():
            ends = {1: -1, -1: -1}
            for first, last, side in sorted(own):
                if first < ends[-side]:
                    if not RULES[id.partition(":")[0]].hedge_mode:
                        hint = "Leave cash out: each trade then has an account of its own."
                        problem = f"{id} was held long and short at once, where an account has one position"
                        raise InvalidInput(problem, source="cash", hint=hint)
                    return True
                ends[side] = max(ends[side], last)
        return False

    # -- after it -----------------------------------------------------------------------------------------------------

    def _row(self, number: int, one: Played) -> AuditedTrade:
        trip, instrument = one.trip, one.instrument
        decimals = asset_decimals(instrument.asset)

        def amount(units: int) -> Decimal:
            return from_scaled(units, decimals)

        gap = one.market.without_data(trip.entry_ns, trip.exit_ns)
        covered = (
            "full" if not gap else "none" if gap.startswith("no history then") or one.market.bars is None else "part"
        )
        perpetual = instrument.kind == InstrumentKind.PERPETUAL
        source_fee, source_funding = trip.fee, trip.funding
        made = self._source_pnl(one)
        share = one.entered_share
        kept = _scaled(made, share)
        kept_fee, kept_funding = _scaled(source_fee or _ZERO, share), _scaled(source_funding or _ZERO, share)
        fee, funding = amount(one.fee), amount(one.funding)
        known_funding = covered != "none" or not perpetual
        if not known_funding:
            funding = kept_funding
        ended = amount(one.clearance), amount(one.deficit)
        price = amount(one.price_profit)
        pnl = price - fee + funding - ended[0] + ended[1]
        parts = dict.fromkeys(PARTS, _ZERO) | {"refused": kept - made}
        if one.liquidations:
            parts["liquidation"] = pnl - kept
        else:
            parts["fee"], parts["funding"] = kept_fee - fee, funding - kept_funding
            parts["price"] = price - (kept + kept_fee - kept_funding)
        return AuditedTrade(
            **self._facts(number, trip, instrument.id),
            leverage=one.leverage,
            audited=True,
            currency=instrument.asset,
            data=covered,
            fee=fee,
            source_fee=source_fee,
            funding=funding if known_funding else None,
            source_funding=source_funding,
            pnl=pnl,
            source_pnl=made,
            liquidation=self._liquidation(one, pnl),
            findings=self._findings(one, gap),
            price_difference=parts["price"],
            fee_difference=parts["fee"],
            funding_difference=parts["funding"],
            liquidation_difference=parts["liquidation"],
            refused_difference=parts["refused"],
        )

    def _facts(self, number: int, trip: RoundTrip, symbol: str) -> dict[str, Any]:
        last = trip.exits[-1].ts_ns if trip.exits else None
        return {
            "trade": number + 1,
            "where": trip.where,
            "group": trip.group,
            "symbol": symbol,
            "side": "long" if trip.side == Side.BUY else "short",
            "qty": trip.qty,
            "entry_at": iso(trip.entry_ns),
            "entry_price": _short(mean_price(trip.entries)),
            "exit_at": None if last is None else iso(last),
            "exit_price": _short(mean_price(trip.exits)) if trip.exits else None,
            "open": trip.exit_ns is None,
        }

    def _not_audited(self, number: int, trip: RoundTrip) -> AuditedTrade:
        return AuditedTrade(
            **self._facts(number, trip, trip.symbol),
            leverage=trip.leverage,
            audited=False,
            why=str(self.failed[number]),
            source_fee=trip.fee,
            source_funding=trip.funding,
            source_pnl=trip.pnl,
        )

    def _source_pnl(self, one: Played) -> Decimal:
        """What the source made: as it says, else by its own prices, fees and funding; of what it holds, at the mark."""
        trip = one.trip
        if trip.pnl is not None:
            return trip.pnl.quantize(_SCALE)
        taken = sum((exit.qty * exit.price for exit in trip.exits), _ZERO)
        given = sum((entry.qty * entry.price for entry in trip.entries), _ZERO)
        held = trip.open_qty * from_e8(one.end_mark_e8)
        gross = trip.side * (taken + held - given) * from_e8(one.instrument.multiplier_e8)
        return (gross - (trip.fee or _ZERO) + (trip.funding or _ZERO)).quantize(_SCALE)

    def _liquidation(self, one: Played, pnl: Decimal) -> LiquidationFound | None:
        if not one.liquidations:
            return None
        first = one.liquidations[0]
        tick = from_e8(one.instrument.tick_e8)
        lots = sum(abs(part.lots) for part in one.liquidations)
        return LiquidationFound(
            at=iso(first.ts_ns),
            bar=one.market.bar_closing(first.ts_ns),
            mark=from_e8(first.mark_e8),
            price=first.ticks * tick,
            qty=from_e8(lots * one.instrument.lot_e8),
            clearance_fee=from_scaled(one.clearance, asset_decimals(one.instrument.asset)),
            loss=-pnl,
            in_source=one.trip.liquidated,
        )

    def _findings(self, one: Played, gap: str) -> tuple[Finding, ...]:
        trip, found = one.trip, list(one.findings)
        for what, orders in (("entry price", trip.entries), ("exit price", trip.exits)):
            for order in orders:
                checks = off_tick(one.instrument, one.terms, order), outside_bar(one.market, order, what)
                found += [finding for finding in checks if finding is not None]
        if one.liquidations:
            first = one.liquidations[0]
            found = [finding for finding in found if finding.kind != POSSIBLE]
            noticed = "as the source says too" if trip.liquidated else "which the source did not notice"
            mark = from_e8(first.mark_e8).normalize()
            bar = one.market.bar_closing(first.ts_ns)
            when = f"at {iso(first.ts_ns)}" if bar is None else f"in the bar of {bar}"
            text = f"liquidated {when} at mark {mark:f}, {noticed}"
            found.append(Finding(kind=LIQUIDATED, text=text, at=iso(first.ts_ns), value=mark))
        elif trip.liquidated and one.entered:
            at = iso(trip.exits[-1].ts_ns) if trip.exits else None
            found.append(
                Finding(kind=ONLY_IN_SOURCE, text="liquidated in the source, not by the exchange's rules", at=at)
            )
        if gap:
            found.append(Finding(kind=NO_DATA, text=gap))
        elif not one.market.ranged:
            found.append(
                Finding(kind=NO_DATA, text="the history has one price a bar: prices are not held against bars")
            )
        return tuple(found)

    def _cautions(self, ready: Mapping[int, Played]) -> tuple[str, ...]:
        found = list(self.file.cautions)
        if self.assumed_leverage:
            found.append(
                f"{counted(self.assumed_leverage, 'trade')} without a leverage: 1 taken (leverage, --leverage)"
            )
        per_lot = [one for one in ready.values() if one.instrument.method != MarginMethod.TIERED]
        if per_lot and self.settings.cash is None:
            free = sum(one.leverage is None for one in per_lot)
            if free:
                found.append(
                    f"{counted(free, 'trade')} at CME without a stake: no margin call is looked for (cash, --cash)"
                )
        if self.failed:
            found.append(f"{counted(len(self.failed), 'trade')} not audited, and in no total")
        return tuple(dict.fromkeys((*found, *self.reference.cautions(), *self.histories.cautions)))


def _scaled(amount: Decimal, share: Decimal) -> Decimal:
    return amount.quantize(_SCALE) if share == 1 else (amount * share).quantize(_SCALE)


def _short(price: Decimal) -> Decimal:
    """A mean price to 1e-8."""
    exponent = price.as_tuple().exponent
    return price.quantize(_SCALE) if isinstance(exponent, int) and exponent < -8 else price
