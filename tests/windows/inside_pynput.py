"""Inside Windows: capture through pynput while a window of ours has the focus, until a file appears; print the events.

Argument: the file. Before anybody else does anything, this program puts a letter in, which the grant leaves out.
"""

from __future__ import annotations

import json
import os
import sys

from desktop_logger import capture
from desktop_logger.records.events import Event
from tests.granted import grant
from tests.windows import window


def main(until: str) -> None:
    """Capture, and say every event as it is."""
    shown = window.Window()
    window.pump(0.5)
    backend = capture.load("pynput")
    assert backend.probe().viable
    opened = backend.capture(grant(injected="exclude"))
    window.type_letter()
    events: list[Event] = []
    print("ready", flush=True)
    while not os.path.exists(until):
        window.pump(opened.due() or 0.0)
        events += opened.read().events
    window.pump(0.5)
    events += opened.read().events
    opened.close()
    shown.close()
    print(json.dumps(events))


if __name__ == "__main__":
    main(sys.argv[1])
