"""Redaction: classified events in, records of the granted scopes and profiles out.

Events are gridded (``gridding``), gathered into runs (``runs``), put into log2 buckets (``coarsening``), in that
order and never back. The own stream takes the output of one step, the release stream of the same or a later
one, so that what leaves is made by coarsening what is kept, before anything is sealed.

``counts`` is taken from the gridded events (``counting``), with noise that is drawn once, here.

Deterministic: the output depends on the events and, under ``counts``, on the noise that is handed in, and on
nothing else (no clock), and not on how the events are cut into batches. Two inputs that are equal after
classification and gridding give identical bytes.
"""

from __future__ import annotations

from .coarsening import coarsen, coarsen_gap, for_release, release_gaps
from .gridding import Gridder
from .redactor import Redactor, Terms

__all__ = ["Gridder", "Redactor", "Terms", "coarsen", "coarsen_gap", "for_release", "release_gaps"]
