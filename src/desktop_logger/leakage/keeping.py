"""Finished sections of a run that takes an hour, kept beside the data sets, so that an interruption costs one section.

The file names what made it: a digest of the code that makes figures and of the sizes. What other code or sizes made is
not taken up again, so a table is never a mixture; how a page is laid out does not matter to it. Figures only; removed
when a run has come to its end.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress

from desktop_logger import disk

from .measuring import Figure, Sizes

_PACKAGES = ("leakage", "records", "redaction")
"""What figures depend on, beside the pinned data sets."""
_WITHOUT = ("__main__.py", "budget.py", "frontier.py", "keeping.py", "report.py", "worth.py")
"""What of them makes no figure of this table."""


def digest(sizes: Sizes) -> str:
    """SHA-256 of the code that makes figures, and of how much is measured."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = hashlib.sha256(repr(sizes).encode())
    for package in _PACKAGES:
        folder = os.path.join(root, package)
        for name in sorted(name for name in os.listdir(folder) if name.endswith(".py") and name not in _WITHOUT):
            with open(os.path.join(folder, name), "rb") as file:
                found.update(f"{package}/{name}\n".encode() + file.read())
    return found.hexdigest()


class Kept:
    """Sections of an interrupted run of the same code, in ``path``; a file that cannot be read counts as none."""

    def __init__(self, path: str, made_by: str) -> None:
        self._path = path
        self._made_by = made_by
        self.sections: dict[str, list[Figure]] = {}
        with suppress(OSError, ValueError, TypeError, KeyError):
            with open(path, encoding="utf-8") as file:
                first, *rest = [json.loads(line) for line in file]
            if first == {"made_by": made_by}:
                self.sections = {one["section"]: [Figure(*row) for row in one["figures"]] for one in rest}

    def add(self, section: str, figures: Sequence[Figure]) -> None:
        """Keep a section that is finished. A file that cannot be written is only a run that cannot be resumed."""
        self.sections[section] = list(figures)
        lines = [{"made_by": self._made_by}, *({"section": k, "figures": v} for k, v in self.sections.items())]
        with suppress(OSError):
            disk.replace(self._path, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def forget(self) -> None:
        """The run has come to its end."""
        if os.path.exists(self._path):
            os.remove(self._path)
