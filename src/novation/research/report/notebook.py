"""A run as a notebook shows it."""

from __future__ import annotations

from html import escape

from novation.research.frames import RunFrames
from novation.research.report.drawing import sparkline
from novation.research.report.markup import bullets, folded, money, percent
from novation.research.summary import summarise
from novation.research.tables import equity_of


def notebook_html(result: RunFrames) -> str:
    """A small table and a line of equity for a notebook: static, without scripts."""
    s = summarise(result)
    rows = [
        (
            escape(a["currency"]),
            *(money(a[key]) for key in ("price", "funding", "fees", "liquidations", "net")),
            percent(a["return"], sign=True),
            percent(a["max_drawdown"]),
            str(a["liquidated"]),
        )
        for a in s["accounts"]
    ]
    heads = ("", "price", "funding", "fees", "clearance", "net", "return", "max drawdown", "liquidated")
    cell = 'style="text-align:right;padding:2px 10px"'
    head = "".join(f"<th {cell}>{text}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td {cell}>{text}</td>' for text in row)}</tr>" for row in rows)
    names = ", ".join(s["symbols"])
    leverage = f" {s['leverage']}x" if s["leverage"] else ""
    about = (
        f"{escape(names)} · {escape(s['margin'])}{leverage} · "
        f"{escape(s['from'][:10])} to {escape(s['to'][:10])} · {s['bars']:,} bars"
    )
    lines = []
    for a in s["accounts"]:
        table = equity_of(result.record, a["venue"])
        line = sparkline(table["equity"].to_numpy())
        if line:
            lines.append(
                f"<div>equity, {escape(a['currency'])}: {money(table['equity'][0], sign=False)} to "
                f"{money(table['equity'][-1], sign=False)}</div>{line}"
            )
    cautions = folded(f"{len(s['cautions'])} cautions", bullets(s["cautions"])) if s["cautions"] else ""
    no_fill = f"<div>no fill: {escape(s['no_fill'])}</div>" if "no_fill" in s else ""
    return (
        f'<div><div>{about}</div><table style="margin:6px 0"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
        f"{no_fill}{''.join(lines)}{cautions}</div>"
    )
