"""One page about one or several runs: pictures, tables, reasons, and everything the numbers rest on.

The page is a single HTML file. It loads nothing (a Content-Security-Policy in it forbids that), so it opens from a disk
as it does from a server. Whatever a user or a file named is escaped. Pictures come from `research.figures`.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from novation.domain.errors import DataError, InvalidInput
from novation.research import figures
from novation.research.drawing import INK, Picture, compose, sparkline
from novation.research.figures import Story, figure
from novation.research.tables import equity as equity_by_currency

if TYPE_CHECKING:
    from novation.research.result import Result

__all__ = ["Section", "figure", "notebook_html", "overview", "write_report"]

EXPLAINED = 20  #: liquidations and margin calls of a run whose arithmetic is on the page
ROWS = 500  #: most rows of a table on the page


@dataclass(frozen=True)
class Section:
    """A part of a page: its heading, a paragraph on it, and the names of the runs it shows, in their order."""

    title: str
    text: str = ""
    runs: tuple[str, ...] = ()


def write_report(
    results: Sequence[Result],
    path: str | Path,
    *,
    title: str | None = None,
    lead: str = "",
    sections: Sequence[Section] = (),
) -> Path:
    """Write one self-contained HTML page; the file appears whole or not at all.

    sections: parts of the page, whose runs together name all results in order; without them one part of them all.
    lead: a paragraph under the title. Returns the path.
    """
    results = list(results)
    path = Path(path)
    if not results:
        raise InvalidInput("there is no result to report on", source="report")
    if path.is_dir():
        raise DataError("is a folder", source=str(path), hint="Name a file, for example report.html in it.")
    parts = list(sections) or [Section("", "", tuple(_name(result) for result in results))]
    if sum(len(part.runs) for part in parts) != len(results):
        raise InvalidInput(
            "the sections must name every result",
            source="report",
            where="sections",
            value=f"{sum(len(part.runs) for part in parts)} names for {len(results)} results",
        )
    names = [name for part in parts for name in part.runs]
    body = _body(results, names, parts, title or _title(results), lead)
    template = resources.files("novation.research").joinpath("report_page.html").read_text(encoding="utf-8")
    fill = {"title": escape(title or _title(results)), "body": body, "plotly": _plotly_js()}
    # one pass over the template: what is put in is never searched
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: fill[found[1]], template)
    _write_whole(path, page)
    return path


def _write_whole(path: Path, page: str) -> None:
    """Write beside the file, then rename: a reader sees the old page or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(page)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _plotly_js() -> str:
    """The drawing library as it lies in the installed package; read without importing plotly."""
    from importlib.util import find_spec

    found = find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise DataError("plotly is not installed", source="report", hint="pip install plotly")
    text = (Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")


# ---------------------------------------------------------------- numbers and words


def _money(amount: float | None, *, sign: bool = True) -> str:
    if amount is None or not math.isfinite(amount):
        return "–"
    if abs(amount) < 0.005:
        return "0.00"
    return f"{amount:+,.2f}" if sign else f"{amount:,.2f}"


def _percent(share: float | None, *, sign: bool = False) -> str:
    if share is None or not math.isfinite(share):
        return "–"
    return f"{share:+.1%}" if sign else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:,.8g}"


def _when(ts: Any) -> str:
    return str(ts.strftime("%Y-%m-%d %H:%M"))


def _name(result: Result) -> str:
    account = result.manifest["account"]
    leverage = f" {account['leverage']}x" if account["leverage"] else ""
    return f"{', '.join(result.manifest['symbols'])} {account['margin']}{leverage}"


def _title(results: Sequence[Result]) -> str:
    symbols = list(dict.fromkeys(symbol for result in results for symbol in result.manifest["symbols"]))
    shown = ", ".join(symbols[:4]) + (f" and {len(symbols) - 4} more" if len(symbols) > 4 else "")
    return f"Backtest of {shown}"


