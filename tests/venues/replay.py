"""One fixed run on both exchanges, told in hashes: `python -m tests.venues.replay KIND COMMANDS ACCOUNTS`.

A process of its own, because JIT is chosen when novation is imported.
"""

from __future__ import annotations

import json
import sys
from random import Random

from novation._jit import JIT
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run

SEED = 20_200_312

#: The runs that are kept in tests/golden/first_light.json.
GOLDEN = (("coins", 400, 6), ("futures", 400, 6), ("mixed", 400, 6))


def replay(kind: str, commands: int, accounts: int) -> dict[str, str | int | bool]:
    """Both exchanges through the run of a kind; they are compared on the way."""
    r = Random(f"{SEED}-{kind}")
    pair = Lockstep(scenarios.setup(r, accounts=accounts, kind=kind))
    random_run(r, pair, commands, burst=max(6, accounts // 4))
    return {
        "kind": kind,
        "commands": commands,
        "accounts": accounts,
        "events": len(pair.twin.events),
        "state_hash": pair.venue.state_hash(),
        "event_hash": pair.venue.event_hash(),
        "jit": JIT,
    }


if __name__ == "__main__":
    print(json.dumps(replay(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
