"""What Open World Agents' recorder does with input: its own listeners, a queue, and its own writer of MCAP.

The benchmarks run it beside ours with a Python that has ``owa-env-desktop`` and ``mcap-owa-support``:
``PYTHON tests/benchmarks/mcap_recorder.py FILE``. Their command records the screen too and is for Windows; this is its
loop for input without the screen, the window titles and the raw mouse, which exist on Windows only.
"""

import queue
import signal
import sys
import time
from typing import Any

from mcap_owa.highlevel import OWAMcapWriter
from owa.env.desktop.keyboard_mouse import listeners

LISTENERS = {
    "keyboard": listeners.KeyboardListenerWrapper,
    "mouse": listeners.MouseListenerWrapper,
    "keyboard/state": listeners.KeyboardStateListener,
    "mouse/state": listeners.MouseStateListener,
}


def main(path: str) -> None:
    waiting: queue.Queue[tuple[str, Any, int]] = queue.Queue()
    for topic, listener in LISTENERS.items():

        def heard(event: Any, topic: str = topic) -> None:
            waiting.put((topic, event, time.time_ns()))

        listener().configure(callback=heard).start()
    with OWAMcapWriter(path) as writer:
        while True:
            topic, event, stamp = waiting.get()
            writer.write_message(event, topic=topic, timestamp=stamp)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    main(sys.argv[1])
