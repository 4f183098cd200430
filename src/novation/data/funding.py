"""`novation funding`: what a perpetual's funding was over a period, by month, and what it did to a position.

Rates are fractions per interval; a long pays when a rate is positive. *Annualised* is simple: the sum of the rates over
the time they were paid for, times 365 days; each stamp closes an interval that began at the stamp before it, and the
first is given the length in force. Sums are exact; means and annualised rates are rounded to 1e-12.

The *next* stamp is that after the last one of the period, by the interval in force there (the dated tables, else the
step between the last two stamps): the next whole multiple of it from midnight UTC.

Not modelled: stamps that are missing in the files; a position that is opened or closed inside the period.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from novation.data.bars import period_text, read_candles
from novation.data.catalog import load
from novation.data.frames import read_e8, read_frame, read_stamps
from novation.data.funding_outlook import Outlook, outlook
from novation.data.history import History
from novation.domain.errors import DataError, InvalidInput, NoRuleInForce, UnknownInstrument
from novation.domain.units import DAY_NS, E8, HOUR_NS, Number, from_e8, iso, plain, to_e8, to_ns
from novation.domain.words import counted
from novation.reference import Reference
from novation.reference.quarterlies import is_quarterly
from novation.rules.funding import funding_payment

_DIGITS = 12
_STEPS = "▁▂▃▄▅▆▇█"
#: Up to so many months are listed; of a longer period years are.
_MONTHS = 36


class Stamp(msgspec.Struct, frozen=True):
    """One payment: its instant as text, UTC, and its rate."""

    ts: str
    rate: Decimal

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"ts": self.ts, "rate": f"{self.rate:f}"}


class Span(msgspec.Struct, frozen=True):
    """The stamps of one calendar month (UTC), or of any other stretch; days: the time they were paid for."""

    name: str
    stamps: int
    days: Decimal
    sum: Decimal
    mean: Decimal
    annualised: Decimal

    def to_dict(self) -> dict[str, Any]:
        """Plain values, rates as decimal text."""
        return {
            "name": self.name,
            "stamps": self.stamps,
            "days": f"{self.days:f}",
            "sum": f"{self.sum:f}",
            "mean": f"{self.mean:f}",
            "annualised": f"{self.annualised:f}",
        }


class PositionFunding(msgspec.Struct, frozen=True, kw_only=True):
    """What funding did to a position held through the period; money in `asset`, negative: paid.

    stamps: those that could be paid, because a mark bar opens at them.
    """

    qty: Decimal
    asset: str
    received: Decimal
    per_day: Decimal
    stamps: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, amounts as decimal text."""
        return plain(self)


class FundingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The funding of one perpetual over a period, see the module. Rates are fractions, instants text UTC."""

    instrument: str
    first: str
    last: str
    total: Span
    largest: Stamp
    smallest: Stamp
    interval_hours: int
    next_funding: str
    daily: Decimal
    months: tuple[Span, ...]
    position: PositionFunding | None
    outlook: Outlook
    cautions: tuple[str, ...]
    stamps_ns: Any = None  #: int64 array of the stamps
    rates_e8: Any = None  #: int64 array of the rates

    def to_dict(self) -> dict[str, Any]:
        """Plain values: counts, rates as decimal text, months, the position's money, cautions."""
        total = self.total.to_dict()
        return {
            "instrument": self.instrument,
            "first": self.first,
            "last": self.last,
            "stamps": total["stamps"],
            "sum": total["sum"],
            "mean": total["mean"],
            "annualised": total["annualised"],
            "daily": f"{self.daily:f}",
            "largest": self.largest.to_dict(),
            "smallest": self.smallest.to_dict(),
            "interval_hours": self.interval_hours,
            "next_funding": self.next_funding,
            "position": self.position.to_dict() if self.position else None,
            "outlook": self.outlook.to_dict(),
            "months": [one.to_dict() for one in self.months],
            "cautions": list(self.cautions),
        }

    def __str__(self) -> str:
        total = self.total
        lines = [
            f"{self.instrument}  funding {self.first} .. {self.last}   {total.stamps:,} stamps",
            f"sum {_percent(total.sum, 4)}   mean {_percent(total.mean, 5)} per stamp   "
            f"{_percent(self.daily, 4)} per day   annualised {_percent(total.annualised, 2)}",
            f"largest {_percent(self.largest.rate, 4)} at {self.largest.ts}   "
            f"smallest {_percent(self.smallest.rate, 4)} at {self.smallest.ts}",
            f"next {self.next_funding}, every {self.interval_hours} h",
        ]
        if self.position:
            p = self.position
            side = "long" if p.qty > 0 else "short"
            lines.append(
                f"a {side} of {abs(p.qty).normalize():f} {'received' if p.received > 0 else 'paid'} "
                f"{abs(p.received):,.2f} {p.asset} at {p.stamps:,} stamps, {p.per_day:+,.2f} a day"
            )
        lines += self._outlook_lines()
        if len(self.months) > 1:
            lines.append(f"by month {sparkline([float(one.sum) for one in self.months])}")
        spans = self.months if len(self.months) <= _MONTHS else years(self.months)
        lines += [
            f"  {one.name:<8}{one.stamps:>6,} stamps   sum {_percent(one.sum, 4):>11}   "
            f"annualised {_percent(one.annualised, 2):>10}"
            for one in spans
        ]
        return "\n".join([*lines, *(f"caution: {text}" for text in self.cautions)])

    def _outlook_lines(self) -> list[str]:
        o = self.outlook
        means = "   ".join(f"{one.name} {_percent(one.mean, 4)}" for one in o.averages)
        lines = [f"last {_percent(o.last_rate, 4)}   mean of the last {means}"]
        if o.estimate is not None:
            lines.append(f"estimate {_percent(o.estimate, 4)} of {o.samples:,} rows of premium so far")
        lines.append(f"forecast {_percent(o.forecast, 4)} ({o.method}), {_percent(o.daily, 4)} a day")
        if self.position and o.daily_cost is not None:
            lines[-1] += f": {o.daily_cost:+,.2f} {self.position.asset} a day for the position on the mark {o.mark:f}"
        return lines

    def plot(self, path: str | Path) -> Path:
        """Draw rates and their running sum into one HTML page that needs no network; the page is written whole."""
        path = Path(path)
        page = _page(self)
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(page)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return path


