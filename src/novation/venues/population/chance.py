"""What simulated traders draw, from the numbers of `rules.chance`; times come from `rules.elementary`."""

from __future__ import annotations

from novation._jit import model_kernel
from novation.rules.chance import uniform
from novation.rules.elementary import log
from novation.venues.population.memory import number_


@model_kernel
def exponential(c):
    """The next number of an exponential distribution of mean 1."""
    return -log(uniform(c))


@model_kernel
def below(c, count):
    """The next of 0 .. count - 1, each as likely."""
    return min(int(uniform(c) * float(count)), count - 1)


@model_kernel
def pick(crowd, c, first, count):
    """The next of 0 .. count - 1, as often as the numbers from `first` on weigh them."""
    total = 0.0
    for k in range(count):
        total += number_(crowd, first + k).number
    x = uniform(c) * total
    k = 0
    while k < count - 1 and x >= number_(crowd, first + k).number:
        x -= number_(crowd, first + k).number
        k += 1
    return k


@model_kernel
def pick_size(crowd, c, first, count):
    """Lots of an order: `count` weights, then as many sizes; no number is drawn where there is one."""
    k = pick(crowd, c, first, count) if count > 1 else 0
    return int(number_(crowd, first + count + k).number)
