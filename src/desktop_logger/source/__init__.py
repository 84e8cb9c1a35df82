"""The capture process: a backend, the redactor, and the pipe to the writer."""

from __future__ import annotations

from .loop import Source
from .outlet import Outlet

__all__ = ["Outlet", "Source"]
