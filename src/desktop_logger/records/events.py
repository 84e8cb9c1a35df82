"""Classified events: what a backend hands on, one batch at a time. No field can hold a key code or a keysym.

An event lives as long as its batch. Records, the only thing that leaves the capture process, are made from
events by ``redaction``.
"""

from __future__ import annotations

Event = tuple[int, int, int, int, int, int]
"""``(t, what, code, extra, dx, dy)``: ``t`` in ms of the monotonic clock, ``what`` a kind of ``layout``.

=========  ================  =====================  ==================
``what``   ``code``          ``extra``              ``dx``, ``dy``
=========  ================  =====================  ==================
``KEY``    ``KeyClass``      ``Command``            0
``CLICK``  ``Button``        1                      0
``SCROLL`` ``Direction``     notches                0
``MOVE``   0                 0                      pixels, true deltas
``GAP``    ``Reason``        whole seconds          0
``FOCUS``  ``Category``      0                      0
``TARGET`` ``Role``          ``ClickKind``          0
``TASK``   number            ``Outcome``            0
``VEIL``   1 or 0            0                      0
``LET_GO`` ``Button``        0                      0
=========  ================  =====================  ==================

``FOCUS``: from here on an application of this category has the focus. Saying again what holds makes no record; after a
gap it must be said anew; in a new segment the redactor does it. ``TARGET`` stands beside a ``CLICK`` and tells what was
under it. ``VEIL`` 1: from here on keyboard, pointer and target are recorded in ``coarse`` form at most, until ``VEIL``
0; it holds across gaps and segments, and saying again what holds changes nothing. It is never a record.
"""


class Batch:
    """The events of one read, in order. ``until`` (ms, monotonic): nothing older will follow."""

    __slots__ = ("events", "until")

    def __init__(self, events: list[Event], until: int) -> None:
        self.events = events
        self.until = until
