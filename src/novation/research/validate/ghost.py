"""Ghost orders: orders of recorded flow, taken out of it and sent again as ours. What became of them is known.

Each ghost is judged by *exact*, the exchange itself with the rest of the record replayed in it (`order_fates`), and by
what one would say from level data alone (`level_fates`): *front*, *back*, *proportional*, *power*, *log* are the models
of `rules.queue_position`, *touch* and *through* ask for trades alone.

Candidates: orders that came while the market was open, not across the other side's best, that never traded as an
aggressor while they stood, and of which the record tells the end. An amendment to another price, or to more lots,
counts as a cancel; what goes on is not followed. A ghost comes where its order came, is made smaller and called back
where its owner did that; one that the record filled whole waits `patience_ns` longer, so that a fill told late is late
and not missing.

What this cannot tell: what others would have done had our order not been theirs; anything of latency; anything of
orders that are in no record. A strategy picks its orders otherwise than those traders did.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from novation.data.flow import Flow
from novation.domain.errors import InvalidInput
from novation.domain.flow import LAST, FlowKind
from novation.domain.units import NS, to_ns
from novation.research.validate.book_model import check_seed
from novation.research.validate.level_fates import JUDGES, TOUCH, Fill, LevelData
from novation.research.validate.lives import Life, batches_of, drawn, last_rows, lives_of
from novation.research.validate.order_fates import replayed
from novation.rules.queue_position import MICRO

EXACT = "exact"
MODELS = (EXACT, *JUDGES)
#: Why the exchange says other than the record, by what the event in which they part holds.
OWN = "its own order was cancelled in the event of the trade"
AHEAD = "another order there was cancelled in the event of the trade"
IN_THE_WAY = "another ghost was in its way; alone it is as the record"
OTHER = "something else"


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One model against the record. Filled: at least a lot traded."""

    model: str
    ghosts: int
    both: int  #: filled in the record and by the model
    only_model: int
    only_record: int
    neither: int
    agreement: float  #: share of ghosts of which both say the same
    agreement_low: float  #: its exact binomial lower bound, 95 % one-sided
    matthews: float | None  #: correlation of the two answers; None where one of them is always the same
    same_lots: float  #: share of ghosts with as many lots filled as in the record
    lots_share: float | None  #: lots filled, in lots filled in the record
    same_price: float | None  #: of those filled by both: share with the record's price in every fill
    late_median_s: float | None  #: of those filled by both: absolute error of the time to the first fill, seconds
    late_p90_s: float | None


class Ghost(msgspec.Struct, frozen=True, kw_only=True):
    """One order, and what became of it: (row of the flow, lots, price_ticks) of each fill."""

    order: int
    side: int
    price_ticks: int
    lots: int
    added: int  #: the row of its ADD
    gone: int  #: the row after which it was gone from its place
    record: tuple[Fill, ...]
    models: dict[str, tuple[Fill, ...]]
    reached: bool  #: whether the market came to its price while it stood
    cause: str  #: why the exchange says other than the record; "": it does not

    def filled(self, model: str = "") -> int:
        """Lots filled by a model, in the record with none."""
        return sum(lots for _, lots, _ in (self.models[model] if model else self.record))


