"""What the supervisor tells capture of a task, among the heartbeats: two bytes, made of two closed lists.

Neither byte is one of a beat's words, and the two lie apart: a word that lost a byte is no other word.
"""

from __future__ import annotations

import itertools

from .classes import Outcome
from .profiles import TASKS

_FIRST, _SECOND = 0x80, 0xC0
_OUTCOMES = {_FIRST | outcome: int(outcome) for outcome in Outcome}


def word(task: int, outcome: Outcome) -> bytes:
    """``task``: its number in the policy's list, from 1."""
    if not 1 <= task <= TASKS:
        raise ValueError("the number of a task lies outside what a record holds")
    return bytes((_FIRST | outcome, _SECOND | (task - 1)))


def words(data: bytes) -> tuple[list[tuple[int, int]], bytes]:
    """(task, outcome) of each whole word, and the first byte of one whose second has not come yet."""
    found = []
    for first, second in itertools.pairwise(data):
        if first in _OUTCOMES and second >= _SECOND:
            found.append(((second & ~_SECOND) + 1, _OUTCOMES[first]))
    return found, data[-1:] if data and data[-1] in _OUTCOMES else b""