def overview(results: Sequence[Result], names: Sequence[str]) -> list[dict[str, Any]]:
    """One row per run and account: name, instruments, period, P&L by cause, and how near it came to the end."""
    rows = []
    for result, name in zip(results, names, strict=True):
        s = result.summary()
        for account in s["accounts"]:
            symbols = [symbol for symbol in s["symbols"] if symbol.startswith(f"{account['venue']}:")] or s["symbols"]
            rows.append(
                {
                    "run": name,
                    "symbols": symbols,
                    "from": s["from"][:10],
                    "to": s["to"][:10],
                    **{
                        key: account[key]
                        for key in (
                            "currency",
                            "price",
                            "funding",
                            "fees",
                            "liquidations",
                            "net",
                            "return",
                            "max_drawdown",
                            "liquidated",
                            "margin_calls",
                        )
                    },
                    "rolls": sum(1 for roll in result.manifest["rolls"] if roll["symbol"] in symbols and roll["lots"]),
                }
            )
    return rows


# ---------------------------------------------------------------- html


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), last: str = "", kind: str = ""
) -> str:
    """A table of cells that are HTML already; `numbers`: columns set to the right."""

    def cell(tag: str, at: int, text: str) -> str:
        if at not in numbers:
            return f"<{tag}>{text}</{tag}>"
        negative = " neg" if tag == "td" and text.startswith("-") else ""
        return f'<{tag} class="n{negative}">{text}</{tag}>'

    head = "".join(cell("th", at, escape(text)) for at, text in enumerate(heads))
    body = "".join(f"<tr>{''.join(cell('td', at, text) for at, text in enumerate(row))}</tr>" for row in rows)
    shape = f' class="{kind}"' if kind else ""
    return f'<div class="scroll"><table{shape}><thead><tr>{head}</tr></thead><tbody>{body}{last}</tbody></table></div>'


def _folded(summary: str, inside: str, *, opened: bool = False) -> str:
    return f"<details{' open' if opened else ''}><summary>{escape(summary)}</summary>{inside}</details>"


def _bullets(texts: Iterable[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(text)}</li>" for text in texts)}</ul>'


def _card(label: str, value: str, tone: str = "", small: str = "") -> str:
    more = f"<small>{escape(small)}</small>" if small else ""
    return f'<div class="card {tone}"><span>{escape(label)}</span><b>{escape(value)}</b>{more}</div>'


def _body(results: list[Result], names: list[str], parts: list[Section], title: str, lead: str) -> str:
    several = len(results) > 1
    version = escape(str(results[0].manifest["version"]))
    out = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(lead)}</p>' if lead else "",
        f'<p class="sub">novation {version}. All times are UTC. Drag in a picture to look closer, double-click to '
        "return; the pictures of a run move together.</p>",
    ]
    if several:
        out.append(_overview(results, names))
        out.append(_contents(parts))
    out.append(_rests_on(results, names))
    number = 0
    for at, part in enumerate(parts, 1):
        if part.title:
            out.append(f'<section id="part-{at}"><h2>{escape(part.title)}</h2>')
            out += [f"<p>{escape(text)}</p>" for text in part.text.split("\n") if text]
        else:
            out.append("<section>")
        for name in part.runs:
            number += 1
            out.append(_run(results[number - 1], name, number, headed=several or bool(part.title)))
        out.append("</section>")
    return "\n".join(out)


def _contents(parts: list[Section]) -> str:
    links, number = [], 0
    for at, part in enumerate(parts, 1):
        if part.title:
            links.append(f'<li><a href="#part-{at}">{escape(part.title)}</a></li>')
        else:
            links += [f'<li><a href="#run-{number + i}">{escape(name)}</a></li>' for i, name in enumerate(part.runs, 1)]
        number += len(part.runs)
    return f"<nav><ul>{''.join(links)}</ul></nav>"


