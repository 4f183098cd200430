"""How much of a decrease of a level was ahead of us, where only the level's total is known.

Level data tells that a price shows 7 lots less; not whose. Trades are known, and take from the front; the rest was
cancelled, ahead of us or behind us. Each model answers with a share: FRONT and BACK are the two bounds between which
every answer lies, PROPORTIONAL takes from both alike, POWER and LOG weigh them by a function f: a decrease is behind us
with the probability f(back) / (f(back) + f(front)).

Sources: Rigtorp, *Estimating order queue position* (2013, rigtorp.se), and the documentation of hftbacktest, *Order
fill* and its models ProbQueueModel, PowerProbQueueFunc (f = x**n), LogProbQueueFunc (f = ln(1 + x)) and
RiskAdverseQueueModel (BACK). Theirs moves lots beyond what is behind us ahead, as here; it may leave less than nothing
ahead and count that as a fill, and here a cancel fills nobody.

Sizes are whole micro-lots (1e-6 of a lot), 0 to 2**59 each, so that a position is exact and the same on every machine;
shares are rounded down, against us. Not modelled: that who came last cancels first, sizes of single orders, hidden
lots.
"""

from __future__ import annotations

from novation._jit import model_kernel
from novation.domain.enums import QueueModel
from novation.rules.elementary import log_one_plus, power
from novation.rules.wide import wide_mul_div_rem

#: Micro-lots of a lot.
MICRO = 1_000_000

_FRONT, _BACK, _PROPORTIONAL = int(QueueModel.FRONT), int(QueueModel.BACK), int(QueueModel.PROPORTIONAL)
_POWER = int(QueueModel.POWER)


@model_kernel
def chance_ahead(model, exponent, front, back):
    """1 - f(back) / (f(back) + f(front)) = f(front) / (f(back) + f(front)), for front and back above 0.

    f = x**exponent (POWER) or ln(1 + x) (LOG), x float64 in the unit that the model counts in; of POWER the unit does
    not matter. 1 ahead and 3 behind: POWER(1) 0.25, POWER(2) 0.1, LOG 1/3.
    """
    if model == _POWER:
        return 1.0 / (1.0 + power(back / front, exponent))
    ahead = log_one_plus(front)
    return ahead / (ahead + log_one_plus(back))


@model_kernel
def lost_ahead(model, exponent, unit, front, back, decrease):
    """Micro-lots ahead of us that left with a decrease of the level that no trade explains.

    front, back: what was ahead of us and behind us, decrease: at most both. unit: micro-lots that f counts as 1 (a lot:
    1,000,000). The answer is between max(0, decrease - back), as what is behind cannot lose more than it has, and
    min(front, decrease).

    >>> [int(lost_ahead(int(model), 2.0, 1_000_000, 1_000_000, 3_000_000, 2_000_000)) for model in QueueModel]
    [1000000, 0, 500000, 200000, 666666]
    """
    least = max(0, decrease - back)
    most = min(front, decrease)
    if least >= most or model == _FRONT:
        return most
    if model == _BACK:
        return least
    if model == _PROPORTIONAL:
        share, _ = wide_mul_div_rem(front, decrease, front + back)
    else:
        share = int(chance_ahead(model, exponent, front / unit, back / unit) * decrease)
    return min(most, max(least, share))
