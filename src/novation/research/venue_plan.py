"""What one venue trades in a run: instruments, terms, histories, what their markets do; and the venue made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from novation.data.chain import ContractChain
from novation.data.feed import build_feed
from novation.data.flow import dense_orders
from novation.data.market_states import States, TradedContract, can_show, market_states, sessions_of
from novation.data.recording import Recording
from novation.data.series import Array, Prepared
from novation.domain.book import BookRules
from novation.domain.enums import BarPath, InstrumentKind, SelfTrade
from novation.domain.errors import ConfigError, NoRuleInForce
from novation.domain.instruments import Instrument, Terms
from novation.domain.liquidity import BarLiquidity
from novation.domain.units import E8, NS
from novation.domain.words import counted, percent
from novation.reference.book_rules import book_rules
from novation.reference.day_margin import day_and_night, deadline_ns, intraday_ratio_e8
from novation.reference.lookup import Reference
from novation.venues.venue import Venue
from novation.venues.venue_rules import VenueRules


@dataclass(eq=False)
class PlannedLiquidity:
    """What takers of one instrument meet: the venue's option, LIQUIDITY rows of the feed, lots of each bar."""

    of: BarLiquidity
    rows: tuple[Array, dict[str, Array]] | None = None
    traded_lots: Array | None = None


