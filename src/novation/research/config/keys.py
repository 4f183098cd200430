"""Every key a configuration may hold, section by section: its type and what it does.

The first class is the whole file. Keys of the plan's template (section 8.4) are accepted as they stand there; a mark
(`types`) says which of them replace a fact of the exchange, which wait for a capability that is not built, and
which are labels. A key without a mark is carried out by `research.config`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from novation.reference.rolls import RULES
from novation.research.config.types import (
    Cash,
    Fact,
    Instant,
    Label,
    NotBuilt,
    Number,
    PathOrNumber,
    Pin,
    Positive,
    Section,
)

_NEVER = (None, False, 0, 0.0)
_TRAINING = NotBuilt("training", _NEVER)
_UNBOUNDED = NotBuilt("a factor without bound; name its bounded term in `terms`", _NEVER)
_LIMIT = NotBuilt("own limits other than max_drawdown_pct")
_SESSION = NotBuilt("trading sessions")
_HALT = NotBuilt("halts other than the exchange's own; a `products` file states those of a product")
_ROLL = NotBuilt("a guard on the cost of a roll in a backtest, whose bars show no quotes")
_FEATURE = NotBuilt("features")
_SPAN = NotBuilt("SPAN margin")

Text = str
Flag = bool | None
Rows = list[dict[str, Any]] | None


class Vendor(Section):
    """Where data and orders go; here: the venue of symbols written without one."""

    primary: Literal["binance", "interactive_brokers", "tradovate", "binance_um", "binance_spot", "cme"] | None = None
    fallback: Annotated[Text | None, NotBuilt("a second vendor", (None,))] = None


class Contract(Section):
    """The one contract of the plan's template."""

    symbol: Text | None = None
    exchange: Text | None = None
    underlying: Annotated[Text | None, Label("The underlying's name")] = None
    quote_currency: Text | None = None
    multiplier: Annotated[Positive, Fact("Contract multiplier")] = None
    tick_size: Annotated[Positive, Fact("Minimum price step")] = None
    min_qty: Annotated[Positive, Fact("Smallest order")] = None
    max_qty: Annotated[Positive, Fact("Largest order")] = None
    expiry: Annotated[Instant, NotBuilt("expiry dates of one's own", (None,))] = None
    settlement: Annotated[Literal["cash", "physical"] | None, NotBuilt("physical delivery", (None, "cash"))] = None


class Tier(Section):
    """One step of a bracket table; it begins where the one before ends."""

    notional_cap: Positive = None
    max_leverage: int
    maint_margin_rate: Positive


class Span(Section):
    """SPAN margin of CME."""

    enabled: Annotated[Flag, _SPAN] = None
    scanning_range: Annotated[Number, _SPAN] = None
    volatility_adjustment: Annotated[Flag, _SPAN] = None
    inter_month_spread_credit: Annotated[Number, _SPAN] = None


class Margin(Section):
    """Scope and leverage of instruments with tiered margin. mode and initial_leverage: the plan's names of the two.

    hedge: a long and a short position of each symbol.
    """

    scope: Literal["cross", "isolated"] | None = None
    leverage: Annotated[int, Field(ge=1)] | None = None
    hedge: bool | None = None
    mode: Literal["cross", "isolated"] | None = None
    initial_leverage: Annotated[int, Field(ge=1)] | None = None
    max_leverage: Annotated[int, Field(ge=1)] | None = None
    maintenance_margin_rate: Annotated[Positive, Fact("Maintenance rate of the first bracket")] = None
    brackets: Annotated[list[Tier] | None, Fact("Brackets")] = None
    span: Span | None = None


class FundingLimits(Section):
    """Own limits on funding."""

    max_cumulative_24h_bps: Annotated[Number, _LIMIT] = None
    skip_when_rate_exceeds_bps: Annotated[Number, _LIMIT] = None


class Funding(Section):
    """Funding of perpetuals, which comes at the stamps of the history."""

    enabled: Annotated[Flag, Fact("Whether funding is paid")] = None
    interval_hours: Annotated[int, Field(ge=1)] | None = None
    times_utc: list[Text] | None = None
    include_in_reward: Annotated[Flag, _TRAINING] = None
    clamp_rate_bps: Annotated[Number, NotBuilt("a cap on recorded funding rates", (None,))] = None
    pro_rata_settlement: Annotated[Flag, NotBuilt("pro-rated funding in a backtest; `Venue(pro_rata=...)` has it")] = (
        None
    )
    limits: FundingLimits | None = None


class AutoRoll(Section):
    """Rolls of symbols such as cme:ES. days_before_expiry: of a folder of contracts without a rule of its own."""

    enabled: Flag = None
    days_before_expiry: Annotated[int, Field(ge=1)] | None = None
    max_roll_cost_bps: Annotated[Number, _ROLL] = None