def _overview(results: list[Result], names: list[str]) -> str:
    number = {name: at for at, name in reversed(list(enumerate(names, 1)))}
    rows, before = [], None
    for row in overview(results, names):
        link = "" if row["run"] == before else f'<a href="#run-{number[row["run"]]}">{escape(row["run"])}</a>'
        before = row["run"]
        until = row["to"][5:] if row["to"][:4] == row["from"][:4] else row["to"]
        counts = (str(row[key] or "–") for key in ("liquidated", "margin_calls", "rolls"))
        causes = (_money(row[key]) for key in ("price", "funding", "fees", "liquidations"))
        result = (_money(row["net"]), escape(row["currency"]), _percent(row["return"], sign=True))
        rows.append((link, *result, _percent(row["max_drawdown"]), *counts, *causes, f"{row['from']} – {until}"))
    heads = ("run", "net", "", "return", "drawdown", "liquidated", "calls", "rolls")
    causes_heads = ("price", "funding", "fees", "clearance", "period")
    return _table((*heads, *causes_heads), rows, numbers=(1, 3, 4, 5, 6, 7, 8, 9, 10, 11), kind="overview")


def _rests_on(results: list[Result], names: list[str]) -> str:
    """Every caution once, with the runs it is about."""
    about: dict[str, list[str]] = {}
    for result, name in zip(results, names, strict=True):
        for caution in result.cautions:
            about.setdefault(caution, []).append(name)
    if not about:
        return ""
    items = []
    for caution, runs in about.items():
        if len(runs) == len(results):
            whose = "every run" if len(results) > 1 else ""
        else:
            whose = runs[0] if len(runs) == 1 else f"{len(runs)} runs"
        items.append(f"<li>{escape(caution)}{f' <small>({escape(whose)})</small>' if whose else ''}</li>")
    listed = f'<ul class="plain">{"".join(items)}</ul>'
    word = "assumption" if len(items) == 1 else "assumptions"
    return (
        f'<div class="box"><b>What this rests on</b>'
        f"{listed if len(items) <= 8 else _folded(f'{len(items)} {word}, every one of them', listed)}</div>"
    )


def _run(result: Result, name: str, number: int, *, headed: bool) -> str:
    s, manifest = result.summary(), result.manifest
    account = manifest["account"]
    cash = ", ".join(f"{float(amount):,.2f} {escape(asset)}" for asset, amount in account["cash"].items())
    leverage = f" {account['leverage']}x" if account["leverage"] else ""
    out = [f'<article id="run-{number}">']
    if headed:
        out.append(f"<h3>{escape(name)}</h3>")
    out.append(
        f'<p class="sub">{escape(", ".join(s["symbols"]))} · {escape(account["margin"])}{leverage} · cash {cash} · '
        f"{escape(s['from'][:16])} to {escape(s['to'][:16])} · {s['bars']:,} bars<br>"
        f"<code>{escape(manifest['strategy'])}{escape(_params(manifest['params']))}</code></p>"
    )
    if "no_fill" in s:
        out.append(f'<p class="bad">No fill: {escape(s["no_fill"])}.</p>')
    out.append(_cards(s, sum(1 for roll in manifest["rolls"] if roll["lots"])))
    out.append(_causes(s))
    story = Story(result)
    made = [figures.account_pictures(story), *(figures.instrument_pictures(story, symbol) for symbol in story.symbols)]
    if len(made) == 2:  # one instrument: its account's pictures are its own
        made = [sorted(made[0] + made[1], key=lambda picture: not picture.wide)]
    drawn = 0
    for group in made:
        if group:
            out.append(_plots(group, story, number, drawn))
            drawn += len(group)
    out += [_liquidations(result), _margin_calls(result), _refusals(s, result), _rolls(result)]
    out.append(_folded(f"{len(s['cautions'])} cautions of this run", _bullets(s["cautions"])) if s["cautions"] else "")
    out.append(_facts(result))
    out.append("</article>")
    return "\n".join(part for part in out if part)


def _params(params: dict[str, Any]) -> str:
    return f"({', '.join(f'{name}={value!r}' for name, value in params.items())})" if params else ""


