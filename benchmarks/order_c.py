"""benchmarks/order_book.c, compiled where it is run."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def address(array: np.ndarray) -> ctypes.c_void_p:
    """Where an array lies."""
    return ctypes.c_void_p(array.__array_interface__["data"][0])


class CBook:
    """The book in C."""

    def __init__(self, library: Any, compiler: str) -> None:
        self.library, self.compiler = library, compiler
        library.book_new.restype = ctypes.c_void_p
        library.book_new.argtypes = [ctypes.c_int64] * 4
        library.book_free.argtypes = [ctypes.c_void_p]
        library.book_best.restype = library.match.restype = ctypes.c_int64
        library.book_best.argtypes = [ctypes.c_void_p, ctypes.c_int64]
        library.match.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
        library.replay.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 5 + [ctypes.c_void_p]

    @classmethod
    def compiled(cls, folder: Path) -> CBook | None:
        """Compile it; None where there is no compiler."""
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            return None
        made = folder / "order_book.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, str(HERE / "order_book.c"), "-o", str(made)], check=True)
        version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
        return cls(ctypes.CDLL(str(made)), version.splitlines()[0])

    def _made(self, prices: np.ndarray, orders: int) -> int:
        low, high = int(prices.min()), int(prices.max())
        return int(self.library.book_new(low, high, orders, 2 * ((high >> 5) - (low >> 5) + 2)))

    def _done(self, book: int) -> list[int]:
        best = [int(self.library.book_best(book, place)) for place in (0, 1)]
        self.library.book_free(book)
        return best

    def replay(self, rows: np.ndarray, slots: int, look_ns: int, every_ns: int, peer: bool) -> dict[str, Any]:
        """Replay rows of a flow; the best prices at the end are those without our order."""
        book, out = self._made(rows["price_ticks"], slots + 1), np.zeros(3, np.int64)
        begin, cpu = time.perf_counter(), time.process_time()
        self.library.replay(book, address(rows), len(rows), slots, look_ns, every_ns, int(peer), address(out))
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
        placed, fills, looks = out.tolist()
        return {
            "seconds": seconds,
            "cpu": cpu,
            "placed": placed,
            "fills": fills,
            "best": self._done(book),
            "looks": looks,
        }

    def match(self, requests: np.ndarray, orders: int) -> dict[str, Any]:
        """Match requests: int64 (n, 5), kind, number, side, price, lots."""
        book = self._made(requests[requests[:, 3] > 0, 3], orders)
        rows = np.zeros(int(requests[:, 1].max()) + 1, np.int64)
        begin, cpu = time.perf_counter(), time.process_time()
        trades = int(self.library.match(book, address(requests), len(requests), address(rows)))
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
        return {"seconds": seconds, "cpu": cpu, "trades": trades, "best": self._done(book)}
