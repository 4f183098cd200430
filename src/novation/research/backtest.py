"""A strategy, some history, the exchange between them: one call to `run`."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import msgspec

from novation.domain import commands
from novation.domain.enums import BarPath, EventKind, InstrumentKind, MarginMethod, MarginScope, RejectReason
from novation.domain.errors import ConfigError, InvalidInput, NovationError
from novation.domain.events import EVENT_FORMAT, Event
from novation.domain.instruments import Instrument
from novation.domain.units import (
    BALANCE_BOUND,
    Number,
    asset_decimals,
    from_e8,
    from_scaled,
    iso,
    money,
    to_decimal,
    to_ns,
    to_scaled,
)
from novation.reference.lookup import Reference
from novation.reference.terms import check_fee_level
from novation.research.assembly import L2, L3, RULES, Assembly, assemble
from novation.research.driver import Driver, SimulatedExchange
from novation.research.finished import FinishedRun
from novation.research.limit_fills import THROUGH, LimitFill
from novation.research.liquidity import RunSlippage, SlippageUsed, check_participation, digest_of, plan_liquidity
from novation.research.manifest import record_of
from novation.research.result import Result
from novation.trading.broker import Broker
from novation.trading.limits import DrawdownGuard, RiskLimits
from novation.trading.rollover import Rollover
from novation.trading.strategy import Strategy
from novation.trading.targets import Targets
from novation.venues.markets import Markets
from novation.venues.venue import Venue

#: Paths inside a bar by name.
_PATHS = {path.name.lower(): path for path in BarPath}


class Backtest:
    """Run a strategy on history through the simulated exchange.

    strategy: a `Strategy`, `Targets`, or a strategy made by `@novation.compiled`.
    data: {symbol: History | ContractChain}; or symbols: public ids read from NOVATION_DATA or the user's store.
    start, end: half-open period, dates or aware instants. cash: an amount of the only account, or amounts by currency
    or by venue: {"USDT": 25_000}, {"binance_spot": 50_000, "binance_um": 50_000}. leverage, margin ("cross" or
    "isolated"): of every future with tiered margin; unset leverage is the venue's. Spot is bought in full.
    hedge: hold a long and a short position of each symbol; orders then name one (`position_side`).
    level: "L2", the prices of bars; "L3", the order book of `Recording`s, whose trades are the bars on either level.
    spread_bps: stated full spread; market orders pay half of it. slippage: True, or {"terms", "impact", "volume",
    "min_bps", "max_bps"}: takers pay half a spread and a part that grows with their size, by dated rows
    (docs/rules/slippage.md); a spread that is stated takes the place of the rows'. participation: the share of what a
    bar traded that can be had. limit_fill: "through", or how likely a bar that touches a limit and goes no further
    reaches it: a chance, or {"model", "ahead", "behind", "opposite"} (docs/rules/fills.md). bar_path: which way the
    price is taken to have gone inside a bar that reaches several orders; "worst": against the position, without one to
    the extreme nearer to the open. vip, bnb: level of Binance's fees, and whether they are paid in BNB. rules_as_of:
    pins the instant at which dated tables are read. tables: folders of the user's own tables. overrides: exchange facts
    replaced, listed as such.
    market_states: CME contracts with bars of at most an hour open, close, halt and have price limits as the exchange's
    do; False: always open. hold_orders: a broker keeps orders sent outside those hours for the next opening; False:
    they are refused, as the exchange does.
    report_currency, rates: currency of totals over several accounts, {currency: value of one in it}.
    risk: own limits, {"max_drawdown_pct": 15}. seed: recorded with the run; draws of limit_fill alone depend on it.

    `run` may be called again and gives the same result: what a `Strategy` keeps in itself is put back to what it was
    before the first run (copied then), so what was set on it in between is gone. What it keeps elsewhere, in its class
    for example, stays.
    """

    def __init__(
        self,
        strategy: Any,
        data: Mapping[str, Any] | None = None,
        *,
        symbols: Sequence[str] | None = None,
        start: Any = None,
        end: Any = None,
        cash: Number | Mapping[str, Number] = 100_000,
        leverage: int | None = None,
        margin: Literal["cross", "isolated"] = "cross",
        hedge: bool = False,
        level: Literal["L2", "L3"] = "L2",
        spread_bps: Number = 0,
        slippage: bool | Mapping[str, Any] | RunSlippage = False,
        participation: Number | None = None,
        limit_fill: Any = "through",
        bar_path: Literal["worst", "high_first", "low_first", "nearer_first"] = "worst",
        vip: int = 0,
        bnb: bool = False,
        rules_as_of: Any = None,
        tables: Sequence[str | Path] = (),
        overrides: Mapping[str, Any] | None = None,
        report_currency: str | None = None,
        rates: Mapping[str, Number] | None = None,
        risk: Mapping[str, Any] | RiskLimits | None = None,
        market_states: bool = True,
        hold_orders: bool = True,
        seed: int = 0,
        data_root: str | Path | None = None,
    ) -> None:
        if isinstance(strategy, type) and issubclass(strategy, Strategy):
            strategy = strategy()
        if not isinstance(strategy, Strategy) and not hasattr(strategy, "bind"):
            raise ConfigError(
                "expected a Strategy or a compiled strategy",
                source="Backtest",
                where="strategy",
                value=type(strategy).__name__,
            )
        if margin not in ("cross", "isolated"):
            raise ConfigError('is "cross" or "isolated"', source="Backtest", where="margin", value=margin)
        if leverage is not None and (isinstance(leverage, bool) or not isinstance(leverage, int) or leverage < 1):
            raise ConfigError("is a whole number of at least 1", source="Backtest", where="leverage", value=leverage)
        if leverage is not None and leverage > 1_000_000:
            raise ConfigError("is beyond any exchange's", source="Backtest", where="leverage", value=leverage)
        for name, flag in (("hedge", hedge), ("market_states", market_states), ("hold_orders", hold_orders)):
            if not isinstance(flag, bool):
                raise ConfigError("is True or False", source="Backtest", where=name, value=flag)
        if hedge and not isinstance(strategy, Strategy):
            raise ConfigError(
                "a compiled strategy cannot name a position, and holds one a symbol",
                source="Backtest",
                where="hedge",
                hint="Write it as a Strategy class, or leave hedge out.",
            )
        if hedge and isinstance(strategy, Targets):
            raise ConfigError(
                "a frame of targets names no position, and stands for one a symbol",
                source="Backtest",
                where="hedge",
                hint="Leave it out, or write a Strategy that calls self.target(symbol, qty, position_side=...).",
            )
        if isinstance(symbols, str):
            raise ConfigError("is a list of symbols", source="Backtest", where="symbols", value=symbols)
        if data is not None and not isinstance(data, Mapping):
            raise ConfigError(
                "is {symbol: history}", source="Backtest", where="data", hint='For example {"BTCUSDT": History(frame)}.'
            )
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ConfigError("is a whole number", source="Backtest", where="seed", value=seed)
        if to_decimal(spread_bps, source="Backtest", where="spread_bps") < 0:
            raise ConfigError("cannot be negative", source="Backtest", where="spread_bps", value=str(spread_bps))
        if bar_path not in _PATHS:
            known = ", ".join(f'"{name}"' for name in _PATHS)
            raise ConfigError(f"is one of {known}", source="Backtest", where="bar_path", value=bar_path)
        self.strategy, self.bar_path = strategy, bar_path
        self.data, self.symbols = data, list(symbols) if symbols is not None else None
        self.start_ns = None if start is None else to_ns(start, source="Backtest", where="start")
        self.end_ns = None if end is None else to_ns(end, source="Backtest", where="end")
        if self.start_ns is not None and self.end_ns is not None and self.start_ns >= self.end_ns:
            raise ConfigError(
                "the period is empty: start is not before end",
                source="Backtest",
                where="start, end",
                value=f"{iso(self.start_ns)} .. {iso(self.end_ns)}",
            )
        self.cash, self.leverage, self.margin, self.seed = cash, leverage, margin, int(seed)
        self.hedge, self.market_states, self.hold_orders = hedge, market_states, hold_orders
        self.spread_e8 = to_scaled(spread_bps, 4, source="Backtest", where="spread_bps")  # 1 bp = 1e-4 = 1e4 of 1e-8
        if level not in (L2, L3):
            raise ConfigError('is "L2" or "L3"', source="Backtest", where="level", value=level)
        for name, bars_alone in (
            ("spread_bps", spread_bps),
            ("slippage", slippage),
            ("participation", participation),
            ("limit_fill", "" if limit_fill == THROUGH else limit_fill),
            ("bar_path", "" if bar_path == "worst" else bar_path),
        ):
            if level == L3 and bars_alone not in (None, False, 0, ""):
                raise ConfigError(
                    "is of bars: on the order book the book says", source="Backtest", where=name, value=str(bars_alone)
                )
        self.level = level
        self.vip, self.bnb = vip, bnb
        for name, check in (("vip", (vip, False)), ("bnb", (0, bnb))):
            try:
                check_fee_level(*check)
            except InvalidInput as error:
                raise ConfigError(error.problem, source="Backtest", where=name, value=error.value) from None
        self.slippage = RunSlippage.of(slippage)
        self.participation_e8 = check_participation(participation)
        self.limit_fill = LimitFill.of(limit_fill)
        self.rules_as_of = rules_as_of
        self.tables, self.overrides = tuple(tables), dict(overrides or {})
        self.report_currency = report_currency
        self.rates = {
            name: to_decimal(rate, source="Backtest", where=f"rates {name}") for name, rate in (rates or {}).items()
        }
        if any(rate <= 0 for rate in self.rates.values()):
            raise ConfigError("must be positive", source="Backtest", where="rates")
        self.risk = risk if isinstance(risk, RiskLimits) else _limits(risk or {})
        self.data_root = data_root
        self._begun: dict[str, Any] | Exception | None = None  # the strategy before its first run, or why no copy is
        self.config: dict[str, Any] | None = None  #: the configuration it was made from, kept in the manifest
        #: tells an error about an argument as one about the file and key it was read from
        self.placed: Callable[[NovationError], NovationError] | None = None

    def run(self, progress: Callable[[int, int], None] | None = None) -> Result:
        """Run to the end of the data. progress: called with the bars done and the bars there are."""
        try:
            return self._run(progress)
        except NovationError as error:
            told = error if self.placed is None else self.placed(error)
            if told is error:
                raise
            raise told from None

    def _run(self, progress: Callable[[int, int], None] | None) -> Result:
        pinned = self.rules_as_of
        if pinned is not None and not isinstance(pinned, Mapping):
            pinned = to_ns(pinned, source="Backtest", where="rules_as_of")
        reference = Reference.default(
            tables=self.tables, rules_as_of=pinned, overrides=self.overrides or None, vip=self.vip, bnb=self.bnb
        )
        plan = assemble(
            self.data,
            self.symbols,
            reference=reference,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            root=self.data_root,
            obey_states=self.market_states,
            hold_orders=self.hold_orders,
            level=self.level,
        )
        self._check_fees(plan)
        slipped = self._plan_liquidity(plan, reference)
        assets = {name: venue_plan.rules.asset for name, venue_plan in plan.plans.items()}
        cash, rates = self._cash(assets), self._report_rates(list(assets.values()))
        venues = {
            name: venue_plan.build(self.spread_e8, _PATHS[self.bar_path]) for name, venue_plan in plan.plans.items()
        }
        self._check_margin(venues)
        for venue in venues.values():
            venue.log = []
        markets = Markets(list(venues.values()))
        first = markets.next_instant()
        assert first is not None
        if self.level == L3:  # what was recorded before the first bar only builds the book
            first = min(int(p.bars.start_ns[0]) for venue_plan in plan.plans.values() for p in venue_plan.prepared)
        for venue in venues.values():
            venue.advance(first - 1)
        broker = Broker(SimulatedExchange(markets), hedge=self.hedge)
        for name, venue in venues.items():
            broker.add_venue(name, asset_decimals(venue.rules.asset))
        for line, aliases in plan.lines:
            broker.add(line, aliases)
        for venue in venues.values():
            self._open_account(venue, cash[venue.rules.name])
        rollover = Rollover(broker, plan.rolls, plan.exits)
        if isinstance(self.strategy, Strategy):
            self._put_back(self.strategy)
            guards = {}
            if self.risk.max_drawdown_pct is not None:
                guards = {name: DrawdownGuard(self.risk.max_drawdown_pct) for name in venues}
            sides = [
                (venue, plan.plans[name].symbols, [p.bars for p in plan.plans[name].prepared])
                for name, venue in venues.items()
            ]
            driver = Driver(self.strategy, broker, markets, sides, rollover, guards=guards, progress=progress)
            driver.run()
            bars = driver.bars
        else:
            bars = self._run_compiled(plan, venues, broker, rollover)
            if progress is not None:
                progress(bars, bars)
        for venue in venues.values():
            venue.drain()
        finished = FinishedRun(
            plan=plan,
            venues=venues,
            reference=reference,
            broker=broker,
            rollover=rollover,
            bars=bars,
            first_ns=first,
            spread_e8=self.spread_e8,
            report_currency=self.report_currency,
            rates=rates,
            slippage=slipped,
            participation_e8=self.participation_e8,
            level=self.level,
            limit_fill=self.limit_fill,
        )
        settings = self._settings(_by_currency(cash, assets), rates)
        return Result(record_of(finished, settings), histories=plan.sources)

    def _put_back(self, strategy: Strategy) -> None:
        """Keep what a strategy is before its first run, and put it back before every later one."""
        if self._begun is None:
            try:
                self._begun = copy.deepcopy(vars(strategy), {id(strategy): strategy})
            except Exception as error:  # whatever a user's objects raise; it matters to a second run only
                self._begun = error
            return
        if isinstance(self._begun, Exception):
            raise ConfigError(
                f"has run already, and no copy could be made of what it was before: {self._begun}",
                source="Backtest",
                where="strategy",
                value=type(strategy).__name__,
                hint="Make another Backtest, with a new strategy.",
            )
        kept = copy.deepcopy(self._begun, {id(strategy): strategy})
        vars(strategy).clear()
        vars(strategy).update(kept)

    # -- parts of run ---------------------------------------------------------------------------------------------

    def _cash(self, assets: Mapping[str, str]) -> dict[str, Number]:
        """What each venue's account begins with. assets: the currency of each."""
        given = dict(self.cash) if isinstance(self.cash, Mapping) else {}
        alike = [name for name in assets if list(assets.values()).count(assets[name]) > 1 and name not in given]
        if not isinstance(self.cash, Mapping):
            if len(assets) > 1:
                names = list(assets) if alike else list(assets.values())
                raise ConfigError(
                    f"accounts {'at' if alike else 'in'} {' and '.join(names)} are traded: say how much of each",
                    source="Backtest",
                    where="cash",
                    hint=f"For example cash={{{', '.join(f'{name!r}: 50_000' for name in names)}}}."
                    if alike
                    else 'For example cash={"USDT": 25_000, "USD": 100_000}.',
                )
            given = {next(iter(assets.values())): self.cash}
        cash: dict[str, Number] = {}
        for name, asset in assets.items():
            key = name if name in given else asset
            if key not in given:
                of = f" at {name}" if name in alike else ""
                raise ConfigError(
                    f"no {asset} given{of}, but an instrument settles in it", source="Backtest", where="cash"
                )
            sharing = [other for other in alike if assets[other] == asset]
            if key == asset and len(sharing) > 1:
                raise ConfigError(
                    f"{' and '.join(sharing)} have an account in {asset} each: say how much of it at which",
                    source="Backtest",
                    where="cash",
                    hint=f"For example cash={{{', '.join(f'{other!r}: 50_000' for other in sharing)}}}.",
                )
            if not 0 < money(given[key], asset, source="Backtest", where=f"cash {key}") <= BALANCE_BOUND:
                raise ConfigError(
                    "must be positive, and below 2**60 of its smallest unit",
                    source="Backtest",
                    where=f"cash {key}",
                    value=str(given[key]),
                )
            cash[name] = given[key]
        unused = [name for name in given if name not in assets and name not in assets.values()]
        if unused:
            what = (
                f"nothing is traded at {unused[0]}" if unused[0] in RULES else f"nothing traded settles in {unused[0]}"
            )
            raise ConfigError(what, source="Backtest", where="cash")
        left = [key for key in given if key not in assets and all(n in given for n, a in assets.items() if a == key)]
        if left:
            raise ConfigError(
                f"every account in {left[0]} is named already", source="Backtest", where=f"cash {left[0]}"
            )
        return cash

    def _check_fees(self, plan: Assembly) -> None:
        """Refuse a level of fees that no venue of the run has, and say what paying in BNB leaves out."""
        for name, given in (("vip", self.vip), ("bnb", self.bnb)):
            if given and not {"binance_um", "binance_spot"} & set(plan.plans):
                raise ConfigError(
                    "is of Binance, which this run does not trade on", source="Backtest", where=name, value=given
                )
        if self.bnb:
            plan.cautions.append("fees paid in BNB: charged in the settlement asset, BNB's own price left out")
        elif "binance_spot" in plan.plans:
            asset = plan.plans["binance_spot"].rules.asset
            plan.cautions.append(
                f"binance_spot: buyers' fees charged in {asset}; the exchange takes them in the coin bought"
            )

    def _plan_liquidity(self, plan: Assembly, reference: Reference) -> list[SlippageUsed]:
        """Find what takers meet on the bars, where that depends on their size; the terms by symbol."""
        used: list[SlippageUsed] = []
        if self.slippage is None and not self.participation_e8 and self.limit_fill is None:
            return used
        slippage = self.slippage.by_id(reference, plan.symbols) if self.slippage is not None else None
        for name, venue_plan in plan.plans.items():
            terms, cautions = plan_liquidity(
                venue_plan,
                reference,
                slippage=slippage,
                participation_e8=self.participation_e8,
                touch_e8=self.limit_fill.touch_e8 if self.limit_fill is not None else 0,
                seed=self.seed,
                spread_bps=from_scaled(self.spread_e8, 4) if self.spread_e8 else None,
                unbounded=plan.left(name),
            )
            used += terms
            plan.cautions += cautions
            if self.slippage is not None:
                for index, planned in venue_plan.liquidity.items():
                    plan.digests[f"{venue_plan.instruments[index].id} slippage"] = digest_of(planned)
        return used

    def _open_account(self, venue: Venue, amount: Number) -> None:
        _must(venue, commands.transfer(0, money(amount, venue.rules.asset)))
        if self.hedge:
            _must(venue, commands.set_hedge_mode(0, True))
        scope = MarginScope.ISOLATED if self.margin == "isolated" else MarginScope.CROSS
        for index, instrument in enumerate(venue.instruments):
            if not _has_leverage(instrument):
                continue
            if self.leverage is not None:
                _must(venue, commands.set_leverage(0, index, self.leverage), instrument)
            if scope != MarginScope.CROSS:
                _must(venue, commands.set_margin_scope(0, index, scope), instrument)

    def _check_margin(self, venues: Mapping[str, Venue]) -> None:
        """Refuse settings that nothing traded here has a use for, and a position mode that a venue does not offer."""
        for name, venue in venues.items():
            if self.hedge and not venue.rules.hedge_mode:
                raise ConfigError(
                    f"{name} holds one position an instrument: it has no hedge mode",
                    source="Backtest",
                    where="hedge",
                    hint="Leave it out.",
                )
        traded = [instrument for venue in venues.values() for instrument in venue.instruments]
        if any(map(_has_leverage, traded)):
            return
        spot = all(instrument.kind == InstrumentKind.SPOT for instrument in traded)
        why = "the margins of what is traded are amounts of money per contract"
        for name, value, unset in (("leverage", self.leverage, None), ("margin", self.margin, "cross")):
            if value != unset:
                raise ConfigError(
                    f"has no use here: {'spot is bought in full' if spot else why}",
                    source="Backtest",
                    where=name,
                    value=value,
                    hint="Leave it out.",
                )

    def _run_compiled(self, plan: Assembly, venues: dict[str, Venue], broker: Broker, rollover: Rollover) -> int:
        if len(venues) != 1 or plan.rolls:
            raise ConfigError(
                "a compiled strategy trades one venue and no rolled symbols",
                source="Backtest",
                where="strategy",
                hint="Use a Strategy class, or run the venues one by one.",
            )
        if self.risk.any:
            raise ConfigError("own limits are not watched inside a compiled strategy", source="Backtest", where="risk")
        ((name, venue),) = venues.items()
        function, record, address = self.strategy.bind()
        heard = 0
        while rollover.next_ns is not None and rollover.next_ns <= venue.end_ns:  # exits before delivery
            leave_ns = rollover.next_ns
            venue.run_compiled(function, address, leave_ns - 1)
            log = venue.log or []
            for row in chain.from_iterable(map(EVENT_FORMAT.iter_unpack, log[heard:])):
                broker.hear(name, Event(*row))
            rollover.carry_out(leave_ns)
            heard = len(venue.log or [])
        venue.run_compiled(function, address)
        del record
        return sum(len(prepared.bars) for venue_plan in plan.plans.values() for prepared in venue_plan.prepared)

    def _settings(self, cash: Mapping[str, str], rates: Mapping[str, Decimal]) -> dict[str, Any]:
        """What the user said, as the manifest keeps it."""
        return {
            "strategy": _strategy_name(self.strategy),
            "params": _params(self.strategy),
            "seed": self.seed,
            "account": {
                "cash": cash,
                "margin": self.margin,
                "leverage": self.leverage,
                "hedge": self.hedge,
                "report_currency": self.report_currency,
                "rates": {name: str(rate) for name, rate in rates.items()},
            },
            "execution": {
                "spread_bps": str(from_scaled(self.spread_e8, 4).normalize()),
                **({"bar_path": self.bar_path} if self.level == L2 else {}),
                **({"level": self.level} if self.level != L2 else {}),
                **({"slippage": self.slippage.to_dict()} if self.slippage is not None else {}),
                **({"limit_fill": msgspec.to_builtins(self.limit_fill)} if self.limit_fill is not None else {}),
                **({"vip": self.vip, "bnb": self.bnb} if self.vip or self.bnb else {}),
                **(
                    {"participation": f"{from_e8(self.participation_e8).normalize():f}"}
                    if self.participation_e8
                    else {}
                ),
                "market_states": self.market_states,
                "hold_orders": self.hold_orders,
            },
            "rules_as_of": str(self.rules_as_of) if self.rules_as_of is not None else None,
            "overrides": json.loads(json.dumps(self.overrides, default=str)),
            "risk": msgspec.to_builtins(self.risk),
            "config": self.config,
        }

    def _report_rates(self, assets: Iterable[str]) -> dict[str, Decimal]:
        if self.report_currency is None:
            return {}
        rates = {}
        for asset in assets:
            if asset == self.report_currency:
                rates[asset] = Decimal(1)
            elif asset in self.rates:
                rates[asset] = self.rates[asset]
            elif {asset, self.report_currency} <= {"USD", "USDT", "USDC"}:
                rates[asset] = Decimal(1)
            else:
                raise ConfigError(
                    f"no rate for {asset}",
                    source="Backtest",
                    where="rates",
                    hint=f"Pass rates={{{asset!r}: value of one {asset} in {self.report_currency}}}.",
                )
        return rates


