"""What this version does on Linux only, and how it says so elsewhere."""

from __future__ import annotations

import sys

from desktop_logger.errors import Unavailable


def need_linux(otherwise: str = "elsewhere it could not promise that it stops") -> None:
    """Raise ``Unavailable`` where nothing is recorded, before anything is begun that leads to a recording."""
    if not sys.platform.startswith("linux"):
        raise Unavailable(
            f"this version records on Linux only: {otherwise}",
            "Reading what you have, and the organisation's side, need no recording: desktop-logger --help",
        )
