"""Running CPython for Windows under Wine: one prefix in ``.cache/windows``, one way to start a program in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".cache" / "windows"
LOADER = Path("/usr/lib/wine/wine64")


def there() -> bool:
    """Whether ``make windows`` has run here."""
    return (PLACE / "ready").exists() and LOADER.exists()


def environment(**more: str) -> dict[str, str]:
    """What a program under Wine starts with: nothing of this account's but the way to Wine."""
    return {
        "PATH": os.environ["PATH"], "HOME": str(PLACE / "home"), "WINEPREFIX": str(PLACE / "prefix"),
        "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=", "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }  # fmt: skip


def path(place: Path) -> str:
    """A path of this machine as Windows programs name it."""
    return "Z:" + str(place).replace("/", "\\")


def begin(*words: str, **more: str) -> subprocess.Popen[bytes]:
    """Start Python for Windows with these words; what it prints can be read."""
    return subprocess.Popen(
        [LOADER, str(PLACE / "python" / "python.exe"), *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(**more),
    )  # fmt: skip


def run(*words: str, timeout: float = 120.0, **more: str) -> tuple[int, str, str]:
    """Exit status, output and errors of Python for Windows, once it has ended."""
    process = begin(*words, **more)
    try:
        out, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, _text(out), _text(errors)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")
