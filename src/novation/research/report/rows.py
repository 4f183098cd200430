"""What happened, as tables on the page: liquidations and margin calls with their arithmetic, refusals, rolls."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

import polars as pl

from novation.research.executions.analysis import costs_by_symbol
from novation.research.executions.shortfall import PARTS
from novation.research.explain import explain_row
from novation.research.frames import RunFrames
from novation.research.report.markup import folded, money, number, table_html, when

EXPLAINED = 20  #: liquidations and margin calls of a run whose arithmetic is on the page


ROWS = 500  #: most rows of a table on the page


def _why(result: RunFrames, row: dict[str, Any], at: int) -> str:
    if at >= EXPLAINED:
        return "<code>result.explain(row)</code>"
    return f"<details><summary>why</summary><pre>{escape(explain_row(result.record, row))}</pre></details>"


def _capped(table: pl.DataFrame, name: str) -> tuple[list[dict[str, Any]], str]:
    rows = table.head(ROWS).to_dicts()
    left = table.height - len(rows)
    return rows, f'<p class="note">{left:,} more rows are in <code>result.{name}</code>.</p>' if left else ""


def liquidations(result: RunFrames) -> str:
    table = result.frame("liquidations")
    if table.is_empty():
        return ""
    rows, more = _capped(table, "liquidations")
    made = table_html(
        (
            "time",
            "instrument",
            "closed",
            "at mark",
            "price",
            "equity",
            "maintenance",
            "realised",
            "clearance fee",
            "",
            "arithmetic",
        ),
        (
            (
                when(row["ts"]),
                escape(" ".join(filter(None, (row["contract"], row["position_side"])))),
                f"{row['qty']:+,.8g}",
                number(row["mark"]),
                number(row["price"]),
                money(row["equity"]),
                money(row["maintenance"], sign=False),
                money(row["realised"]),
                money(row["fee"], sign=False),
                escape(row["currency"]),
                _why(result, row, at),
            )
            for at, row in enumerate(rows)
        ),
        numbers=(2, 3, 4, 5, 6, 7, 8),
    )
    return f'<h4 class="bad">Liquidations ({table.height:,})</h4>{made}{more}'


def margin_calls(result: RunFrames) -> str:
    table = result.frame("margin_calls")
    if table.is_empty():
        return ""
    rows, more = _capped(table, "margin_calls")
    made = table_html(
        ("time", "what was called", "equity", "maintenance", "short of initial margin", "", "arithmetic"),
        (
            (
                when(row["ts"]),
                escape(row["symbol"] or "the whole account"),
                money(row["equity"]),
                money(row["maintenance"], sign=False),
                money(row["missing"], sign=False),
                escape(row["currency"]),
                _why(result, row, at),
            )
            for at, row in enumerate(rows)
        ),
        numbers=(2, 3, 4),
    )
    return f"<h4>Margin calls ({table.height:,})</h4>{made}{more}"


def refusals(s: dict[str, Any], result: RunFrames) -> str:
    if not s["refused"]:
        return ""
    table = result.frame("refusals")
    rows = []
    for reason, count in Counter(s["refused"]).most_common():
        own = table.filter(pl.col("reason") == reason)
        symbols = ", ".join(str(name) for name in own["symbol"].unique(maintain_order=True).to_list() if name)
        rows.append(
            (f"<code>{escape(reason)}</code>", f"{count:,}", escape(symbols), when(own["ts"][0]), when(own["ts"][-1]))
        )
    made = table_html(("reason", "orders", "instrument", "first", "last"), rows, numbers=(1,))
    return f"<h4>Refused by the exchange</h4>{made}"


def execution_costs(result: RunFrames) -> str:
    """What the orders cost against the prices they were decided on, by symbol."""
    found = costs_by_symbol(result.record)
    if not any(row["filled_orders"] for row in found):
        return ""

    def part(row: dict[str, Any], name: str) -> str:
        whole = name in ("opportunity", "shortfall")
        value = row["arrival_value"] if whole else row["filled_value"]
        share = f" <small>{row[name] / value * 1e4:+,.2f} bp</small>" if value and row[name] else ""
        return f"{money(row[name])}{share}"

    made = table_html(
        ("instrument", "orders", "filled", "value filled", *PARTS, "shortfall", ""),
        (
            (
                escape(f"{row['symbol']}{' ' + row['forced'] if row['forced'] else ''}"),
                f"{row['orders']:,}",
                f"{row['filled_orders']:,}",
                money(row["filled_value"], sign=False),
                *(part(row, name) for name in (*PARTS, "shortfall")),
                escape(row["currency"]),
            )
            for row in found
        ),
        numbers=tuple(range(1, 5 + len(PARTS))),
    )
    note = (
        "Paid is above zero. Shortfall: what was traded and missed against the last price known when each order was "
        "sent, fees included; its parts add up to it. Orders one by one, VWAP and mark-outs: "
        "<code>result.transaction_costs()</code>."
    )
    return folded("Execution costs", f'{made}<p class="note">{note}</p>')


def rolls(result: RunFrames) -> str:
    table = result.frame("rolls")
    if table.is_empty():
        return ""
    rows, more = _capped(table, "rolls")
    made = table_html(
        ("time", "instrument", "from", "to", "position", "price of old", "price of new", "spread"),
        (
            (
                when(row["ts"]),
                escape(row["symbol"]),
                escape(row["old"]),
                escape(row["new"]),
                f"{row['qty']:+,.8g}" if row["qty"] else "none",
                number(row["price_old"]),
                number(row["price_new"]),
                "–" if row["spread"] is None else f"{row['spread']:+,.6g}",
            )
            for row in rows
        ),
        numbers=(4, 5, 6, 7),
    )
    return folded(f"{table.height:,} rolls, both legs at prices of one time", made + more)
