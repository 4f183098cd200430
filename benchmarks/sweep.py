"""Accounts x marks per second: a mark move over many cross accounts with three positions each.

Three things are measured, all on one core: testing everybody, beside C and NumPy doing the same exact arithmetic;
mark moves as they are run, testing those they can endanger; and the worst that a mark can do.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from novation._jit import kernel
from novation.domain.enums import EventKind, MarketEventKind
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8, to_e8
from novation.engine.bands import still_clear
from novation.engine.layout import ACCOUNT, LEGS, POSITION
from novation.engine.liquidation import near
from novation.engine.margining import NOW, cross_balance
from novation.engine.watch import all_changed, next_endangered
from novation.reference.lookup import Reference
from novation.rules.integers import PART, exact_towards_zero
from novation.rules.margin import reached
from novation.venues import binance_usdm
from novation.venues.venue import Venue

HERE = Path(__file__).resolve().parent
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
MARKS = np.array([60_000 * E8, 3_000 * E8, 150 * E8])
#: An instant of the shipped brackets.
RULES_NS = 1_780_000_000 * 10**9
#: Rows of a block of the NumPy versions: in the cache, and long enough for the calls.
BLOCK = 16_384
#: The engine's own contender.
OURS = "novation"
SIZES = (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 1e-2)


def population(accounts: int, marks: np.ndarray = MARKS, seed: int = 1) -> Venue:
    """A venue of cross accounts long or short of all three: values log-normal around 3,000 USDT, entered within 10 % of
    the mark, the value of all three over the
    equity log-uniform from 1 to 50. The tables are filled directly."""
    reference = Reference.default()
    names = [f"binance_um:{symbol}" for symbol in SYMBOLS]
    instruments = [reference.instrument(name) for name in names]
    terms = [reference.terms(name, RULES_NS, RULES_NS + 1)[:1] for name in names]
    venue = Venue(binance_usdm.RULES, instruments, terms, accounts=accounts)
    random = np.random.default_rng(seed)
    lot_value = np.array([i.lot_value for i in instruments])
    tick = np.array([i.tick_e8 for i in instruments])
    one = lot_value * (marks / E8)
    value = np.exp(random.normal(np.log(3_000 * E8), 1.5, (accounts, 3)))
    lots = np.maximum(1, (value / one).astype(np.int64)) * random.choice([-1, 1], (accounts, 3))
    cost = (
        lots * ((marks * random.uniform(0.9, 1.1, (accounts, 3))).astype(np.int64) // tick) * (tick * lot_value // E8)
    )
    held = lots * one
    equity = np.abs(held).sum(1) / np.exp(random.uniform(0, np.log(50), accounts))
    table, rows = venue.table, (np.arange(accounts)[:, None] * 3 + np.arange(3)) * LEGS
    account, position = table("account"), table("position").reshape(accounts, 3, LEGS)
    account["wallet"] = (equity - (held - cost).sum(1)).astype(np.int64)
    account["first_position"], account["last_position"], account["positions"] = rows[:, 0], rows[:, 2], 3
    position["lots"][:, :, 0], position["cost"][:, :, 0], position["linked"][:, :, 0] = lots, cost, 1
    position["next"][:, :2, 0], position["previous"][:, 1:, 0] = rows[:, 1:], rows[:, :2]
    for name in ("mark_e8", "mark_low_e8", "mark_high_e8", "last_e8"):
        table("market")[name] = marks
    everybody_changed(venue.heads)
    return venue


@kernel
def everybody_changed(heads):
    """What filling the tables directly leaves to say."""
    all_changed(heads[0])


@kernel
def tested(heads):
    """How many accounts the check at the present marks would look at."""
    venue = heads[0]
    count = 0
    account = next_endangered(venue, 0, 0)
    while account < venue.accounts:
        count += 1
        account = next_endangered(venue, account + 1, 0)
    return count


@kernel
def exact_sweep(heads, out):
    """The engine's exact arithmetic over everybody: sum of maintenance, how many are gone, near, and a checksum."""
    venue = heads[0]
    total, gone, close, check = 0, 0, 0, 0
    for account in range(venue.accounts):
        whole, part, needed, needed_part, shown = cross_balance(venue, account, NOW, -1)
        total += shown
        if reached(whole, part, needed, needed_part):
            gone += 1
        if near(venue, exact_towards_zero(whole, part), shown):
            close += 1
        check = check * 31 + whole
    out[0], out[1], out[2], out[3] = total, gone, close, check


