"""The end of a process at a chosen point: a call that raises what nothing catches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


CALLS = ("write", "replace", "rename", "unlink", "fsync", "fdatasync", "rmdir", "mkdir", "ftruncate", "truncate")
"""What changes a disk."""


@contextmanager
def counted(at: int, act: Callable[..., Any], names: tuple[str, ...] = CALLS) -> Iterator[list[str]]:
    """Call number ``at`` (from 0) of these functions of ``os`` becomes ``act(real, name, *arguments)``.

    Gives the names of all calls so far. ``act`` decides what happens then, and at every later call it is asked again.
    """
    calls: list[str] = []
    real = {name: getattr(os, name) for name in names}

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            if len(calls) <= at:
                return real[name](*arguments, **named)
            return act(real[name], name, *arguments, **named)

        return call

    try:
        for name in names:
            setattr(os, name, wrapped(name))
        yield calls
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def crash(_real: Callable[..., Any], _name: str, *_arguments: Any, **_named: Any) -> Any:
    """The process ends here; so does every later call."""
    raise Crash
