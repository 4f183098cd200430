"""When a position is to be rolled and at what cost: the schedule of a product, and a guard on the price of a roll.

`RolloverScheduler` says which month is held on a day, when it is left, and what to send: two orders, or one calendar
spread. It reads no clock and sends nothing; a backtest, a live runner and `novation roll` ask it alike.

The cost of a roll is what crossing the market costs: half of each leg's bid-ask spread, or half of the calendar
spread's, as a fraction of the new contract's mid price, in basis points. Above `max_roll_cost_bps` the roll waits for a
later ask; on its last day it is made at any cost, because a broker would close the position otherwise.

Not modelled: fees, which are a certain amount and no reason to wait; slippage beyond the best quotes.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from novation.domain.enums import Side
from novation.domain.errors import InvalidInput
from novation.domain.units import Number, to_decimal, to_ns, utc_date
from novation.reference.close_out import close_out_days
from novation.reference.holidays import BusinessDays, business_days_before, business_days_of
from novation.reference.lookup import Reference
from novation.reference.products import expiry, month_symbol, notice, product_row
from novation.reference.rolls import held_month, leave_day, next_month


class Quote(NamedTuple):
    """Best bid and ask of a contract, or of a calendar spread (new minus old, which may be negative)."""

    bid: Number
    ask: Number


class RollOrder(NamedTuple):
    """One order of a roll: a contract, or two joined by a dash for a calendar spread bought or sold as one."""

    symbol: str
    side: Side
    lots: int


@dataclass(frozen=True)
class RollPlan:
    """Where a product's roll stands on a day; `to_dict()` is the `--json` of `novation roll`."""

    root: str
    rule: str
    on: dt.date
    held: str  #: the contract to hold on the day
    next: str
    roll_day: dt.date  #: first trade date on which `next` is held
    business_days_left: int
    last_trading_day: dt.date
    first_notice_day: dt.date | None
    close_out: dict[str, str]  #: from when a broker closes longs and shorts; empty where settled in cash
    upcoming: tuple[tuple[dt.date, str, str], ...]
    cautions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, days as ISO text."""
        first = self.first_notice_day
        return {
            "root": self.root,
            "rule": self.rule,
            "on": str(self.on),
            "held": self.held,
            "next": self.next,
            "roll_day": str(self.roll_day),
            "business_days_left": self.business_days_left,
            "last_trading_day": str(self.last_trading_day),
            "first_notice_day": None if first is None else str(first),
            "close_out": dict(self.close_out),
            "upcoming": [{"day": str(day), "old": old, "new": new} for day, old, new in self.upcoming],
            "cautions": list(self.cautions),
        }

    def __str__(self) -> str:
        left = f"{self.business_days_left} business day{'' if self.business_days_left == 1 else 's'}"
        first = "none" if self.first_notice_day is None else f"{self.first_notice_day:%a %Y-%m-%d}"
        out = ", ".join(f"{side} from {day}" for side, day in self.close_out.items()) or "none: settled in cash"
        lines = [
            f"cme:{self.root} by rule {self.rule}, on {self.on:%a %Y-%m-%d}",
            f"  hold              {self.held}",
            f"  roll into         {self.next} on {self.roll_day:%a %Y-%m-%d}, in {left}",
            f"  last trading day  {self.last_trading_day:%a %Y-%m-%d}",
            f"  first notice day  {first}",
            f"  broker closes     {out}",
            "  then              " + ", ".join(f"{new} {day}" for day, _, new in self.upcoming[1:]),
        ]
        return "\n".join(lines + [f"  ! {text}" for text in self.cautions])


class RolloverScheduler:
    """The rolls of one product by one rule.

    rule: as `reference.rolls` has them. cycle: letters of the months held, else the product's active ones.
    max_roll_cost_bps: above this cost a roll waits; None: never. as_spread: one calendar spread in the place of two
    orders.

    >>> schedule = RolloverScheduler("ES", reference=Reference())
    >>> schedule.held("2026-12-11"), schedule.held("2026-12-14")
    ('ESZ2026', 'ESH2027')
    """

    def __init__(
        self,
        root: str,
        rule: str = "lead",
        *,
        cycle: str = "",
        max_roll_cost_bps: Number | None = None,
        as_spread: bool = False,
        reference: Reference | None = None,
    ) -> None:
        self.root, self.rule, self.cycle, self.as_spread = root, rule, cycle, as_spread
        self.max_roll_cost_bps = None if max_roll_cost_bps is None else to_decimal(max_roll_cost_bps)
        if self.max_roll_cost_bps is not None and self.max_roll_cost_bps < 0:
            raise InvalidInput("must not be negative", source="max_roll_cost_bps", value=max_roll_cost_bps)
        self._reference = reference or Reference.default()

    def held(self, on: Any) -> str:
        """The contract held on a trade date."""
        day = utc_date(to_ns(on, source="on"))
        row = product_row(self._reference, self.root, day)
        return month_symbol(self.root, held_month(row, day, self.rule, self.cycle))

    def plan(self, on: Any, count: int = 4) -> RollPlan:
        """Where the roll stands on a day, and the next `count` rolls."""
        if count < 1:
            raise InvalidInput("must be at least 1", source="count", value=count)
        day = utc_date(to_ns(on, source="on"))
        row = product_row(self._reference, self.root, day)
        days = business_days_of(row["calendar"])
        month = held_month(row, day, self.rule, self.cycle)
        leave = leave_day(row, month, self.rule)
        outs = close_out_days(row, month)
        upcoming: list[tuple[dt.date, str, str]] = []
        at = month
        for _ in range(count):
            after = next_month(row, at, self.cycle)
            symbols = month_symbol(self.root, at), month_symbol(self.root, after)
            upcoming.append((leave_day(row, at, self.rule), *symbols))
            at = after
        cautions = []
        for side, whose in ((Side.BUY, "longs"), (Side.SELL, "shorts")):
            if outs and leave > outs[side]:
                cautions.append(f"the roll is later than the day from which a broker closes {whose}, {outs[side]}")
        rule = self._reference.rule("cme/products", self.root, to_ns(day))
        if self.rule == "lead" and rule is not None and rule.assumption:
            cautions.append(f"assumed: {rule.assumption}")
        return RollPlan(
            root=self.root,
            rule=self.rule,
            on=day,
            held=month_symbol(self.root, month),
            next=upcoming[0][2],
            roll_day=leave,
            business_days_left=_business_days(day, leave, days),
            last_trading_day=expiry(row, month),
            first_notice_day=notice(row, month),
            close_out={"longs" if side == Side.BUY else "shorts": str(first) for side, first in outs.items()},
            upcoming=tuple(upcoming),
            cautions=tuple(cautions),
        )

    def cost_bps(self, old: Quote | None, new: Quote, spread: Quote | None = None) -> Decimal:
        """What crossing the market costs, in basis points of the new contract's mid price.

        Two orders: half of both legs' bid-ask spreads; with `as_spread` half of the calendar spread's. Raises
        `InvalidInput` where a bid lies above its ask, a needed quote is missing, or the new contract's price is not
        above zero.

        >>> RolloverScheduler("ES", reference=Reference()).cost_bps(Quote(5000, "5000.25"), Quote(5050, "5050.25"))
        Decimal('0.495037252')
        """
        legs = [("spread", spread)] if self.as_spread else [("old", old), ("new", new)]
        width = Decimal(0)
        for name, quote in legs:
            if quote is None:
                raise InvalidInput("no quote", source=name, hint="Give its best bid and ask.")
            bid, ask = (to_decimal(side) for side in quote)
            if bid > ask:
                raise InvalidInput("bid above ask", source=name, value=f"{bid} / {ask}")
            width += ask - bid
        middle = (to_decimal(new.bid) + to_decimal(new.ask)) / 2
        if middle <= 0:
            raise InvalidInput("a cost is a share of a price above zero", source="new", value=str(middle))
        return (width / 2 / middle * 10_000).quantize(Decimal("1e-9")).normalize()

    def orders(
        self, on: Any, contract: str, lots: int, *, old: Quote | None = None, new: Quote, spread: Quote | None = None
    ) -> tuple[RollOrder, ...]:
        """What to send on a day for `lots` (signed) of a contract: nothing before its roll day, nor while it costs too
        much.

        contract: as held, 'ESZ2026'. From the last business day ahead of the broker's deadline, or of the last trading
        day, the cost is no longer looked at.
        """
        day = utc_date(to_ns(on, source="on"))
        row = product_row(self._reference, self.root, day)
        month = self._month(contract, day)
        if day > expiry(row, month):
            raise InvalidInput(f"stopped trading on {expiry(row, month)}", source=contract, where=str(day))
        if not lots or day < leave_day(row, month, self.rule):
            return ()
        outs = close_out_days(row, month)
        deadline = outs[Side.BUY if lots > 0 else Side.SELL] if outs else expiry(row, month)
        cost = self.cost_bps(old, new, spread)
        last_chance = day >= business_days_before(deadline, 1, business_days_of(row["calendar"]))
        if self.max_roll_cost_bps is not None and cost > self.max_roll_cost_bps and not last_chance:
            return ()
        into = month_symbol(self.root, held_month(row, day, self.rule, self.cycle))
        side = Side.BUY if lots > 0 else Side.SELL
        if self.as_spread:
            return (RollOrder(f"{into}-{contract}", side, abs(lots)),)
        return (RollOrder(contract, Side(-side), abs(lots)), RollOrder(into, side, abs(lots)))

    def _month(self, contract: str, day: dt.date) -> int:
        id = self._reference.resolve(contract, on_ns=to_ns(day))
        instrument = self._reference.instrument(id)
        if instrument.root != self.root:
            raise InvalidInput(f"is no contract of {self.root}", source=contract)
        return instrument.contract_month


def roll(symbol: str, *, on: Any, rule: str = "lead", cycle: str = "", reference: Reference | None = None) -> RollPlan:
    """Which contract of a product to hold on a day, and when to roll it.

    symbol: the product, 'ES' or 'cme:ES'. rule: lead, days:N, expiry:N or notice:N. Raises `InvalidInput`,
    `UnknownInstrument`, `NoRuleInForce`.

    >>> roll("CL", on="2026-11-10").roll_day
    datetime.date(2026, 11, 18)
    """
    known = reference or Reference.default()
    id = known.resolve(symbol, on_ns=to_ns(on, source="on"))
    venue, _, root = id.partition(":")
    if venue != "cme" or not known.is_rolled(id):
        raise InvalidInput("is no product whose contracts are rolled", source=id, hint="Name the product, e.g. ES.")
    return RolloverScheduler(root, rule, cycle=cycle, reference=known).plan(on)


def _business_days(start: dt.date, end: dt.date, days: BusinessDays) -> int:
    """Business days after a day up to another."""
    return sum(days.is_open(start + dt.timedelta(i)) for i in range(1, (end - start).days + 1))