def funding(
    symbol: str,
    start: Any = None,
    end: Any = None,
    *,
    qty: Number | None = None,
    premium: Any = None,
    root: str | Path | None = None,
    reference: Reference | None = None,
) -> FundingAnswer:
    """Sum up the funding of a perpetual at the stamps in [start, end), out of the store or NOVATION_DATA.

    start, end: dates or instants; all that is there unless given. qty: signed coins of a position held through it, for
    what it paid or received: the truncated payment of each stamp, at the open of the mark bar that opens at it.
    premium: a frame or file of the premium index (`ts` and `premium`, `close` or `rate`) in the interval after the last
    stamp, for an estimate (see `data.funding_outlook`). root: a folder to read instead. Raises `DataError` where there
    is no history or no stamp in the period.
    """
    reference = reference or Reference.default()
    id = reference.perpetual(symbol)
    if is_quarterly(id):
        raise InvalidInput("is a dated future and has no funding", source=id)
    history = load(id, root=root)
    if not isinstance(history, History):
        raise InvalidInput("is a dated future and has no funding", source=id)
    frame = read_frame(history.funding, f"{id} funding")
    stamps, _, _ = read_stamps(frame, history.tz)
    rates = read_e8(frame, frame.column("funding_rate", "rate"))
    begin = int(stamps[0]) if start is None else to_ns(start, source="start")
    until = int(stamps[-1]) + 1 if end is None else to_ns(end, source="end")
    inside = np.flatnonzero((stamps >= begin) & (stamps < until))
    if not len(inside):
        raise DataError(
            f"no funding stamp from {iso(begin)} to {iso(max(begin, until))}",
            source=id,
            hint=f"Its funding is known for {period_text(int(stamps[0]), int(stamps[-1]))}.",
        )
    cautions: list[str] = []
    hours = _interval(id, stamps, int(inside[-1]), reference, cautions)
    # What lies before the period says how long its first interval was.
    lengths = np.diff(stamps, prepend=stamps[0] - hours * HOUR_NS)
    stamps, rates, lengths = stamps[inside], rates[inside], lengths[inside]
    usual = np.minimum(np.roll(lengths, 1), np.roll(lengths, -1))
    odd = int((lengths > usual).sum()) if len(lengths) > 2 else 0
    if odd:
        cautions.append(f"{odd} steps are longer than those around them: stamps may be missing, and none is filled in")
    total = _span_of("all", rates, lengths)
    most, least = int(rates.argmax()), int(rates.argmin())
    step = hours * HOUR_NS
    position, held = None, None
    if qty is not None:
        position, mark_e8 = _position(id, history, qty, stamps, rates, lengths, cautions)
        held = to_e8(qty), mark_e8
    ahead = outlook(id, stamps, rates, hours, premium=premium, position=held, reference=reference, cautions=cautions)
    return FundingAnswer(
        instrument=id,
        first=iso(int(stamps[0])),
        last=iso(int(stamps[-1])),
        total=total,
        largest=Stamp(iso(int(stamps[most])), from_e8(int(rates[most]))),
        smallest=Stamp(iso(int(stamps[least])), from_e8(int(rates[least]))),
        interval_hours=hours,
        next_funding=iso((int(stamps[-1]) // step + 1) * step),
        daily=_cut(total.sum / total.days),
        months=_months(stamps, rates, lengths),
        position=position,
        outlook=ahead,
        cautions=tuple(cautions),
        stamps_ns=stamps,
        rates_e8=rates,
    )


def years(months: Sequence[Span]) -> tuple[Span, ...]:
    """Months put together by year."""
    found: dict[str, list[Span]] = {}
    for one in months:
        found.setdefault(one.name[:4], []).append(one)
    return tuple(
        _span(
            name,
            sum(one.stamps for one in of),
            sum((one.sum for one in of), Decimal(0)),
            sum((one.days for one in of), Decimal(0)),
        )
        for name, of in found.items()
    )


def sparkline(values: Sequence[float]) -> str:
    """Values as a line of blocks, the lowest one the thinnest.

    >>> sparkline([0, 1, 2, 7])
    '▁▂▃█'
    """
    low, high = min(values), max(values)
    scale = (len(_STEPS) - 1) / ((high - low) or 1.0)
    return "".join(_STEPS[round((value - low) * scale)] for value in values)


def _interval(id: str, stamps: Any, last: int, reference: Reference, cautions: list[str]) -> int:
    """Hours between stamps in force at the last one of the period."""
    seen = int(stamps[last] - stamps[last - 1]) // HOUR_NS if last else 0
    try:
        stated = reference.funding_interval_hours(id, int(stamps[last]))
    except (UnknownInstrument, NoRuleInForce):
        if not seen:
            raise DataError("one stamp alone does not say its interval", source=f"{id} funding") from None
        return max(1, seen)
    if seen and stated != seen:
        cautions.append(
            f"the tables say {stated} h at {iso(int(stamps[last]))}, the last two stamps are {seen} h apart: those hold"
        )
        return max(1, seen)
    return stated


def _span(name: str, stamps: int, total: Decimal, days: Decimal) -> Span:
    return Span(name, stamps, days, total, _cut(total / stamps), _cut(total * 365 / days))


def _span_of(name: str, rates: Any, lengths: Any) -> Span:
    return _span(name, len(rates), from_e8(int(rates.sum())), _days(lengths))


def _days(lengths: Any) -> Decimal:
    return Decimal(int(lengths.sum())) / DAY_NS


def _cut(rate: Decimal) -> Decimal:
    return rate.quantize(Decimal(1).scaleb(-_DIGITS))


def _months(stamps: Any, rates: Any, lengths: Any) -> tuple[Span, ...]:
    names = np.array([iso(int(ns))[:7] for ns in stamps])
    return tuple(_span_of(str(name), rates[names == name], lengths[names == name]) for name in dict.fromkeys(names))


def _position(
    id: str, history: History, qty: Number, stamps: Any, rates: Any, lengths: Any, cautions: list[str]
) -> tuple[PositionFunding, int]:
    """What the position was paid, and the mark at its last stamp in 1e-8."""
    try:
        qty_e8 = to_e8(qty)
    except InvalidInput as error:
        raise InvalidInput(error.problem, source="qty", value=str(qty)) from None
    if not qty_e8:
        raise InvalidInput("a position is not zero", source="qty")
    mark = read_candles(
        read_frame(history.mark, f"{id} mark"), stamp=history.stamp, tz=history.tz, bar=history.bar, positive=True
    )
    at = np.minimum(np.searchsorted(mark.start_ns, stamps), len(mark.start_ns) - 1)
    found = mark.start_ns[at] == stamps
    if not found.any():
        raise DataError("no mark bar opens at any stamp of the period", source=f"{id} mark")
    if not found.all():
        first = iso(int(stamps[np.flatnonzero(~found)[0]]))
        cautions.append(
            f"{counted(int((~found).sum()), 'stamp')} not in the position's money: no mark bar opens there "
            f"(first {first})"
        )
    opens = mark.prices_e8[0][at]
    if int(opens.max()) * abs(qty_e8) // E8 >= 1 << 61:
        raise InvalidInput("is larger than any position", source="qty", value=str(qty))
    # One lot is 1e-8 of a coin, worth one minor unit per 1.00 of price.
    received = sum(
        int(funding_payment(int(opens[i]), qty_e8, 1, int(rates[i]))) for i in np.flatnonzero(found).tolist()
    )
    per_day = from_e8(received) / _days(lengths[found])
    answer = PositionFunding(
        qty=from_e8(qty_e8),
        asset=next((asset for asset in ("USDT", "USDC") if id.endswith(asset)), "USDT"),
        received=from_e8(received),
        per_day=per_day.quantize(Decimal(1).scaleb(-8)),
        stamps=int(found.sum()),
    )
    return answer, int(opens[np.flatnonzero(found)[-1]])


def _percent(rate: Decimal, digits: int) -> str:
    return f"{rate * 100:+.{digits}f} %"


def _page(answer: FundingAnswer) -> str:
    import plotly.io

    moments = [dt.datetime.fromtimestamp(int(ns) // 10**9, dt.UTC).replace(tzinfo=None) for ns in answer.stamps_ns]
    stamps = [moment.isoformat() for moment in moments]
    rates = (answer.rates_e8 / (E8 / 100)).tolist()
    running = (answer.rates_e8.cumsum() / (E8 / 100)).tolist()
    figure = {
        "data": [
            {
                "type": "bar",
                "name": "rate per stamp",
                "x": stamps,
                "y": rates,
                "marker": {"color": ["#b45309" if rate > 0 else "#12876f" for rate in rates], "line": {"width": 0}},
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": "running sum",
                "x": stamps,
                "y": running,
                "yaxis": "y2",
                "line": {"color": "#2f6690", "width": 1.6},
            },
        ],
        "layout": {
            "title": {
                "text": f"{answer.instrument}: funding, {answer.first} to {answer.last} UTC (longs pay above zero)"
            },
            "hovermode": "x unified",
            "bargap": 0,
            "xaxis": {"anchor": "y2"},
            "yaxis": {"title": {"text": "% per stamp"}, "domain": [0.55, 1], "gridcolor": "#e6eaed"},
            "yaxis2": {"title": {"text": "% in all"}, "domain": [0, 0.45], "gridcolor": "#e6eaed"},
            "legend": {"orientation": "h", "y": 1.06},
        },
    }
    return str(plotly.io.to_html(figure, include_plotlyjs=True, full_html=True, validate=False))