class Settlement(Section):
    """Daily settlement of dated futures."""

    enabled: Flag = None
    time_et: Annotated[Text | None, NotBuilt("settlement at a stated time", (None,))] = None
    time_ct: Annotated[Text | None, NotBuilt("settlement at a stated time", (None,))] = None
    variation_margin: Annotated[Flag, NotBuilt("daily settlement without variation margin", (None, True))] = None
    auto_roll: AutoRoll | None = None


class Liquidation(Section):
    """What happens to those who cannot pay."""

    penalty_reward: Annotated[Number, _TRAINING] = None
    simulate_cascade: Annotated[Flag, NotBuilt("cascades in a backtest; run `novation cascade`")] = None
    insurance_fund_deduction: Annotated[Flag, NotBuilt("liquidation without insurance fund", (None, True))] = None
    adl_simulation: Annotated[
        Flag, NotBuilt("auto-deleveraging in a backtest, which has one trader; `novation cascade` has it")
    ] = None
    cross_margin_priority: Annotated[
        Literal["highest_loss", "lowest_ratio", "oldest", "largest", "highest_leverage"] | None,
        NotBuilt("another order than the exchange's in a backtest; `VenueRules` has all five", (None, "highest_loss")),
    ] = None


class Hours(Section):
    """Hours of a day."""

    start_et: Annotated[Text | None, _SESSION] = None
    end_et: Annotated[Text | None, _SESSION] = None


class CmeSession(Section):
    """Sessions of CME."""

    regular_hours: Hours | None = None
    globex_hours: Hours | None = None
    maintenance_break: Hours | None = None
    holidays: Annotated[Text | None, _SESSION] = None


class Velocity(Section):
    """Velocity logic."""

    enabled: Annotated[Flag, _HALT] = None
    threshold_ticks: Annotated[Number, _HALT] = None


class CircuitBreakers(Section):
    """Price limits and halts as the exchange has them; `session.market_states` is the same switch."""

    enabled: Flag = None
    levels: Annotated[Rows, _HALT] = None
    overnight_limit_pct: Annotated[Number, _HALT] = None
    velocity_logic: Velocity | None = None


class Session(Section):
    """When the exchange is open: its own hours; hours of one's own are not built.

    market_states, hold_orders: of CME contracts with bars of at most an hour (`novation.Backtest`).
    """

    calendar: Annotated[
        Literal["crypto_24x7", "cme_futures", "forex_24x5"] | None,
        NotBuilt("trading sessions other than the exchange's", (None, "crypto_24x7", "cme_futures")),
    ] = None
    market_states: Flag = None
    hold_orders: Flag = None
    cme: CmeSession | None = None
    circuit_breakers: CircuitBreakers | None = None

    def dormant(self) -> frozenset[str]:
        """The hours of CME are out of force where the calendar knows none."""
        return frozenset({"cme"}) if self.calendar == "crypto_24x7" else frozenset()


class CryptoFees(Section):
    """Fees of Binance: a level of its table, less what BNB takes off; or rates of one's own in 1e-4 of notional."""

    maker_bps: Annotated[Number, Fact("Maker fee")] = None
    taker_bps: Annotated[Number, Fact("Taker fee")] = None
    use_bnb_discount: Flag = None
    vip_level: Annotated[int, Field(ge=0, le=9)] | None = None


class CmeFees(Section):
    """Fees of CME in USD per contract and side; given together, since they replace the whole fee."""

    commission_per_contract: Annotated[Number, Fact("Broker's commission")] = None
    exchange_fee_per_contract: Annotated[Number, Fact("Exchange's fee")] = None
    nfa_fee_per_contract: Annotated[Number, Fact("NFA's fee")] = None
    clearing_fee_per_contract: Annotated[Number, Fact("Clearing fee")] = None


class RegulatoryFees(Section):
    """A securities fee that futures do not pay."""

    enabled: Annotated[Flag, NotBuilt("a securities fee, which futures do not pay")] = None
    sec_fee_per_million: Annotated[Number, NotBuilt("a securities fee, which futures do not pay", _NEVER)] = None


class Fees(Section):
    """What trades cost. structure must be that of the venues traded."""

    structure: Literal["maker_taker", "flat", "exchange_fees"] | None = None
    crypto: CryptoFees | None = None
    cme: CmeFees | None = None
    regulatory: RegulatoryFees | None = None


