"""`novation margin`: one position's margins, liquidation and bankruptcy price, and what its order would cost.

Sources: facts of the exchange in `docs/rules/margin.md`; the cost of an order is the exchange's FAQ on it, in its two
dated versions (`order_cost`). Brackets are looked up as of a date that the answer states: the newest known ones unless
another date is asked for. A backtest never picks a date by itself; a question about today has to.

Not modelled: other positions beside this one, open orders, the fee of the opening order.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from novation.domain.enums import OrderKind, Side
from novation.domain.errors import InvalidInput, OffGrid, UnknownInstrument
from novation.domain.units import (
    BALANCE_BOUND,
    Number,
    asset_decimals,
    from_e8,
    from_scaled,
    money,
    plain,
    to_e8,
    to_ns,
)
from novation.reference import Brackets, Reference, read_brackets
from novation.reference.bracket_files import pick
from novation.rules.integers import PART
from novation.rules.order_cost import assumed_price
from novation.rules.order_cost import order_cost as cost_of
from novation.trading.requirements import (
    Held,
    bankruptcy,
    check_size,
    cut,
    ends,
    exact_maintenance,
    exact_value,
    profit,
)

_SIDES = {"long": 1, "short": -1}


class MarginAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one position requires. Money in `asset`, exact decimals; prices of 0: there is none.

    initial, maintenance: at the mark, as the exchange shows them. liquidation: for a long the highest, for a short the
    lowest 1e-8 price at which margin and profit are no more than the maintenance. bankruptcy: for a long the lowest,
    for a short the highest that leaves no less than nothing.
    """

    instrument: str
    side: str
    qty: Decimal
    entry: Decimal
    mark: Decimal
    leverage: int
    scope: str
    mode: str
    asset: str
    wallet: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    bracket: int
    cum: Decimal
    maintenance_rate: Decimal
    liquidation_price: Decimal
    bankruptcy_price: Decimal
    order_cost: Decimal
    notional: Decimal
    unrealised: Decimal
    maintenance_ratio: Decimal | None
    liquidated: bool
    brackets: Brackets
    cautions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values: amounts, prices and rates as decimal text."""
        return plain(self) | {"brackets": self.brackets.to_dict(), "cautions": list(self.cautions)}

    def __str__(self) -> str:
        a = self.asset
        ratio = "none" if self.maintenance_ratio is None else f"{self.maintenance_ratio * 100:.2f} %"
        held = "LONG" if self.side == "long" else "SHORT"
        rows = [
            ("initial margin", f"{_shown(self.initial_margin)} {a}", f"at {self.leverage}x"),
            (
                "maintenance margin",
                f"{_shown(self.maintenance_margin)} {a}",
                f"bracket {self.bracket}: {(self.maintenance_rate * 100).normalize():f} % less cum {_shown(self.cum)}",
            ),
            ("maintenance ratio", ratio, "liquidated at this mark" if self.liquidated else "liquidated at 100 %"),
            ("liquidation price", _price(self.liquidation_price), self._distance(self.liquidation_price)),
            ("bankruptcy price", _price(self.bankruptcy_price), self._distance(self.bankruptcy_price)),
            ("order cost", f"{_shown(self.order_cost)} {a}", "initial margin and open loss of a limit order at entry"),
        ]
        width = max(len(value) for _, value, _ in rows)
        lines = [
            f"{self.instrument}  {self.side} {self.qty.normalize():f} at {_shown(self.entry)}, mark {_shown(self.mark)}"
            f"   {self.scope} {self.leverage}x, wallet {_shown(self.wallet)} {a}"
            f"   {self.mode}{f' ({held})' if self.mode == 'hedge' else ''}"
        ]
        lines += [f"  {name:<20}{value:>{width}}   {note}".rstrip() for name, value, note in rows]
        lines.append(f"brackets {self.brackets}")
        return "\n".join([*lines, *(f"caution: {text}" for text in self.cautions)])

    def _distance(self, price: Decimal) -> str:
        return f"{(price / self.mark - 1) * 100:+.2f} % from the mark" if price else "no price ends it"


def _shown(number: Decimal) -> str:
    """A number with its thousands apart, two decimals at least."""
    text = f"{number.normalize():,f}"
    decimals = len(text.partition(".")[2])
    return f"{number:,.2f}" if decimals < 2 else text


def _price(price: Decimal) -> str:
    return _shown(price) if price else "none"


def find_brackets(
    symbol: str, brackets: str | Path | None, rules_as_of: Any, reference: Reference
) -> tuple[str, Brackets]:
    """The public id of a symbol and its tiers, from a file or from the tables as of a day."""
    at_ns = None if rules_as_of is None else to_ns(rules_as_of, source="rules_as_of")
    if brackets is None:
        return reference.resolve(symbol), reference.brackets(symbol, at_ns)
    id = reference.perpetual(symbol)
    return id, pick(read_brackets(brackets, at_ns), id.partition(":")[2], brackets)


def margin(
    symbol: str,
    *,
    side: str,
    qty: Number,
    entry: Number,
    leverage: int,
    scope: str = "isolated",
    wallet: Number | None = None,
    mark: Number | None = None,
    last: Number | None = None,
    mode: str = "one-way",
    brackets: str | Path | None = None,
    rules_as_of: Any = None,
    reference: Reference | None = None,
) -> MarginAnswer:
    """Ask what a position would require and where it would be liquidated.

    side: "long" or "short"; qty: coins, positive; entry: the average entry price; scope: "isolated" or "cross".
    wallet: what stands behind it: the position's own margin (its initial margin at the entry unless given) or the
    cross wallet balance. mark: the current mark price, else the entry. last: the last trade price, with which a limit
    sell costs what it does by the exchange's text of 2026. mode: "one-way" or "hedge"; one position alone requires
    the same in both. brackets: a file of the user's own (`reference.bracket_files`). rules_as_of: the day whose
    brackets are used, else the newest known.

    >>> answer = margin("BTCUSDT", side="long", qty="0.1", entry=60_000, leverage=10)
    >>> f"{answer.initial_margin} {answer.liquidation_price:.2f} {answer.bankruptcy_price}"
    '600.00000000 54216.87 54000.00000000'
    """
    reference = reference or Reference.default()
    for name, value, known in (
        ("side", side, tuple(_SIDES)),
        ("scope", scope, ("isolated", "cross")),
        ("mode", mode, ("one-way", "hedge")),
    ):
        if value not in known:
            raise InvalidInput(f"expected {' or '.join(known)}", source=name, value=value)
    id, found = find_brackets(symbol, brackets, rules_as_of, reference)
    asset, source = found.asset, found.symbol
    qty_e8 = _positive(qty, "qty")
    entry_e8 = _positive(entry, "entry")
    mark_e8 = entry_e8 if mark is None else _positive(mark, "mark")
    _check_lot(id, qty, qty_e8, reference)
    if isinstance(leverage, bool) or not isinstance(leverage, int) or leverage < 1:
        raise InvalidInput("expected a whole number above zero", source="leverage", value=leverage)

    signed = _SIDES[side] * qty_e8
    bare = Held(signed, 0, found.tiers)
    for price, name in ((entry_e8, "entry"), (mark_e8, "mark")):
        check_size([bare], price, source=name, size="qty")
    held = Held(signed, exact_value(entry_e8, signed), found.tiers)
    at_entry = cut(exact_value(entry_e8, qty_e8))
    notional = cut(exact_value(mark_e8, qty_e8))
    most = found.tiers[0].max_leverage
    if leverage > most:
        raise InvalidInput(
            f"the first bracket allows at most {most}x", source=source, where="leverage", value=f"{leverage}x"
        )
    if at_entry > found.largest(leverage):
        top = from_scaled(found.largest(leverage), asset_decimals(asset))
        raise InvalidInput(
            f"at {leverage}x the brackets allow a position of at most {_shown(top)} {asset}",
            source=source,
            where="qty",
            value=_shown(from_scaled(at_entry, asset_decimals(asset))),
            hint=_largest_leverage(found, at_entry),
        )
    if wallet is not None:
        behind = _wallet(wallet, asset)
    elif scope == "isolated":
        behind = at_entry // leverage
    else:
        raise InvalidInput(
            "a cross position needs the wallet balance behind it", source="wallet", hint="Pass wallet (--wallet)."
        )

    limits = ends([held], behind * PART)
    rising = signed > 0
    tier = found.tiers[found.tier_number(notional) - 1]
    equity = behind * PART + profit(mark_e8, held)
    maintenance = exact_maintenance(mark_e8, held)
    last_e8 = None if last is None else _positive(last, "last")
    above_e8 = _sell_above_last_e8(reference, rules_as_of)
    cost, cost_note = order_cost(signed, entry_e8, mark_e8, leverage, last_e8, above_e8)

    def amount(units: int) -> Decimal:
        return from_scaled(units, asset_decimals(asset))

    return MarginAnswer(
        instrument=id,
        side=side,
        qty=from_e8(qty_e8),
        entry=from_e8(entry_e8),
        mark=from_e8(mark_e8),
        leverage=leverage,
        scope=scope,
        mode=mode,
        asset=asset,
        wallet=amount(behind),
        initial_margin=amount(notional // leverage),
        maintenance_margin=amount(cut(maintenance)),
        bracket=found.tier_number(notional),
        cum=amount(tier.cum),
        maintenance_rate=from_e8(tier.rate_e8),
        liquidation_price=from_e8(limits.adverse(rising)),
        bankruptcy_price=from_e8(bankruptcy([held], behind * PART)),
        order_cost=amount(cost),
        notional=amount(notional),
        unrealised=amount(cut(profit(mark_e8, held))),
        maintenance_ratio=_ratio(maintenance, equity),
        liquidated=equity <= maintenance,
        brackets=found,
        cautions=_cautions(found, cost_note),
    )


def _sell_above_last_e8(reference: Reference, rules_as_of: Any) -> int:
    """How far above the last price a limit sell is assumed to fill (table order_cost), 0: at its own price."""
    name = "limit_sell_above_last_fraction"
    if rules_as_of is None:
        found = reference.latest_row("binance_um/order_cost", "all")
        return to_e8(found[0][name]) if found else 0
    return to_e8(reference.row("binance_um/order_cost", "all", to_ns(rules_as_of, source="rules_as_of"))[name])


def order_cost(
    signed_e8: int, price_e8: int, mark_e8: int, leverage: int, last_e8: int | None, above_last_e8: int
) -> tuple[int, str]:
    """What a limit order takes from the available balance (`rules.order_cost`), in minor units, and a caution.

    A sell needs the last price for the rule of the text of 2026; without it the text before is used.
    """
    side, qty_e8 = (Side.BUY, signed_e8) if signed_e8 > 0 else (Side.SELL, -signed_e8)
    older = last_e8 is None
    prices = (price_e8, last_e8 or 0, mark_e8, 0, 0)
    assumed = assumed_price(0 if older else above_last_e8, 0, int(OrderKind.LIMIT), int(side), *prices)
    note = ""
    if older and above_last_e8 and side == Side.SELL:
        note = (
            "order cost of a sell by the exchange's text before 2026, which assumes the order's own price; "
            "pass the last price for the present one"
        )
    return int(cost_of(qty_e8, 1, int(side), int(assumed), mark_e8, leverage)), note


def _cautions(found: Brackets, cost_note: str) -> tuple[str, ...]:
    texts = [cost_note] if cost_note else []
    if found.assumption:
        texts.append(f"brackets assumed: {found.assumption}")
    return tuple(texts)


def _ratio(maintenance: int, equity: int) -> Decimal | None:
    """Maintenance over margin balance, cut to 1e-8; None where the balance is not positive."""
    return from_e8(maintenance * 10**8 // equity) if equity > 0 else None


def _largest_leverage(found: Brackets, notional: int) -> str:
    fitting = [tier.max_leverage for tier in found.tiers if notional <= tier.cap]
    if not fitting:
        return "No leverage allows this size."
    return f"Up to {max(fitting)}x allows this size."


def _positive(value: Number, name: str) -> int:
    try:
        number = to_e8(value)
    except InvalidInput as error:
        raise InvalidInput(error.problem, source=name, value=str(value)) from None
    if number <= 0:
        raise InvalidInput("expected a number above zero", source=name, value=str(value))
    return number


def _wallet(value: Number, asset: str) -> int:
    try:
        units = money(value, asset)
    except InvalidInput as error:
        raise InvalidInput(error.problem, source="wallet", value=str(value)) from None
    if not -BALANCE_BOUND < units < BALANCE_BOUND:
        raise InvalidInput("is larger than any balance", source="wallet", value=str(value))
    return units


def _check_lot(id: str, qty: Number, qty_e8: int, reference: Reference) -> None:
    """Refuse a quantity between two lots, where the contract is known."""
    try:
        lot_e8 = reference.instrument(id).lot_e8
    except UnknownInstrument:
        return
    if qty_e8 % lot_e8:
        raise OffGrid(f"qty {qty} is not a multiple of the lot {from_e8(lot_e8).normalize():f}", source=id)
