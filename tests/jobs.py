"""What the processes of ``admin.engines`` do in tests; light, because each of them loads it anew."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from desktop_logger.errors import Unavailable


def squared(number: int) -> int:
    return number * number


def fails(number: int) -> int:
    if number == 5:
        raise Unavailable("the disk is full", "Make room.")
    return number


def ends(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def lingers(path: str) -> None:
    Path(path, str(os.getpid())).touch()
    time.sleep(120)


def pid(_number: int) -> int:
    return os.getpid()
