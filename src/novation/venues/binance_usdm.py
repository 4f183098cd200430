"""Binance USDT-M: liquidated at once, insured, 20x unless set otherwise.

Sources: facts/binance.md §3.2 (default leverage 20), §5 (trigger, clearance fee, insurance fund). The margin call at
80 % is the ratio of the published MARGIN_CALL sample; the threshold itself is not documented (§3).
"""

from __future__ import annotations

from novation.domain.enums import MarginCallPolicy
from novation.venues.venue_rules import VenueRules

RULES = VenueRules(
    name="binance_um",
    asset="USDT",
    zone="UTC",
    call_policy=MarginCallPolicy.AT_ONCE,
    call_ratio_e8=80_000_000,
    liquidation_target_e8=80_000_000,
    hedge_mode=True,
    deficit_to_fund=True,
    default_leverage=20,
    countdown=True,
)