class Slippage(Section):
    """What a market order pays beyond the price: half the stated spread alone, or, with any of enabled, profile, terms,
    impact, volume, min_slippage_bps and max_slippage_bps, by docs/rules/slippage.md.

    terms: names of assumed terms to count, "all", or "base". impact: y of the square-root law in place of the rows'.
    volume: coins or contracts of a day, or by symbol, in place of the bars'. profile: the rows are the product's own,
    whatever its name.
    """

    enabled: Flag = None
    profile: Literal["crypto_futures", "index_futures", "commodity_futures", "currency_futures"] | None = None
    terms: list[Text] | Text | None = None
    impact: Number = None
    volume: Number | dict[str, Number] = None
    impact_coef_base: Annotated[
        Number, NotBuilt("the template's coefficient, which has no unit; `impact` is the square-root law's", _NEVER)
    ] = None
    default_spread_bps: Number = None
    min_slippage_bps: Number = None
    max_slippage_bps: Number = None
    funding_stress_sensitivity: Annotated[Number, _UNBOUNDED] = None
    liquidation_cascade_multiplier: Annotated[
        Number, NotBuilt("a factor without bound; name `liquidated` in terms", (None, 1, 1.0))
    ] = None
    oi_imbalance_sensitivity: Annotated[Number, _UNBOUNDED] = None


class Lob(Section):
    """The order book of level L3. queue_position_method: "mbo", known order by order; "mbp", estimated from levels."""

    latency_profile: Annotated[Text | None, NotBuilt("latency", (None,))] = None
    queue_position_method: Literal["mbo", "mbp"] | None = None
    impact_model: Annotated[Text | None, NotBuilt("impact models", (None,))] = None
    fill_probability_model: Annotated[Text | None, NotBuilt("fill probability models", (None,))] = None


class Execution(Section):
    """How orders are filled. level: L2, by the prices of bars; L3, on the order book that the data record (`flow`).
    spread_bps: the stated full spread, of which a market order pays half. participation: the share of what a bar traded
    that can be had. limit_fill: "through", or how likely a bar that touches a limit price and goes no further reaches
    it: a chance, or {model: file, ahead: orders, behind: orders, opposite: orders}. bar_path: which way the price went
    inside a bar that reaches several orders.
    """

    level: Literal["L2", "L3"] | None = None
    spread_bps: Number = None
    participation: Positive = None
    limit_fill: Literal["through"] | Positive | dict[str, Any] = None
    bar_path: Literal["worst", "high_first", "low_first", "nearer_first"] | None = None
    slippage: Slippage | None = None
    lob: Lob | None = None

    def dormant(self) -> frozenset[str]:
        """The order book's keys are in force with L3 alone."""
        return frozenset() if self.level == "L3" else frozenset({"lob"})


class KillSwitch(Section):
    """Stops trading for good."""

    enabled: Annotated[Flag, NotBuilt("a kill switch")] = None
    triggers: Annotated[Rows, NotBuilt("a kill switch", (None,))] = None


class Risk(Section):
    """A trader's own limits."""

    max_drawdown_pct: Positive = None
    max_position_usd: Annotated[Number, _LIMIT] = None
    max_open_positions: Annotated[Number, _LIMIT] = None
    max_leverage_used: Annotated[Number, _LIMIT] = None
    daily_loss_limit_usd: Annotated[Number, _LIMIT] = None
    trailing_stop_pct: Annotated[Number, _LIMIT] = None
    max_funding_exposure_24h_pct: Annotated[Number, _LIMIT] = None
    max_concentration_pct: Annotated[Number, _LIMIT] = None
    kill_switch: KillSwitch | None = None


class Files(Section):
    """The files of one instrument: last with mark and funding; or term_structure with roll_calendar; or contracts (a
    folder of one file of bars a month, of a rolled symbol such as cme:ES) with roll; or flow, a record of its order
    book (`novation.Recording`) whose trades make the bars, with bar, queue, funding and mark, and trades where these
    are a file apart.
    """

    last: Text | None = None
    mark: Text | None = None
    funding: PathOrNumber = None
    settlement: Text | None = None
    stamp: Literal["open", "close"] | None = None
    tz: Text | None = None
    bar: Text | None = None
    funding_interval_hours: int | None = None
    missing_mark: Literal["error", "count"] | None = None
    settle: Literal["close", "window"] | None = None
    delivery: Positive = None
    index: Text | None = None
    quotes: Text | None = None
    rate: Number = None
    term_structure: Text | None = None
    roll_calendar: Text | None = None
    flow: Text | None = None
    trades: Text | None = None
    queue: Text | None = None
    contracts: Text | None = None
    roll: Annotated[Text | None, Field(description=f"A rule of the calendar: {', '.join(RULES)}.")] = None


