"""What an audit says: each trade beside what its source claims, and the totals whose parts sum to the difference."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from novation.domain.errors import InvalidInput
from novation.domain.units import plain
from novation.domain.words import counted
from novation.research.audit.findings import KINDS, LIQUIDATED, NO_DATA, Finding

#: Parts of the difference between audited and source P&L, in the order in which they are shown.
PARTS = ("price", "fee", "funding", "liquidation", "refused")
#: Trades and characters of a caution that are printed.
_SHOWN, _LONG = 20, 200
_ZERO = Decimal(0)


class LiquidationFound(msgspec.Struct, frozen=True, kw_only=True):
    """A liquidation of the exchange's. at: when it was known, at the close of the bar whose mark did it; bar: when that
    bar began. qty: what was closed; clearance_fee: to the insurance fund, a part of the loss; loss: what the trade lost
    in all. in_source: whether the source has one too."""

    at: str
    bar: str | None
    mark: Decimal
    price: Decimal
    qty: Decimal
    clearance_fee: Decimal
    loss: Decimal
    in_source: bool


class AuditedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One round trip. Money in `currency`; a fee is above zero where it is paid, funding where it is received.

    `pnl` is after both, and `pnl - source_pnl` is the sum of the five `*_difference`. Of a trade that was liquidated
    the whole difference is the liquidation's; of what was refused what the source made of it is the refusal's.
    source_*: None where the source does not say (then nothing is claimed; `source_pnl` is what its own prices give).
    audited: false where no rule is known, with `why`; such a trade counts in no total. data: "full", "part" or "none"
    of its life is covered by history; funding is None without any.
    """

    trade: int
    where: str
    group: str
    symbol: str
    side: str
    qty: Decimal
    entry_at: str
    entry_price: Decimal
    exit_at: str | None
    exit_price: Decimal | None
    leverage: Decimal | None
    open: bool
    audited: bool
    why: str = ""
    currency: str = ""
    data: str = "none"
    fee: Decimal | None = None
    source_fee: Decimal | None = None
    funding: Decimal | None = None
    source_funding: Decimal | None = None
    pnl: Decimal | None = None
    source_pnl: Decimal | None = None
    price_difference: Decimal = _ZERO
    fee_difference: Decimal = _ZERO
    funding_difference: Decimal = _ZERO
    liquidation_difference: Decimal = _ZERO
    refused_difference: Decimal = _ZERO
    liquidation: LiquidationFound | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def difference(self) -> Decimal:
        """Audited less source P&L: the sum of the parts."""
        return sum((getattr(self, f"{part}_difference") for part in PARTS), _ZERO)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: amounts and prices as decimal text."""
        given = plain(self) | {"difference": f"{self.difference:f}"}
        given["liquidation"] = None if self.liquidation is None else plain(self.liquidation)
        given["findings"] = [plain(finding) for finding in self.findings]
        return given


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All audited trades of one currency: `pnl = source_pnl + price + fee + funding + liquidation + refused`."""

    currency: str
    trades: int
    source_pnl: Decimal
    pnl: Decimal
    price: Decimal
    fee: Decimal
    funding: Decimal
    liquidation: Decimal
    refused: Decimal
    fees: Decimal  #: paid by the exchange's rules
    source_fees: Decimal
    fundings: Decimal  #: received
    source_fundings: Decimal

    @classmethod
    def of(cls, currency: str, trades: Sequence[AuditedTrade]) -> Totals:
        """Sums over trades."""

        def total(name: str) -> Decimal:
            return sum((getattr(trade, name) or _ZERO for trade in trades), _ZERO)

        return cls(
            currency=currency,
            trades=len(trades),
            source_pnl=total("source_pnl"),
            pnl=total("pnl"),
            fees=total("fee"),
            source_fees=total("source_fee"),
            fundings=total("funding"),
            source_fundings=total("source_funding"),
            **{part: total(f"{part}_difference") for part in PARTS},
        )


