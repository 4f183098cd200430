"""The slippage of one product as its rows have it: which terms are on, and what they make of many orders at once.

`Slippage.of` chooses the terms; `fractions` is `rules.slippage` over arrays, a million orders in well under a second.
Terms that nobody measured or published are off until they are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from novation.domain.errors import InvalidInput
from novation.domain.slippage import ACTS_ON, BASE, CURVES, RAMPS, TERMS, SlippageTerm
from novation.reference import Reference
from novation.reference.slippage import Product, contract_row, product_of, slippage_terms
from novation.rules.slippage import ramp, slippages

#: Days over which an annual volatility is spread: of a market that never closes, and of one of business days.
DAYS_A_YEAR = {"binance_um": 365, "cme": 252}
#: Words for `terms` beside names.
ALL, BARE = "all", "base"

Floats = npt.NDArray[np.float64]


class Factors(NamedTuple):
    """Factors of orders: each term's, and by what they act on their product. unknown: on, without a driver."""

    each: dict[str, Floats]
    wider: Floats
    deeper: Floats
    both: Floats
    unknown: tuple[str, ...]


class Slippage(msgspec.Struct, frozen=True, kw_only=True):
    """Terms of a product that are on, and names of those that are off. tick: price."""

    id: str
    product: Product
    tick: float
    on: dict[str, SlippageTerm]
    off: tuple[str, ...]

    @classmethod
    def of(
        cls,
        symbol: str,
        *,
        at_ns: int | None = None,
        terms: str | Iterable[str] = (),
        reference: Reference | None = None,
    ) -> Slippage:
        """The slippage of a symbol by the rows in force at an instant, else by the newest.

        terms: names of assumed terms that count too; "all" of them; "base": no factor but those that are named. Raises
        `InvalidInput`, `UnknownInstrument`, `NoRuleInForce`.
        """
        reference = reference or Reference.default()
        id = reference.resolve(symbol, at_ns)
        product = product_of(reference, id)
        found = slippage_terms(reference, product, at_ns)
        named = _named(terms, found, id)
        on = {
            name: term
            for name, term in found.items()
            if name in named or ((name in BASE or BARE not in named) and (not term.assumed or ALL in named))
        }
        off = tuple(name for name in found if name not in on)
        return cls(id=id, product=product, tick=float(contract_row(reference, product, at_ns).tick), on=on, off=off)

    def base(self, name: str) -> SlippageTerm:
        """A base term that is on."""
        term = self.on.get(name)
        if term is None:
            raise InvalidInput(
                f"has no {name}", source=self.id, hint="Add a row to slippage.csv in a folder of your own."
            )
        return term

    def half_spread(self, mid: Any, spread_bps: Any = None, *, end: str = "coefficient") -> Floats:
        """Half of the spread as a fraction of the mid: as given, else by the row; half a tick at least, as no quote is
        narrower. end: of the row, "coefficient", or "low" or "high" of its range."""
        mid = np.asarray(mid, dtype=np.float64)
        if spread_bps is not None:
            half = np.asarray(spread_bps, dtype=np.float64) / 20_000.0
        elif "half_spread" in self.on:
            half = getattr(self.on["half_spread"], end) / mid
        elif "half_spread_bps" in self.on:
            half = np.broadcast_to(getattr(self.on["half_spread_bps"], end) / 10_000.0, mid.shape)
        else:
            assumed = "half_spread_bps" in self.off or "half_spread" in self.off
            hint = "Give spread_bps, or bid and ask" + ("; or count the term half_spread_bps." if assumed else ".")
            raise InvalidInput("no row says how wide its quotes are", source=self.id, where="spread_bps", hint=hint)
        found: Floats = np.maximum(half, 0.5 * self.tick / mid)
        return found

    def factors(self, side: Any, drivers: Mapping[str, Any], hour: Any = None, month: Any = None) -> Factors:
        """What the ramps and curves make of each order. side: +1 buys, -1 sells; drivers: by name of the ramp, nan
        where not known; hour: UTC, from 0; month: from 1."""
        each: dict[str, Floats] = {}
        unknown = []
        acting = {which: np.ones(()) for which in ACTS_ON}
        for name, term in self.on.items():
            if name in BASE:
                continue
            index = {"hour": hour, "month": None if month is None else np.asarray(month) - 1}.get(name)
            given = index if name in CURVES else drivers.get(name)
            if given is None:
                unknown.append(name)
                continue
            if name in CURVES:
                factor = np.asarray(term.values)[np.asarray(given)]
            else:
                driver = np.asarray(given, dtype=np.float64)
                if RAMPS[name].signed:
                    driver = side * driver
                factor = ramp(driver, term.begins, term.full, term.coefficient)
            each[name] = factor
            acting[term.on] = acting[term.on] * factor
        return Factors(each, acting["spread"], acting["impact"], acting["all"], tuple(unknown))

    def fractions(
        self,
        qty: Any,
        *,
        mid: Any,
        volume: Any,
        volatility: Any,
        side: Any = 1,
        spread_bps: Any = None,
        hour: Any = None,
        month: Any = None,
        least: float = 0.0,
        most: float = np.inf,
        **drivers: Any,
    ) -> Floats:
        """What each order pays beyond the mid, as a fraction of it: float64 of the arguments' common shape.

        qty, volume: coins or contracts, volume those of a day; volatility: annual; side: +1 or -1; drivers: `RAMPS`.
        Raises `InvalidInput` that names the argument and the place of what is no market.
        """
        stray = next((name for name in drivers if name not in RAMPS), None)
        if stray is not None:
            raise InvalidInput("is no driver", source=self.id, where=stray, hint=f"Drivers: {', '.join(RAMPS)}.")
        for name, given in (("qty", qty), ("mid", mid), ("volume", volume), ("volatility", volatility)):
            above_zero(given, name)
        for name, index, first, last in (("hour", hour, 0, 23), ("month", month, 1, 12)):
            if index is not None:
                _within(index, name, first, last)
        if not np.isin(side, (1, -1)).all():
            raise InvalidInput("is 1 (buys) or -1 (sells)", source="side", value=side)
        if not 0.0 <= least <= most:
            raise InvalidInput("least and most are fractions, 0 <= least <= most", source="least", value=(least, most))
        if spread_bps is not None:
            above_zero(spread_bps, "spread_bps", zero=True)
        factors = self.factors(side, drivers, hour, month)
        return slippages(
            self.half_spread(mid, spread_bps),
            self.base("impact").coefficient,
            self.daily(volatility),
            np.asarray(qty, dtype=np.float64) / volume,
            self.base("exponent").coefficient,
            factors.wider,
            factors.deeper,
            factors.both,
            least,
            most,
        )

    def daily(self, volatility: Any) -> Floats:
        """The volatility of a day, of an annual one."""
        return np.asarray(volatility, dtype=np.float64) / np.sqrt(DAYS_A_YEAR[self.product.venue])


