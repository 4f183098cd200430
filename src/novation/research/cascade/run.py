"""Running a cascade: each second the index is sampled, the mark follows, accounts are tested, liquidations trade.

Everything that happens is the venue's own doing: the population arrives through commands, the shock is an order or a
path of the index, and a wave is what the mark of one second liquidates. The next wave sees the price that it left.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novation.domain.account import InsurancePool
from novation.domain.commands import place_market, set_leverage, transfer
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentKind,
    MarginScope,
    MarketEventKind,
    MarkRule,
    RejectReason,
    Side,
)
from novation.domain.errors import ConfigError, InvalidInput, OffGrid, UnknownInstrument
from novation.domain.events import DELEVERAGED, EVENT_DTYPE
from novation.domain.instruments import Instrument, Terms
from novation.domain.liquidity import Ladder
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import BALANCE_BOUND, E8, NS, from_e8, to_e8, to_ns
from novation.reference.lookup import Reference
from novation.research.cascade.keys import CascadeKeys, ShockKeys, TraderKeys, load_cascade
from novation.research.cascade.result import Cascade
from novation.venues import binance_usdm
from novation.venues.population import Arrived, Traders, enter
from novation.venues.venue import Venue

#: Who starts it; the population follows.
_STARTER = 0
#: In minor units, the largest order that starts it: twice its value is brought, and is an amount a balance can hold.
_MOST_SHOCK = 1 << 58
#: In 1e-8, the highest price that comes up.
_TOP_E8 = 1 << 53


def cascade(
    config: str | Path | Mapping[str, Any],
    *,
    settings: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Cascade:
    """Run the cascade that a configuration describes (a YAML file or a mapping with the same keys).

    settings: "key=value" texts put over it. Raises ConfigError, UnknownInstrument, NoRuleInForce.
    """
    keys, source = load_cascade(config, settings)
    reference = Reference.default(rules_as_of=keys.rules_as_of)
    instrument = _instrument(keys.instrument, reference, source)
    start_ns = to_ns(keys.rules_as_of)
    (terms,) = reference.terms(instrument.id, start_ns, start_ns + 1, marked=True)
    try:
        return _run(keys, source, instrument, terms, start_ns, list(reference.cautions()), progress)
    except InvalidInput as error:
        if isinstance(error, ConfigError):
            raise
        where = error.where or error.source
        raise ConfigError(error.problem, source=source, where=where, value=error.value, hint=error.hint) from None


@contextmanager
def _of(source: str, where: str, value: Any) -> Iterator[None]:
    """Whatever is wrong in here is wrong with a key of the configuration."""
    try:
        yield
    except InvalidInput as error:
        hint = "" if isinstance(error, OffGrid) else error.hint  # that one is for strategies
        raise ConfigError(error.problem, source=source, where=where, value=value, hint=hint) from None


def _instrument(symbol: str, reference: Reference, source: str) -> Instrument:
    try:
        instrument = reference.instrument(symbol)
    except UnknownInstrument as error:
        raise UnknownInstrument(
            error.symbol,
            error.candidates,
            reason=error.reason,
            known=error.known,
            source=source,
            where="instrument",
        ) from None
    if instrument.venue != "binance_um" or instrument.kind != InstrumentKind.PERPETUAL:
        raise ConfigError("a cascade needs a Binance perpetual", source=source, where="instrument", value=symbol)
    return instrument


def _run(
    keys: CascadeKeys,
    source: str,
    instrument: Instrument,
    terms: Terms,
    start_ns: int,
    cautions: list[str],
    progress: Callable[[int, int], None] | None,
) -> Cascade:
    groups = [_traders(one, instrument, source, f"traders[{n}]") for n, one in enumerate(keys.traders, 1)]
    price_ticks = _price(keys, instrument, terms, source)
    shock_lots = _shock_lots(keys.shock, instrument, price_ticks, source)
    fund = _fund(keys, source)
    ladder = _ladder(keys, instrument, terms, source)
    venue = Venue(
        binance_usdm.RULES,
        [instrument],
        [[terms]],
        accounts=1 + sum(group.accounts for group in groups),
        pools=[InsurancePool(name="fund", instruments=(instrument.id,), balance=fund or 0, unlimited=fund is None)],
        ladders={instrument.id: ladder},
        marked={instrument.id: MarkRule[keys.mark.upper()]},
        buffer=1 << 16,
    )
    index = _index(keys, price_ticks * instrument.tick_e8, source)
    venue.attach(_feed(start_ns, index, price_ticks * instrument.tick_e8))
    _until(venue, start_ns)
    came = enter(venue, 0, groups, seed=keys.seed, first=1)
    _cautions(came, cautions)
    rows = [_second(venue, 0, index[0], _until(venue, start_ns))]
    upto = [0, *accumulate(ladder.lots)]
    shocked_to = filled = None
    exhausted = False
    if shock_lots:
        filled, exhausted = _shock(venue, terms, shock_lots, price_ticks, source, _key_of(keys.shock))
        shocked_to = int(venue.table("market")[0]["last_e8"]) / E8
        _filled(instrument, filled, abs(shock_lots), cautions)
    exhausted = exhausted or _empty(venue, ladder, upto, terms)
    for second in range(1, keys.seconds + 1):
        events = _until(venue, start_ns + second * NS)
        exhausted = exhausted or _empty(venue, ladder, upto, terms)  # what heals later was empty all the same
        rows.append(_second(venue, second, index[second], events))
        if progress is not None:
            progress(second, keys.seconds)
    if rows[-1]["liquidated_accounts"]:
        cautions.append("liquidations were still going on in the last second")
    return Cascade.of(
        keys,
        instrument,
        came,
        pl.DataFrame(rows),
        shocked_to=shocked_to,
        shock_qty=None if filled is None else instrument.qty(filled),
        start_fund=None if fund is None else fund / E8,
        exhausted=exhausted,
        hashes=(venue.state_hash(), venue.event_hash()),
        cautions=cautions,
    )


def _traders(keys: TraderKeys, instrument: Instrument, source: str, where: str) -> Traders:
    lots, shares = [], []
    for qty in keys.qty:
        with _of(source, f"{where}.qty", qty):
            lots.append(instrument.lots(qty))
    for share in keys.margin:
        with _of(source, f"{where}.margin", share):
            shares.append(to_e8(share))
    with _of(source, where, None):
        return Traders(
            accounts=keys.accounts,
            side=Side.BUY if keys.side == "long" else Side.SELL,
            lots=(lots[0], lots[1]),
            margin_e8=(shares[0], shares[1]),
            scope=MarginScope.CROSS if keys.scope == "cross" else MarginScope.ISOLATED,
        )


def _price(keys: CascadeKeys, instrument: Instrument, terms: Terms, source: str) -> int:
    with _of(source, "price", keys.price):
        ticks = instrument.ticks(keys.price, terms)
        if not ticks * instrument.tick_e8 < _TOP_E8:
            raise InvalidInput(f"a price lies below {from_e8(_TOP_E8).normalize():f}")
    return ticks


def _fund(keys: CascadeKeys, source: str) -> int | None:
    if keys.fund is None:
        return None
    with _of(source, "fund", keys.fund):
        fund = to_e8(keys.fund)
        if not 0 <= fund <= BALANCE_BOUND:
            raise InvalidInput(f"a fund begins with 0 to {BALANCE_BOUND // E8:,} USDT")
    return fund


def _key_of(shock: ShockKeys) -> str:
    return "shock.sell" if shock.sell is not None else "shock.buy"


def _shock_lots(shock: ShockKeys, instrument: Instrument, price_ticks: int, source: str) -> int:
    """Lots of the order that starts it, negative: sold; 0 when the index does."""
    qty = shock.buy if shock.sell is None else shock.sell
    if qty is None:
        return 0
    with _of(source, _key_of(shock), qty):
        lots = instrument.lots(qty)
        value = lots * price_ticks * (instrument.tick_e8 * instrument.lot_value // E8)
        if value > _MOST_SHOCK:
            raise InvalidInput(f"an order is worth at most {_MOST_SHOCK // E8:,} USDT here")
    return lots if shock.sell is None else -lots


def _ladder(keys: CascadeKeys, instrument: Instrument, terms: Terms, source: str) -> Ladder:
    given = keys.ladder
    with _of(source, "ladder.step", given.step):
        step = instrument.ticks(given.step, terms)
    with _of(source, "ladder.spread", given.spread):
        spread = instrument.ticks(given.spread, terms) if given.spread else 0
    with _of(source, "ladder.qty", given.qty):
        lots = instrument.lots(given.qty)
    with _of(source, "ladder.heals", given.heals):
        heals = instrument.lots(given.heals) if given.heals else 0
    with _of(source, "ladder", None):
        if (abs(spread) + step * given.levels) * instrument.tick_e8 >= _TOP_E8:
            raise InvalidInput(f"reaches beyond a price of {from_e8(_TOP_E8).normalize():f}")
        return Ladder.linear(lots=lots, levels=given.levels, step=step, spread=spread, heals=heals)


def _index(keys: CascadeKeys, price_e8: int, source: str) -> list[int]:
    """The index at each second: where it began, or on a straight line to where the shock takes it."""
    whole = keys.shock.seconds
    with _of(source, "shock.index", keys.shock.index):
        move = 0 if keys.shock.index is None else price_e8 * to_e8(keys.shock.index) // E8
        if not 0 < price_e8 + move < _TOP_E8:
            raise InvalidInput(f"takes the index out of 0 to {from_e8(_TOP_E8).normalize():f}")
    return [price_e8 + move * min(second, whole) // whole for second in range(keys.seconds + 1)]


def _feed(start_ns: int, index: list[int], price_e8: int) -> np.ndarray:
    rows = np.zeros(len(index) + 1, MARKET_DTYPE)
    rows["ts_ns"][0], rows["kind"][0], rows["last_e8"][0] = start_ns, MarketEventKind.BAR_OPEN, price_e8
    rows["ts_ns"][1:] = start_ns + NS * np.arange(len(index))
    rows["kind"][1:], rows["index_e8"][1:] = MarketEventKind.INDEX, index
    return rows


def _until(venue: Venue, until_ns: int) -> np.ndarray:
    """Let time pass; what happened since the last call."""
    while venue.step(until_ns):
        pass
    return np.frombuffer(b"".join(venue.drain()), EVENT_DTYPE)


def _shock(venue: Venue, terms: Terms, signed: int, price_ticks: int, source: str, where: str) -> tuple[int, bool]:
    """The sale or purchase that starts it, with twice its value behind it.

    Returns the lots that were filled, and whether the ladder had no more.
    """
    instrument, side = venue.instruments[0], Side.SELL if signed < 0 else Side.BUY
    value = abs(signed) * price_ticks * (instrument.tick_e8 * instrument.lot_value // E8)
    venue.submit(transfer(_STARTER, 2 * value + E8))
    venue.submit(set_leverage(_STARTER, 0, 1))
    left, filled = abs(signed), 0
    while left > 0:  # in as many orders as the largest order allows
        now = min(left, terms.max_lots)
        for event in venue.submit(place_market(_STARTER, 0, side, now)):
            if event.kind == EventKind.ORDER_REJECTED:
                reason = RejectReason(event.reason).name
                qty = instrument.qty(abs(signed))
                raise ConfigError(f"the exchange refuses it: {reason}", source=source, where=where, value=qty)
            if event.kind == EventKind.FILL and event.account == _STARTER:
                filled += abs(event.lots)
            if event.kind == EventKind.ORDER_CANCELLED and event.reason == CancelReason.NO_LIQUIDITY:
                return filled, True
        left -= now
    return filled, False


def _filled(instrument: Instrument, filled: int, asked: int, cautions: list[str]) -> None:
    if filled == 0:
        cautions.append("the order that was to start it found nothing to trade with: nothing of it was filled")
    elif filled < asked:
        cautions.append(
            f"of the order that starts it {instrument.qty(filled):,.8g} were filled, not {instrument.qty(asked):,.8g}: "
            "the ladder had no more"
        )


def _empty(venue: Venue, ladder: Ladder, upto: list[int], terms: Terms) -> bool:
    """Whether nothing is left of one side: of the bids only those above a price of zero can be had."""
    market, tick_e8 = venue.table("market")[0], venue.instruments[0].tick_e8
    room = (int(market["centre_e8"]) - tick_e8 * terms.tick_step) // tick_e8
    bids = upto[bisect_right(ladder.offsets, room)]
    return bool(market["bid_taken"] >= bids or market["ask_taken"] >= upto[-1])


def _second(venue: Venue, second: int, index_e8: int, events: np.ndarray) -> dict[str, Any]:
    """What one second did."""
    market, instrument = venue.table("market")[0], venue.instruments[0]
    tick_value = instrument.tick_e8 * instrument.lot_value // E8
    closed = events[events["kind"] == EventKind.LIQUIDATION]
    deleveraged = closed[(closed["flags"] & DELEVERAGED) != 0]
    taken_over = events[events["kind"] == EventKind.TAKEN_OVER]

    def notional(of: np.ndarray) -> float:
        return float(np.abs(of["lots"].astype(np.float64) * of["price_ticks"]).sum()) * tick_value / E8

    return {
        "second": second,
        "price": int(market["last_e8"]) / E8,
        "mark": int(market["mark_e8"]) / E8,
        "index": index_e8 / E8,
        "liquidated_accounts": len(np.unique(closed["account"])),
        "liquidated_qty": instrument.qty(int(np.abs(closed["lots"]).sum())),
        "liquidated_notional": notional(closed),
        "taken_over_notional": notional(taken_over),
        "fund_paid": -int(taken_over["amount"].sum()) / E8
        + int(events["amount"][events["kind"] == EventKind.INSURANCE].sum()) / E8,
        "fund": venue.fund(0) / E8,
        "deleveraged_accounts": len(np.unique(events["account"][events["kind"] == EventKind.DELEVERAGED])),
        "deleveraged_qty": instrument.qty(int(np.abs(deleveraged["lots"]).sum())),
        "margin_calls": int((events["kind"] == EventKind.MARGIN_CALL).sum()),
    }


def _cautions(came: Arrived, cautions: list[str]) -> None:
    for reason, count in came.refused.items():
        cautions.append(f"{count:,} of {came.accounts:,} accounts stand without their position: {reason}")
    for reason, count in came.otherwise.items():
        cautions.append(f"{count:,} of {came.accounts:,} accounts have their position but were refused more: {reason}")
