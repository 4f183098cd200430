"""A file of orders is read by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from novation.data.flow import read_orders
from novation.domain.errors import InvalidInput

BOTH, BUY = (1 << 31) | (1 << 30), 1 << 29
ADD = 10
EVENTS = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ]
)


def test_an_array_of_hftbacktest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "orders.npz"
    np.savez_compressed(path, data=np.array([(BOTH | BUY | ADD, 1, 2, 10.0, 3.0, 7, 0, 0.0)], EVENTS))
    flow = read_orders(path, tick="0.5", lot="1")
    assert (flow.kind, flow.rows["price_ticks"].tolist(), flow.rows["lots"].tolist()) == ("orders", [20], [3])


@pytest.mark.parametrize(("name", "said"), [("a.npy", "tick and the lot"), ("a.txt", "no order-by-order")])
def test_what_is_missing_is_named(name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_orders(name)
