"""The usual script, as somebody who wants input events writes it in ten minutes: pynput, a line of JSON for each.

The benchmarks run it beside ours: ``python tests/benchmarks/usual.py FILE``. It is a fair peer because it is what
people do, and the README shows what it stores.
"""

import json
import sys
import time
from typing import Any

from pynput import keyboard, mouse

log = open(sys.argv[1], "a")  # noqa: SIM115 - as written in ten minutes


def write(event: str, **what: Any) -> None:
    log.write(json.dumps({"time": time.time(), "event": event, **what}) + "\n")


if __name__ == "__main__":
    mouse.Listener(
        on_move=lambda x, y: write("move", x=x, y=y),
        on_click=lambda x, y, button, pressed: write("click", x=x, y=y, button=str(button), pressed=pressed),
        on_scroll=lambda x, y, dx, dy: write("scroll", x=x, y=y, dx=dx, dy=dy),
    ).start()
    with keyboard.Listener(
        on_press=lambda key: write("press", key=str(key)),
        on_release=lambda key: write("release", key=str(key)),
    ) as listener:
        listener.join()
