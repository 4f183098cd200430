"""A mistake in a compiled strategy names the user's line, and says what is allowed there."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import novation as nv
from novation._jit import JIT
from novation.domain.book import BookRules
from novation.domain.errors import InvalidInput
from novation.domain.instruments import Terms
from novation.domain.units import NS
from novation.engine.strategy import CompiledStrategy, best_bid, limit, target
from novation.reference import Reference
from novation.venues import cme_globex
from novation.venues.venue import Venue

look = nv.compiled("look", n="i8", average="f8")


def misspelt(venue: Any, now_ns: int, my: Any) -> None:
    my.n = best_bid(venue, 0)
    my.n = bset_bid(venue, 0)  # type: ignore[name-defined]  # noqa: F821  # HERE


def no_such_field(venue: Any, now_ns: int, my: Any) -> None:
    my.n = 1
    my.avrage = 2.0  # HERE


def asks_the_venue(venue: Any, now_ns: int, my: Any) -> None:
    my.n = venue.best_bid  # HERE


def too_few_arguments(venue: Any, now_ns: int, my: Any) -> None:
    my.n = best_bid(venue, 0)
    limit(venue, 0, 1, 5)  # HERE


def adds_text(venue: Any, now_ns: int, my: Any) -> None:
    my.n = len("a" + 3)  # type: ignore[operator]  # HERE


def half_a_lot(venue: Any, now_ns: int, my: Any) -> None:
    target(venue, 0, 1.5)  # HERE


def imports(venue: Any, now_ns: int, my: Any) -> None:
    import os  # HERE

    my.n = len(os.sep)


def shows_digits(venue: Any, now_ns: int, my: Any) -> None:
    my.n = len(f"{now_ns:.3f}")  # HERE


def opens_a_file(venue: Any, now_ns: int, my: Any) -> None:
    my.n = open("x").fileno()  # noqa: SIM115  # HERE


def array_of_what(venue: Any, now_ns: int, my: Any) -> None:
    my.n = np.linspace(0, 1, 5).median()  # type: ignore[attr-defined]  # HERE


def here(function: Callable[..., Any]) -> int:
    """The line of a function that is marked."""
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if "# HERE" in line)


@pytest.mark.skipif(not JIT, reason="nothing is compiled, and Python names the line itself")
@pytest.mark.parametrize(
    ("function", "problem", "allowed"),
    [
        (misspelt, "name 'bset_bid' is not defined", "Did you mean 'best_bid'? Allowed: numbers"),
        (no_such_field, "my has no field 'avrage'", "Did you mean 'average'? It has n, average."),
        (asks_the_venue, "venue has nothing to read", "Functions: best_ask, best_bid"),
        (too_few_arguments, "limit(venue, instrument, side, lots, price_ticks)", "missing a required argument"),
        (adds_text, "nothing compiled does add(str, int)", "Allowed: numbers"),
        (half_a_lot, "takes whole numbers (lots, ticks, ids), not a float", "Allowed: numbers"),
        (imports, "IMPORT_NAME", "Allowed: numbers"),
        (shows_digits, "format spec in f-strings", "Allowed: numbers"),
        (opens_a_file, "'open'", "Allowed: numbers"),
        (array_of_what, "linspace", "Allowed: numbers"),
    ],
)
def test_what_cannot_be_compiled_names_the_line_and_what_is_allowed(
    function: Callable[..., Any], problem: str, allowed: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        look(function).bind()
    told = str(caught.value)
    assert told.startswith(f"test_strategy_errors.py line {here(function)}, compiled strategy {function.__name__}: ")
    assert problem in told and allowed in told
    assert len(told) < 900 and "\n" not in told


@pytest.mark.skipif(not JIT, reason="nothing is compiled, and Python names the line itself")
def test_a_field_that_a_bar_lacks_is_named_with_those_it_has() -> None:
    def on_bar(venue: Any, bar: Any, my: Any) -> None:
        my.n = bar.close  # HERE

    with pytest.raises(InvalidInput, match=r"bar has no field 'close'\. It has .*last_e8") as caught:
        nv.compiled(n="i8")(on_bar).bind()
    assert f"line {here(on_bar)}," in str(caught.value)


def out_of_its_array(venue: Any, now_ns: int, my: Any) -> None:
    my.n += 1
    my.a[my.n] = 1.0  # HERE


def divides(venue: Any, now_ns: int, my: Any) -> None:
    my.n = 7 // my.n  # HERE


def raises(venue: Any, now_ns: int, my: Any) -> None:
    if my.n == 0:
        raise ValueError("enough")  # HERE


def asks_for_another_market(venue: Any, now_ns: int, my: Any) -> None:
    my.n = best_bid(venue, 7)


def venue() -> Venue:
    es = Reference().instrument("cme:ESZ2020")
    terms = Terms(effective_ns=0, initial_per_lot=100_000_000, maintenance_per_lot=80_000_000)
    return Venue(cme_globex.RULES, [es], [[terms]], books={es.id: BookRules()})


def looked(function: Callable[..., Any]) -> BaseException:
    """What is raised where a strategy looks a few times."""
    on_look, record, address = nv.compiled("look", n="i8", a=("f8", 2))(function).bind()
    with pytest.raises(BaseException) as caught:
        venue().run_looking(on_look, address, until_ns=9 * NS, every_ns=NS)
    assert record is not None
    return caught.value


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (out_of_its_array, IndexError),
        pytest.param(divides, ZeroDivisionError, marks=pytest.mark.skipif(not JIT, reason="NumPy only warns")),
        (raises, ValueError),
    ],
)
def test_what_goes_wrong_in_a_look_has_the_line_in_its_traceback(
    function: Callable[..., Any], kind: type[Exception]
) -> None:
    error = looked(function)
    assert isinstance(error, kind)
    last = traceback.extract_tb(error.__traceback__)[-1]
    assert (last.filename.rpartition("/")[2], last.lineno) == ("test_strategy_errors.py", here(function))


def test_what_goes_wrong_below_it_names_the_strategy() -> None:
    error = looked(asks_for_another_market)
    first = asks_for_another_market.__code__.co_firstlineno
    assert isinstance(error, IndexError)
    assert error.__notes__ == [f"in test_strategy_errors.py line {first}, compiled strategy asks_for_another_market"]


def test_what_would_never_run_is_refused_where_it_is_written() -> None:
    def two(venue: Any, now_ns: int) -> None: ...

    def yields(venue: Any, now_ns: int, my: Any) -> Any:
        yield 1

    with pytest.raises(InvalidInput, match=r"cannot be called so: .* Write def two\(venue, now_ns, my\)"):
        look(two)
    with pytest.raises(InvalidInput, match="yields or awaits: it would never run"):
        look(yields)
    with pytest.raises(InvalidInput, match="decorates a function"):
        look(3)


def test_a_strategy_that_is_not_bound_is_refused_with_what_to_do() -> None:
    strategy: CompiledStrategy = look(raises)
    with pytest.raises(nv.VenueError, match=r"is bound first: function, record, address = strategy\.bind"):
        venue().run_looking(strategy, 0, until_ns=NS, every_ns=NS)