def _within(given: Any, name: str, first: int, last: int) -> None:
    """Refuse what are no whole numbers of a range."""
    values = np.asarray(given)
    if values.dtype.kind not in "iu" or ((values < first) | (values > last)).any():
        raise InvalidInput(f"is a whole number from {first} to {last}", source=name, value=given)


def above_zero(given: Any, name: str, *, zero: bool = False) -> None:
    """Refuse numbers that are none, or not above zero (zero: not below it), naming the first."""
    values = np.asarray(given, dtype=np.float64)
    good = np.isfinite(values) & ((values >= 0) if zero else (values > 0))
    if good.all():
        return
    place = int(np.flatnonzero(~good.reshape(-1))[0])
    where = f"{name}[{place}]" if values.ndim else name
    raise InvalidInput(
        f"expected a number {'of zero or more' if zero else 'above zero'}",
        source=where,
        value=float(values.reshape(-1)[place]),
    )


def _named(terms: str | Iterable[str], found: Mapping[str, SlippageTerm], id: str) -> frozenset[str]:
    """The names that are asked for, `ALL` and `BARE` among them."""
    if isinstance(terms, str):
        terms = terms.replace(",", " ").split()
    elif not isinstance(terms, Iterable):
        raise InvalidInput("expected names of terms", source="terms", value=terms)
    names = frozenset(terms)
    for name in sorted(names - {ALL, BARE}, key=str):
        if name not in TERMS:
            hint = f"Terms: {ALL}, {BARE}, {', '.join(TERMS)}."
            raise InvalidInput("is no term of slippage", source="terms", value=name, hint=hint)
        if name not in found:
            known = ", ".join(found)
            raise InvalidInput(f"{id} has no such term in force", source="terms", value=name, hint=f"It has: {known}.")
    return names
