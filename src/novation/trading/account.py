"""`novation margin --account`: every position of a real account, computed again and put beside the exchange's figures.

Behind an isolated position stands its own margin. Behind the cross positions in one symbol (a hedged pair shares one
liquidation price) stands the cross wallet of their asset plus, for every other cross position settled in it, its profit
less its maintenance at its present mark.

The *smallest adverse move* of the account is the smallest relative move of one symbol's mark, all other marks standing
still, that reaches a liquidation price. It is not a joint move: positions that fall together are liquidated sooner.

Not modelled: open orders (they take from the available balance, not from what stands behind a position), Multi-Assets
mode, and whatever the exchange changed since the brackets were recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from novation.domain.errors import DataError, InvalidInput, UnknownInstrument
from novation.domain.units import BALANCE_BOUND, E8, Number, asset_decimals, from_e8, from_scaled, money, to_ns
from novation.reference import Brackets, Reference, read_brackets
from novation.reference.bracket_files import pick
from novation.rules.integers import PART
from novation.trading.account_dump import Dump, Reported, read_account
from novation.trading.requirements import (
    Ends,
    Held,
    bankruptcy,
    check_size,
    cut,
    ends,
    exact_maintenance,
    exact_value,
    gains_by_a_rise,
    profit,
)


class PositionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One position, ours beside the exchange's. A price of 0: none. Differences are ours less theirs, None unsaid.

    move: how far its mark is from the nearest end, a fraction of the mark; None where no price ends it.
    """

    symbol: str
    side: str
    mode: str
    scope: str
    qty: Decimal
    entry: Decimal
    mark: Decimal
    leverage: int | None
    bracket: int
    initial_margin: Decimal | None
    maintenance_margin: Decimal
    liquidation_price: Decimal
    bankruptcy_price: Decimal
    move: Decimal | None
    exchange_initial_margin: Decimal | None
    exchange_maintenance_margin: Decimal | None
    exchange_liquidation_price: Decimal | None
    initial_margin_difference: Decimal | None
    maintenance_margin_difference: Decimal | None
    liquidation_price_difference: Decimal | None
    derived: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, numbers as decimal text."""
        return _plain(self)


class CrossAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The cross positions settled in one asset. maintenance_ratio: liquidated at 1; None without a balance."""

    asset: str
    wallet: Decimal
    margin_balance: Decimal
    maintenance_margin: Decimal
    maintenance_ratio: Decimal | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, numbers as decimal text."""
        return _plain(self)


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every position of a dump. smallest_move: the position nearest to its end, see the module; None: none has one."""

    source: str
    kind: str
    positions: tuple[PositionAnswer, ...]
    cross: tuple[CrossAnswer, ...]
    smallest_move: PositionAnswer | None
    brackets: dict[str, Brackets]
    cautions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: positions, cross wallets, the smallest adverse move, whose brackets, cautions."""
        nearest = self.smallest_move
        return {
            "source": self.source,
            "kind": self.kind,
            "positions": [one.to_dict() for one in self.positions],
            "cross": [one.to_dict() for one in self.cross],
            "smallest_adverse_move": None
            if nearest is None or nearest.move is None
            else {
                "symbol": nearest.symbol,
                "side": nearest.side,
                "move": f"{nearest.move:f}",
                "percent": f"{nearest.move * 100:f}",
                "of": "this symbol's mark alone, all other marks standing still",
            },
            "brackets": {symbol: found.to_dict() for symbol, found in self.brackets.items()},
            "cautions": list(self.cautions),
        }

    def __str__(self) -> str:
        head = (
            "position",
            "scope",
            "qty",
            "entry",
            "mark",
            "liquidation",
            "move",
            "bankruptcy",
            "maintenance",
            "initial",
        )
        rows = [
            (
                f"{p.symbol} {p.side}",
                f"{p.scope} {f'{p.leverage}x' if p.leverage else ''}".strip(),
                f"{p.qty.normalize():f}",
                _short(p.entry),
                _short(p.mark),
                _short(p.liquidation_price) if p.liquidation_price else "none",
                "" if p.move is None else f"{p.move * 100:.2f} %",
                _short(p.bankruptcy_price) if p.bankruptcy_price else "none",
                _short(p.maintenance_margin),
                "" if p.initial_margin is None else _short(p.initial_margin),
            )
            for p in self.positions
        ]
        lines = [f"{self.source}: {self.kind}, {len(self.positions)} positions", *_table([head, *rows])]
        compared = [
            (
                f"{p.symbol} {p.side}",
                _difference(p.liquidation_price_difference),
                _difference(p.maintenance_margin_difference),
                _difference(p.initial_margin_difference),
            )
            for p in self.positions
        ]
        lines += [
            "ours less the exchange's",
            *_table([("position", "liquidation", "maintenance", "initial"), *compared]),
        ]
        for one in self.cross:
            ratio = "none" if one.maintenance_ratio is None else f"{one.maintenance_ratio * 100:.2f} %"
            lines.append(
                f"cross {one.asset}: wallet {_short(one.wallet)}, margin balance {_short(one.margin_balance)}, "
                f"maintenance {_short(one.maintenance_margin)}, ratio {ratio}"
            )
        near = self.smallest_move
        if near is None or near.move is None:
            lines.append("smallest adverse move to a liquidation: none, no price ends any position")
        else:
            lines.append(
                f"smallest adverse move to a liquidation: {near.move * 100:.2f} % of {near.symbol} alone, "
                "all other marks standing still"
            )
        sources: dict[str, list[str]] = {}
        for symbol, found in self.brackets.items():
            sources.setdefault(str(found), []).append(symbol)
        lines += [f"brackets {text} ({', '.join(symbols)})" for text, symbols in sources.items()]
        return "\n".join([*lines, *(f"caution: {text}" for text in self.cautions)])


def margin_of_account(
    account: str | Path,
    *,
    wallet: Number | None = None,
    brackets: str | Path | None = None,
    rules_as_of: Any = None,
    reference: Reference | None = None,
) -> AccountAnswer:
    """Compute every position of an account dump (see `trading.account_dump`) and compare with the exchange's figures.

    wallet: the cross wallet balance, for dumps that do not hold it; with one that does it is refused. brackets,
    rules_as_of: as in `margin`. Raises `DataError` naming the file and the key, `UnknownInstrument` for a symbol that
    has no brackets.
    """
    dump = read_account(account)
    reference = reference or Reference.default()
    found = _brackets(dump, brackets, rules_as_of, reference)
    wallets = _wallets(dump, wallet)
    held = [Held(p.qty_e8, p.cost, found[p.symbol].tiers) for p in dump.positions]
    for p, one in zip(dump.positions, held, strict=True):
        check_size([one], p.mark_e8, source=f"{dump.source} {p.symbol}")
    limits: dict[int, tuple[Ends, int, bool]] = {}
    for group in _groups(dump.positions):
        legs = [held[i] for i in group]
        p = dump.positions[group[0]]
        if p.isolated:
            behind = broke = p.margin * PART
        else:
            rest = [
                (held[i], q.mark_e8)
                for i, q in enumerate(dump.positions)
                if not q.isolated and q.asset == p.asset and i not in group
            ]
            broke = wallets[p.asset] * PART + sum(profit(mark, one) for one, mark in rest)
            behind = broke - sum(exact_maintenance(mark, one) for one, mark in rest)
        found_here = ends(legs, behind), bankruptcy(legs, broke), gains_by_a_rise(legs, p.mark_e8)
        limits |= dict.fromkeys(group, found_here)
    answers = tuple(_answer(p, held[i], found[p.symbol], *limits[i]) for i, p in enumerate(dump.positions))
    moving = [one for one in answers if one.move is not None]
    return AccountAnswer(
        source=str(account),
        kind=dump.kind,
        positions=answers,
        cross=tuple(_cross(asset, wallets[asset], dump.positions, held) for asset in sorted(wallets)),
        smallest_move=min(moving, key=lambda one: one.move or Decimal(0), default=None),
        brackets=found,
        cautions=_cautions(dump, found),
    )


def _brackets(dump: Dump, brackets: str | Path | None, rules_as_of: Any, reference: Reference) -> dict[str, Brackets]:
    """The tiers of every symbol of a dump."""
    at_ns = None if rules_as_of is None else to_ns(rules_as_of, source="rules_as_of")
    symbols = dict.fromkeys(p.symbol for p in dump.positions)
    if brackets is not None:
        table = read_brackets(brackets, at_ns)
        return {symbol: pick(table, symbol, brackets) for symbol in symbols}
    found = {}
    for symbol in symbols:
        try:
            found[symbol] = reference.brackets(f"binance_um:{symbol}", at_ns)
        except UnknownInstrument:
            raise UnknownInstrument(
                symbol,
                reason=f"in {dump.source} has no brackets in the tables. Pass a file that has them (--brackets FILE), "
                "or fetch them with `novation reference refresh`.",
            ) from None
    return found


def _wallets(dump: Dump, wallet: Number | None) -> dict[str, int]:
    """The cross wallet of each asset in which cross positions are settled."""
    needed = sorted({p.asset for p in dump.positions if not p.isolated})
    lacking = [asset for asset in needed if asset not in dump.wallets]
    if wallet is not None and (len(lacking) != 1 or dump.wallets):
        problem = "the file gives the cross wallet itself" if not lacking else "one number for several wallets"
        raise InvalidInput(problem, source="wallet", value=str(wallet), hint=f"Cross positions in {', '.join(needed)}.")
    if wallet is not None:
        try:
            units = money(wallet, lacking[0])
        except InvalidInput as error:
            raise InvalidInput(error.problem, source="wallet", value=str(wallet)) from None
        if not -BALANCE_BOUND < units < BALANCE_BOUND:
            raise InvalidInput("is larger than any balance", source="wallet", value=str(wallet))
        return {lacking[0]: units}
    if lacking:
        raise DataError(
            f"has cross positions in {lacking[0]} but not their wallet, crossWalletBalance",
            source=dump.source,
            hint="Pass it as wallet (--wallet), or dump /fapi/v3/account.",
        )
    return {asset: dump.wallets[asset] for asset in needed}


def _groups(positions: Sequence[Reported]) -> Iterable[list[int]]:
    """Positions that share their margin and their price: cross ones of one symbol; an isolated one is alone."""
    shared: dict[str, list[int]] = {}
    for i, p in enumerate(positions):
        shared.setdefault(f"{i}" if p.isolated else p.symbol, []).append(i)
    return shared.values()


def _answer(p: Reported, held: Held, found: Brackets, limit: Ends, broke_e8: int, rising: bool) -> PositionAnswer:
    decimals = asset_decimals(p.asset)
    notional = cut(exact_value(p.mark_e8, abs(p.qty_e8)))
    maintenance = from_scaled(cut(exact_maintenance(p.mark_e8, held)), decimals)
    initial = None if p.leverage is None else from_scaled(notional // p.leverage, decimals)
    price = from_e8(limit.adverse(rising) or limit.adverse(not rising))  # a hedged pair may have the other one alone
    qty = from_e8(abs(p.qty_e8))
    return PositionAnswer(
        symbol=p.symbol,
        side=p.side,
        mode="hedge" if p.hedge else "one-way",
        scope="isolated" if p.isolated else "cross",
        qty=qty,
        entry=from_e8(round(abs(p.cost) * E8 / (abs(p.qty_e8) * PART))) if p.qty_e8 else Decimal(0),
        mark=from_e8(p.mark_e8),
        leverage=p.leverage,
        bracket=found.tier_number(notional),
        initial_margin=initial,
        maintenance_margin=maintenance,
        liquidation_price=price,
        bankruptcy_price=from_e8(broke_e8),
        move=_move(limit, p.mark_e8),
        exchange_initial_margin=p.initial,
        exchange_maintenance_margin=p.maintenance,
        exchange_liquidation_price=p.liquidation,
        initial_margin_difference=_less(initial, p.initial),
        maintenance_margin_difference=_less(maintenance, p.maintenance),
        liquidation_price_difference=_less(price, p.liquidation),
        derived=p.derived,
    )


def _move(limit: Ends, mark_e8: int) -> Decimal | None:
    """How far a mark is from the nearer end, as a fraction of it cut to 1e-8; zero where it is there already."""
    if limit.always or mark_e8 <= limit.below_e8 or (limit.above_e8 and mark_e8 >= limit.above_e8):
        return Decimal(0)
    gaps = [mark_e8 - limit.below_e8] if limit.below_e8 else []
    gaps += [limit.above_e8 - mark_e8] if limit.above_e8 else []
    return from_e8(min(gaps) * E8 // mark_e8) if gaps else None


def _cross(asset: str, wallet: int, positions: Sequence[Reported], held: Sequence[Held]) -> CrossAnswer:
    own = [(one, p.mark_e8) for p, one in zip(positions, held, strict=True) if not p.isolated and p.asset == asset]
    balance = wallet * PART + sum(profit(mark, one) for one, mark in own)
    maintenance = sum(exact_maintenance(mark, one) for one, mark in own)
    decimals = asset_decimals(asset)
    return CrossAnswer(
        asset=asset,
        wallet=from_scaled(wallet, decimals),
        margin_balance=from_scaled(cut(balance), decimals),
        maintenance_margin=from_scaled(cut(maintenance), decimals),
        maintenance_ratio=from_e8(maintenance * E8 // balance) if balance > 0 else None,
    )


def _cautions(dump: Dump, found: dict[str, Brackets]) -> tuple[str, ...]:
    texts: dict[str, list[str]] = {}
    for p in dump.positions:
        for what in p.derived:
            texts.setdefault(f"not in the file: {what}", []).append(f"{p.symbol} {p.side}")
    for symbol, one in found.items():
        if one.assumption:
            texts.setdefault(f"brackets assumed: {one.assumption}", []).append(symbol)
    return tuple(f"{text} ({', '.join(dict.fromkeys(who))})" for text, who in texts.items())


def _less(ours: Decimal | None, theirs: Decimal | None) -> Decimal | None:
    return None if ours is None or theirs is None else ours - theirs


def _plain(answer: msgspec.Struct) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in answer.__struct_fields__:
        value = getattr(answer, name)
        given[name] = f"{value:f}" if isinstance(value, Decimal) else list(value) if isinstance(value, tuple) else value
    return given


def _short(number: Decimal) -> str:
    """Two decimals for what is large, six digits for what is small."""
    if abs(number) >= 1:
        return f"{number:,.2f}"
    return f"{number:.6g}" if number else "0"


def _difference(number: Decimal | None) -> str:
    return "not given" if number is None else f"{number.normalize():+f}" if number else "0"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if not i else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
