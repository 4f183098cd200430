"""The order book's page: replay, matching, memory, depth, a full day and single fills, beside C and the peers."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import book_compile
import book_cost
import book_matching
import book_replay
import numpy as np
from order_c import CBook
from order_flow import DEEP, KIND, SHALLOW, TRADE, Flow, flow_of

#: What the page says of aims that are missed.
LIMITS = """
*Replay against C.* By experiment (shallow, least of 14 rounds): rows alone, with a strategy that sends
nothing, 19.6 ms, about 1.5 times C's; an order that works all the time and is never met 3.3 ms more; placing,
cancelling and filling the 2,801 orders 3.7 ms more. C leaves accounts, margin, fees, events and the check of
every row out. In the rows' own code no place stands out: checks of rows, table addresses read again after
each write, and calls. Fetching rows ahead into the cache gained nothing with few orders.

*Matching with accounts.* The aim is one of books, and the peers know no accounts. A request is 0.4 us with
50,000 and 0.9 us with 600,000; why it rises was not looked into.

*Depth.* Not flat: from 1,000 to a million orders a pair becomes about 11 times dearer. C, with the same
steps, becomes so alike, which points to memory that is in no cache, not to steps.

*Compiling* is far dearer than its figure on the first page, 11 s for everything: the engine has more than
doubled since. Nobody had set an aim for it here.
"""

Say = Callable[..., None]
Spread = Callable[..., str]
OURS, C, C_PEER = "novation", "C", "C, hftbacktest's rule"
BY_FILLS = "novation, hftbacktest's rule"
LATE = "novation, seen 2 ms late, sent and heard 3 ms"


def in_turn(
    contenders: dict[str, Callable[[], dict[str, Any]]], rounds: int, slow: tuple[str, ...] = ("Nautilus", "lrvx")
) -> dict[str, list[Any]]:
    """Rounds of every contender in turn after one that does not count; of slow ones two."""
    found: dict[str, list[Any]] = {name: [] for name in contenders}
    for one_round in contenders.values():
        one_round()
    for i in range(rounds):
        for name, one_round in contenders.items():
            if i < 2 or not name.startswith(slow):
                run = one_round()
                run.pop("venue", None)
                found[name].append(run)
    return found


def ratios(runs: list[Any], ours: list[Any]) -> list[float]:
    """Their CPU time over ours, round by round."""
    return [a["cpu"] / b["cpu"] for a, b in zip(runs, ours, strict=False)]


def replay(say: Say, spread: Spread, python: Path | None, c: CBook | None, rounds: int) -> dict[str, Any]:
    """The first table."""
    say(
        "\n## Replay, order by order, one order of ours queued\n\n"
        "A strategy looks every 10 ms and keeps one bid of one lot at the best price that others bid. Ours: "
        "`Venue.attach_flow`, `Venue.run_looking`, a compiled strategy, an account with margin and fees, events and "
        "their hash. C: the same structure, steps and rule of filling, one order in place of accounts, no row checked. "
        f"CPU milliseconds of the whole flow, {rounds} rounds in turn (NautilusTrader and lrvx two); median (least .. "
        "most). "
        "Orders were given dense numbers before; hftbacktest and NautilusTrader read the source's ids.\n\n"
        "Fills differ by rule. hftbacktest's L3 model fills by the record's FILL rows at our very price: a bid of ours "
        "that stands above all others, as those beside it left, is passed by a trade at a lower price. With that rule, "
        "C gives its counts. hftbacktest keeps a second book, of what the strategy sees, whatever the latency (here "
        "none); ours needs no second book, so the late row costs what is under way alone. Its L2 models guess our "
        "place in the queue. NautilusTrader's engine knows none. lrvx reads levels and trades off a tape of its own, "
        "and calls a strategy of Python at every update."
    )
    figures = {}
    for form in (SHALLOW, DEEP):
        flow = flow_of(form)
        with tempfile.TemporaryDirectory() as folder:
            figures[form.name] = _replay(say, spread, flow, python, c, rounds, Path(folder))
    return figures


def _replay(
    say: Say, spread: Spread, flow: Flow, python: Path | None, c: CBook | None, rounds: int, folder: Path
) -> dict[str, Any]:
    contenders: dict[str, Callable[[], dict[str, Any]]] = {
        OURS: lambda: book_replay.ours(flow),
        LATE: lambda: book_replay.ours(flow, latency=book_replay.DELAYED),
        BY_FILLS: lambda: book_replay.ours(flow, by_fills=True),
    }
    if c:
        contenders |= {C: lambda: book_replay.in_c(c, flow), C_PEER: lambda: book_replay.in_c(c, flow, peer=True)}
    contenders |= book_replay.peers_of(python, flow, folder, True)
    found = in_turn(contenders, rounds)
    rows = len(flow.rows)
    trades = int((flow.made[:, KIND] == TRADE).sum())
    say(
        f"\n### {flow.form.name.capitalize()}: {rows:,} messages, about {flow.form.resting:,} orders rest\n\n"
        f"{trades:,} of the messages are trades; {flow.slots:,} orders rest at once at most.\n\n"
        "| contender | ms | million messages/s | its time over ours | orders | fills | best at the end |\n"
        "|---|---|---|---|---|---|---|"
    )
    for name, runs in found.items():
        last = runs[-1]
        ms = spread([1e3 * run["cpu"] for run in runs], "{:,.1f}")
        rate = statistics.median([rows / run["cpu"] / 1e6 for run in runs])
        say(
            f"| {name} | {ms} | {rate:.2f} | {spread(ratios(runs, found[OURS]), '{:.2f}')} | {last['placed']:,} | "
            f"{last['fills']:,} | {last['best'][0]:,} / {last['best'][1]:,} |"
        )
    ends = {tuple(run["best"]) for runs in found.values() for run in runs}
    checks = [f"the best prices at the end are {'the same for all' if len(ends) == 1 else 'NOT the same'}"]
    if c:
        same = all(found[OURS][-1][x] == found[C][-1][x] for x in ("placed", "fills"))
        checks.append(f"orders and fills of ours and of C are {'equal' if same else 'NOT EQUAL'}")
        for name, runs in found.items():
            if "L3 hash" in name:
                same = all(
                    runs[-1][x] == found[with_its_rule][-1][x]
                    for x in ("placed", "fills")
                    for with_its_rule in (C_PEER, BY_FILLS)
                )
                checks.append(
                    f"those of hftbacktest's L3, of ours and of C with its rule are {'equal' if same else 'NOT EQUAL'}"
                )
    say(f"\nChecked: {'; '.join(checks)}.")
    return {name: runs[-1] | {"cpu": [run["cpu"] for run in runs]} for name, runs in found.items()}


def matching(say: Say, spread: Spread, python: Path | None, c: CBook | None, rounds: int) -> dict[str, Any]:
    """The second part."""
    say(
        "\n## Matching a batch\n\n"
        "Adds, cancellations, amendments (to another price) and market orders of a synthetic flow, its fills left out: "
        "the engines find them. *Bare book*: the engine's book without accounts in one call of a kernel. *With "
        "accounts*: `Venue.submit_all` for 256 accounts: checks, margin, fees, positions, events and their hash. CPU "
        f"milliseconds, {rounds} rounds in turn; median (least .. most)."
    )
    everything = book_matching.requests_of(600_000)
    figures: dict[str, Any] = {}
    for n in (50_000, 600_000):
        some = np.ascontiguousarray(everything[:n])
        with tempfile.TemporaryDirectory() as folder:
            engines = book_matching.engines(python, some, Path(folder))
            contenders: dict[str, Callable[[], dict[str, Any]]] = {
                "novation, bare book": partial(book_matching.bare, some),
                "novation, with accounts": partial(book_matching.with_accounts, some),
            }
            if n == 50_000:
                one_by_one = partial(book_matching.bare_one_by_one, some)
                contenders["novation, bare book, one Python call a request"] = one_by_one
                contenders["novation, `Venue.submit`"] = partial(book_matching.submitted, some)
            if c:
                contenders[C] = partial(c.match, some, 1 << 15)
            contenders |= {name: partial(do, n) for name, do in engines.items()}
            found = in_turn(contenders, rounds)
            figures[str(n)] = {name: [run["cpu"] for run in runs] for name, runs in found.items()}
            _matching_table(say, spread, n, found, list(engines))
            if n == 50_000:
                _latencies(say, some, engines)
    return figures


def _matching_table(say: Say, spread: Spread, n: int, found: dict[str, list[Any]], engines: list[str]) -> None:
    fastest = min(engines, key=lambda name: statistics.median(r["cpu"] for r in found[name]), default=C)
    say(
        f"\n### {n:,} requests\n\n| contender | ms | million requests/s | times {fastest} | trades | best at the end |"
        "\n|---|---|---|---|---|---|"
    )
    for name, runs in found.items():
        over = spread([b["cpu"] / a["cpu"] for a, b in zip(runs, found[fastest], strict=True)], "{:.2f}")
        rate = statistics.median([n / run["cpu"] / 1e6 for run in runs])
        ms = spread([1e3 * run["cpu"] for run in runs], "{:,.2f}")
        trades = f"{runs[-1]['trades']:,}" if "trades" in runs[-1] else "not told"
        best = runs[-1]["best"]
        say(f"| {name} | {ms} | {rate:.2f} | {over} | {trades} | {best[0]:,} / {best[1]:,} |")
    refused = found["novation, with accounts"][-1]["refused"]
    say(f"\nRefused with accounts: {refused}.")


def _latencies(say: Say, requests: np.ndarray, engines: dict[str, Callable[..., dict[str, Any]]]) -> None:
    say(
        "\nNanoseconds of a request by itself, percentiles. In the kernel by the processor's time stamp (about 20 ns "
        "of it the stamp), from Python by its own clock (about 50 ns).\n\n| contender | 50 | 90 | 99 | 99.9 | most |\n"
        "|---|---|---|---|---|---|"
    )
    at = [50, 90, 99, 99.9, 100]
    stamps = np.zeros(len(requests), np.int64)
    book_matching.bare(requests, stamps)
    run = book_matching.bare(requests, stamps)
    each = np.diff(stamps) * (run["seconds"] * 1e9 / (stamps[-1] - stamps[0]))
    lines = {
        "novation, bare book, in the kernel": np.percentile(each, at),
        "novation, bare book, one Python call": np.percentile(book_matching.bare_one_by_one(requests, True)["ns"], at),
        "novation, `Venue.submit`": np.percentile(book_matching.submitted(requests)["ns"], at),
    }
    lines |= {name: do(len(requests), "each")["ns"] for name, do in engines.items()}
    for name, ns in lines.items():
        say(f"| {name} | {' | '.join(f'{x:,.0f}' for x in ns)} |")


def costs(say: Say, spread: Spread, c: CBook | None, quick: bool) -> dict[str, Any]:
    """Memory, depth, the day, single fills."""
    rounds = 3 if quick else 5
    rows = book_cost.bytes_of_rows()
    say(
        "\n## Cost of one order, at any depth\n\nOne order more at a random price and one of those that rest, chosen "
        f"at random, cancelled; CPU nanoseconds of the pair on the bare book, {book_cost.PAIRS:,} pairs, {rounds} "
        f"rounds; median (least .. most). *Bytes*: an order's row ({rows['resting']}) and its share of pages in use "
        f"({rows['page'] + 32 * rows['price']} for 32 ticks); *tables*: of all tables of the book as they have grown, "
        "which double.\n\n"
        "| orders | prices | ns | ns in C | C over ours | bytes an order | tables, bytes an order |\n"
        "|---|---|---|---|---|---|---|"
    )
    figures: dict[str, Any] = {}
    for orders, levels in (
        *((n, 100) for n in (100, 1_000, 10_000, 100_000, 1_000_000)),
        *((100_000, n) for n in (2, 10, 1_000, 10_000, 100_000)),
    ):
        found = book_cost.one_depth(c, orders, levels, rounds)
        figures[f"{orders} orders, {levels} prices"] = found
        in_c = spread(found["C"]) if c else "no compiler"
        over = f"{statistics.median(found['C']) / statistics.median(found['ours']):.2f}" if c else ""
        say(
            f"| {orders:,} | {levels:,} | {spread(found['ours'])} | {in_c} | {over} | {found['used']:,.0f} | "
            f"{found['bytes']:,.0f} |"
        )
    day = book_cost.full_day(2 if quick else 3)
    figures["day"] = day
    say(
        f"\n## A full day\n\n{day['rows']:,} messages in {day['hours']:.1f} hours, {day['orders']:,} orders at most, "
        "BTCUSDT with its own tick (0.01, ten of which are one in force); the same strategy. Seconds of wall time of "
        "`Venue.run_looking`.\n\n| looks every | seconds | orders | fills | aim |\n|---|---|---|---|---|"
    )
    for every in ("100 ms", "10 ms"):
        run = day[every]
        say(f"| {every} | {spread(run['seconds'], '{:.2f}')} | {run['placed']:,} | {run['fills']:,} | < 10 |")
    say(
        "\n## A fill from Python\n\nMicroseconds of `Venue.submit` of a market order, its events as objects; "
        "percentiles.\n\n| fill | 50 | 90 | 99 | 99.9 | most | aim |\n|---|---|---|---|---|---|---|"
    )
    for name, us in book_cost.single_fills().items():
        figures[name] = us
        aim = "< 100" if "bar" in name else "< 1,000"
        say(f"| {name} | {' | '.join(f'{x:,.1f}' for x in us)} | {aim} |")
    return figures


def _over(found: dict[str, Any], name: str, ours: str = OURS) -> list[float]:
    """Their CPU time over ours, of the fastest of those so named."""
    runs = min((x["cpu"] for key, x in found.items() if name in key), key=statistics.median)
    return [a / b for a, b in zip(runs, found[ours]["cpu"], strict=False)]


def aims(say: Say, spread: Spread, figures: dict[str, Any]) -> None:
    """Every aim beside its measure."""
    say("\n## Aims\n\n| what | aim | measured |\n|---|---|---|")
    shallow, deep = (figures["replay"][name] for name in ("shallow", "deep"))
    lines: list[tuple[str, str, str]] = []
    if any("hftbacktest 2" in name for name in shallow):
        for ours, late in ((OURS, ""), (LATE, ", late")):
            lines += [
                (
                    f"replay{late}, over hftbacktest's fastest L3, shallow",
                    ">= 6",
                    spread(_over(shallow, " L3 ", ours), "{:.1f}"),
                ),
                ("the same, deep", ">= 15", spread(_over(deep, " L3 ", ours), "{:.1f}")),
                ("over its fastest L2 model, shallow", ">= 1.5", spread(_over(shallow, " L2 ", ours), "{:.2f}")),
                ("the same, deep", ">= 1.5", spread(_over(deep, " L2 ", ours), "{:.2f}")),
            ]
    if any("Nautilus" in name for name in shallow):
        lines.append(("over NautilusTrader's engine, shallow", ">= 50", spread(_over(shallow, "Nautilus"), "{:.0f}")))
    if C in shallow:
        for name, found in (("shallow", shallow), ("deep", deep)):
            over = [a / b for a, b in zip(found[C]["cpu"], found[OURS]["cpu"], strict=True)]
            lines.append((f"replay against C, {name}", ">= 0.6", spread(over, "{:.2f}")))
    for n, found in figures["matching"].items():
        engines = [x for name, x in found.items() if not name.startswith((OURS, C))]
        for what in ("bare book", "with accounts"):
            if engines:
                fastest = min(engines, key=statistics.median)
                over = [a / b for a, b in zip(fastest, found[f"novation, {what}"], strict=True)]
                name = f"{int(n):,} requests over the fastest engine of pip, {what}"
                lines.append((name, ">= 10", spread(over, "{:.1f}")))
    costs = figures["costs"]
    lines.append(
        ("a full day of ten million messages, seconds", "< 10", spread(costs["day"]["10 ms"]["seconds"], "{:.1f}"))
    )
    for name, us in costs.items():
        if "fills)" in name:
            aim = "< 100" if "bar" in name else "< 1,000"
            lines.append((f"a fill {name}, us: middle, 99 of 100", aim, f"{us[0]:.1f}, {us[2]:.1f}"))
    for line in lines:
        say(f"| {' | '.join(line)} |")
    say(LIMITS.rstrip())


def report(say: Say, spread: Spread, quick: bool, python: Path | None) -> dict[str, Any]:
    """Measure and print all of it; returns the figures."""
    with tempfile.TemporaryDirectory() as folder:
        c = CBook.compiled(Path(folder))
        if c:
            say(f"C: {c.compiler}, -O3 -march=native.")
        rounds = 3 if quick else 7
        figures = {
            "replay": replay(say, spread, python, c, rounds),
            "matching": matching(say, spread, python, c, rounds),
            "costs": costs(say, spread, c, quick),
            "compiling": book_compile.report(say),
        }
        aims(say, spread, figures)
    return figures
