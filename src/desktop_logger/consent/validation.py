"""The whole check behind ``consent.check``: not there yet, so nothing is valid."""

from __future__ import annotations

from typing import Any

from desktop_logger.clock import Clock
from desktop_logger.errors import NoConsent
from desktop_logger.paths import Home


def validate(home: Home, clock: Clock) -> dict[str, Any]:
    """Facts of a valid consent; raises ``NoConsent``."""
    raise NoConsent("there is no signed consent", "Run: desktop-logger consent sign")
