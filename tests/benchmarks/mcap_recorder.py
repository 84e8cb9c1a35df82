"""What Open World Agents' recorder does with input: pynput, their messages, a queue, their writer of MCAP.

The benchmarks run it beside ours with a Python that has ``owa-msgs`` and ``mcap-owa-support``:
``PYTHON tests/benchmarks/mcap_recorder.py FILE``. Their own listeners (``owa-env-desktop`` 0.6.6) cannot be imported
outside Windows (they ask for ``ctypes.windll``), so what those make of an event is made here; the screen, the titles of
windows and the state of all keys once a second are left out.
"""

import queue
import signal
import sys
import time
from typing import Any

from mcap_owa.highlevel import OWAMcapWriter
from owa.msgs.desktop.keyboard import KeyboardEvent
from owa.msgs.desktop.mouse import MouseEvent
from pynput import keyboard, mouse

waiting: queue.Queue[tuple[str, Any, int]] = queue.Queue()


def put(topic: str, event: Any) -> None:
    waiting.put((topic, event, time.time_ns()))


def key(kind: str, one: Any) -> None:
    number = getattr(getattr(one, "value", one), "vk", None) or 0
    put("keyboard", KeyboardEvent(event_type=kind, vk=number & 0xFF))


def main(path: str) -> None:
    mouse.Listener(
        on_move=lambda x, y: put("mouse", MouseEvent(event_type="move", x=x, y=y)),
        on_click=lambda x, y, button, pressed: put(
            "mouse", MouseEvent(event_type="click", x=x, y=y, button=button.name, pressed=pressed)
        ),
        on_scroll=lambda x, y, dx, dy: put("mouse", MouseEvent(event_type="scroll", x=x, y=y, dx=dx, dy=dy)),
    ).start()
    keyboard.Listener(on_press=lambda one: key("press", one), on_release=lambda one: key("release", one)).start()
    with OWAMcapWriter(path) as writer:
        while True:
            topic, event, stamp = waiting.get()
            writer.write_message(event, topic=topic, timestamp=stamp)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    main(sys.argv[1])
