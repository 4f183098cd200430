"""A market of many: accounts drawn from a seed, that arrive with money and a leveraged position each.

They arrive through the venue's own commands (money, leverage, scope, a position transferred in), so each is checked and
booked as anybody's would be; whoever is refused is reported, not left out in silence. Amounts are drawn as integers by
one PCG64 generator per population: the same seed gives the same accounts on every machine.

Not modelled: what these accounts do by themselves. They hold, are charged, liquidated and deleveraged.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from novation.domain.commands import COMMAND_DTYPE
from novation.domain.enums import CommandKind, EventKind, MarginMethod, MarginScope, OrderKind, RejectReason, Side
from novation.domain.errors import InvalidInput
from novation.domain.events import EVENT_DTYPE
from novation.domain.units import BALANCE_BOUND, E8
from novation.venues.venue import Venue

#: Accounts that arrive in one go: their commands and events stay within some 50 MB.
_AT_ONCE = 20_000
#: Minor units that a position may be worth at the price it enters at.
_MOST_VALUE = 1 << 61


class Traders(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of trader: so many accounts, each with one position entered at the venue's last price."""

    accounts: int
    side: Side
    lots: tuple[int, int]  #: smallest and largest position, both possible, uniform
    margin_e8: tuple[int, int]  #: money brought, as a share of the position's value: 2e6 is 2 %; uniform
    scope: MarginScope = MarginScope.CROSS

    def __post_init__(self) -> None:
        wrong = ""
        if self.accounts < 0:
            wrong = "accounts: 0 or more"
        elif not 1 <= self.lots[0] <= self.lots[1]:
            wrong = "lots: from 1 or more to at least as many"
        elif not 0 < self.margin_e8[0] <= self.margin_e8[1] <= 100 * E8:
            wrong = "margin: a positive share, ascending, at most 100 times the value"
        if wrong:
            raise InvalidInput(wrong, source="population")


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """How a population came in."""

    accounts: int
    lots_long: int
    lots_short: int
    refused: dict[str, int]  #: accounts without their position, each once, by `RejectReason`
    otherwise: dict[str, int]  #: accounts that have it but were refused something else, each once


def enter(venue: Venue, instrument: int, groups: list[Traders], *, seed: int, first: int = 0) -> Arrived:
    """Bring a population into accounts first, first + 1, ... of a venue, group after group.

    instrument: dense id; it needs a last price and a mark. The leverage set is the lowest whose initial margin, with
    the taker's fee, the money covers. Events are not kept: they are in the event hash.
    """
    _check(venue, instrument, groups, first)
    random = np.random.Generator(np.random.PCG64(seed))
    refused: dict[str, int] = {}
    otherwise: dict[str, int] = {}
    longs = shorts = 0
    account = first
    for group in groups:
        for count in _parts(group.accounts):
            venue.submit_all(_commands(venue, instrument, group, account, count, random))
            account += count
            events = np.frombuffer(b"".join(venue.drain()), EVENT_DTYPE)
            fills = events[events["kind"] == EventKind.FILL]
            booked = fills["lots"]
            longs += int(booked[booked > 0].sum())
            shorts -= int(booked[booked < 0].sum())
            _count(events, set(fills["account"].tolist()), refused, otherwise)
    return Arrived(accounts=account - first, lots_long=longs, lots_short=shorts, refused=refused, otherwise=otherwise)


def _count(events: np.ndarray, came: set[int], refused: dict[str, int], otherwise: dict[str, int]) -> None:
    """Add each account that was refused something once: by why its position was, else by the first refusal."""
    rows = events[events["kind"] == EventKind.COMMAND_REJECTED]
    reasons: dict[int, int] = {}
    for account, reason, lots in zip(*(rows[name].tolist() for name in ("account", "reason", "lots")), strict=True):
        if lots or account not in reasons:  # only the refusal of a position has lots
            reasons[account] = reason
    for account, reason in reasons.items():
        counts, name = otherwise if account in came else refused, RejectReason(reason).name
        counts[name] = counts.get(name, 0) + 1


