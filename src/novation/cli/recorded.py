"""What verbs that read recorded orders are asked, and how they say what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer

from novation.domain.errors import InvalidInput

Tick = Annotated[str | None, typer.Option("--tick", help="Price of one tick, e.g. 0.25.")]
Lot = Annotated[str | None, typer.Option("--lot", help="Size of one lot; else 1 contract, or 1e-8 of the coin.")]
OpenFrom = Annotated[str | None, typer.Option("--open-from", help="When the market opens, e.g. 2023-12-25T23:00Z.")]
Repair = Annotated[bool, typer.Option("--repair", help="Mend what cannot have happened.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

#: Argument of `data.flow.read_orders` -> what these commands call it.
ASKED = {"open_from": "--open-from", "tick": "--tick", "price": "--tick", "lot": "--lot"}
#: What hints of `data.flow` tell a caller in Python to pass -> what to pass here.
_PASSED = {
    "repair=True": "--repair",
    "open_spans=[(start_ns, end_ns)]": "--open-from",
    "tick=, or definition= a DBN file of schema definition that holds the instrument": "--tick",
}


@contextmanager
def asked(names: Mapping[str, str]) -> Iterator[None]:
    """Say what is wrong by the names of the command's own options. names: argument -> option."""
    try:
        yield
    except InvalidInput as error:
        hint = error.hint
        for word, option in _PASSED.items():
            hint = hint.replace(word, option)
        if error.source in names:
            raise InvalidInput(error.problem, source=names[error.source], value=error.value, hint=hint) from None
        if hint == error.hint:
            raise
        raise type(error)(error.problem, source=error.source, where=error.where, value=error.value, hint=hint) from None
