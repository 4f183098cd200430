"""One page about one or several runs: pictures, tables, reasons, and everything the numbers rest on.

The page is a single HTML file. It loads nothing (a Content-Security-Policy in it forbids that), so it opens from a disk
as it does from a server. Whatever a user or a file named is escaped.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from novation.domain.errors import DataError, InvalidInput
from novation.research.frames import RunFrames
from novation.research.report.article import article
from novation.research.report.markup import folded, money, percent, table_html
from novation.research.summary import summarise


@dataclass(frozen=True)
class Section:
    """A part of a page: its heading, a paragraph on it, and the names of the runs it shows, in their order."""

    title: str
    text: str = ""
    runs: tuple[str, ...] = ()


def write_report(
    results: Sequence[RunFrames],
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
    template = resources.files("novation.research.report").joinpath("page.html").read_text(encoding="utf-8")
    fill = {"title": escape(title or _title(results)), "body": body, "plotly": _plotly_js()}
    # one pass over the template: what is put in is never searched
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: fill[found[1]], template)
    write_whole(path, page)
    return path


def write_whole(path: Path, page: str) -> None:
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


def _name(result: RunFrames) -> str:
    account = result.manifest["account"]
    leverage = f" {account['leverage']}x" if account["leverage"] else ""
    return f"{', '.join(result.manifest['symbols'])} {account['margin']}{leverage}"


def _title(results: Sequence[RunFrames]) -> str:
    symbols = list(dict.fromkeys(symbol for result in results for symbol in result.manifest["symbols"]))
    shown = ", ".join(symbols[:4]) + (f" and {len(symbols) - 4} more" if len(symbols) > 4 else "")
    return f"Backtest of {shown}"


def overview(results: Sequence[RunFrames], names: Sequence[str]) -> list[dict[str, Any]]:
    """One row per run and account: name, instruments, period, P&L by cause, and how near it came to the end."""
    rows = []
    for result, name in zip(results, names, strict=True):
        s = summarise(result)
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


def _body(results: list[RunFrames], names: list[str], parts: list[Section], title: str, lead: str) -> str:
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
            out.append(article(results[number - 1], name, number, headed=several or bool(part.title)))
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


def _overview(results: list[RunFrames], names: list[str]) -> str:
    number = {name: at for at, name in reversed(list(enumerate(names, 1)))}
    rows, before = [], None
    for row in overview(results, names):
        link = "" if row["run"] == before else f'<a href="#run-{number[row["run"]]}">{escape(row["run"])}</a>'
        before = row["run"]
        until = row["to"][5:] if row["to"][:4] == row["from"][:4] else row["to"]
        counts = (str(row[key] or "–") for key in ("liquidated", "margin_calls", "rolls"))
        causes = (money(row[key]) for key in ("price", "funding", "fees", "liquidations"))
        result = (money(row["net"]), escape(row["currency"]), percent(row["return"], sign=True))
        rows.append((link, *result, percent(row["max_drawdown"]), *counts, *causes, f"{row['from']} – {until}"))
    heads = ("run", "net", "", "return", "drawdown", "liquidated", "calls", "rolls")
    causes_heads = ("price", "funding", "fees", "clearance", "period")
    return table_html((*heads, *causes_heads), rows, numbers=(1, 3, 4, 5, 6, 7, 8, 9, 10, 11), kind="overview")


def _rests_on(results: list[RunFrames], names: list[str]) -> str:
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
        f"{listed if len(items) <= 8 else folded(f'{len(items)} {word}, every one of them', listed)}</div>"
    )
