"""Binance spot: coins bought in full for USDT and sold where they are held, in a wallet apart from that of futures.

Sources: the exchange's terms of its spot wallet (futures have a wallet of their own; a transfer moves between them).
No margin: nothing is called, liquidated or insured, so those choices mean nothing here (docs/rules/spot.md).
"""

from __future__ import annotations

from novation.domain.enums import MarginCallPolicy
from novation.venues.venue_rules import VenueRules

RULES = VenueRules(
    name="binance_spot",
    asset="USDT",
    zone="UTC",
    call_policy=MarginCallPolicy.AT_ONCE,
    call_ratio_e8=100_000_000,
    liquidation_target_e8=0,
    hedge_mode=False,
    deficit_to_fund=False,
    default_leverage=1,
)
