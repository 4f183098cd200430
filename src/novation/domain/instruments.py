"""What can be traded, and on which terms at which time."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from novation.domain.enums import InstrumentKind, MarginMethod
from novation.domain.errors import InvalidInput, OffGrid
from novation.domain.treasury_price import from_32nds
from novation.domain.units import E8, NO_CAP, Number, asset_decimals, from_e8, iso, on_grid


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable thing: a perpetual, one dated month of a product, or a coin for cash.

    `tick_e8` is the grid on which the engine counts prices. It never changes in a run; the tick in force at an
    instant is `Terms.tick_step` such ticks, so a changed tick size needs no conversion of resting orders.
    """

    id: str  #: "binance_um:BTCUSDT", "binance_spot:BTCUSDT", "cme:ESZ2026"
    venue: str  #: "binance_um", "binance_spot", "cme"
    symbol: str  #: "BTCUSDT", "ESZ2026"
    root: str  #: "BTCUSDT", "ES": what the dated tables are keyed by
    kind: InstrumentKind
    method: MarginMethod
    asset: str  #: settlement asset, "USDT" or "USD"
    tick_e8: int
    lot_e8: int  #: one lot in 1e-8 of the quantity unit (base coin or contract)
    multiplier_e8: int = E8  #: money per 1.00 of price and unit of quantity, in 1e-8
    daily_settled: bool = False  #: variation margin is paid each day (CME)
    contract_month: int = 0  #: YYYYMM of a dated contract
    deliver_ns: int = 0  #: when its last position is closed at one price (delivery, final settlement); 0: never
    display: str = "decimal"  #: how people write its prices, or "32nds" (`domain.treasury_price`)

    def __post_init__(self) -> None:
        if self.tick_e8 <= 0 or self.lot_e8 <= 0 or self.multiplier_e8 <= 0:
            raise InvalidInput("tick, lot and multiplier must be positive", source=self.id)
        value = Fraction(self.lot_e8 * self.multiplier_e8 * 10 ** asset_decimals(self.asset), E8 * E8)
        if value.denominator != 1 or (value * self.tick_e8 / E8).denominator != 1:
            raise InvalidInput("one tick of one lot is no whole number of minor units", source=self.id)

    @property
    def lot_value(self) -> int:
        """Minor units of money per lot and 1.00 of price: value = price_e8 * lots * lot_value / 1e8."""
        return int(self.lot_e8 * self.multiplier_e8 * 10 ** asset_decimals(self.asset) // (E8 * E8))

    def lots(self, qty: Number) -> int:
        """A quantity in whole lots; refuse one between two lots."""
        steps = on_grid(qty, self.lot_e8)
        if steps is None:
            raise OffGrid(
                f"qty {qty} is not a multiple of the lot {from_e8(self.lot_e8).normalize():f}",
                source=self.id,
                hint="Use self.round_qty(symbol, qty).",
            )
        return steps

    def qty(self, lots: int) -> float:
        """Lots as a quantity."""
        return lots * self.lot_e8 / E8

    def ticks(self, price: Number, terms: Terms | None = None) -> int:
        """A price in ticks; refuse one off the grid, or off the tick that `terms` put in force."""
        step = terms.tick_step if terms else 1
        steps = on_grid(price, self.tick_e8 * step)
        if steps is None:
            tick = f"{from_e8(self.tick_e8 * step).normalize():f}"
            rule = f" (rule of {_table_and_date(terms)})" if terms else ""
            raise OffGrid(
                f"price {price} is not a multiple of the tick {tick}{rule}",
                source=self.id,
                hint="Use self.round_price(symbol, price, side).",
            )
        return steps * step

    def read_price(self, price: Number) -> Number:
        """A price as given, of a Treasury future also as people write it: '110-165' is 110 and 16.5 thirty-seconds."""
        if self.display == "32nds" and isinstance(price, str) and "-" in price[1:]:
            return from_32nds(price)
        return price

    def price(self, ticks: int) -> float:
        """Ticks as a price."""
        return ticks * self.tick_e8 / E8


def _table_and_date(terms: Terms) -> str:
    """Where a tick stands: table and date of its row, without the words on who says so."""
    own, _, row = terms.sources.get("contract", iso(terms.effective_ns)[:10]).partition("; else ")
    if row and "tick " in own:
        return own
    return ", ".join((row or own).split(", ", 2)[:2])


class Tier(msgspec.Struct, frozen=True):
    """One notional bracket: above `floor` up to `cap`, all money in minor units.

    maintenance = notional * rate_e8 / 1e8 - cum, which is continuous at each floor.
    """

    floor: int
    cap: int
    rate_e8: int
    max_leverage: int
    cum: int


#: The one bracket of what is bought in full: no leverage, nothing to maintain.
IN_FULL = (Tier(0, NO_CAP, 0, 1, 0),)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The dated rules of one instrument from `effective_ns` until the next row.

    Money in minor units of the settlement asset, rates in 1e-8. `sources` names, for each group of values
    ("contract", "fees", "margins", "brackets", "banding"), the table, its row's date and where the row comes from.
    """

    effective_ns: int
    tick_step: int = 1  #: the tick in force, in ticks of the instrument's grid
    min_lots: int = 1
    max_lots: int = 1 << 40
    min_notional: int = 0
    maker_fee_e8: int = 0
    taker_fee_e8: int = 0
    fee_per_lot: int = 0
    liquidation_fee_e8: int = 0
    initial_per_lot: int = 0
    maintenance_per_lot: int = 0
    tiers: tuple[Tier, ...] = ()
    sources: dict[str, str] = {}
    # Of an instrument with sessions (docs/rules/phases.md).
    band_ticks: int = 0  #: a limit price further than this from the market, against its sender, is refused; 0: none is
    calls_due: int = 0  #: 1: as these terms take effect, who is below maintenance is closed out (a margin deadline)
    # Of an instrument that the venue marks itself (docs/rules/mark.md, funding.md). 0 hours: not stated.
    funding_interval_hours: int = 0
    funding_floor_e8: int = 0  #: per interval, after the division by 8 / N
    funding_cap_e8: int = 0
    interest_e8: int = 0  #: in the bracket of the rate, whatever the interval
    funding_clamp_e8: int = 0  #: how far the interest pulls the average premium, each way
    impact_base: int = 0  #: money; times the first bracket's leverage the impact notional
    hourly_at_limit: int = 0  #: 1: a rate settled at its cap or floor makes the next interval an hour
    quiet_needed: int = 0  #: so many quiet hourly rates in a row end that, 0: none do
    quiet_e8: int = 0  #: a rate of at most this size is quiet
    quiet_hours: int = 0  #: the interval they lead back to
    basis_seconds: int = 0  #: the span of the basis average of the mark, one sample a second
    # Of an instrument that is delivered (docs/rules/delivery.md).
    delivery_seconds: int = 0  #: the last seconds whose index samples make the delivery price
    delivery_fee_e8: int = 0
    limit_sell_above_last_e8: int = 0  #: a limit sell is assumed to fill so far above the last price; 0: at its price
    market_buy_above_ask_e8: int = 0  #: a market buy is assumed to fill so far above the best ask