@kernel
def screened_sweep(heads, out):
    """Everybody tested as the engine tests: by what an account can spare where that shows it to be clear, else by the
    exact arithmetic. How many are gone, near, and how many were decided exactly."""
    venue = heads[0]
    gone, close, exactly = 0, 0, 0
    for account in range(venue.accounts):
        if not still_clear(venue, account, 0):
            exactly += 1
            whole, part, needed, needed_part, shown = cross_balance(venue, account, NOW, -1)
            if reached(whole, part, needed, needed_part):
                gone += 1
            if near(venue, exact_towards_zero(whole, part), shown):
                close += 1
    out[0], out[1], out[2] = gone, close, exactly


def instant(venue: Venue, marks: Any, count: bool = False) -> tuple[float, float, int, list[int]]:
    """Marks of the three at a next instant: seconds, CPU seconds, accounts looked at (if counted), kinds of events."""
    marks, now = np.asarray(marks, np.int64), venue.clock_ns + 1
    looked = 0
    if count:
        before = venue.table("market")["mark_e8"].copy()
        venue.table("market")["mark_e8"] = marks
        looked = tested(venue.heads)
        venue.table("market")["mark_e8"] = before
    rows = np.zeros(3, MARKET_DTYPE)
    rows["ts_ns"], rows["kind"], rows["instrument"] = now, int(MarketEventKind.BAR_OPEN), range(3)
    rows["mark_e8"] = rows["last_e8"] = marks
    venue.attach(rows)
    begin, cpu = time.perf_counter(), time.process_time()
    while venue.step(now):
        pass
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    kinds = np.frombuffer(b"".join(venue.drain()), venue.table("event").dtype)["kind"]
    return seconds, cpu, looked, kinds.tolist()


