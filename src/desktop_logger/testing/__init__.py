"""Made-up input, and the behaviours that every backend must show; nothing here is ever loaded by the program itself.

``office`` simulates work. ``conformance`` holds the behaviours, for whoever writes a backend.

A *rig* is what the behaviours act through: it opens the backend under test and makes things happen on its device. What
happens is written as the lines of a replay file without their times (docs/reference/replay.md), and ``{"wait": 0.5}``::

    from desktop_logger.testing import conformance

    for behaviour in conformance.BEHAVIOURS:
        behaviour.check(MyRig())      # raises conformance.Failed and says what was expected; with pytest: parametrize

Nothing here puts input into a real desktop, and no test framework is needed. Standard library only.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from desktop_logger.capture import Backend, Capture
from desktop_logger.capture.replay import Replay
from desktop_logger.consent import gate
from desktop_logger.consent.grant import Grant

Step = Mapping[str, Any]
"""One line of a replay file without ``t``, or ``{"wait": seconds}``."""


class Rig(Protocol):
    """The backend under test, and hands on its device."""

    backend: Backend
    can: frozenset[str]
    """Of ``keyboard``, ``pointer``; ``edges`` (movement that the edge of the screen stops is seen); ``lose``."""

    settle_s: float
    """A capture with a descriptor that hands on nothing for so long has handed on everything."""

    def begin(self, grant: Grant, steps: Sequence[Step]) -> Capture:
        """Open the backend, then do these steps; they have happened, or will by themselves, when this returns."""

    def lose(self) -> None:
        """Take the device or display away from an open capture."""


def grant_for(*scopes: str) -> Grant:
    """A grant for opening a backend in a test. It opens no data: its reader is nobody, and there is no receipt."""
    nobody = base64.b64encode(bytes(32)).decode()
    wire: dict[str, Any] = {
        "receipt_id": "0" * 32, "receipt_hash": "0" * 64, "policy_hash": "0" * 64, "consent_digest": "0" * 64,
        "subject_reader": nobody, "device_public": nobody, "scopes": scopes, "named_commands": True, "own": "events",
        "release": None, "release_mode": "none", "cooling_off_s": 0, "injected": "record", "backends": [],
        "admins": [], "purposes": [], "retention_days": 1, "disk_cap_bytes": 0, "given": 0, "expires": 1,
        "demo": False, "applications": ["all", []], "unanswered": "coarse", "categories": {}, "tasks": [],
        "schedule": None, "watched": [],
        "uid": os.getuid() if hasattr(os, "getuid") else 0,
    }  # fmt: skip
    return gate.inherit(json.dumps(wire).encode())


class ReplayRig:
    """The rig of the replay backend: it writes the steps down and has them played. Also an example of a rig."""

    can = frozenset({"keyboard", "pointer", "edges"})
    settle_s = 0.5
    _STEP_S = 0.002

    def __init__(self, folder: str) -> None:
        descriptor, self._path = tempfile.mkstemp(".jsonl", dir=folder)
        os.close(descriptor)
        self.backend: Backend = Replay(self._path)

    def begin(self, grant: Grant, steps: Sequence[Step]) -> Capture:
        """Write the file, and play it."""
        t = 0.0
        with open(self._path, "w", encoding="utf-8") as file:
            for step in steps:
                t += step.get("wait", self._STEP_S)
                if "wait" not in step:
                    file.write(json.dumps({"t": round(t, 3), **step}) + "\n")
        return self.backend.capture(grant)

    def lose(self) -> None:
        """A file is not lost once it is open."""
        raise NotImplementedError
