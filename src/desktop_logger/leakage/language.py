"""The attacker's language model: symbols, and n-grams with Witten-Bell smoothing over them.

A symbol is what a key writes, folded to a small alphabet (capitals to small letters, digits to one symbol, rare
accents to their letter), so that the exact posterior fits in memory. It favours the attacker: what is folded away
need not be guessed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ALPHABET = "abcdefghijklmnopqrstuvwxyz éèàç'0.,?_\b\n"
"""``0`` is any digit, ``_`` any other sign, the last two are a correction and Enter."""
SIZE = len(ALPHABET)
EDIT, ENTER, SPACE = SIZE - 2, SIZE - 1, 26
_PLACE = {symbol: place for place, symbol in enumerate(ALPHABET)}


def fold(symbol: str) -> int:
    """The place of a character in the alphabet."""
    if len(symbol) > 1:
        return _PLACE["_"]  # a key that has a name and writes nothing
    low = symbol.lower()
    if low in _PLACE and low != "_":
        return _PLACE[low]
    if low.isdigit():
        return _PLACE["0"]
    plain = unicodedata.normalize("NFD", low)[:1]
    if plain in _PLACE and plain.isalpha():
        return _PLACE[plain]
    return _PLACE["?"] if low == "!" else _PLACE["_"]


def folded(symbols: Iterable[str]) -> Array:
    """Places of all symbols."""
    return np.array([fold(symbol) for symbol in symbols], np.int64)


def ngrams(texts: Sequence[tuple[Array, float]], order: int) -> Array:
    """P(symbol | ``order - 1`` symbols before), dense; texts come with weights.

    Witten and Bell 1991: each context gives as much weight to the shorter one as it has different successors.
    """
    model = np.full(SIZE, 1 / SIZE)
    for length in range(1, order + 1):
        counts = np.zeros(SIZE**length)
        for text, weight in texts:
            if len(text) < length:
                continue
            keys = np.zeros(len(text) - length + 1, np.int64)
            for place in range(length):
                keys = keys * SIZE + text[place : len(text) - length + 1 + place]
            counts += weight * np.bincount(keys, minlength=SIZE**length)
        counts = counts.reshape((SIZE,) * length)
        total = counts.sum(-1, keepdims=True)
        kinds = np.maximum((counts > 0).sum(-1, keepdims=True), 1)
        model = (counts + kinds * model) / (total + kinds)
    return model
