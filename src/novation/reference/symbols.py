"""What a user may call an instrument, and the one public id it stands for.

| written                                 | id                        |
|-----------------------------------------|---------------------------|
| `BTCUSDT`, `binance_um:BTCUSDT`         | `binance_um:BTCUSDT`      |
| `BTC/USDT:USDT` (ccxt)                  | `binance_um:BTCUSDT`      |
| `BTCUSDT_261225`, `BTC/USDT:USDT-261225` | `binance_um:BTCUSDT_261225` (quarterly) |
| `ES`, `cme:ES`                          | `cme:ES` (rolled)         |
| `ESZ2026`, `ESZ26`, `cme:ESZ2026`       | `cme:ESZ2026`             |
| `ESZ6`                                  | needs a date: one digit names a year of every decade |
| `binance_spot:BTCUSDT`, `binance_spot:BTC/USDT` | `binance_spot:BTCUSDT` |
| `BTC/USDT`                              | refused: spot or perpetual is not said |

A month that a product never lists (`ESF2027`) is refused; whether it was listed on a given day is asked of
`reference.products`.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from dataclasses import dataclass

from novation.domain.errors import UnknownInstrument
from novation.domain.units import NS
from novation.reference.quarterlies import delivery_day, last_friday

MONTHS = "FGHJKMNQUVXZ"
_CCXT = re.compile(r"([A-Z0-9]+)/([A-Z0-9]+)(?::([A-Z0-9]+))?(-\d{6})?")
_QUARTERLY = re.compile(r"([A-Z0-9]+)_(\d{6})")
_DATED = re.compile(rf"([A-Z0-9]+?)([{MONTHS}])(\d{{4}}|\d{{1,2}})")


@dataclass(frozen=True)
class Name:
    """An instrument's id in parts; `month` (YYYYMM) is 0 for a perpetual and for a rolled symbol, `delivery` (YYMMDD)
    is empty for all but a quarterly."""

    venue: str
    key: str
    month: int = 0
    delivery: str = ""

    @property
    def symbol(self) -> str:
        """The part after the venue: 'BTCUSDT', 'BTCUSDT_261225', 'ES', 'ESZ2026'."""
        if self.delivery:
            return f"{self.key}_{self.delivery}"
        return f"{self.key}{MONTHS[self.month % 100 - 1]}{self.month // 100}" if self.month else self.key

    @property
    def id(self) -> str:
        """The public id."""
        return f"{self.venue}:{self.symbol}"


@dataclass(frozen=True)
class Product:
    """One key of a contracts table; base, quote and asset are empty for dated products."""

    venue: str
    key: str
    dated: bool
    base: str = ""
    quote: str = ""
    asset: str = ""
    first_year: int = 0  #: years for which a one-digit year can stand
    last_year: int = 0
    quarterly: bool = False  #: contracts of it are delivered each quarter
    months: str = ""  #: letters of the months it can be listed for, empty where no table says
    spot: bool = False  #: bought for cash; a name without its venue never means it

    @property
    def id(self) -> str:
        """The product's own id: of the perpetual, or of the rolled symbol."""
        return f"{self.venue}:{self.key}"