class Bounds:
    """C and NumPy on the state of a venue, copied out of it where they want columns."""

    def __init__(self, venue: Venue, folder: Path) -> None:
        self.venue, self.n = venue, venue.number("accounts")
        self.out = np.zeros(4, np.int64)
        self.tier = venue.table("tier")
        self.tier_rows = venue.table("terms")[venue.table("market")["terms"]]
        self.library = self._compile(folder)
        self.refresh()

    def _compile(self, folder: Path) -> Any:
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            return None
        fields = {f"POSITION_{name.upper()}": i for i, name in enumerate(POSITION.names or ())}
        fields |= {f"ACCOUNT_{name.upper()}": i for i, name in enumerate(ACCOUNT.names or ())}
        fields |= {"POSITION_SIZE": len(POSITION.names or ()), "ACCOUNT_SIZE": len(ACCOUNT.names or ())}
        made = folder / "sweep.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC", *(f"-D{name}={at}" for name, at in fields.items())]
        subprocess.run([compiler, *flags, str(HERE / "sweep.c"), "-o", str(made)], check=True)
        version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
        self.compiler = version.splitlines()[0]
        return ctypes.CDLL(str(made))

    def refresh(self) -> None:
        """Copy what the venue holds now."""
        table, n = self.venue.table, self.n
        position = table("position").reshape(n, 3, LEGS)
        self.wallet = np.ascontiguousarray(table("account")["wallet"])
        self.lots, self.cost = (np.ascontiguousarray(position[name][:, :, 0]) for name in ("lots", "cost"))
        self.by_instrument = [np.ascontiguousarray(x.T) for x in (self.lots, self.cost)]
        self.floats = [x.astype(float) for x in (self.wallet, *self.by_instrument)]
        first, count = self.tier_rows["tier_first"], self.tier_rows["tier_count"]
        self.brackets = [self.tier[a : a + b] for a, b in zip(first, count, strict=True)]
        self.lot_value = table("contract")["lot_value"]
        self.spare, slope = table("spare")["constant"].copy(), table("slope").reshape(n, 3)
        self.slope, self.below, self.above = (
            np.ascontiguousarray(slope[name].T) for name in ("slope", "below_e8", "above_e8")
        )
        self.market = np.stack([table("market")["mark_e8"], self.lot_value, first, count], 1)

    def c_tables(self) -> list[int]:
        """C on the venue's tables."""
        return self._c("sweep_tables", self.venue.table("account"), self.venue.table("position"))

    def c_columns(self) -> list[int]:
        """C on columns."""
        return self._c("sweep_columns", self.wallet, self.lots, self.cost)

    def _c(self, name: str, *arrays: np.ndarray) -> list[int]:
        self.out[:] = 0
        pointers = [
            ctypes.c_void_p(a.__array_interface__["data"][0]) for a in (*arrays, self.market, self.tier, self.out)
        ]
        ratio = ctypes.c_int64(binance_usdm.RULES.call_ratio_e8)
        held, market, tier, out = pointers[:-3], *pointers[-3:]
        getattr(self.library, name)(*held, ctypes.c_int64(self.n), market, tier, ratio, out)
        return self.out.tolist()

    def numpy_exact(self) -> list[int]:
        """NumPy with the same integers, in blocks that stay in the cache; the sum of equities for a checksum."""
        total = np.zeros(3, np.int64)
        lots, cost = self.by_instrument
        for a in range(0, self.n, BLOCK):
            total += self._block(lots[:, a : a + BLOCK], cost[:, a : a + BLOCK], self.wallet[a : a + BLOCK])
        return total.tolist()

    def _block(self, lots: np.ndarray, cost: np.ndarray, wallet: np.ndarray) -> list[int]:
        whole, part = wallet.copy(), np.zeros_like(wallet)
        needed, needed_part, shown = np.zeros_like(wallet), np.zeros_like(wallet), np.zeros_like(wallet)
        for i, tiers in enumerate(self.brackets):
            size = np.abs(lots[i])
            value, rest = mul_div_rem(size * self.lot_value[i], self.market[i, 0], E8)
            tier = np.minimum(np.searchsorted(tiers["cap"], value), len(tiers) - 1)
            rate = tiers["rate_e8"][tier]
            own, left = mul_div_rem(value, rate, E8)
            own_part = left * E8 + rest * rate
            own, own_part = carried(own - tiers["cum"][tier], own_part)
            needed, needed_part = carried(needed + own, needed_part + own_part)
            shown += own + ((own < 0) & (own_part > 0))
            short = lots[i] < 0
            below = short & (rest > 0)
            value = np.where(short, -value - below, value)
            whole, part = carried(whole + value - cost[i], part + np.where(below, PART - rest * E8, rest * E8))
        gone = (whole < needed) | ((whole == needed) & (part <= needed_part))
        share, _ = mul_div_rem(whole + ((whole < 0) & (part > 0)), binance_usdm.RULES.call_ratio_e8, E8)
        return [shown.sum(), gone.sum(), ((shown > 0) & (shown >= share)).sum()]

    def numpy_floats(self) -> list[float]:
        """NumPy in floating point: what one would write who need not be exact."""
        wallet, lots, cost = self.floats
        total = np.zeros(3)
        for a in range(0, self.n, BLOCK):
            b = a + BLOCK
            equity, needed = wallet[a:b].copy(), np.zeros(len(wallet[a:b]))
            for i, tiers in enumerate(self.brackets):
                value = lots[i, a:b] * (float(self.market[i, 0]) * 1e-8 * float(self.lot_value[i]))
                equity += value - cost[i, a:b]
                np.abs(value, out=value)
                tier = np.minimum(np.searchsorted(tiers["cap"].astype(float), value), len(tiers) - 1)
                needed += value * (tiers["rate_e8"] * 1e-8)[tier] - tiers["cum"].astype(float)[tier]
            total += [needed.sum(), (equity <= needed).sum(), (needed >= 0.8 * equity).sum()]
        return total.tolist()

    def numpy_screen(self) -> list[int]:
        """NumPy on what accounts can spare: how many it shows to be clear, and how many it does not."""
        shown = 0
        for a in range(0, self.n, BLOCK):
            b = a + BLOCK
            spare = self.spare[a:b].copy()
            inside = np.ones(len(spare), bool)
            for i, mark in enumerate(self.market[:, 0]):
                spare += self.slope[i, a:b] * float(mark)
                inside &= (self.below[i, a:b] < mark) & (mark < self.above[i, a:b])
            shown += int(np.count_nonzero(inside & (spare > 0.0)))
        return [shown, self.n - shown]


def mul_div_rem(a: np.ndarray, b: Any, c: int) -> tuple[np.ndarray, np.ndarray]:
    """`rules.integers.mul_div_rem` over arrays: products wrap, as they do there."""
    quotient = (a.astype(float) * b * (1.0 / c)).astype(np.int64)
    rest = a * b - quotient * c
    more = (rest * (1.0 / c)).astype(np.int64)
    quotient += more
    rest -= more * c
    for wrong, sign in ((rest < 0, 1), (rest >= c, -1)):
        quotient -= sign * wrong
        rest += sign * wrong * c
    return quotient, rest