def _cards(s: dict[str, Any], rolls: int) -> str:
    cards = []
    for a in s["accounts"]:
        tone = "good" if a["net"] > 0 else "bad" if a["net"] < 0 else ""
        cards.append(
            _card(f"net, {a['currency']}", _money(a["net"]), tone, f"{_percent(a['return'], sign=True)} of the deposit")
        )
    if "total" in s:
        rates = ", ".join(
            f"1 {escape(name)} = {rate}" for name, rate in s["total"]["rates"].items() if name != s["total"]["currency"]
        )
        cards.append(
            _card(
                f"all accounts, {s['total']['currency']}", _money(s["total"]["net"]), "", f"at {rates}" if rates else ""
            )
        )
    gone = sum(a["liquidated"] for a in s["accounts"])
    call = s["closest_call"]
    if gone and call:
        cards.append(_card("liquidations", str(gone), "bad", f"first {call['ts']}"))
    elif call and math.isfinite(call["distance"] or math.nan):
        cards.append(_card("closest call", _percent(call["distance"]), "", f"mark to liquidation, {call['ts']}"))
    else:
        cards.append(_card("liquidations", "none"))
    drawdown = max((a["max_drawdown"] or 0.0) for a in s["accounts"])
    cards.append(_card("max drawdown", _percent(drawdown), "", "of equity, at bar closes"))
    used = max((a["peak_margin_used"] or 0.0) for a in s["accounts"])
    cards.append(_card("peak margin used", _percent(used), "", "set aside, of equity"))
    calls = sum(a["margin_calls"] for a in s["accounts"])
    if calls:
        cards.append(_card("margin calls", str(calls)))
    if rolls:
        cards.append(_card("rolls", f"{rolls:,}"))
    refused = sum(s["refused"].values())
    if refused:
        cards.append(_card("refused orders", f"{refused:,}"))
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
                _money(a[key]),
                f'<i style="width:{abs(a[key]) / greatest * 100:.1f}%;background:{color}"></i>',
            )
            for key, label, color in _CAUSES
        ]
        fills = f"{a['fills']:,} fill{'' if a['fills'] == 1 else 's'}"
        last = f'<tr class="sum"><td>net of {fills}</td><td class="n">{_money(a["net"])}</td><td></td></tr>'
        table = _table(("profit by cause", str(a["currency"]), ""), rows, numbers=(1,), last=last, kind="causes")
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
        chips = "".join(_chip(*entry) for entry in picture.legend)
        caption = f'<p class="note">{escape(picture.caption)}</p>' if picture.caption else ""
        out.append(
            f'<div class="{"wide" if wide else "half"}"><h4>{escape(picture.title)}</h4>'
            f'<div class="legend">{chips}</div>'
            f'<div class="plot" data-figure="{key}" data-run="{run}" style="height:{height}px"></div>{caption}'
            f'<script type="application/json" id="{key}">{data}</script></div>'
        )
    return f'<div class="grid">{"".join(out)}</div>'


def _chip(word: str, color: str, glyph: str) -> str:
    if glyph == "line":
        mark = f'<i class="line" style="border-color:{color}"></i>'
    elif glyph == "area":
        mark = f'<i class="area" style="background:{color}"></i>'
    else:
        mark = f'<i style="color:{color}">{glyph}</i>'
    return f"<span>{mark}{escape(word)}</span>"


def _why(result: Result, row: dict[str, Any], at: int) -> str:
    if at >= EXPLAINED:
        return "<code>result.explain(row)</code>"
    return f"<details><summary>why</summary><pre>{escape(result.explain(row))}</pre></details>"


def _capped(table: pl.DataFrame, name: str) -> tuple[list[dict[str, Any]], str]:
    rows = table.head(ROWS).to_dicts()
    left = table.height - len(rows)
    return rows, f'<p class="note">{left:,} more rows are in <code>result.{name}</code>.</p>' if left else ""


def _liquidations(result: Result) -> str:
    table = result.frame("liquidations")
    if table.is_empty():
        return ""
    rows, more = _capped(table, "liquidations")
    made = _table(
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
                _when(row["ts"]),
                escape(row["contract"]),
                f"{row['qty']:+,.8g}",
                _number(row["mark"]),
                _number(row["price"]),
                _money(row["equity"]),
                _money(row["maintenance"], sign=False),
                _money(row["realised"]),
                _money(row["fee"], sign=False),
                escape(row["currency"]),
                _why(result, row, at),
            )
            for at, row in enumerate(rows)
        ),
        numbers=(2, 3, 4, 5, 6, 7, 8),
    )
    return f'<h4 class="bad">Liquidations ({table.height:,})</h4>{made}{more}'


