"""What a taker's fill would cost in fees, as the venue's rows have it.

Binance: a share of the value by VIP level, less a discount where it is paid in BNB (facts/binance.md §8). CME: broker,
exchange and regulatory fees per contract. Not known: what takers pay on USDC-margined pairs.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from novation.domain.errors import InvalidInput
from novation.domain.units import asset_decimals
from novation.reference import Reference
from novation.reference.rulebook import assumption
from novation.reference.slippage import Product, row_in_force
from novation.reference.terms import check_fee_level


class TakerFee(NamedTuple):
    """Money of the fill's currency; words: what it is made of; cautions: what its row assumes."""

    amount: Decimal
    words: str
    cautions: tuple[str, ...]


def taker_fee(
    reference: Reference,
    product: Product,
    at_ns: int | None,
    *,
    qty: Decimal,
    value: Decimal,
    currency: str,
    vip: int = 0,
    bnb: bool = False,
) -> TakerFee:
    """The fee of a fill of so much value (money), cut at the currency's minor unit as the venue does.

    vip: 0 to 9; bnb: paid in BNB. Both of Binance alone. Raises `InvalidInput`, `NoRuleInForce`.
    """
    if product.venue == "cme":
        for name, given in (("vip", vip), ("bnb", bnb)):
            if given:
                raise InvalidInput("there is none on this venue", source=product.symbol, where=name, value=given)
        row, source = row_in_force(reference, "cme/fees", product.root, at_ns)
        parts = (row["commission_usd"], row["exchange_usd"], row["regulatory_usd"])
        words = " + ".join(f"{part.normalize():f}" for part in parts) + " a contract: broker, exchange, regulatory"
        return TakerFee(_cut(qty * sum(parts), currency), words, _assumed(source))
    check_fee_level(vip, bnb)
    row, source = row_in_force(reference, "binance_um/fees", str(vip), at_ns)
    rate, words, cautions = row["taker_fraction"], f"VIP {vip}", _assumed(source)
    if bnb:
        off, why = row_in_force(reference, "binance_um/fee_discounts", "BNB", at_ns)
        rate *= 1 - off["discount_fraction"]
        words, cautions = f"{words}, paid in BNB", cautions + _assumed(why)
    return TakerFee(_cut(value * rate, currency), f"{words}: {(rate * 100).normalize():f} % of the value", cautions)


def _cut(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-asset_decimals(currency)), rounding=ROUND_FLOOR)


def _assumed(source: str) -> tuple[str, ...]:
    assumed = assumption(source)
    return (f"fees assumed: {assumed}",) if assumed else ()
