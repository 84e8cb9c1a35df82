"""Consent: notice, ceremony, receipt and the gate that alone makes a :class:`~.grant.Grant`.

Importing this package loads nothing: the daemon's processes use ``recheck`` and ``inherit``, which need the
standard library only; ``check`` brings the validation and the signatures and belongs to a short-lived process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gate import check, inherit, recheck
    from .grant import Grant, Recipient

__all__ = ["Grant", "Recipient", "check", "inherit", "recheck"]


def __getattr__(name: str) -> Any:
    """Load what is asked for, when it is asked for (PEP 562)."""
    if name in ("check", "recheck", "inherit"):
        from . import gate

        return getattr(gate, name)
    if name in ("Grant", "Recipient"):
        from . import grant

        return getattr(grant, name)
    raise AttributeError(name)
