"""Every key of a cascade's configuration, and reading one.

instrument: BTCUSDT
rules_as_of: 2026-05-01
price: 60_000
seconds: 120
ladder: {qty: 5, step: 5, levels: 4_000}
traders:
  - {accounts: 20_000, side: long, qty: [0.01, 2], margin: [0.01, 0.2]}
shock: {sell: 700}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from novation.domain.errors import ConfigError
from novation.research.config.types import Instant, Number, Positive, Section
from novation.research.config.yaml import read_yaml, validated, with_settings


class LadderKeys(Section):
    """The linear book: `qty` coins at each of `levels` prices on either side, `step` of price apart."""

    qty: Positive
    step: Positive
    levels: int = Field(ge=1, le=1_000_000)
    spread: Number = 0  #: price between best bid and best ask
    heals: Number = 0  #: coins that come back in a second, on each side


class TraderKeys(Section):
    """One kind of trader. qty: smallest and largest position; margin: money brought, as a share of its value."""

    accounts: int = Field(ge=1, le=5_000_000)
    side: Literal["long", "short"]
    qty: list[Any]
    margin: list[Any]
    scope: Literal["cross", "isolated"] = "cross"


class ShockKeys(Section):
    """What starts it: coins sold or bought at the market, or the index that moves by a share within some seconds."""

    sell: Positive = None
    buy: Positive = None
    index: Number = None
    seconds: int = Field(default=1, ge=1)


class CascadeKeys(Section):
    """The whole file."""

    instrument: str
    rules_as_of: Instant
    price: Positive
    seconds: int = Field(ge=1, le=86_400)
    seed: int = Field(default=0, ge=0)
    mark: Literal["median", "last"] = "median"
    ladder: LadderKeys
    traders: list[TraderKeys]
    fund: Number = None  #: of the insurance fund at the start; without it the fund pays without limit
    shock: ShockKeys


def load_cascade(given: str | Path | Mapping[str, Any], settings: Sequence[str] = ()) -> tuple[CascadeKeys, str]:
    """A checked configuration, from a file or a mapping, and its name in errors; raises ConfigError."""
    source = Path(given).name if isinstance(given, str | Path) else "cascade"
    values = with_settings(read_yaml(Path(given)) if isinstance(given, str | Path) else given, settings)
    keys = validated(values, source, CascadeKeys)
    for number, one in enumerate(keys.traders, 1):
        for name in ("qty", "margin"):
            pair = getattr(one, name)
            fine = len(pair) == 2 and all(isinstance(n, int | float) and not isinstance(n, bool) for n in pair)
            if not fine or not 0 < pair[0] <= pair[1]:
                raise ConfigError(
                    "expected [least, most], two numbers above 0",
                    source=source,
                    where=f"traders[{number}].{name}",
                    value=pair,
                )
    shocks = [name for name in ("sell", "buy", "index") if getattr(keys.shock, name) is not None]
    if len(shocks) != 1:
        raise ConfigError("says one of sell, buy and index", source=source, where="shock", value=", ".join(shocks))
    if keys.shock.index is not None and not -1 < keys.shock.index < 10:
        raise ConfigError("a share above -1 and below 10", source=source, where="shock.index", value=keys.shock.index)
    if keys.shock.index is not None and keys.shock.seconds > keys.seconds:
        raise ConfigError("is over after the run", source=source, where="shock.seconds", value=keys.shock.seconds)
    return keys, source
