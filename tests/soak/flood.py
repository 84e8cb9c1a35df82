"""``python -m tests.soak.flood [SECONDS]``: 50,000 movements a second for a minute; every pixel must be stored.

Through all four processes to the disk, and counted again by ``inspect``. Ends with 1 when one is missing.
"""

from __future__ import annotations

import sys
import tempfile
import time

from desktop_logger.records.profiles import MOVE_CELL_PX
from tests.benchmarks import cpu
from tests.benchmarks.processes import Desk, Ours


def main(seconds: float) -> int:
    """0 when nothing was lost."""
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        desk = Desk(answers=True)
        try:
            ours = Ours(folder, desk)
            ours.start()
            time.sleep(cpu.SETTLE_S)
            begun = time.monotonic()
            spent, sent = cpu._cost(ours.pids, lambda: cpu._move(desk.display, cpu.FLOOD_PER_S, seconds, turn=0))
            took = time.monotonic() - begun
            ours.stop()
            stored = cpu._pixels(ours)
        finally:
            desk.close()
    print(f"{sent:,} movements in {took:.0f} s, {stored:,} pixels stored; {1e6 * spent / sent:.2f} µs of CPU each")
    return 1 if sent - stored >= MOVE_CELL_PX else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60))
