"""The capture process, and the preview of what it would make of an input file."""

from __future__ import annotations

from .loop import Source
from .outlet import Outlet
from .previewing import preview

__all__ = ["Outlet", "Source", "preview"]
