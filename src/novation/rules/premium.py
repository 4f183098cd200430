"""From the order book to the funding rate: premium index, its average, the rate, and the interval of stamps.

Sources: facts/binance.md §2 (rate with the N-hour divisor effective 2025-09-18; interval rules effective 2025-05-02 and
2026-01-02; clamp, cap and floor of the instrument) and §1 (impact notional, premium index, weights of its average).
Caps, clamps and interest are rows of tables, so all are arguments.

Rates int64 1e-8, below 1e10 (100 in one). Premium, average and rate are each cut towards zero at 1e-8: eight decimals
are what Binance publishes, how it gets to them is not. Not modelled: special rates for dividends, late stamps.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.funding import funding_payment
from novation.rules.integers import E8, mul_div_towards_zero

_HOUR_NS = 3_600_000_000_000


@kernel
def impact_notional(base, max_leverage):
    """Impact margin notional, minor units: a base amount (200 USDT) over the initial rate 1 / max_leverage."""
    return base * max_leverage


@kernel
def premium_index(impact_bid_e8, impact_ask_e8, index_e8):
    """[max(0, impact bid - index) - max(0, index - impact ask)] / index; 0 < index < 2**50 (11 million of price)."""
    gap = max(0, impact_bid_e8 - index_e8) - max(0, index_e8 - impact_ask_e8)
    return mul_div_towards_zero(gap, E8, index_e8)


@kernel
def weighted_mean(weighted_sum, samples):
    """Mean of samples weighted 1, 2, ..., n: sum(i * P_i) / (n * (n + 1) / 2); zero before the first sample."""
    if samples == 0:
        return 0
    return mul_div_towards_zero(weighted_sum, 1, samples * (samples + 1) // 2)


@kernel
def plain_mean(total, samples):
    """Mean of samples that count alike; zero before the first sample."""
    if samples == 0:
        return 0
    return mul_div_towards_zero(total, 1, samples)


@kernel
def average_premium(weighted_sum, total, samples, interval_hours):
    """The average that enters the rate: weighted, for intervals of one hour plain.

    Keep both sums as samples come: weighted_sum += i * P_i with i from 1, total += P_i (5 s apart: 5,760 in 8 h).
    """
    if interval_hours == 1:
        return plain_mean(total, samples)
    return weighted_mean(weighted_sum, samples)


@kernel
def funding_rate(average_e8, interest_e8, clamp_e8, interval_hours, floor_e8, cap_e8):
    """[average + clamp(interest - average, -c, +c)] / (8 / N), then within [floor, cap] of the instrument."""
    pulled = average_e8 + max(-clamp_e8, min(clamp_e8, interest_e8 - average_e8))
    rate = mul_div_towards_zero(pulled, interval_hours, 8)
    return max(floor_e8, min(cap_e8, rate))


@kernel
def historic_cap(first_maintenance_e8):
    """The default cap of 2023: three quarters of the first bracket's maintenance rate, rounded down."""
    return first_maintenance_e8 * 3 // 4


@kernel
def next_interval(interval_hours, rate_e8, floor_e8, cap_e8, quiet, quiet_e8, quiet_needed, back_hours):
    """What a settled rate does to the interval: (hours until the next stamp, quiet rates in a row).

    At the cap or floor the next interval is one hour. While it is one hour, `quiet_needed` (16) rates in a row with
    |rate| <= quiet_e8 (0.025 %) make it `back_hours` (4); quiet_needed = 0 where that rule is not in force.
    """
    if rate_e8 >= cap_e8 or rate_e8 <= floor_e8:
        return 1, 0
    if interval_hours != 1 or abs(rate_e8) > quiet_e8:
        return interval_hours, 0
    quiet += 1
    if quiet_needed > 0 and quiet >= quiet_needed:
        return back_hours, 0
    return 1, quiet


@kernel
def next_stamp(now_ns, interval_hours):
    """The first stamp after an instant: stamps stand on whole multiples of the interval since midnight UTC."""
    interval_ns = interval_hours * _HOUR_NS
    return (now_ns // interval_ns + 1) * interval_ns


@kernel
def pro_rata_payment(mark_e8, lots, lot_value, rate_e8, held_ns, interval_ns):
    """An option that no exchange here uses: the whole payment (cut) times the share of the interval held (cut again).

    Binance charges the whole payment or nothing: `funding.funding_payment`. 0 <= held <= interval < 2**50 ns.
    """
    return mul_div_towards_zero(funding_payment(mark_e8, lots, lot_value, rate_e8), held_ns, interval_ns)
