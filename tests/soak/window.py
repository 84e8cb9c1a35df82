"""What a crash costs: the real writer is killed at random moments: ``python -m tests.soak.window [RUNS]``.

A record goes into its pipe every 20 ms; what is missing afterwards, in seconds before the kill, is printed.
Promised: at most the 5 seconds since the last frame of the own stream, and the frame that was being written.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from desktop_logger import store
from desktop_logger.records.layout import KEY, RECORD, START
from tests.storage import Person

STEP_S = 0.02


def measure(folder: str, seconds: float) -> float:
    """Seconds of records lost by one kill."""
    person = Person(folder)
    os.makedirs(person.home.run, mode=0o700, exist_ok=True)
    records, feed = os.pipe()
    key, give = os.pipe()
    report, said = os.pipe()
    writer = subprocess.Popen(
        [sys.executable, "-m", "desktop_logger.sink", *map(str, (records, key, said))], pass_fds=(records, key, said),
        env={**os.environ, "DESKTOP_LOGGER_HOME": person.home.root},
    )  # fmt: skip
    for descriptor in (records, key, said):
        os.close(descriptor)
    epoch, kek = person.kek()
    os.write(give, epoch.to_bytes(4, "little") + kek.secret() + json.dumps(person.wire(own="events")).encode())
    os.close(give)
    os.read(report, 100)
    os.write(feed, RECORD.pack(0, START, 0, 0, 0, 0, 0))
    began = time.monotonic()
    fed = 0
    while time.monotonic() - began < seconds:
        os.write(feed, RECORD.pack(fed, KEY, 1, 0, 0, 0, fed))
        fed += 1
        time.sleep(max(0.0, began + fed * STEP_S - time.monotonic()))
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    os.close(feed)
    os.close(report)
    store.recover(person.home, person.clock)
    (segment,) = store.segments(person.home)
    kept = len(person.read(segment.id)["keyboard"]) // RECORD.size
    assert store.verify(person.home).ok
    return (fed - kept) * STEP_S


def main(runs: int) -> int:
    """So many kills, each 6 to 16 seconds after the start."""
    chance = random.Random()
    with tempfile.TemporaryDirectory() as folder:
        lost = [measure(os.path.join(folder, str(number)), chance.uniform(6, 16)) for number in range(runs)]
    print(f"kill -9 of the writer: {runs} runs, lost at most {max(lost):.2f} s, on average {sum(lost) / runs:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
