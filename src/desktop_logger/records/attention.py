"""What the indicator tells capture about the focus: enums and a time, 16 bytes, nothing else.

``<Q t><B safety><B category><B role><B flags>`` and four bytes of nothing, little-endian; ``t`` is ms of the monotonic
clock. No field can hold a name, a title or a place.
"""

from __future__ import annotations

import struct

from .classes import Category, Role, Safety

RECORD = struct.Struct("<QBBBB4x")
BYTES = RECORD.size

ALLOWED = 1
"""The grant allows recording in the focused application."""
CLICKED = 2
"""``role`` is of the element under a click at ``t``; nothing else of the record means anything."""
LOCKED = 4
"""The screen is locked."""


def pack(t: int, safety: Safety, category: Category, role: Role | int = 0, flags: int = 0) -> bytes:
    """One record. ``role`` is 0 where no click is meant."""
    return RECORD.pack(t, safety, category, role, flags)


UNTOLD = (
    "no password field is recognised and no role under a click; what is typed is kept in coarse form at most, or not "
    "at all, as the policy says"
)
LACKS = {
    "library": f"no library for the desktop's bus, so {UNTOLD} (pip install 'desktop-logger[desktop]')",
    "session-bus": f"no session bus, so {UNTOLD}",
    "accessibility": f"no accessibility bus, so {UNTOLD} (install at-spi2-core)",
    "fields": "only the system tells of password fields, and never that a field is none, so what is typed is kept in "
    "coarse form at most, or not at all, as the policy says; and no role under a click",
    "windows": "nobody tells which program is in front (Wayland), so a list of programs cannot be kept, and no "
    "category is known",
}
"""What the indicator may lack, in closed words, and what that costs, for people."""