class GhostReport(msgspec.Struct, frozen=True, kw_only=True):
    """How true each model is to a record; `to_dict()` is the `--json` of `novation validate ghost`."""

    source: str
    orders: int  #: of the record
    candidates: int
    left_out: dict[str, int]  #: orders that are no candidates, by reason
    seed: int
    power: float
    patience_s: float
    together: int
    batches: int
    scores: tuple[Score, ...]  #: of all ghosts
    reached: tuple[Score, ...]  #: of those to whose price the market came
    causes: dict[str, int]  #: why the exchange says other than the record, in lots or time
    ghosts: tuple[Ghost, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; of the ghosts only those of which the exchange says other than the record."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        plain["ghosts"] = [one for one in plain["ghosts"] if one["cause"]]
        return plain

    def __str__(self) -> str:
        lines = [
            f"{self.source}: {self.scores[0].ghosts:,} ghosts of {self.candidates:,} candidates among {self.orders:,} "
            f"orders, {self.batches} batches, seed {self.seed}"
        ]
        lines += [f"  no candidates: {count:>7,}  {why}" for why, count in self.left_out.items()]
        for title, scores in (("all", self.scores), ("market came to their price", self.reached)):
            if not scores:
                continue
            lines += ["", f"{title}: {scores[0].ghosts:,}", _HEADER]
            lines += [_line(score, self.power) for score in scores]
        lines += ["", f"exact other than the record, in lots or time: {sum(self.causes.values()):,}"]
        lines += [f"  {count:>7,}  {cause}" for cause, count in self.causes.items()]
        return "\n".join(lines)


_HEADER = (
    f"  {'model':<13}{'agree %':>8}{'at least':>9}{'both':>7}{'only m.':>8}{'only r.':>8}{'neither':>8}{'MCC':>8}"
    f"{'same lots':>10}{'lots %':>8}{'price %':>8}{'late s':>9}{'90 %':>9}"
)


def _line(score: Score, power: float) -> str:
    def part(value: float | None, scale: float = 100.0, digits: int = 2) -> str:
        return "-" if value is None else f"{value * scale:.{digits}f}"

    name = f"{score.model}({power:g})" if score.model == "power" else score.model
    return (
        f"  {name:<13}{part(score.agreement):>8}{part(score.agreement_low):>9}{score.both:>7,}{score.only_model:>8,}"
        f"{score.only_record:>8,}{score.neither:>8,}{part(score.matthews, 1, 4):>8}{part(score.same_lots):>10}"
        f"{part(score.lots_share, digits=1):>8}{part(score.same_price, digits=1):>8}"
        f"{part(score.late_median_s, 1, 3):>9}{part(score.late_p90_s, 1, 3):>9}"
    )


def ghost(
    flow: Flow,
    *,
    orders: int | None = 1000,
    seed: int = 0,
    open_from: Any = None,
    power: float = 2.0,
    patience_ns: int = 10 * NS,
    together: int = 20,
    progress: Callable[[int, int, str], None] | None = None,
) -> GhostReport:
    """Send known orders of a record again, and compare what becomes of them with what the record says.

    orders: how many candidates, drawn with the seed; None or more than there are: all. open_from: orders that came
    before are none, else before the flow's market opened. power: the exponent of the model POWER. together: ghosts that
    may stand at once in one replay, so that they are little of the book; no two stand at the same price at once. The
    logarithm of the model LOG counts in units of the record (contracts, coins), not in lots.
    """
    if flow.kind != "orders":
        raise InvalidInput("is level data, which tells of no single order", source=flow.source)
    check_seed(seed, "seed")
    for name, value, least in (("orders", orders, 1), ("together", together, 1), ("patience_ns", patience_ns, 0)):
        if value is not None and value < least:
            raise InvalidInput(f"must be {least} or more", source=name, value=value)
    if not 0 <= power < math.inf:
        raise InvalidInput("must be 0 or more", source="power", value=power)
    opens = flow.opens_ns if open_from is None else to_ns(open_from, source="open_from")
    lives = lives_of(flow, open_from_ns=opens)
    candidates = [life for life in lives if not life.refused]
    if not candidates:
        raise InvalidInput("has no order that came, stood and went while the market was open", source=flow.source)
    chosen = drawn(candidates, orders, seed)
    ends = last_rows(flow, chosen, patience_ns)
    batches = batches_of(chosen, ends, together)
    unit = max(1, round(MICRO / flow.lot))
    events = np.cumsum(np.append(0, flow.rows["flags"][:-1] & LAST))
    found: list[Ghost] = []
    for done, batch in enumerate(batches):
        if progress is not None:
            progress(done, len(batches), "ghosts")
        by_levels = LevelData(flow, batch, ends, power=power, unit=unit).run()
        for life, exact, judged in zip(batch, replayed(flow, batch, ends), by_levels, strict=True):
            cause = _cause(flow, events, life, exact)
            if cause == OTHER and not _cause(flow, events, life, replayed(flow, [life], ends)[0]):
                cause = IN_THE_WAY
            found.append(_ghost(life, {EXACT: exact, **judged}, cause))
    found.sort(key=lambda one: one.added)
    reached = [one for one in found if one.reached]
    return GhostReport(
        source=flow.source,
        orders=len(lives),
        candidates=len(candidates),
        left_out=_counted(life.refused for life in lives if life.refused),
        seed=seed,
        power=power,
        patience_s=patience_ns / NS,
        together=together,
        batches=len(batches),
        scores=tuple(score(flow, found, model) for model in MODELS),
        reached=tuple(score(flow, reached, model) for model in MODELS) if reached else (),
        causes=_counted(one.cause for one in found if one.cause),
        ghosts=tuple(found),
    )


def _counted(words: Any) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _ghost(life: Life, models: dict[str, list[Fill]], cause: str) -> Ghost:
    return Ghost(
        order=life.order,
        side=life.side,
        price_ticks=life.price_ticks,
        lots=life.lots,
        added=life.added,
        gone=life.gone,
        record=tuple(life.fills),
        models={name: tuple(fills) for name, fills in models.items()},
        reached=bool(life.fills or models[TOUCH]),
        cause=cause,
    )


def _cause(flow: Flow, events: np.ndarray, life: Life, exact: Sequence[Fill]) -> str:
    """Why the exchange says other than the record: what else is in the first event in which they part.

    A cancel of its side at its price or better, in the event that brought the fill: of itself or of another order.
    """

    def lots_by_event(fills: Sequence[Fill]) -> Counter[int]:
        lots: Counter[int] = Counter()
        for row, some, _ in fills:
            lots[int(events[min(row, len(events) - 1)])] += some
        return lots

    ours, theirs = lots_by_event(exact), lots_by_event(life.fills)
    apart = [event for event in ours | theirs if ours[event] != theirs[event]]
    if not apart:
        return ""
    first = min(apart)
    begin, end = np.searchsorted(events, [first, first + 1])
    rows = flow.rows[begin:end]
    left = (rows["kind"] == FlowKind.CANCEL) & (rows["side"] == life.side)
    if (left & (rows["order"] == life.order)).any():
        return OWN
    ahead = life.side * (rows["price_ticks"] - life.price_ticks) >= 0
    return AHEAD if (left & ahead).any() else OTHER


def score(flow: Flow, ghosts: Sequence[Ghost], model: str) -> Score:
    """One model against the record, over some ghosts."""
    ts_ns = np.append(flow.rows["ts_ns"], flow.rows["ts_ns"][-1:])
    counts = Counter((bool(one.record), bool(one.models[model])) for one in ghosts)
    both, only_model = counts[True, True], counts[False, True]
    only_record, neither = counts[True, False], counts[False, False]
    of_both = [one for one in ghosts if one.record and one.models[model]]
    late = [abs(int(ts_ns[one.models[model][0][0]]) - int(ts_ns[one.record[0][0]])) / NS for one in of_both]
    alike = [{price for _, _, price in one.models[model]} == {price for _, _, price in one.record} for one in of_both]
    lots = sum(one.filled() for one in ghosts)
    spread = (both + only_model) * (both + only_record) * (neither + only_model) * (neither + only_record)
    return Score(
        model=model,
        ghosts=len(ghosts),
        both=both,
        only_model=only_model,
        only_record=only_record,
        neither=neither,
        agreement=(both + neither) / len(ghosts),
        agreement_low=at_least(both + neither, len(ghosts)),
        matthews=(both * neither - only_model * only_record) / math.sqrt(spread) if spread else None,
        same_lots=sum(one.filled() == one.filled(model) for one in ghosts) / len(ghosts),
        lots_share=sum(one.filled(model) for one in ghosts) / lots if lots else None,
        same_price=sum(alike) / len(alike) if alike else None,
        late_median_s=float(np.quantile(late, 0.5)) if late else None,
        late_p90_s=float(np.quantile(late, 0.9)) if late else None,
    )


def at_least(successes: int, trials: int, confidence: float = 0.95) -> float:
    """The exact binomial lower bound of a share, one-sided (Clopper and Pearson 1934).

    The share under which so many successes or more have the probability 1 - confidence. 59 of 59 prove 95 %, 98 of 100
    do not:

    >>> at_least(59, 59) >= 0.95, at_least(98, 100) >= 0.95, at_least(99, 100) >= 0.95
    (True, False, True)
    """
    if successes == 0:
        return 0.0
    ways = np.array(
        [
            math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
            for k in range(successes, trials + 1)
        ]
    )
    count = np.arange(successes, trials + 1)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        terms = ways + count * math.log(middle) + (trials - count) * math.log1p(-middle)
        low, high = (middle, high) if np.exp(terms).sum() < 1 - confidence else (low, middle)
    return low