def carried(whole: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A whole number of parts goes over."""
    over = part >= PART
    return whole + over, part - over * PART


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, so that others on the machine count less, and the result."""
    begin = time.process_time()
    result = function()
    return time.process_time() - begin, result


def minute_marks() -> np.ndarray | None:
    """A day of real minutes of the three: closes of the last price, in place of marks."""
    folder = Path(os.environ.get("NOVATION_DATA", "") or "?") / "binance_um" / "1m"
    if not folder.is_dir():
        return None
    import polars as pl

    day = None
    for symbol in SYMBOLS:
        frame = pl.read_parquet(folder / f"{symbol}_2025-05_last_1m.parquet").select(
            "ts", pl.col("close").alias(symbol)
        )
        day = frame if day is None else day.join(frame, on="ts")
    rows = day.filter(pl.col("ts").dt.date() == pl.date(2025, 5, 12)).sort("ts").select(SYMBOLS).rows()
    return np.array([[to_e8(price) for price in row] for row in rows], np.int64)


def everybody(say: Callable[..., None], spread: Callable[..., str], accounts: int, rounds: int) -> dict[str, Any]:
    """The first table: everybody tested at a mark move of all three."""
    venue = population(accounts)
    out = np.zeros(4, np.int64)

    def engine_exact() -> list[int]:
        exact_sweep(venue.heads, out)
        return out.tolist()

    def engine() -> list[int]:
        screened_sweep(venue.heads, out)
        return out.tolist()

    with tempfile.TemporaryDirectory() as folder:
        bounds = Bounds(venue, Path(folder))
        instant(venue, MARKS)  # the check that finds what everybody can spare
        # marks that fell, put there without a check: nothing changes while the clock runs
        shocked = (MARKS * np.array([0.985, 0.98, 0.97])).astype(np.int64)
        venue.table("market")["mark_e8"] = shocked
        bounds.refresh()
        screened, spared = engine(), bounds.numpy_screen()
        found = {"engine": engine_exact(), "NumPy": bounds.numpy_exact(), "floats": bounds.numpy_floats()}
        assert screened[:2] == found["engine"][1:3], (screened, found)
        assert screened[2] == spared[1], (screened, spared)
        if bounds.library:
            found |= {"C, tables": bounds.c_tables(), "C, columns": bounds.c_columns()}
            assert found["engine"] == found["C, tables"] == found["C, columns"], found
        assert found["engine"][:3] == found["NumPy"], found
        cpu: dict[str, list[float]] = {}
        contenders: dict[str, Callable[[], float]] = {
            OURS: lambda: timed(engine)[0],
            "novation, all exact": lambda: timed(engine_exact)[0],
            "NumPy, the same integers": lambda: timed(bounds.numpy_exact)[0],
            "NumPy, floats": lambda: timed(bounds.numpy_floats)[0],
            "NumPy, the screen alone": lambda: timed(bounds.numpy_screen)[0],
        }
        if bounds.library:
            contenders |= {
                "C, venue's tables": lambda: timed(bounds.c_tables)[0],
                "C, columns": lambda: timed(bounds.c_columns)[0],
            }
        for one_round in contenders.values():
            one_round()
        for _ in range(rounds):
            for name, one_round in contenders.items():
                cpu.setdefault(name, []).append(one_round())
        compiler = bounds.compiler if bounds.library else "no C compiler here"
        # the same marks with a check: the engine, told to leave nobody out and to look at positions always
        venue.table("market")["mark_e8"] = MARKS
        venue.head["watching"] = 0
        kinds = instant(venue, shocked)[3]
        assert kinds.count(int(EventKind.MARGIN_CALL)) >= found["engine"][2] - found["engine"][1]
    agreed = "the same sum of maintenance to the unit"
    if bounds.library:
        agreed += " and the same checksum of equities"
    say(
        f"\n## Everybody tested\n\n{accounts:,} cross accounts x 3 positions (BTC, ETH, SOL, shipped brackets), long "
        "or short at random, value over equity 1 to 50, after a fall of 1.5 to 3 %; CPU seconds of "
        f"{rounds} rounds in turn, one core; median (least .. most). {compiler}, -O3 -march=native.\n\n"
        f"* *{OURS}*: what an account can spare, a linear function of the marks kept since the check before the fall, "
        "shows that it is clear, by a bound that is proved ([watching](../../docs/rules/watching.md)); where it does "
        f"not, the exact integers decide: {screened[2]:,} accounts. It says who is gone and who is near a call, but no "
        "sums.\n"
        "* *novation, all exact*; *NumPy, the same integers*; *C*: equity and maintenance of everybody from wallet, "
        "lots and cost, exactly. C on the venue's tables reads the engine's rows, C on columns no more than it needs.\n"
        "* *NumPy, floats*: the same from wallet, lots and cost in floating point, near or not.\n"
        "* *NumPy, the screen alone*: our linear functions, copied into columns; decides nothing near a call.\n\n"
        f"All decide alike: {found['engine'][1]:,} gone, {found['engine'][2]:,} near a call; those that count it find "
        f"{agreed}.\n"
    )
    say("| contender | ms | million accounts x marks/s | its time over ours |\n|---|---|---|---|")
    ours = cpu[OURS]
    for name, found_cpu in cpu.items():
        ratio = spread([y / x for x, y in zip(ours, found_cpu, strict=True)], "{:.2f}")
        rate = spread([accounts / seconds / 1e6 for seconds in found_cpu], "{:.1f}")
        say(f"| {name} | {spread([1e3 * s for s in found_cpu], '{:.1f}')} | {rate} | {ratio} |")
    sizes = {name: venue.table(name).nbytes for name in ("account", "position", "band", "spare", "slope")}
    say(
        f"\nMemory of the venue's tables, bytes an account: "
        f"{', '.join(f'{name} {size / accounts:,.0f}' for name, size in sizes.items())}; "
        f"{sum(sizes.values()) / 1e6:,.0f} MB together."
    )
    return {"cpu": cpu, "bytes": sizes}


def as_run(
    say: Callable[..., None], spread: Callable[..., str], accounts: int, ticks: int, numpy_s: float
) -> dict[str, Any]:
    """The second table: mark moves as they are run, and the worst ones."""
    venue = population(accounts)
    first = instant(venue, MARKS)[0]
    random = np.random.default_rng(5)
    marks = MARKS.astype(float)
    say(
        "\n## Mark moves as they are run\n\nThe same population. All three marks move at one instant by independent "
        f"normal fractions of the stated size; {ticks} instants each, microseconds of wall time from Python and back, "
        "events (calls, liquidations) included; *looked at*: accounts tested.\n"
    )
    say(
        "| size of a move | us, median (least .. most) | us, mean | looked at, mean | events, mean | "
        "million accounts x marks/s, by the mean | against NumPy floats |\n|---|---|---|---|---|---|---|"
    )
    figures: dict[str, Any] = {"first": first}

    def line(name: str, moves: list[np.ndarray]) -> None:
        runs = [instant(venue, move, count=True) for move in moves]
        us = [1e6 * run[0] for run in runs]
        mean, looked = float(np.mean(us)), float(np.mean([run[2] for run in runs]))
        told = float(np.mean([len(run[3]) for run in runs]))
        figures[name] = {"us": us, "looked": looked, "events": told}
        say(
            f"| {name} | {spread(us, '{:,.1f}')} | {mean:,.1f} | {looked:,.1f} | {told:,.1f} | "
            f"{accounts / mean:,.0f} | {numpy_s * 1e6 / mean:,.0f}x |"
        )

    line("none", [marks.copy() for _ in range(ticks)])
    for size in SIZES:
        moves = []
        for _ in range(ticks):
            marks = marks * (1 + size * random.normal(size=3))
            moves.append(marks.astype(np.int64))
        line(f"{size:.4%}", moves)
    day = minute_marks()
    if day is not None:
        venue = population(accounts, day[0])
        instant(venue, day[0])
        line("a day of minutes, 2025-05-12", list(day[1:]))
    say("\n## The worst marks\n\nCPU milliseconds, once each.\n\n| what | ms | looked at | events |\n|---|---|---|---|")
    venue = population(accounts)
    everybody_changed(venue.heads)
    for name, move in (
        ("the first check: everybody's bands are found", MARKS),
        ("everybody changed (new brackets), nobody near", None),
        ("all three fall by 5 %", MARKS * 0.95),
        ("and come back", MARKS),
        ("all three fall by 20 %", MARKS * 0.8),
        ("the next instant, nothing moved", MARKS * 0.8),
    ):
        if move is None:
            everybody_changed(venue.heads)
            move = MARKS
        _, cpu, looked, kinds = instant(venue, move, count=True)
        figures[name] = cpu
        say(f"| {name} | {1e3 * cpu:,.2f} | {looked:,} | {len(kinds):,} |")
    return figures


def report(
    say: Callable[..., None], spread: Callable[..., str], quick: bool, accounts: int = 1_000_000
) -> dict[str, Any]:
    """Measure and print all of it; returns the figures."""
    say(
        "\nAn account is tested when a mark leaves the band in which its test is proved to do nothing "
        "([order](../../docs/rules/order.md)). What testing everybody costs comes first, then what a mark move costs."
    )
    full = everybody(say, spread, accounts, 3 if quick else 9)
    floats = float(np.median(full["cpu"]["NumPy, floats"]))
    return {"everybody": full, "as run": as_run(say, spread, accounts, 50 if quick else 200, floats)}