def check_place(path: str | Path) -> Path:
    """Where an audit can be saved. Raises `InvalidInput`."""
    place = Path(path)
    if place.suffix.lower() not in (".csv", ".parquet"):
        raise InvalidInput("is no .csv or .parquet file", source="out", value=str(path))
    if not place.parent.is_dir():
        raise InvalidInput("lies in no folder that is there", source="out", value=str(path))
    return place


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of trades missed; `to_dict()` is the `--json` of `novation audit`."""

    source: str
    format: str
    margin: str
    trades: tuple[AuditedTrade, ...]
    totals: tuple[Totals, ...]
    cautions: tuple[str, ...]

    @property
    def found(self) -> dict[str, int]:
        """How many trades have a finding of each kind."""
        kinds = [{finding.kind for finding in trade.findings} for trade in self.trades]
        return {kind: sum(kind in own for own in kinds) for kind in KINDS}

    def to_dict(self) -> dict[str, Any]:
        """Plain values: amounts and prices as decimal text."""
        return {
            "source": self.source,
            "format": self.format,
            "margin": self.margin,
            "found": self.found,
            "not_audited": sum(not trade.audited for trade in self.trades),
            "totals": [plain(total) for total in self.totals],
            "trades": [trade.to_dict() for trade in self.trades],
            "cautions": list(self.cautions),
        }

    def frame(self) -> pl.DataFrame:
        """One row a trade: amounts as floats, findings as text."""
        rows = []
        for trade in self.trades:
            fields = {name: getattr(trade, name) for name in trade.__struct_fields__}
            gone = fields.pop("liquidation")
            fields["findings"] = "; ".join(finding.text for finding in trade.findings)
            fields["kinds"] = ",".join(sorted({finding.kind for finding in trade.findings}))
            fields |= {"difference": trade.difference, "liquidated": gone is not None}
            fields |= {"liquidated_at": gone and gone.at, "liquidation_mark": gone and gone.mark}
            rows.append({k: float(v) if isinstance(v, Decimal) else v for k, v in fields.items()})
        numbers = [name for name, kind in AuditedTrade.__annotations__.items() if "Decimal" in str(kind)]
        schema: dict[str, Any] = dict.fromkeys((*numbers, "difference", "liquidation_mark"), pl.Float64)
        schema |= dict.fromkeys(("exit_at", "liquidated_at"), pl.String)
        return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)

    def save(self, path: str | Path) -> None:
        """Write `frame()` as .csv or .parquet. Raises `InvalidInput` for another name."""
        place = check_place(path)
        part = place.with_name(f".{place.name}.part")
        try:
            if place.suffix.lower() == ".csv":
                self.frame().write_csv(part)
            else:
                self.frame().write_parquet(part)
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)

    def __str__(self) -> str:
        audited = sum(trade.audited for trade in self.trades)
        lines = [f"{self.source}   {self.format}   {self.margin}   {counted(audited, 'trade')} audited"]
        if audited < len(self.trades):
            lines[0] += f", {len(self.trades) - audited} not"
        lines += _sums(self.totals)
        found = {kind: count for kind, count in self.found.items() if count}
        said = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in found.items())
        lines.append(f"trades with a finding: {said or 'none'}")
        lines += _table(self.trades)
        short = (text if len(text) <= _LONG else f"{text[:_LONG]}..." for text in self.cautions)
        return "\n".join([*lines, *(f"caution: {text}" for text in short)])


def _sums(totals: Sequence[Totals]) -> list[str]:
    lines = []
    for total in totals:
        parts = "   ".join(f"{part} {getattr(total, part):+,.2f}" for part in PARTS)
        lines += [
            f"source {total.source_pnl:+,.2f}   audited {total.pnl:+,.2f}   "
            f"difference {total.pnl - total.source_pnl:+,.2f} {total.currency}",
            f"  of it  {parts}",
            f"  fees {total.fees:,.2f}, the source {total.source_fees:,.2f}   "
            f"funding {total.fundings:+,.2f}, the source {total.source_fundings:+,.2f}",
        ]
    return lines


def _table(trades: Sequence[AuditedTrade]) -> list[str]:
    """The trades that differ most, each with its findings below it."""
    weighty = [t for t in trades if not t.audited or t.findings or t.difference]
    ranked = sorted(weighty, key=lambda t: (t.liquidation is None, -abs(t.difference), t.trade))[:_SHOWN]
    if not ranked:
        return []
    head = ("#", "symbol", "side", "qty", "entry", "fee", "source", "funding", "source", "pnl", "source", "difference")
    rows = [head, *(_cells(trade) for trade in sorted(ranked, key=lambda t: t.trade))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    left = (1, 2, 4)
    lines = [
        "  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    shown = [lines[0]]
    for line, trade in zip(lines[1:], sorted(ranked, key=lambda t: t.trade), strict=True):
        shown.append(line)
        shown += [f"    {text}" for text in _remarks(trade)]
    if len(weighty) > len(ranked):
        shown.append(f"... and {counted(len(weighty) - len(ranked), 'trade')} more (--out FILE.csv, --json: all)")
    return shown


def _cells(trade: AuditedTrade) -> tuple[str, ...]:
    def money(amount: Decimal | None) -> str:
        return "-" if amount is None else f"{amount:,.2f}"

    symbol = trade.symbol.split(":", 1)[-1] + (f" {trade.group}" if trade.group else "")
    amounts = trade.fee, trade.source_fee, trade.funding, trade.source_funding, trade.pnl, trade.source_pnl
    difference = f"{trade.difference:+,.2f}" if trade.audited else "-"
    entry = trade.entry_at + (" open" if trade.open else "")
    numbers = *(money(amount) for amount in amounts), difference
    return str(trade.trade), symbol, trade.side, f"{trade.qty.normalize():f}", entry, *numbers


def _remarks(trade: AuditedTrade) -> list[str]:
    if not trade.audited:
        return [f"not audited: {trade.why}"]
    kinds = [finding for finding in trade.findings if finding.kind != NO_DATA or trade.data != "full"]
    return [f"{finding.text}" for finding in sorted(kinds, key=lambda f: f.kind != LIQUIDATED)]
