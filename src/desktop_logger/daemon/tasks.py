"""Tasks that the person says they begin and end: what may be said now, and which one is open.

Nothing is guessed: a task is open from the word that begins it to the word that ends it, also over a pause, and is
forgotten when recording stops. Refused is what is not granted, not in the signed list, or said while nothing is
recorded. The codes are the policy's own; what goes to capture is a number.
"""

from __future__ import annotations

from collections import deque

from desktop_logger.clock import Clock
from desktop_logger.consent.grant import Grant
from desktop_logger.control import OUTCOMES
from desktop_logger.errors import Refused
from desktop_logger.records.classes import Outcome
from desktop_logger.records.telling import word

MOST_WORDS, WINDOW_S = 12, 60.0
"""So many words a minute: more is no work that somebody does, and what is released has room for few."""

ENDINGS = dict(zip(OUTCOMES, (Outcome.OK, Outcome.FAILED, Outcome.GAVE_UP), strict=True))


class Tasks:
    """The open task of one supervisor. ``begin`` and ``end`` return the word for capture, which has to take it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.open: str | None = None
        self._said: deque[float] = deque(maxlen=MOST_WORDS)

    def begin(self, code: str, grant: Grant | None, *, recording: bool) -> bytes:
        """Begin a task of the signed list."""
        number = self._number(code, grant, recording=recording)
        if self.open is not None:
            raise Refused(
                f"the task {self.open} is open", "End it first: desktop-logger task end ok, or failed, or gave-up"
            )
        self._count()
        self.open = code
        return word(number, Outcome.BEGIN)

    def end(self, outcome: str, grant: Grant | None, *, recording: bool) -> bytes:
        """Say how the open task ended."""
        if grant is not None and self.open is not None and self.open not in grant.tasks:
            self.open = None  # the consent has become narrower meanwhile
        if self.open is None:
            self._refuse(grant, recording=recording)
            raise Refused("no task is open", "Begin one: desktop-logger task begin CODE")
        number = self._number(self.open, grant, recording=recording)
        self._count()
        self.open = None
        return word(number, ENDINGS[outcome])

    def offered(self, grant: Grant | None) -> tuple[str, ...]:
        """What the sign's menu can begin."""
        return grant.tasks if grant is not None else ()

    def _number(self, code: str, grant: Grant | None, *, recording: bool) -> int:
        tasks = self._refuse(grant, recording=recording)
        if code not in tasks:
            raise Refused("that is not a task of the list that you signed", f"Tasks: {', '.join(tasks)}.")
        return tasks.index(code) + 1

    @staticmethod
    def _refuse(grant: Grant | None, *, recording: bool) -> tuple[str, ...]:
        if grant is None or not recording:
            raise Refused("nothing is recorded now, so no task can be told", "See: desktop-logger status")
        if "task" not in grant.scopes:
            raise Refused(
                "you did not grant the scope task, so nothing of tasks is recorded",
                "What you granted: desktop-logger consent status",
            )
        return grant.tasks

    def _count(self) -> None:
        now = self._clock.monotonic()
        if len(self._said) == MOST_WORDS and now - self._said[0] < WINDOW_S:
            raise Refused(f"tasks can be told {MOST_WORDS} times a minute at most", "Wait a moment, then say it again.")
        self._said.append(now)
