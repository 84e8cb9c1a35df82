"""CPU time per input event, loss in a flood, CPU time while nothing happens, and memory; beside the usual script."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

from tests.inject import Injector

from .processes import COUNTING, MCAP, PEERS, Desk, Ours, Script, alone_kib, cpu_s, pss_kib
from .tables import table

RATES = (125, 1000, 8000)
SECONDS = 12
FLOOD_PER_S = 50_000
FLOOD_S = 4
REST_S = 30
SETTLE_S = 2.5
"""Longer than records take to cross to the writer."""
LONGEST_S = 60


def _move(display: str, rate: float, seconds: float, turn: int = 400) -> int:
    """Pointer motions of one pixel at ``rate`` a second, turning after ``turn`` of them (0: never).

    The edge of the display stops the pointer and what windows see, not raw motion.
    """
    count = int(rate * seconds)
    with Injector(display) as injector:
        there, back = injector.move(1, 0), injector.move(-1, 0)
        requests = [back if turn and at // turn % 2 else there for at in range(count)]
        injector.stream(requests, rate)
    return count


def _cost(pids: Callable[[], list[int]], act: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds that these processes spend on what ``act`` does and just after it, and what it returns."""
    running = pids()
    before = cpu_s(running)
    count = act()
    deadline = time.monotonic() + LONGEST_S
    while True:  # who has fallen behind may catch up: lag is not loss
        reached = cpu_s(running)
        time.sleep(SETTLE_S)
        if cpu_s(running) - reached < 0.05 * SETTLE_S or time.monotonic() > deadline:
            break
    if pids() != running:
        raise RuntimeError("a process ended or began while it was measured (see: desktop-logger status)")
    return cpu_s(running) - before, count


def _rest(pids: Callable[[], list[int]]) -> float:
    """Percent of a core while nothing happens."""
    running = pids()
    before, start = cpu_s(running), time.monotonic()
    time.sleep(REST_S)
    return 100 * (cpu_s(running) - before) / (time.monotonic() - start)


def run() -> None:
    """All four tables, from one display and one run of each program."""
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        desk = Desk(answers=True)
        try:
            _tables(folder, desk)
        finally:
            desk.close()


def _tables(folder: str, desk: Desk) -> None:
    display = desk.display
    programs: dict[str, Ours | Script] = {
        "ours": Ours(folder, desk), "usual": Script(folder, display), "counting": Script(folder, display, COUNTING),
    }  # fmt: skip
    if os.path.exists(PEERS):
        programs["mcap"] = Script(folder, display, MCAP, PEERS)
    cost: dict[str, dict[int, float]] = {name: {} for name in programs}
    rest: dict[str, float] = {}
    memory: dict[str, int] = {}
    alone = script = script_alone = 0
    for name, program in programs.items():
        program.start()
        try:
            time.sleep(SETTLE_S)
            rest[name] = _rest(program.pids)
            for rate in RATES:
                seconds, count = _cost(program.pids, lambda rate=rate: _move(display, rate, SECONDS))  # type: ignore[misc]
                cost[name][rate] = 1e6 * seconds / count
            if isinstance(program, Ours):
                memory = {one: pss_kib(pid) for one, pid in program.named_pids().items()}
                alone = alone_kib(program.pids())
            elif name == "usual":
                script, script_alone = pss_kib(program.pids()[0]), alone_kib(program.pids())
        finally:
            program.stop()
    names = {"usual": "pynput, JSON lines", "counting": "ActivityWatch's way", "mcap": "Open World Agents, MCAP"}
    peers = [name for name in programs if name != "ours"]
    table(
        "CPU time per pointer event, all processes",
        [
            "events a second", "ours, µs", *(f"{names[name]}, µs" for name in peers), "ours, of the cheapest",
            "ours, % of a core",
        ],
        [
            [
                f"{rate:,}", f"{cost['ours'][rate]:.1f}", *(f"{cost[name][rate]:.1f}" for name in peers),
                f"1/{min(cost[name][rate] for name in peers) / cost['ours'][rate]:.1f}",
                f"{cost['ours'][rate] * rate / 1e4:.2f}",
            ]
            for rate in RATES
        ],
        "Ours redacts, compresses, seals and syncs to disk; pynput's script writes plain lines; ActivityWatch's way "
        "counts, and writes a line a second. What the processes cost while nothing happens is included."
        + ("" if "mcap" in programs else " Open World Agents: sh tests/setup.sh peers .venv installs it (0.6 GB)."),
    )  # fmt: skip
    table(
        "CPU while nothing happens, % of a core",
        ["program", "%"],
        [["ours, four processes", f"{rest['ours']:.3f}"], *([names[name], f"{rest[name]:.3f}"] for name in peers)],
    )
    table(
        "Memory, MB, after the load above",
        ["process", "PSS", "were nothing else running"],
        [
            *([f"ours: {name}", f"{kib / 1024:.1f}", "-"] for name, kib in memory.items()),
            ["ours, all", f"{sum(memory.values()) / 1024:.1f}", f"{alone / 1024:.1f}"],
            ["usual script", f"{script / 1024:.1f}", f"{script_alone / 1024:.1f}"],
        ],
        "PSS counts a page in parts for all who share it, so it falls with every other Python on the machine.",
    )
    _flood(folder, desk)


def _flood(folder: str, desk: Desk) -> None:
    """Motion of a known sum, faster than any device, counted again from what was stored."""
    rows, display = [], desk.display
    sub = os.path.join(folder, "flood")
    os.mkdir(sub)
    ours = Ours(sub, desk)
    ours.start()
    time.sleep(SETTLE_S)
    seconds, sent = _cost(ours.pids, lambda: _move(display, FLOOD_PER_S, FLOOD_S, turn=0))
    ours.stop()
    seen = _pixels(ours)
    rows.append(["ours", f"{sent:,}", f"{seen:,}", _percent(sent, seen), f"{1e6 * seconds / sent:.1f}"])
    usual = Script(sub, display)
    usual.start()
    seconds, sent = _cost(usual.pids, lambda: _move(display, FLOOD_PER_S, FLOOD_S, turn=0))
    usual.stop()
    with open(usual.file, encoding="utf-8") as file:
        seen = sum('"move"' in line for line in file)
    rows.append(["usual script", f"{sent:,}", f"{seen:,}", _percent(sent, seen), f"{1e6 * seconds / sent:.1f}"])
    table(
        f"A flood of {FLOOD_PER_S:,} motions a second",
        ["program", "sent", "seen", "lost", "µs an event"],
        rows,
        "Ours stores displacement in cells of 4 px: the sum of the cells tells the pixels seen, to within 4.",
    )


def _pixels(ours: Ours) -> int:
    """Pixels to the right that the own stream adds up to."""
    import json

    from desktop_logger.records.profiles import MOVE_CELL_PX
    from tests.people import PASSPHRASE

    lines = ours.person.ok("inspect", "--events", "--json", passphrase=PASSPHRASE).splitlines()
    rows = [json.loads(line) for line in lines]
    return MOVE_CELL_PX * sum(int(row["dx"]) for row in rows if row["record"] == "move")


def _percent(sent: int, seen: int) -> str:
    return "none" if 0 <= sent - seen < 4 else f"{100 * (sent - seen) / sent:.2f} %"
