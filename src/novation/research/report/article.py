"""One run on the page: its numbers, its pictures, its tables, and how it was made."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import msgspec

from novation.research.frames import RunFrames
from novation.research.report.drawing import INK, Picture, compose
from novation.research.report.figures import account_pictures, instrument_pictures
from novation.research.report.markup import bullets, card, chip, folded, money, params_text, percent, table_html
from novation.research.report.rows import execution_costs, liquidations, margin_calls, refusals, rolls
from novation.research.report.story import Story
from novation.research.summary import near_what, summarise


def article(result: RunFrames, name: str, number: int, *, headed: bool) -> str:
    s, manifest = summarise(result), result.manifest
    account = manifest["account"]
    cash = ", ".join(f"{float(amount):,.2f} {escape(asset)}" for asset, amount in account["cash"].items())
    leverage = (f" {account['leverage']}x" if account["leverage"] else "") + (" hedge" if s["hedge"] else "")
    out = [f'<article id="run-{number}">']
    if headed:
        out.append(f"<h3>{escape(name)}</h3>")
    out.append(
        f'<p class="sub">{escape(", ".join(s["symbols"]))} · {escape(account["margin"])}{leverage} · cash {cash} · '
        f"{escape(s['from'][:16])} to {escape(s['to'][:16])} · {s['bars']:,} bars<br>"
        f"<code>{escape(manifest['strategy'])}{escape(params_text(manifest['params']))}</code></p>"
    )
    if "no_fill" in s:
        out.append(f'<p class="bad">No fill: {escape(s["no_fill"])}.</p>')
    out.append(_cards(s, sum(1 for roll in manifest["rolls"] if roll["lots"])))
    out.append(_causes(s))
    story = Story(result)
    made = [account_pictures(story), *(instrument_pictures(story, symbol) for symbol in story.symbols)]
    if len(made) == 2:  # one instrument: its account's pictures are its own
        made = [sorted(made[0] + made[1], key=lambda picture: not picture.wide)]
    drawn = 0
    for group in made:
        if group:
            out.append(_plots(group, story, number, drawn))
            drawn += len(group)
    out += [liquidations(result), margin_calls(result), refusals(s, result), execution_costs(result), rolls(result)]
    out.append(folded(f"{len(s['cautions'])} cautions of this run", bullets(s["cautions"])) if s["cautions"] else "")
    out.append(_facts(result))
    out.append("</article>")
    return "\n".join(part for part in out if part)


def _cards(s: dict[str, Any], rolls: int) -> str:
    cards = []
    for a in s["accounts"]:
        tone = "good" if a["net"] > 0 else "bad" if a["net"] < 0 else ""
        cards.append(
            card(f"net, {a['currency']}", money(a["net"]), tone, f"{percent(a['return'], sign=True)} of the deposit")
        )
    if "total" in s:
        rates = ", ".join(
            f"1 {escape(name)} = {rate}" for name, rate in s["total"]["rates"].items() if name != s["total"]["currency"]
        )
        cards.append(
            card(
                f"all accounts, {s['total']['currency']}", money(s["total"]["net"]), "", f"at {rates}" if rates else ""
            )
        )
    gone = sum(a["liquidated"] for a in s["accounts"])
    call = s["closest_call"]
    if gone and call:
        cards.append(card("liquidations", str(gone), "bad", f"first {call['ts']}"))
    elif call and math.isfinite(call["distance"] or math.nan):
        whose = f" of {escape(call['symbol'])}" if len(s["symbols"]) > 1 else ""
        what = f"mark{whose} to {near_what(call)}, {call['ts']}"
        cards.append(card("closest call", percent(call["distance"]), "", what))
    else:
        cards.append(card("liquidations", "none"))
    drawdown = max((a["max_drawdown"] or 0.0) for a in s["accounts"])
    cards.append(card("max drawdown", percent(drawdown), "", "of equity, at bar closes"))
    used = max((a["peak_margin_used"] or 0.0) for a in s["accounts"])
    cards.append(card("peak margin used", percent(used), "", "set aside, of equity"))
    calls = sum(a["margin_calls"] for a in s["accounts"])
    if calls:
        cards.append(card("margin calls", str(calls)))
    if rolls:
        cards.append(card("rolls", f"{rolls:,}"))
    refused = sum(s["refused"].values())
    if refused:
        cards.append(card("refused orders", f"{refused:,}"))
    return f'<div class="cards">{"".join(cards)}</div>'


_CAUSES = (
    ("price", "price (variation margin included)", INK["mark"]),
    ("funding", "funding", INK["funding"]),
    ("fees", "fees of trades", INK["muted"]),
    ("liquidations", "liquidations (clearance fees, insurance paid)", INK["liquidation"]),
)


def _causes(s: dict[str, Any]) -> str:
    """P&L by cause with bars; the causes add up to net."""
    out = []
    for a in s["accounts"]:
        greatest = max((abs(a[key]) for key, _, _ in _CAUSES), default=0.0) or 1.0
        rows = [
            (
                escape(label),
                money(a[key]),
                f'<i style="width:{abs(a[key]) / greatest * 100:.1f}%;background:{color}"></i>',
            )
            for key, label, color in _CAUSES
        ]
        fills = f"{a['fills']:,} fill{'' if a['fills'] == 1 else 's'}"
        last = f'<tr class="sum"><td>net of {fills}</td><td class="n">{money(a["net"])}</td><td></td></tr>'
        table = table_html(("profit by cause", str(a["currency"]), ""), rows, numbers=(1,), last=last, kind="causes")
        out.append(table.replace("<td><i", '<td class="bar"><i'))
    return "".join(out)


def _plots(pictures: list[Picture], story: Story, run: int, first: int) -> str:
    out = []
    halves = [picture for picture in pictures if not picture.wide]
    for at, picture in enumerate(pictures, first):
        made = compose(picture.panels, story.view)
        data = msgspec.json.encode(made).decode().replace("<", "\\u003c")
        key = f"figure-{run}-{at}"
        # a half alone in its row takes the row
        wide = picture.wide or (len(halves) % 2 == 1 and picture is halves[-1])
        height = 380 if picture.kind == "price" else 340 + 80 * (len(picture.panels) - 1) if picture.wide else 320
        chips = "".join(chip(*entry) for entry in picture.legend)
        caption = f'<p class="note">{escape(picture.caption)}</p>' if picture.caption else ""
        out.append(
            f'<div class="{"wide" if wide else "half"}"><h4>{escape(picture.title)}</h4>'
            f'<div class="legend">{chips}</div>'
            f'<div class="plot" data-figure="{key}" data-run="{run}" style="height:{height}px"></div>{caption}'
            f'<script type="application/json" id="{key}">{data}</script></div>'
        )
    return f'<div class="grid">{"".join(out)}</div>'


def _facts(result: RunFrames) -> str:
    """What is needed to run it again and to trust that it was the same."""
    m = result.manifest
    account = m["account"]
    facts: list[tuple[str, str]] = [
        ("novation", str(m["version"])),
        ("strategy", f"{m['strategy']}{params_text(m['params'])}"),
        ("instruments", ", ".join(m["symbols"])),
        ("period", f"{m['period']['from']} to {m['period']['to']}"),
        (
            "account",
            f"{account['margin']}, leverage {account['leverage'] or 'the venue’s own'}, "
            + ", ".join(f"{asset} {amount}" for asset, amount in account["cash"].items()),
        ),
        ("execution", f"spread {m['execution']['spread_bps']} bp"),
        ("rules as of", str(m["rules_as_of"] or "each instant's own date")),
        ("seed", str(m["seed"])),
        ("state hash", str(m["state_hash"])),
        *((f"{name} event hash", about["event_hash"]) for name, about in m["venues"].items()),
        ("reference digest", m["reference"]["digest"]),
    ]
    if m["overrides"]:
        facts.append(("overrides, not the exchange", str(m["overrides"])))
    if any(value is not None for value in m["risk"].values()):
        facts.append(
            ("own limits", ", ".join(f"{name} {value}" for name, value in m["risk"].items() if value is not None))
        )
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts)
    data = "".join(f"<dt>{escape(key)}</dt><dd><code>{escape(value)}</code></dd>" for key, value in m["data"].items())
    used = m["reference"]["used"]
    inside = (
        f"<dl>{listed}</dl>"
        + folded(f"{len(m['data'])} histories read, with their digests", f"<dl>{data}</dl>")
        + folded(f"{len(used)} rows of dated tables used, with their sources", bullets(used))
    )
    return folded("How it was made: version, settings, hashes, sources", inside)
