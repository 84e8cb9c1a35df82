"""``python -m tests.benchmarks.soak MINUTES``: hours of work on a real display, looking for growth, loss and leftovers.

Plays the invented office hour over and over, pauses and resumes now and then, and once a minute prints memory, open
files and the store. Ends with 1 when memory or open files grow, when counts differ from what was played, or when
``verify`` finds something.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

from desktop_logger.records.classes import keysym_of
from tests.inject import Injector

from .office import Event, events
from .processes import Desk, Ours, cpu_s, pss_kib

GROWTH_KIB = 4096
"""Memory of all processes may grow by this much after the first two minutes."""


def _keycodes(display: str) -> dict[int, int]:
    """Keysym → keycode of the display's map."""
    from Xlib import display as displays

    connection = displays.Display(display)
    first = connection.display.info.min_keycode
    rows = connection.get_keyboard_mapping(first, connection.display.info.max_keycode - first + 1)
    connection.close()
    return {keysym: first + at for at, row in reversed(list(enumerate(rows))) for keysym in row[:2] if keysym}


def _requests(injector: Injector, event: Event, codes: dict[int, int]) -> list[bytes]:
    if "move" in event:
        return [injector.move(*event["move"])]
    if "key" in event:
        code = codes[keysym_of(event["key"]) or 0]
        return [injector.press(code) if event["down"] else injector.release(code)]
    if "button" in event:
        return [injector.button(event["button"])] if event["down"] else []
    return [injector.button(4 if event["scroll"][1] > 0 else 5)]


def _open_files(pids: list[int]) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def main(minutes: float) -> int:
    """Run for so many minutes; 0 when nothing was found."""
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        desk = Desk()
        try:
            return _soak(folder, desk.display, minutes)
        finally:
            desk.close()


def _soak(folder: str, display: str, minutes: float) -> int:
    ours, codes = Ours(folder, display), _keycodes(display)
    ours.start()
    time.sleep(2)
    begun, base, clicks = time.monotonic(), (0, 0), 0
    print("minute   PSS MiB   open files   CPU %   segments   bytes")
    with Injector(display) as injector:
        for minute in range(max(1, int(minutes))):
            pids, before = ours.pids(), cpu_s(ours.pids())
            start = time.monotonic()
            for event in events(60.0, seed=minute):
                if (wait := event["t"] - (time.monotonic() - start)) > 0:
                    time.sleep(wait)
                injector.send(*_requests(injector, event, codes))
                clicks += bool("button" in event and event["down"])
            injector.send(*(injector.release(code) for code in codes.values()))  # what the minute's end cut off
            injector.sync()
            time.sleep(max(0.0, 60.0 - (time.monotonic() - start)))
            share = 100 * (cpu_s(pids) - before) / 60
            memory, files = sum(map(pss_kib, pids)), _open_files(pids)
            store = ours.person.status()["store"]
            print(
                f"{minute + 1:6} {memory / 1024:9.1f} {files:12} {share:7.2f} {store['segments']:10} {store['bytes']:7}"
            )
            if minute == 1:
                base = memory, files
            if minute % 3 == 2:  # a pause makes new processes and a new segment
                ours.person.ok("pause")
                ours.person.ok("resume")
    time.sleep(2)
    found = []
    if minutes > 2 and memory - base[0] > GROWTH_KIB:
        found.append(f"memory grew by {memory - base[0]} KiB")
    if minutes > 2 and files > base[1]:
        found.append(f"open files grew from {base[1]} to {files}")
    ours.stop()
    counted = ours.person.inspect()["pointer"]["clicks"]
    if counted != clicks:
        found.append(f"{clicks} clicks were played and {counted} are stored")
    if not ours.person.json("verify")["ok"]:
        found.append("verify finds something")
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes;", "; ".join(found) or "nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20))
