"""The texts that people read and sign: ``consent/<id>/<version>.<language>.md``, unchangeable once released.

The part before the first line ``---`` is the summary: the first screen of the ceremony. The digest covers the whole.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from desktop_logger import disk, sealing
from desktop_logger.errors import Unavailable
from desktop_logger.paths import shipped

LANGUAGES = ("en", "de", "fr")
DEMO = "demo"
"""The notice whose receipts are valid only in the demo."""

_LARGEST = 64 * 1024


class Notice(NamedTuple):
    """One notice in one language, as the exact bytes that were shown."""

    id: str
    version: int
    language: str
    summary: str
    rest: str
    sha256: str
    path: str


def language() -> str:
    """The language of this terminal's user that we have, from the locale variables; English otherwise."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return value[:2] if value[:2] in LANGUAGES else "en"
    return "en"


def load(name: str, version: int, wanted: str) -> Notice:
    """The notice in the wanted language. Raises ``Unavailable`` when this version of the program lacks it."""
    path = shipped("consent", name, f"{version}.{wanted}.md")
    try:
        data = disk.read(path, _LARGEST)
        text = data.decode()
    except (OSError, UnicodeDecodeError):
        raise Unavailable(
            f"the notice {name} {version} ({wanted}) is not part of this version", "Install the version that has it."
        ) from None
    summary, _, rest = text.partition("\n---\n")
    return Notice(name, version, wanted, summary.strip(), rest.strip(), sealing.hexdigest(data), path)
