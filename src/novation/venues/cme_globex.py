"""CME Globex through a broker: variation margin each day, margin calls due at the next day's settlement, no fund.

Sources: facts/cme.md §4 (daily settlement), DESIGN §9. A broker may close out sooner; this one gives the day.
"""

from __future__ import annotations

from novation.domain.enums import MarginCallPolicy
from novation.venues.venue_rules import VenueRules

RULES = VenueRules(
    name="cme",
    asset="USD",
    zone="America/Chicago",
    call_policy=MarginCallPolicy.NEXT_SETTLEMENT,
    call_ratio_e8=100_000_000,
    liquidation_target_e8=0,
    hedge_mode=False,
    deficit_to_fund=False,
    default_leverage=1,
    profit_withdrawable=True,
)
