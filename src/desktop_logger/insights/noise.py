"""Noise that hides any one person in a table of counts: the discrete Laplace mechanism, drawn exactly and repeatably.

Whole numbers only, so that no rounding of floating-point numbers gives away what the noise should hide (Mironov, *On
Significance of the Least Significant Bits For Differential Privacy*, CCS 2012). The sampler is that of the profile
``counts`` (Canonne, Kamath and Steinke, *The Discrete Gaussian for Differential Privacy*, NeurIPS 2020). Its bytes come
from SHAKE-256 over a secret key and the exact table: the same table gets the same noise, so that asking again averages
nothing away, and a table that differs in anything gets other noise, so that nothing cancels out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from desktop_logger.redaction.counting import laplace

_BLOCK = 1 << 12


def keyed(key: bytes, about: bytes) -> Callable[[int], bytes]:
    """Bytes for a sampler, the same for the same key and words."""
    seed = hashlib.sha256(len(key).to_bytes(4, "big") + key + about).digest()
    held, block = bytearray(), 0

    def draw(count: int) -> bytes:
        nonlocal block
        while len(held) < count:
            held.extend(hashlib.shake_256(seed + block.to_bytes(8, "big")).digest(_BLOCK))
            block += 1
        taken = bytes(held[:count])
        del held[:count]
        return taken

    return draw


def noisy(table: Sequence[int], sensitivity: int, epsilon: Fraction, draw: Callable[[int], bytes]) -> list[int]:
    """Each count plus noise with which the whole table is ε-private.

    ``sensitivity``: most that all counts together change when one person comes or goes (L1).
    """
    rate = epsilon / sensitivity
    return [count + laplace((rate.numerator, rate.denominator), draw) for count in table]


def exceeded(chance: float, sensitivity: int, epsilon: Fraction) -> int:
    """The least whole number that the noise of one count reaches with at most this chance.

    P(X >= k) = q^k / (1 + q) with q = exp(-ε / sensitivity).
    """
    rate = float(epsilon) / sensitivity
    return max(0, math.ceil(-math.log(chance * (1 + math.exp(-rate))) / rate))
