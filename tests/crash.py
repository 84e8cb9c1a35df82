"""The end of a process at a chosen point: a call that raises what nothing catches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Crash(BaseException):
    """Stands for the end of the process at this point."""


class CrashAt:
    """Wraps a function: its call number ``at`` (from 0) does not return, before or after its work."""

    def __init__(self, real: Callable[..., Any], at: int, *, after: bool = False) -> None:
        self.real, self.left, self.after = real, at, after
        self.reached = False

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left >= 0:
            return self.real(*arguments, **named)
        self.reached = True
        if self.after:
            self.real(*arguments, **named)
        raise Crash
