"""Running a cascade: each second the index is sampled, the mark follows, accounts are tested, liquidations trade.

Everything that happens is the venue's own doing: the population arrives through commands, the shock is an order or a
path of the index, and a wave is what the mark of one second liquidates. The next wave sees the price that it left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novation.domain.account import InsurancePool
from novation.domain.commands import place_market, set_leverage, transfer
from novation.domain.enums import EventKind, MarginScope, MarketEventKind, MarkRule, RejectReason, Side
from novation.domain.errors import ConfigError, InvalidInput, OffGrid
from novation.domain.events import DELEVERAGED, EVENT_DTYPE
from novation.domain.instruments import Instrument, Terms
from novation.domain.liquidity import Ladder
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8, NS, from_e8, to_e8, to_ns
from novation.reference.lookup import Reference
from novation.research.cascade.keys import CascadeKeys, ShockKeys, TraderKeys, load_cascade
from novation.research.cascade.result import Cascade
from novation.venues import binance_usdm
from novation.venues.population import Arrived, Traders, enter
from novation.venues.venue import Venue

#: Who starts it; the population follows.
_STARTER = 0


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
    instrument = reference.instrument(keys.instrument)
    start_ns = to_ns(keys.rules_as_of)
    (terms,) = reference.terms(instrument.id, start_ns, start_ns + 1, marked=True)
    try:
        return _run(keys, instrument, terms, start_ns, list(reference.cautions()), progress)
    except InvalidInput as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(error.problem, source=source, where=error.where or error.source, value=error.value) from None


def _run(
    keys: CascadeKeys,
    instrument: Instrument,
    terms: Terms,
    start_ns: int,
    cautions: list[str],
    progress: Callable[[int, int], None] | None,
) -> Cascade:
    groups = [_traders(one, instrument, f"traders[{n}]") for n, one in enumerate(keys.traders, 1)]
    price_ticks = _ticks(keys.price, instrument, terms, "price")
    fund = None if keys.fund is None else to_e8(keys.fund)
    venue = Venue(
        binance_usdm.RULES,
        [instrument],
        [[terms]],
        accounts=1 + sum(group.accounts for group in groups),
        pools=[InsurancePool(name="fund", instruments=(instrument.id,), balance=fund or 0, unlimited=fund is None)],
        ladders={instrument.id: _ladder(keys, instrument, terms)},
        marked={instrument.id: MarkRule[keys.mark.upper()]},
        buffer=1 << 16,
    )
    index = _index(keys, price_ticks * instrument.tick_e8)
    venue.attach(_feed(start_ns, index, price_ticks * instrument.tick_e8))
    _until(venue, start_ns)
    came = enter(venue, 0, groups, seed=keys.seed, first=1)
    _cautions(came, cautions)
    rows = [_second(venue, 0, index[0], _until(venue, start_ns))]
    shocked_to = _shock(venue, instrument, terms, keys.shock, price_ticks)
    for second in range(1, keys.seconds + 1):
        events = _until(venue, start_ns + second * NS)
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
        start_fund=None if fund is None else from_e8(fund),
        exhausted=bool(_missing(venue) >= sum(venue.ladders[instrument.id].lots)),
        hashes=(venue.state_hash(), venue.event_hash()),
        cautions=cautions,
    )


def _traders(keys: TraderKeys, instrument: Instrument, where: str) -> Traders:
    lots = []
    for qty in keys.qty:
        try:
            lots.append(instrument.lots(qty))
        except OffGrid as error:
            raise ConfigError(error.problem, source="cascade", where=f"{where}.qty", value=qty) from None
    return Traders(
        accounts=keys.accounts,
        side=Side.BUY if keys.side == "long" else Side.SELL,
        lots=(lots[0], lots[1]),
        margin_e8=(to_e8(keys.margin[0]), to_e8(keys.margin[1])),
        scope=MarginScope.CROSS if keys.scope == "cross" else MarginScope.ISOLATED,
    )


def _ticks(price: Any, instrument: Instrument, terms: Terms, where: str) -> int:
    try:
        return instrument.ticks(price, terms)
    except OffGrid as error:
        raise ConfigError(error.problem, source="cascade", where=where, value=price) from None


def _ladder(keys: CascadeKeys, instrument: Instrument, terms: Terms) -> Ladder:
    step = _ticks(keys.ladder.step, instrument, terms, "ladder.step")
    spread = _ticks(keys.ladder.spread, instrument, terms, "ladder.spread") if keys.ladder.spread else 0
    lots = instrument.lots(keys.ladder.qty)
    heals = instrument.lots(keys.ladder.heals) if keys.ladder.heals else 0
    return Ladder.linear(lots=lots, levels=keys.ladder.levels, step=step, spread=spread, heals=heals)


def _index(keys: CascadeKeys, price_e8: int) -> list[int]:
    """The index at each second: where it began, or on a straight line to where the shock takes it."""
    whole = keys.shock.seconds
    move = 0 if keys.shock.index is None else price_e8 * to_e8(keys.shock.index) // E8
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


def _shock(venue: Venue, instrument: Instrument, terms: Terms, shock: ShockKeys, price_ticks: int) -> float | None:
    """The sale or purchase that starts it, with twice its value behind it; the last price after it."""
    qty = shock.sell or shock.buy
    if qty is None:
        return None
    lots, side = instrument.lots(qty), Side.SELL if shock.sell else Side.BUY
    value = lots * price_ticks * (instrument.tick_e8 * instrument.lot_value // E8)
    venue.submit(transfer(_STARTER, 2 * value + E8))
    venue.submit(set_leverage(_STARTER, 0, 1))
    while lots > 0:  # in as many orders as the largest order allows
        now = min(lots, terms.max_lots)
        events = venue.submit(place_market(_STARTER, 0, side, now))
        refused = [e for e in events if e.kind == EventKind.ORDER_REJECTED]
        if refused:
            reason = RejectReason(refused[0].reason).name
            raise ConfigError(f"the exchange refuses it: {reason}", source="cascade", where="shock", value=qty)
        lots -= now
    return int(venue.table("market")[0]["last_e8"]) / E8


def _missing(venue: Venue) -> int:
    market = venue.table("market")[0]
    return max(int(market["bid_taken"]), int(market["ask_taken"]))


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
