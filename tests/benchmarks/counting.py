"""What ActivityWatch's input watcher does: pynput counts in memory, and once a second one line says how many.

The benchmarks run it beside ours: ``python tests/benchmarks/counting.py FILE``. aw-watcher-input itself is in no
package registry; this does what it does per event and per second, and writes to a file where that asks a server over
HTTP, which is in its favour.
"""

import json
import sys
import time
from collections import Counter

from pynput import keyboard, mouse

counts: Counter[str] = Counter()
place: tuple[int, int] | None = None


def moved(x: int, y: int) -> None:
    global place  # noqa: PLW0603 - as small as such a script is
    before = place or (x, y)
    counts["deltaX"] += abs(x - before[0])
    counts["deltaY"] += abs(y - before[1])
    place = (x, y)


def clicked(_x: int, _y: int, _button: mouse.Button, pressed: bool) -> None:
    counts["clicks"] += pressed


def scrolled(_x: int, _y: int, dx: int, dy: int) -> None:
    counts["scrollX"] += abs(dx)
    counts["scrollY"] += abs(dy)


def pressed(_key: object) -> None:
    counts["presses"] += 1


if __name__ == "__main__":
    with open(sys.argv[1], "a", encoding="utf-8", buffering=1) as log:
        mouse.Listener(on_move=moved, on_click=clicked, on_scroll=scrolled).start()
        keyboard.Listener(on_press=pressed, on_release=lambda _: None).start()
        while True:
            time.sleep(1 - time.time() % 1)
            seen, counts = counts, Counter()
            log.write(json.dumps({"timestamp": time.time(), "duration": 1, "data": seen}) + "\n")