def parse(symbol: str, products: tuple[Product, ...], venues: tuple[str, ...], on_ns: int | None = None) -> Name:
    """The instrument a symbol stands for.

    on_ns: an instant at which it was traded, which settles a one-digit year. Raises `UnknownInstrument` with
    the candidates where there is none or more than one.
    """
    text = symbol.strip()
    venue, colon, rest = text.partition(":")
    stated = bool(colon) and venue.lower() in venues
    if stated:
        products = tuple(product for product in products if product.venue == venue.lower())
        text = rest
    text = text.upper()
    names = [Name(p.venue, p.key) for p in products if p.key == text and (stated or not p.spot)]
    if pair := _CCXT.fullmatch(text):
        base, quote, settle, expiry = pair.groups()
        names += _of_pair(symbol, base, quote, settle, expiry, products)
    if quarterly := _QUARTERLY.fullmatch(text):
        of, day = quarterly.groups()
        names += [_quarterly(symbol, p, day) for p in products if p.key == of and p.quarterly]
    if dated := _DATED.fullmatch(text):
        root, letter, year = dated.groups()
        for product in products:
            if product.dated and product.key == root:
                month = MONTHS.index(letter) + 1
                if product.months and letter not in product.months:
                    reason = f"is no month of {product.id}, which has {' '.join(product.months)} (table cme/products)."
                    raise UnknownInstrument(symbol, reason=reason)
                names += [Name(product.venue, root, y * 100 + month) for y in _years(year, month, product, on_ns)]
    if len(names) == 1:
        return names[0]
    if names:
        raise UnknownInstrument(symbol, tuple(name.id for name in names))
    nearest, known = _nearest(text, products)
    perpetual = "/" in text or any(product.quote and text.endswith(product.quote) for product in products)
    unknown = not nearest and not perpetual and any(product.dated for product in products)
    hint = "A product is a row of table cme/products, or a file of your own (--products)." if unknown else ""
    raise UnknownInstrument(symbol, nearest, known=known, hint=hint)


def _of_pair(
    symbol: str, base: str, quote: str, settle: str | None, expiry: str | None, products: tuple[Product, ...]
) -> list[Name]:
    found = [p for p in products if p.base == base and p.quote == quote]
    if not found:
        return []
    if expiry:
        quarterlies = [p for p in found if p.quarterly and p.asset == settle]
        if not quarterlies:
            raise UnknownInstrument(symbol, reason="is a delivery contract; only the pair's perpetual is known.")
        return [_quarterly(symbol, p, expiry[1:]) for p in quarterlies]
    futures = [p for p in found if not p.spot]
    if settle is None and not futures:
        return [Name(p.venue, p.key) for p in found]
    if settle is None:
        found = futures
        spot = f"binance_spot:{found[0].key}"
        raise UnknownInstrument(
            symbol,
            (spot, *(p.id for p in found)),
            reason=f"is spot ({spot}) or a perpetual "
            f"({found[0].id}, ccxt '{base}/{quote}:{found[0].asset}'). Say which.",
        )
    return [Name(p.venue, p.key) for p in futures if p.asset == settle]


def _quarterly(symbol: str, product: Product, expiry: str) -> Name:
    if delivery_day(expiry) is None:
        year, month = 2000 + int(expiry[:2]), min(12, (max(1, int(expiry[2:4])) + 2) // 3 * 3)
        nearest = f"{product.id}_{last_friday(year, month):%y%m%d}"
        reason = f"names no last Friday of a quarter, on which contracts are delivered; did you mean {nearest}?"
        raise UnknownInstrument(symbol, reason=reason)
    return Name(product.venue, product.key, delivery=expiry)


def _years(digits: str, month: int, product: Product, on_ns: int | None) -> list[int]:
    """The years that one, two or four digits can mean."""
    if len(digits) == 4:
        return [int(digits)]
    if len(digits) == 2:
        return [(1900 if int(digits) >= 70 else 2000) + int(digits)]
    if on_ns is None:
        return [y for y in range(product.first_year, product.last_year + 10) if y % 10 == int(digits)]
    on = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=on_ns // NS)
    # A contract is traded before its month is over, so the first such month that is not past is meant.
    decade = [y for y in range(on.year, on.year + 11) if y % 10 == int(digits)]
    return [y for y in decade if (y, month) >= (on.year, on.month)][:1]


def _nearest(text: str, products: tuple[Product, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The closest known name as a tuple of one, empty where none is close; and every known name, the closest first."""
    # names that a future and its spot share are the future's
    products = tuple(sorted(products, key=lambda product: not product.spot))
    ids = {product.base: product.id for product in products if product.base}
    for product in products:
        ids |= {product.key: product.id, product.id.upper(): product.id}
        if product.asset and not product.spot:
            ids[f"{product.base}/{product.quote}:{product.asset}"] = product.id
    near = difflib.get_close_matches(text, ids, 1, 0.75)
    every = difflib.get_close_matches(text, ids, len(ids), 0.0) if ids else []
    return tuple(ids[name] for name in near), tuple(dict.fromkeys(ids[name] for name in every))
