"""``python -m tests.benchmarks.soak MINUTES [HZ]``: work on a real display, looking for growth, loss and leftovers.

Ten minutes again and again: five of the invented office hour, two of a mouse at 1,000 Hz without a pause, three of
nothing at all (recording rests after two). Pauses and resumes after each ten. Accelerated only in that nobody works
without lunch: no clock is made faster, and the rates are those named. Once a minute it prints memory, open files, CPU
and the store. At its end: whether every click, scroll step and cell of motion that was sent is stored; the slope of
memory with its 95 % interval; CPU in use, under the mouse, and at rest. Ends with 1 when something is lost, when memory
grows by more than a megabyte in eight hours for sure, when open files grow, or when ``verify`` finds something.

With ``HZ``, every minute is a mouse at that rate, without a pause, a rest or another process: at 8,000 an hour carries
the events of a working day at 1,000. What a day has and this has not: eight hours of clock, and changes in the work.
Memory is taken for growing by the events then, in so many of them as eight hours at 1,000 bring. What is missing must
lie within gaps that are told: at such rates another program may keep the sign from looking in time.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections import Counter
from statistics import mean

from desktop_logger.records.classes import keysym_of
from tests.inject import Injector
from tests.people import PASSPHRASE
from tests.testbed import wait_until

from .office import Event, events
from .processes import Desk, Ours, cpu_s, pss_kib

PHASES = ("office",) * 5 + ("mouse",) * 2 + ("nothing", "nothing", "rest")
CELL = 4
HZ = 1000
MOST_KIB_IN_8H = 1024
SETTLING = 2
"""Minutes before memory is taken for what it will be."""


def _keycodes(display: str) -> dict[int, int]:
    """Keysym → keycode of the display's map."""
    from Xlib import display as displays

    connection = displays.Display(display)
    first = connection.display.info.min_keycode
    rows = connection.get_keyboard_mapping(first, connection.display.info.max_keycode - first + 1)
    connection.close()
    return {keysym: first + at for at, row in reversed(list(enumerate(rows))) for keysym in row[:2] if keysym}


class Player:
    """Sends input and counts what was sent. All motion goes to the right in whole cells, so that it adds up."""

    def __init__(self, display: str) -> None:
        self.codes = _keycodes(display)
        self.injector = Injector(display)
        self.sent: Counter[str] = Counter()
        self.took = 0.0
        """Seconds that the mouse moved."""

    def event(self, event: Event) -> None:
        injector, sent = self.injector, self.sent
        if "move" in event:
            cells = max(1, sum(map(abs, event["move"])) // CELL)
            injector.send(injector.move(cells * CELL, 0))
            sent["cells"] += cells
        elif "key" in event:
            code = self.codes[keysym_of(event["key"]) or 0]
            injector.send(injector.press(code) if event["down"] else injector.release(code))
        elif "button" in event:
            if event["down"]:
                injector.send(injector.button(event["button"]))
                sent["clicks"] += 1
        else:
            injector.send(injector.button(4 if event["scroll"][1] > 0 else 5))
            sent["scrolls"] += 1

    def minute(self, phase: str, seed: int, hz: int) -> None:
        start = time.monotonic()
        if phase == "office":
            for event in events(58.0, seed=seed):
                if (wait := event["t"] - (time.monotonic() - start)) > 0:
                    time.sleep(wait)
                self.event(event)
            # what the minute's end cut off
            self.injector.send(*(self.injector.release(code) for code in self.codes.values()))
        elif phase == "mouse":
            count = 58 * hz
            self.took += self.injector.stream([self.injector.move(CELL, 0)] * count, hz)
            self.sent["cells"] += count
        self.injector.sync()
        time.sleep(max(0.0, 60.0 - (time.monotonic() - start)))


def slope(values: list[float]) -> tuple[float, float]:
    """Least squares over equal steps: what each step adds, and half the width of its 95 % interval."""
    n = len(values)
    if n < 4:
        return 0.0, math.inf
    middle, level = (n - 1) / 2, mean(values)
    spread = sum((at - middle) ** 2 for at in range(n))
    rise = sum((at - middle) * (value - level) for at, value in enumerate(values)) / spread
    rest = sum((value - level - rise * (at - middle)) ** 2 for at, value in enumerate(values))
    return rise, 1.96 * math.sqrt(rest / (n - 2) / spread)


def own_kib(pid: int) -> int:
    """Memory that this process has written to, KiB: what others on the machine map or unmap does not change it.

    ``Private_Clean`` would: a library counts there from the moment when the last other process that maps it ends.
    """
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))