def _by_currency(cash: Mapping[str, Number], assets: Mapping[str, str]) -> dict[str, str]:
    """What accounts begin with, by their currencies where no two share one, else by venue."""
    single = len(set(assets.values())) == len(assets)
    return {assets[name] if single else name: str(amount) for name, amount in cash.items()}


def _has_leverage(instrument: Instrument) -> bool:
    """Whether leverage and margin scope are of any use to an instrument."""
    return instrument.method == MarginMethod.TIERED and instrument.kind != InstrumentKind.SPOT


def _must(venue: Venue, command: commands.Command, instrument: Instrument | None = None) -> None:
    """Carry out a command of the set-up; a refusal is the user's mistake, and says so."""
    for event in venue.submit(command):
        if event.kind == EventKind.COMMAND_REJECTED:
            name = instrument.id if instrument else venue.rules.name
            reason = RejectReason(event.reason)
            if reason == RejectReason.LEVERAGE_ABOVE_BRACKET:
                raise ConfigError(
                    f"is outside 1 .. {event.cost} of the first bracket of {name}",
                    source="Backtest",
                    where="leverage",
                    value=event.amount,
                )
            raise InvalidInput(
                f"{reason.name.lower().replace('_', ' ')}: {event.amount} against {event.cost}", source=name
            )


def _limits(given: Mapping[str, Any]) -> RiskLimits:
    known = RiskLimits.__struct_fields__
    for name, value in given.items():
        if name not in known:
            raise ConfigError("is no own limit", source="risk", where=name, hint=f"Known: {', '.join(known)}.")
        if value is not None and not (isinstance(value, int | float) and 0 < value <= 100):
            raise ConfigError("is a percentage above 0 and at most 100", source="risk", where=name, value=value)
    return RiskLimits(**given)


def _strategy_name(strategy: Any) -> str:
    if isinstance(strategy, Strategy):
        return f"{type(strategy).__module__}:{type(strategy).__qualname__}"
    return f"compiled:{strategy.name}"


def _params(strategy: Any) -> dict[str, Any]:
    if not isinstance(strategy, Strategy):
        return {}
    return {
        name: value
        for name in strategy.parameters()
        if isinstance(value := getattr(strategy, name), int | float | str | bool | None)
    }