def _margin_calls(result: Result) -> str:
    table = result.frame("margin_calls")
    if table.is_empty():
        return ""
    rows, more = _capped(table, "margin_calls")
    made = _table(
        ("time", "what was called", "equity", "maintenance", "short of initial margin", "", "arithmetic"),
        (
            (
                _when(row["ts"]),
                escape(row["symbol"] or "the whole account"),
                _money(row["equity"]),
                _money(row["maintenance"], sign=False),
                _money(row["missing"], sign=False),
                escape(row["currency"]),
                _why(result, row, at),
            )
            for at, row in enumerate(rows)
        ),
        numbers=(2, 3, 4),
    )
    return f"<h4>Margin calls ({table.height:,})</h4>{made}{more}"


def _refusals(s: dict[str, Any], result: Result) -> str:
    if not s["refused"]:
        return ""
    table = result.frame("refusals")
    rows = []
    for reason, count in Counter(s["refused"]).most_common():
        own = table.filter(pl.col("reason") == reason)
        symbols = ", ".join(str(name) for name in own["symbol"].unique(maintain_order=True).to_list() if name)
        rows.append(
            (f"<code>{escape(reason)}</code>", f"{count:,}", escape(symbols), _when(own["ts"][0]), _when(own["ts"][-1]))
        )
    made = _table(("reason", "orders", "instrument", "first", "last"), rows, numbers=(1,))
    return f"<h4>Refused by the exchange</h4>{made}"


def _rolls(result: Result) -> str:
    table = result.frame("rolls")
    if table.is_empty():
        return ""
    rows, more = _capped(table, "rolls")
    made = _table(
        ("time", "instrument", "from", "to", "position", "price of old", "price of new", "spread"),
        (
            (
                _when(row["ts"]),
                escape(row["symbol"]),
                escape(row["old"]),
                escape(row["new"]),
                f"{row['qty']:+,.8g}" if row["qty"] else "none",
                _number(row["price_old"]),
                _number(row["price_new"]),
                "–" if row["spread"] is None else f"{row['spread']:+,.6g}",
            )
            for row in rows
        ),
        numbers=(4, 5, 6, 7),
    )
    return _folded(f"{table.height:,} rolls, both legs at prices of one time", made + more)


def _facts(result: Result) -> str:
    """What is needed to run it again and to trust that it was the same."""
    m = result.manifest
    account = m["account"]
    facts: list[tuple[str, str]] = [
        ("novation", str(m["version"])),
        ("strategy", f"{m['strategy']}{_params(m['params'])}"),
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
        + _folded(f"{len(m['data'])} histories read, with their digests", f"<dl>{data}</dl>")
        + _folded(f"{len(used)} rows of dated tables used, with their sources", _bullets(used))
    )
    return _folded("How it was made: version, settings, hashes, sources", inside)


# ---------------------------------------------------------------- notebooks


def notebook_html(result: Result) -> str:
    """A small table and a line of equity for a notebook: static, without scripts."""
    s = result.summary()
    rows = [
        (
            escape(a["currency"]),
            *(_money(a[key]) for key in ("price", "funding", "fees", "liquidations", "net")),
            _percent(a["return"], sign=True),
            _percent(a["max_drawdown"]),
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
        table = equity_by_currency(result.record).filter(pl.col("currency") == a["currency"])
        line = sparkline(table["equity"].to_numpy())
        if line:
            lines.append(
                f"<div>equity, {escape(a['currency'])}: {_money(table['equity'][0], sign=False)} to "
                f"{_money(table['equity'][-1], sign=False)}</div>{line}"
            )
    cautions = _folded(f"{len(s['cautions'])} cautions", _bullets(s["cautions"])) if s["cautions"] else ""
    no_fill = f"<div>no fill: {escape(s['no_fill'])}</div>" if "no_fill" in s else ""
    return (
        f'<div><div>{about}</div><table style="margin:6px 0"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
        f"{no_fill}{''.join(lines)}{cautions}</div>"
    )