def _open_files(pids: list[int]) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def main(minutes: float, hz: int | None = None) -> int:
    """Run for so many minutes; 0 when nothing was found."""
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        desk = Desk(answers=True)
        try:
            return _soak(folder, desk, max(1, int(minutes)), hz)
        finally:
            desk.close()


def _soak(folder: str, desk: Desk, minutes: int, hz: int | None) -> int:
    ours, player = Ours(folder, desk), Player(desk.display)
    ours.start()
    time.sleep(2)
    begun = time.monotonic()
    memory: list[float] = []
    files: list[int] = []
    shares: dict[str, list[float]] = {}
    print("minute  phase     PSS MiB  own MiB   open files   CPU %   segments   bytes", flush=True)
    for minute in range(minutes):
        phase = "mouse" if hz else PHASES[minute % len(PHASES)]
        pids = ours.pids()
        before = cpu_s(pids)
        player.minute(phase, minute, hz or HZ)
        share = 100 * (cpu_s(pids) - before) / 60
        memory.append(sum(map(own_kib, pids)))
        files.append(_open_files(pids))
        shares.setdefault(phase, []).append(share)
        store = ours.person.status()["store"]
        shown = sum(map(pss_kib, pids)) / 1024
        print(
            f"{minute + 1:6}  {phase:8} {shown:8.1f} {memory[-1] / 1024:8.1f} {files[-1]:12} {share:7.2f} "
            f"{store['segments']:10} {store['bytes']:7}",
            flush=True,
        )
        if phase == "rest":
            if ours.person.status()["reason"] != "rested":
                print("it does not rest")
                return 1
            ours.person.ok("pause")  # new processes and a new segment
            ours.person.ok("resume")
            wait_until(lambda: ours.person.status()["state"] == "recording", 20, "recording again")
    time.sleep(2)
    ours.stop()
    gaps = ours.person.json("inspect", passphrase=PASSPHRASE)["gaps"] if hz else []
    found = _lost(ours, player, (hz or 0) * sum(gap["seconds"] for gap in gaps))
    rise, half = slope(memory[SETTLING:])
    long = 480 * HZ / (hz or HZ)
    eight_hours = (rise * long, half * long)
    if eight_hours[0] - eight_hours[1] > MOST_KIB_IN_8H:
        found.append("memory grows")
    if len(files) > SETTLING and files[-1] > files[SETTLING - 1]:
        found.append(f"open files grew from {files[SETTLING - 1]} to {files[-1]}")
    if not ours.person.json("verify")["ok"]:
        found.append("verify finds something")
    print(f"own memory {rise:+.2f} ± {half:.2f} KiB a minute (95 %)")
    print(f"  in eight hours {eight_hours[0]:+.0f} ± {eight_hours[1]:.0f} KiB")
    print("CPU: " + ", ".join(f"{phase} {mean(some):.2f} %" for phase, some in shares.items()))
    print(f"sent {dict(player.sent)}" + (f", {player.sent['cells'] / player.took:,.0f} a second" if hz else ""))
    print(f"gaps {gaps}; the injector took {sum(os.times()[:2]) / player.took:.0%} of a core" if hz else "")
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes;", "; ".join(found) or "nothing lost, nothing found")
    return 1 if found else 0


def _lost(ours: Ours, player: Player, most: float) -> list[str]:
    """What was sent and is not stored, or the other way round. ``most``: what may lie in the gaps that are told."""
    stored: Counter[str] = Counter()
    for line in ours.person.ok("inspect", "--events", "--json", passphrase=PASSPHRASE).splitlines():
        row = json.loads(line)
        if row["record"] == "move":
            stored["cells"] += row["dx"]
        elif row["record"] in ("click", "scroll"):
            stored[row["record"] + "s"] += row["n"]
    print(f"missing {dict(player.sent - stored)}, gaps hold {most:.0f} at most")
    return [
        f"{player.sent[what]} {what} were sent and {stored[what]} are stored"
        for what in player.sent
        if not 0 <= player.sent[what] - stored[what] <= most
    ]


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else None))
