"""Inside Windows: what the indicator tells capture while real fields have the focus, and through real COM tables.

Output: one JSON object.
"""

from __future__ import annotations

import json
import os
from typing import Any

from desktop_logger.focus import fields
from desktop_logger.focus.applications import Rule
from desktop_logger.focus.watching import Watching
from desktop_logger.records import attention
from desktop_logger.records.classes import Safety
from tests.automation import Desktop
from tests.granted import grant
from tests.windows import window


def told(watching: Watching, out: int, reading: int) -> str:
    """What the next look tells."""
    watching.attend(Rule.of_grant(grant()), out)
    watching.turn()
    return Safety(attention.RECORD.unpack(os.read(reading, attention.BYTES))[1]).name


def looks() -> dict[str, Any]:
    """A plain field, a password field, and nothing in focus, as the indicator opens and asks them here."""
    watching = Watching.open()
    reading, out = os.pipe()
    seen: dict[str, Any] = {"lacks": watching.lacks}
    for name, style in (("plain", 0), ("password", window.ES_PASSWORD), ("plain again", 0)):
        shown = window.Window(style)
        window.pump(0.3)
        seen[name] = told(watching, out, reading)
        shown.close()
    seen["nothing"] = told(watching, out, reading)
    watching.close()
    return seen


def automation() -> dict[str, str]:
    """UI Automation through tables of this system's own calling convention."""
    made = {"yes": Desktop(says=1), "no": Desktop(says=0), "fails": Desktop(says=1, said=-1), "none": Desktop()}
    return {word: fields.field(desktop, desktop)().name for word, desktop in made.items()}


if __name__ == "__main__":
    print(json.dumps({"looks": looks(), "automation": automation()}))
