"""Numbers as people read them, and the few pieces of HTML a page is put together from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


def money(amount: float | None, *, sign: bool = True) -> str:
    if amount is None or not math.isfinite(amount):
        return "–"
    if abs(amount) < 0.005:
        return "0.00"
    return f"{amount:+,.2f}" if sign else f"{amount:,.2f}"


def percent(share: float | None, *, sign: bool = False) -> str:
    if share is None or not math.isfinite(share):
        return "–"
    return f"{share:+.1%}" if sign else f"{share:.1%}"


def number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:,.8g}"


def when(ts: Any) -> str:
    return str(ts.strftime("%Y-%m-%d %H:%M"))


def params_text(params: dict[str, Any]) -> str:
    return f"({', '.join(f'{name}={value!r}' for name, value in params.items())})" if params else ""


def table_html(
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


def folded(summary: str, inside: str, *, opened: bool = False) -> str:
    return f"<details{' open' if opened else ''}><summary>{escape(summary)}</summary>{inside}</details>"


def bullets(texts: Iterable[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(text)}</li>" for text in texts)}</ul>'


def card(label: str, value: str, tone: str = "", small: str = "") -> str:
    more = f"<small>{escape(small)}</small>" if small else ""
    return f'<div class="card {tone}"><span>{escape(label)}</span><b>{escape(value)}</b>{more}</div>'


def chip(word: str, color: str, glyph: str) -> str:
    if glyph == "line":
        mark = f'<i class="line" style="border-color:{color}"></i>'
    elif glyph == "area":
        mark = f'<i class="area" style="background:{color}"></i>'
    else:
        mark = f'<i style="color:{color}">{glyph}</i>'
    return f"<span>{mark}{escape(word)}</span>"
