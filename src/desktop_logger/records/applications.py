"""What the names of an application mean: its category, and whether it may be recorded.

Names are what an application calls itself (the words of WM_CLASS, a Wayland app id, a replay file's focus), compared
in small letters. A pattern is a name, or the beginning or end of one with ``*`` at its other end. An application can
call itself anything: this keeps a promise to the person who signed, and is no guard against a program that lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .classes import Category


def matches(name: str, pattern: str) -> bool:
    """Whether a name (small letters) is one that the pattern stands for."""
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return name == pattern


def _covers(wide: str, narrow: str) -> bool:
    """Whether every name that ``narrow`` stands for is one of ``wide``."""
    if narrow.endswith("*"):
        return wide.endswith("*") and narrow[:-1].startswith(wide[:-1])
    if narrow.startswith("*"):
        return wide == "*" or (wide.startswith("*") and narrow[1:].endswith(wide[1:]))
    return matches(narrow, wide)


def _meet(one: str, other: str) -> bool:
    """Whether some name could be one of both patterns; two different kinds of pattern always could."""
    return ("*" in one and "*" in other and one.endswith("*") != other.endswith("*")) or (
        _covers(one, other) or _covers(other, one)
    )


class Applications(NamedTuple):
    """Which applications may be recorded."""

    mode: str
    """``all``, ``allow`` (only those named) or ``deny`` (all but those named)."""
    names: tuple[str, ...] = ()

    def allows(self, names: Iterable[str] | None) -> bool:
        """Whether an application of these names (small letters) may be recorded; ``None``: nobody can say which."""
        if self.mode == "all":
            return True
        if names is None:
            return False
        listed = any(matches(name, pattern) for name in names for pattern in self.names)
        return listed == (self.mode == "allow")

    def within(self, signed: Applications) -> bool:
        """Whether this allows nothing that ``signed`` does not. What cannot be compared is not within."""
        if signed.mode == "all":
            return True
        if signed.mode == "allow":
            return self.mode == "allow" and all(
                any(_covers(wide, name) for wide in signed.names) for name in self.names
            )
        if self.mode == "allow":
            return not any(_meet(name, denied) for name in self.names for denied in signed.names)
        return self.mode == "deny" and all(any(_covers(wide, name) for wide in self.names) for name in signed.names)


def category_of(names: Iterable[str], table: Mapping[str, int]) -> Category:
    """The category of an application of these names (small letters): a whole name goes before a pattern."""
    known = tuple(names)
    for name in known:
        if "*" not in name and name in table:
            return Category(table[name])
    for pattern, category in table.items():
        if "*" in pattern and any(matches(name, pattern) for name in known):
            return Category(category)
    return Category.OTHER