def _parts(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, _AT_ONCE)
        count -= _AT_ONCE


def _check(venue: Venue, instrument: int, groups: list[Traders], first: int) -> None:
    contract, market = venue.table("contract")[instrument], venue.table("market")[instrument]
    where = venue.instruments[instrument].id
    if contract["method"] != MarginMethod.TIERED:
        raise InvalidInput("a population needs brackets: leverage is not a setting here", source=where)
    if market["last_e8"] == 0 or market["mark_e8"] == 0:
        raise InvalidInput("a population enters at the last price, and there is none yet", source=where)
    room = venue.number("accounts") - first
    wanted = sum(group.accounts for group in groups)
    if first < 0 or wanted > room:
        raise InvalidInput(f"{wanted} accounts from account {first} on do not fit", source=where, value=room)
    terms = venue.table("terms")[market["terms"]]
    most = int(venue.table("tier")[terms["tier_first"]]["max_leverage"])
    least = -(-E8 // most) + int(terms["taker_fee_e8"]) + 1
    each = int(market["last_e8"]) // int(contract["tick_e8"]) * int(contract["tick_value"])
    for number, group in enumerate(groups, 1):
        value = group.lots[1] * each
        if value >= _MOST_VALUE or value * group.margin_e8[1] // E8 > BALANCE_BOUND:
            raise InvalidInput(
                f"the largest position is worth {float(value):.4g} minor units, and an account holds 2**60 at most",
                source="population",
                where=f"traders[{number}].qty",
            )
        if group.margin_e8[0] < least:
            raise InvalidInput(
                f"a margin of {group.margin_e8[0] / E8:.4%} is below what {most}x asks for",
                source="population",
                where=f"traders[{number}].margin",
                hint=f"Use {least / E8:.4%} or more.",
            )


def _commands(
    venue: Venue, instrument: int, group: Traders, first: int, count: int, random: np.random.Generator
) -> np.ndarray:
    """The commands of `count` accounts, each account's together."""
    contract, market = venue.table("contract")[instrument], venue.table("market")[instrument]
    terms = venue.table("terms")[market["terms"]]
    ticks = int(market["last_e8"]) // int(contract["tick_e8"])
    lots = random.integers(group.lots[0], group.lots[1], count, endpoint=True)
    shares = random.integers(group.margin_e8[0], group.margin_e8[1], count, endpoint=True)
    value = lots * (ticks * int(contract["tick_value"]))
    money = np.array([v * s // E8 for v, s in zip(value.tolist(), shares.tolist(), strict=True)], np.int64)
    # the mark may stand above the entry: the initial margin is asked for on it
    above = max(0, int(market["mark_e8"]) * E8 // int(market["last_e8"]) - E8) + 1
    leverage = np.maximum(1, -(-(E8 + above) // np.maximum(1, shares - int(terms["taker_fee_e8"]) - above)))
    isolated = group.scope == MarginScope.ISOLATED
    steps = 5 if isolated else 3
    rows = np.zeros((count, steps), COMMAND_DTYPE)
    rows["account"] = np.arange(first, first + count)[:, None]
    rows["instrument"] = instrument
    rows["kind"][:, 0], rows["amount"][:, 0] = CommandKind.TRANSFER, money
    rows["kind"][:, 1], rows["leverage"][:, 1] = CommandKind.SET_LEVERAGE, leverage
    if isolated:
        rows["kind"][:, 2], rows["scope"][:, 2] = CommandKind.SET_MARGIN_SCOPE, int(group.scope)
        # all the money brought stands behind the position: what its opening does not take is put in after it
        rows["kind"][:, 4], rows["amount"][:, 4] = CommandKind.ADJUST_MARGIN, money - value // leverage
    entry = rows[:, 3 if isolated else 2]
    entry["kind"], entry["order_kind"] = CommandKind.TRANSFER_POSITION, OrderKind.LIMIT
    entry["side"], entry["lots"], entry["price_ticks"] = int(group.side), lots, ticks
    return rows.reshape(-1)
