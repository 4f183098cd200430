"""Chance that is the same on every machine, compiled or not: integers of 33 bits at most, whose products fit into 64.

MRG32k3a of L'Ecuyer (Good parameters and implementations for combined multiple recursive random number generators,
Operations Research 47 (1999) 159): two recursions of order three, period about 2**191, numbers of 32 bits. Its state is
six fields of a record of a venue's state, a0 a1 a2 b0 b1 b2.
"""

from __future__ import annotations

import hashlib

from novation._jit import model_kernel

_A12, _A13, _A21, _A23 = 1_403_580, 810_728, 527_612, 1_370_589
_MODULUS_A, _MODULUS_B = 4_294_967_087, 4_294_944_443
_UNIT = 1.0 / 4_294_967_088.0


def first_state(seed: int, purpose: str) -> tuple[int, ...]:
    """Six numbers to begin with, of a seed and a purpose; none of the two triples is all zeros."""
    found = []
    for k, modulus in enumerate([_MODULUS_A] * 3 + [_MODULUS_B] * 3):
        digest = hashlib.blake2b(f"{seed} {purpose} {k}".encode(), digest_size=8).digest()
        found.append(1 + int.from_bytes(digest, "big") % (modulus - 1))
    return tuple(found)


@model_kernel
def uniform(c):
    """The next number above 0 and below 1. From six times 12345 the first is 0.127011..."""
    a = (_A12 * c.a1 - _A13 * c.a0) % _MODULUS_A
    c.a0 = c.a1
    c.a1 = c.a2
    c.a2 = a
    b = (_A21 * c.b2 - _A23 * c.b0) % _MODULUS_B
    c.b0 = c.b1
    c.b1 = c.b2
    c.b2 = b
    z = a - b if a > b else a - b + _MODULUS_A
    return z * _UNIT