class Validation(Section):
    """Checks of the data; gaps are always counted and reported."""

    check_gaps: Flag = None
    max_gap_bars: Annotated[Number, NotBuilt("refusing data by its gaps", (None,))] = None
    check_volume_zeros: Annotated[Flag, NotBuilt("checks of volume")] = None
    min_history_bars: Annotated[Number, NotBuilt("refusing short data", _NEVER)] = None


class Data(Section):
    """Where history is read: `root` (a folder as NOVATION_DATA names one), `synthetic: true` (the package's own seeded
    market), files by instrument ({BTCUSDT: {last: .., mark: .., funding: ..}}), or the plan's lists of patterns.
    Without any: the folder of NOVATION_DATA, then the user's store. Paths are relative to the configuration.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Files] = Field(init=False)

    root: Text | None = None
    synthetic: Flag = None
    paths: list[Text] | None = None
    timeframe: Text | None = None
    funding_paths: list[Text] | None = None
    mark_price_paths: list[Text] | None = None
    open_interest_paths: Annotated[list[Text] | None, NotBuilt("open interest", (None,))] = None
    liquidation_paths: Annotated[list[Text] | None, NotBuilt("recorded liquidations", (None,))] = None
    validation: Validation | None = None


class Features(Section):
    """Inputs of a model."""

    include_funding_features: Annotated[Flag, _FEATURE] = None
    include_basis_features: Annotated[Flag, _FEATURE] = None
    include_oi_features: Annotated[Flag, _FEATURE] = None
    include_liquidation_features: Annotated[Flag, _FEATURE] = None
    include_term_structure: Annotated[Flag, _FEATURE] = None
    funding_lookback: Annotated[Number, _FEATURE] = None
    oi_lookback: Annotated[Number, _FEATURE] = None
    basis_lookback: Annotated[Number, _FEATURE] = None

    def dormant(self) -> frozenset[str]:
        """Look-backs are out of force where every feature written is off."""
        switches = {name for name in self.model_fields_set if name.startswith("include_")}
        if switches and not any(getattr(self, name) for name in switches):
            return frozenset(type(self).model_fields)
        return frozenset()


class Model(Section):
    """A trained model."""

    algo: Annotated[Text | None, NotBuilt("models", (None,))] = None
    policy: Annotated[Text | None, NotBuilt("models", (None,))] = None
    path: Annotated[Text | None, NotBuilt("models", (None,))] = None
    params: Annotated[dict[str, Any] | None, NotBuilt("models", (None, {}))] = None


class Logging(Section):
    """What is told along the way. What track_* name is in every result."""

    level: Annotated[Text | None, Label("Level of log lines, of which a backtest writes none")] = None
    tensorboard: Annotated[Flag, NotBuilt("training")] = None
    tensorboard_dir: Annotated[Text | None, Label("Folder of training curves")] = None
    track_funding_pnl: Flag = None
    track_liquidation_distance: Flag = None
    track_margin_usage: Flag = None


class Account(Section):
    """Money at the start. rates: {currency: value of one in report_currency}."""

    cash: Cash = None
    report_currency: Text | None = None
    rates: dict[str, Positive] | None = None


class Period(Section):
    """Half open: `from` is in it, `to` is not."""

    from_: Annotated[Instant, Field(alias="from")] = None
    to: Instant = None


class Keys(Section):
    """A backtest."""

    strategy: Text | None = None
    params: dict[str, Any] | None = None
    instruments: list[Text] | None = None
    period: Period | None = None
    rules_as_of: Pin = None
    account: Account | None = None
    margin: Margin | None = None
    execution: Execution | None = None
    risk: Risk | None = None
    seed: int | None = None
    data: Data | None = None
    tables: list[Text] | None = None
    products: Text | None = None
    overrides: dict[str, dict[str, Any]] | None = None

    mode: Annotated[
        Literal["backtest", "train", "live", "eval"] | None,
        NotBuilt("modes other than backtest", (None, "backtest")),
    ] = None
    futures_type: Annotated[
        Literal["crypto_perp", "crypto_quarterly", "index", "commodity", "currency"] | None,
        NotBuilt(
            "this key; name quarterlies in `instruments`, as binance_um:BTCUSDT_261225",
            (None, "crypto_perp", "index", "commodity", "currency"),
        ),
    ] = None
    vendor: Vendor | None = None
    contract: Contract | None = None
    funding: Funding | None = None
    settlement: Settlement | None = None
    liquidation: Liquidation | None = None
    session: Session | None = None
    fees: Fees | None = None
    features: Features | None = None
    model: Model | None = None
    training: Annotated[dict[str, Any] | None, NotBuilt("training", (None, {}))] = None
    logging: Logging | None = None