@dataclass
class VenuePlan:
    """What one venue will trade: parallel lists by dense instrument id."""

    rules: VenueRules
    instruments: list[Instrument] = field(default_factory=list)
    terms: list[tuple[Terms, ...]] = field(default_factory=list)
    prepared: list[Prepared] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)  #: the traded symbol each instrument belongs to
    states: dict[int, States] = field(default_factory=dict)  #: what markets do, of those that obey a schedule
    #: When other rows of terms take effect, where that is not their dates: (instant, row), the first from the start.
    changes: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    chains: dict[int, ContractChain] = field(default_factory=dict)  #: that a month is one of
    liquidity: dict[int, PlannedLiquidity] = field(default_factory=dict)
    books: dict[int, BookRules] = field(default_factory=dict)  #: of those that trade on a book, where
    recordings: dict[int, Recording] = field(default_factory=dict)  #: ... these are replayed

    def add(self, symbol: str, instrument: Instrument, prepared: Prepared, reference: Reference) -> int:
        """One more instrument with the terms of the time its bars cover; returns its dense id."""
        bars = prepared.bars
        terms = reference.terms(instrument.id, int(bars.start_ns[0]), int(bars.end_ns[-1]) + 1)
        self.instruments.append(instrument)
        self.terms.append(terms)
        self.prepared.append(prepared)
        self.symbols.append(symbol)
        return len(self.instruments) - 1

    def build(self, spread_e8: int, bar_path: BarPath = BarPath.WORST) -> Venue:
        """The venue with its feed attached."""
        venue = Venue(
            self.rules,
            self.instruments,
            self.terms,
            spread_e8=spread_e8,
            books={self.instruments[i].id: rules for i, rules in self.books.items()},
            bar_liquidity={self.instruments[i].id: planned.of for i, planned in self.liquidity.items()},
            bar_path=bar_path,
            sampling=True,
        )
        rows = {}
        for i, terms in enumerate(self.terms):
            dated = self.changes.get(i, [(t.effective_ns, k) for k, t in enumerate(terms)])
            rows[i] = [(ts_ns, venue.first_terms[i] + k) for ts_ns, k in dated]
        feed = build_feed(
            dict(enumerate(self.prepared)),
            settlement_tick_e8={i: instrument.tick_e8 for i, instrument in enumerate(self.instruments)},
            terms=rows,
            tick_steps={i: [(t.effective_ns, t.tick_step) for t in terms] for i, terms in enumerate(self.terms)},
            zone=self.rules.zone,
            deliveries={i: instrument.deliver_ns for i, instrument in enumerate(self.instruments)},
            phases={i: states.phases for i, states in self.states.items()},
            limits={i: states.limits for i, states in self.states.items()},
            on_books=self.books,
            liquidity={i: planned.rows for i, planned in self.liquidity.items() if planned.rows is not None},
            traded_lots={
                i: planned.traded_lots for i, planned in self.liquidity.items() if planned.traded_lots is not None
            },
        )
        venue.attach(feed)
        for i, recording in self.recordings.items():
            recorded, slots = recording.rows(self.instruments[i]), 0
            recorded = recorded[recorded["ts_ns"] < self.prepared[i].bars.end_ns[-1]]  # the run ends there
            if recording.flow(self.instruments[i]).kind == "orders":
                recorded, slots = dense_orders(recorded)
            venue.attach_flow(i, recorded, slots, queue=recording.queue)
        return venue

    def put_on_book(self, index: int, recording: Recording, reference: Reference) -> list[str]:
        """Let an instrument trade on its recorded book; cautions about it."""
        instrument, symbol = self.instruments[index], self.symbols[index]
        if instrument.kind == InstrumentKind.SPOT:
            hint = "Run it on the bars of its trades (level L2)."
            raise ConfigError("is spot, of which no order book is built", source="data", where=symbol, hint=hint)
        flow = recording.flow(instrument)
        first_ns = int(self.prepared[index].bars.start_ns[0])
        table = "cme/matching" if instrument.venue == "cme" else f"{instrument.venue}/filters"
        try:
            rules = book_rules(reference, instrument.id, reference.looked_up_at(table, instrument.id, first_ns))
            cautions = []
        except NoRuleInForce as error:
            if instrument.venue == "cme":
                raise
            rules = BookRules(self_trade=SelfTrade.CANCEL_MAKER)
            cautions = [f"{symbol}: no filters of its book are known at its time ({error.table}): none are asked"]
        if not rules.market_orders:
            rules = replace(rules, market_orders=True)
            cautions.append(f"{symbol}: market orders go without the exchange's protection points")
        if rules.velocity is not None:
            rules = replace(rules, velocity=None)  # the record has its own halts
        self.books[index], self.recordings[index] = rules, recording
        queues = "order by order" if flow.kind == "orders" else f"level by level, queues estimated ({recording.queue})"
        mended = sum(flow.repairs.values())
        cautions.append(
            f"{symbol}: trades on its recorded book, {queues}: nobody reacts to our orders, which arrive at once"
            + (f"; {counted(mended, 'row')} of the record mended" if mended else "")
        )
        return cautions

    def find_states(self, reference: Reference) -> list[str]:
        """Find what the markets do, product by product; cautions about it.

        Of a contract whose bars are longer than an hour nobody can say when in a bar it traded, so it is always open.
        """
        cautions: list[str] = []
        until_ns = max(int(prepared.bars.end_ns[-1]) for prepared in self.prepared)
        for root in dict.fromkeys(instrument.root for instrument in self.instruments):
            own = [i for i, instrument in enumerate(self.instruments) if instrument.root == root]
            shown = [i for i in own if can_show(self.prepared[i].bars)]
            symbol = self.symbols[own[0]]
            if len(shown) < len(own):
                of = symbol if not shown else next(self.instruments[i].id for i in own if i not in shown)
                cautions.append(
                    f"{of}: bars longer than an hour or one a day: hours, halts and price limits are not obeyed"
                )
            contracts = {i: TradedContract(self.instruments[i], self.prepared[i], self.terms[i]) for i in shown}
            try:
                found = market_states(reference, root, contracts, until_ns=until_ns)
            except NoRuleInForce as error:
                hint = "Extend the table (`tables=`), or give market_states=False: always open, without price limits."
                raise NoRuleInForce(error.table, error.key, error.at, known=error.known, hint=hint) from None
            self.states |= found
            cautions += dict.fromkeys(f"{symbol}: {text}" for states in found.values() for text in states.cautions)
        return cautions

    def set_day_margins(self, reference: Reference, obey_states: bool) -> list[str]:
        """Let margins change at openings and deadlines where the broker has day-trading margins; cautions about it."""
        cautions: list[str] = []
        for i, instrument in enumerate(self.instruments):
            ratio = intraday_ratio_e8(reference, instrument.id) if instrument.daily_settled else E8
            if ratio == E8:
                continue
            bars = self.prepared[i].bars
            if not obey_states or not can_show(bars):
                raise ConfigError(
                    "needs market_states and bars of at most an hour: longer ones do not show the deadline",
                    source="overrides",
                    where=f"{self.symbols[i]}.intraday_ratio",
                    value=percent(ratio),
                )
            before_ns = deadline_ns(reference, instrument.id)
            span = int(bars.start_ns[0]), int(bars.end_ns[-1])
            sessions = sessions_of(reference, instrument.root, *span)
            self.terms[i], changes = day_and_night(self.terms[i], sessions, ratio, before_ns, *span)
            self.changes[i] = ((0, 0), *changes)
            cautions.append(
                f"{self.symbols[i]}: margins by day are {percent(ratio)} of the overnight ones; who cannot carry a "
                f"position {before_ns // (60 * NS)} minutes before the close is closed out then"
            )
        return list(dict.fromkeys(cautions))
