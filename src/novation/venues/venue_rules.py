"""What makes one venue differ from another: a record of choices, read by the same engine."""

from __future__ import annotations

import msgspec

from novation.domain.enums import DeleveragingMethod, LiquidationPriority, MarginCallPolicy


class VenueRules(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of one exchange; each venue module states its own with their sources."""

    name: str
    asset: str  #: settlement asset
    zone: str  #: the zone of its trade dates
    call_policy: MarginCallPolicy
    call_ratio_e8: int  #: a margin call is made when maintenance >= this share of equity
    liquidation_target_e8: int  #: a liquidation in steps stops where maintenance <= this share of equity
    hedge_mode: bool  #: whether an account may hold a long and a short position of one instrument
    deficit_to_fund: bool  #: whether an insurance fund lifts a negative balance to zero
    default_leverage: int
    #: whether orders sent outside trading hours wait (a broker keeps them) instead of being refused (the exchange)
    hold_orders: bool = False
    countdown: bool = False  #: whether a countdown may be set after which an account's orders are cancelled
    profit_withdrawable: bool = False  #: whether unrealised profit may be taken out
    #: which position of a cross account goes first: ours, Binance documents none (docs/rules/liquidation.md)
    liquidation_priority: LiquidationPriority = LiquidationPriority.HIGHEST_LOSS_FIRST
    #: who gives up profit when the fund is empty
    deleveraging: DeleveragingMethod = DeleveragingMethod.QUEUE
