"""The numbers of a run that fit on a screen."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from novation.domain.enums import EventKind, MarginCallPolicy
from novation.domain.words import counted
from novation.research.frames import RunFrames
from novation.research.tables import equity_of, is_spot


def causes(result: RunFrames, venue: str) -> dict[str, int]:
    """P&L of one account by cause, in minor units; the causes sum to net exactly.

    funding: payments. fees: of trades and deliveries. liquidations: clearance fees, less what the insurance fund paid.
    price: the rest, which is what positions earned by prices, realised or not (variation margin included).
    """
    events = result.record.venues[venue].events
    totals = result.manifest["venues"][venue]["totals"]

    def total(kind: EventKind, field: str) -> int:
        return sum(int(n) for n in events[field][events["kind"] == kind])

    deposits, unrealised = int(totals["deposits"]), int(result.manifest["venues"][venue]["unrealised"])
    funding = total(EventKind.FUNDING, "amount")
    fees = -total(EventKind.FILL, "fee") - total(EventKind.DELIVERY, "fee")
    liquidations = total(EventKind.INSURANCE, "amount") - total(EventKind.LIQUIDATION, "fee")
    net = int(totals["wallets"]) + int(totals["isolated"]) + unrealised - deposits
    return {
        "price": net - funding - fees - liquidations,
        "funding": funding,
        "fees": fees,
        "liquidations": liquidations,
        "net": net,
    }


def summarise(result: RunFrames) -> dict[str, Any]:
    """A dict of plain values; see `text_of` for how it reads."""
    manifest = result.manifest
    accounts = []
    for name, about in manifest["venues"].items():
        scale = 10 ** about["decimals"]
        deposits = int(about["totals"]["deposits"]) / scale
        amounts = {cause: amount / scale for cause, amount in causes(result, name).items()}
        events = result.record.venues[name].events
        equity = result.frame("equity") if len(manifest["venues"]) == 1 else equity_of(result.record, name)
        used = equity.filter(pl.col("equity") > 0).select((pl.col("margin_used") / pl.col("equity")).max()).item()
        accounts.append(
            {
                "venue": name,
                "currency": about["asset"],
                "deposits": deposits,
                **amounts,
                "return": amounts["net"] / deposits if deposits else 0.0,
                "liquidated": int((events["kind"] == EventKind.LIQUIDATION).sum()),
                "margin_calls": int((events["kind"] == EventKind.MARGIN_CALL).sum()),
                "fills": int((events["kind"] == EventKind.FILL).sum()),
                "peak_margin_used": used,
                "max_drawdown": equity["drawdown"].max(),
            }
        )
    refused = Counter(result.frame("refusals")["reason"].to_list())
    out: dict[str, Any] = {
        "symbols": manifest["symbols"],
        "margin": "spot" if all(map(is_spot, manifest["venues"].values())) else manifest["account"]["margin"],
        "leverage": manifest["account"]["leverage"],
        "hedge": bool(manifest["account"].get("hedge")),
        "from": manifest["period"]["from"],
        "to": manifest["period"]["to"],
        "bars": manifest["bars"],
        "seed": manifest["seed"],
        "state": result.state_hash,
        "accounts": accounts,
        "closest_call": _closest_call(result),
        "refused": dict(refused),
        "cautions": result.cautions,
        "rolls": sum(1 for roll in manifest["rolls"] if roll["lots"]),
    }
    report = manifest["account"]["report_currency"]
    same = {a["currency"] for a in accounts}
    if report is None and len(accounts) > 1 and len(same) == 1:
        fall = result.frame("equity")["drawdown"].max()
        out["total"] = {
            "currency": same.pop(),
            "rates": {},
            "net": sum(a["net"] for a in accounts),
            "max_drawdown": fall,
        }
    if report is not None:
        rates = manifest["account"]["rates"]
        out["total"] = {
            "currency": report,
            "rates": rates,
            "net": sum(a["net"] * float(rates[a["currency"]]) for a in accounts),
        }
    if not any(a["fills"] for a in accounts):
        out["no_fill"] = _why_no_fill(result)
    return out


def _closest_call(result: RunFrames) -> dict[str, Any] | None:
    """The bar in which the mark came nearest to a liquidation (where calls are due at a settlement: to a margin call),
    or the first liquidation. `to` says which."""
    gone = result.frame("liquidations")
    if gone.height:
        row = gone.row(0, named=True)
        return {
            "ts": row["ts"].strftime("%Y-%m-%d %H:%M"),
            "symbol": row["symbol"],
            "distance": 0.0,
            "to": "liquidation",
            "liquidated": True,
        }
    held = result.frame("positions").filter(pl.col("distance").is_not_null())
    if held.is_empty():
        return None
    row = held.sort("distance").row(0, named=True)
    return {
        "ts": row["ts"].strftime("%Y-%m-%d %H:%M"),
        "symbol": row["symbol"],
        "distance": row["distance"],
        "to": "liquidation" if _liquidated_at_once(result, row["symbol"]) else "margin call",
        "liquidated": False,
    }


def _liquidated_at_once(result: RunFrames, symbol: str) -> bool:
    """Whether the venue of a symbol liquidates where equity is no more than maintenance; else it calls margin there."""
    return any(
        about["rules"]["call_policy"] == MarginCallPolicy.AT_ONCE.name.lower()
        for about in result.manifest["venues"].values()
        if any(instrument["symbol"] == symbol for instrument in about["instruments"])
    )


def _why_no_fill(result: RunFrames) -> str:
    orders = result.frame("orders")
    refused = result.frame("refusals")
    rounded = result.manifest["rounded"]
    if orders.is_empty():
        if rounded.get("qty to zero"):
            return f"no order was sent: {counted(rounded['qty to zero'], 'size')} smaller than one lot"
        late = [what for what in rounded if what.startswith("targets stamped")]
        if late:
            return f"no order was sent: {rounded[late[0]]:,} {late[0]}"
        return "no order was sent: the strategy never called buy, sell, target or place"
    if refused.height == orders.height:
        reasons = ", ".join(f"{name} {count:,}" for name, count in Counter(refused["reason"].to_list()).items())
        return f"all {orders.height:,} orders were refused: {reasons}"
    working = orders.filter(pl.col("status") == "open").height
    return f"{orders.height:,} orders, none filled: {refused.height:,} refused, {working:,} still waiting at the end"


def near_what(call: dict[str, Any]) -> str:
    """What a closest call was close to, in words."""
    return "a margin call" if call["to"] == "margin call" else "liquidation"


def text_of(s: dict[str, Any]) -> str:
    """The summary as a few lines of text."""
    leverage = (f" {s['leverage']}x" if s["leverage"] else "") + (" hedge" if s.get("hedge") else "")
    names = ", ".join(s["symbols"][:4]) + (f" and {len(s['symbols']) - 4} more" if len(s["symbols"]) > 4 else "")
    lines = [
        f"{names}  {s['margin']}{leverage}   {s['from'][:10]} .. {s['to'][:10]}   {s['bars']:,} bars   "
        f"seed {s['seed']}   state {s['state'][:6]}"
    ]
    several = len({a["currency"] for a in s["accounts"]}) < len(s["accounts"])
    for a in s["accounts"]:
        whose = f"{a['venue']}: " if several else ""
        lines.append(
            f"{whose}price {a['price']:+,.2f}   funding {a['funding']:+,.2f}   fees {a['fees']:+,.2f}   "
            f"liquidations {a['liquidations']:+,.2f} ({a['liquidated']})   net {a['net']:+,.2f} {a['currency']}  "
            f"{a['return']:+.1%}"
        )
    if "total" in s:
        t = s["total"]
        lines.append(
            f"total net {t['net']:+,.2f} {t['currency']}"
            + (
                f"  (rates: {', '.join(f'1 {name} = {rate}' for name, rate in t['rates'].items())})"
                if t["rates"]
                else ""
            )
        )
    if "no_fill" in s:
        lines.append(f"no fill: {s['no_fill']}")
    call = s["closest_call"]
    parts = []
    if call and call["liquidated"]:
        parts.append(f"liquidated  {call['ts']}, {call['symbol']}")
    elif call:
        whose = f" of {call['symbol']}" if len(s["symbols"]) > 1 else ""
        parts.append(f"closest call  {call['ts']}, mark{whose} {call['distance']:.1%} from {near_what(call)}")
    worst = max(s["accounts"], key=lambda a: a["peak_margin_used"] or 0.0)
    if worst["peak_margin_used"] is not None:
        parts.append(f"peak margin used {worst['peak_margin_used']:.0%}")
    drawdown = max((a["max_drawdown"] or 0.0) for a in s["accounts"])
    drawdown = s.get("total", {}).get("max_drawdown", drawdown) or 0.0  # of accounts in one currency together
    parts.append(f"max drawdown {drawdown:.1%}")
    calls = sum(a["margin_calls"] for a in s["accounts"])
    if calls:
        parts.append(f"margin calls {calls}")
    if s["rolls"]:
        parts.append(f"rolls {s['rolls']}")
    lines.append("      ".join(parts))
    refused = ", ".join(f"{reason} {count:,}" for reason, count in sorted(s["refused"].items()))
    lines.append(f"refused {sum(s['refused'].values()):,}" + (f" ({refused})" if refused else ""))
    lines.append(f"cautions {len(s['cautions'])}")
    lines += [f"  {caution if len(caution) <= 150 else caution[:147] + '...'}" for caution in s["cautions"]]
    return "\n".join(lines)
