"""The capture process as it is started: arguments, the grant, the report; everything else is in ``loop``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any, NamedTuple

from desktop_logger import capture, confine
from desktop_logger.consent import gate
from desktop_logger.consent.grant import Grant
from desktop_logger.errors import DesktopLoggerError, UsageError

from .holding import Held
from .loop import Source
from .outlet import CHUNK_BYTES, Outlet

_DOCTOR = "Run: desktop-logger doctor"
_NUMBERS = ("grant", "records", "heartbeat", "attention", "report")


def main(argv: list[str]) -> int:
    """``python -I -m desktop_logger.source --backend NAME [--replay FILE] GRANT RECORDS HEARTBEAT ATTENTION REPORT``.

    The last five are inherited descriptors, by number; each may also be named (``--grant FD`` and so on).
    """
    layers: confine.Layers = {}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    report = -1
    try:
        given = _arguments(argv)
        report = int(given["report"])
        confine.keep_only(*(given[name] for name in _NUMBERS))
        layers |= confine.harden()
        with_grant = gate.inherit(_all_of(int(given["grant"])))
        name = given["backend"] + (f":{given['replay']}" if "replay" in given else "")
        pipes = _Pipes(*(int(given[name]) for name in ("records", "heartbeat", "attention", "report")))
        return _record(name, with_grant, pipes, layers)
    except DesktopLoggerError as error:
        _say(report, state="failed", error=error.message, hint=error.hint, status=error.exit_status)
        return error.exit_status
    except BrokenPipeError:
        _say(report, state="failed", error="the writer is gone", hint=None, status=1)
        return 1
    except Exception as error:  # noqa: BLE001  nothing that was typed may end in a traceback
        _say(report, state="failed", error=f"capture failed ({type(error).__name__})", hint=_DOCTOR, status=1)
        return 1


class _Pipes(NamedTuple):
    """The inherited descriptors."""

    records: int
    heartbeat: int
    attention: int
    report: int


def _confine(backend: str) -> confine.Layers:
    """Everything is open and imported: no file, no socket, no program from here on.

    pynput opens displays and reads files from threads of its own whenever it likes, so it keeps what ``unplug`` left.
    """
    if backend == "pynput":
        return {"landlock": "off", "seccomp": "off"} | confine.unplug()
    return confine.shut(threads=_has_threads())


def _has_threads() -> bool:
    """Whether the backend has started threads of its own, which some layers do not reach."""
    return os.path.isdir("/proc/self/task") and len(os.listdir("/proc/self/task")) > 1


def _record(name: str, grant: Grant, pipes: _Pipes, layers: confine.Layers) -> int:
    backend = capture.load(name, grant.backends)
    if name.startswith("file:"):
        layers |= confine.unplug()  # before the first line of somebody else's code
    opened = backend.capture(grant)
    report = pipes.report
    held = None  # a file says itself what has the focus
    if not name.startswith("replay:"):
        held = Held(pipes.attention, grant.scopes, coarse=grant.unanswered == "coarse")
    try:
        source = Source(opened, grant, Outlet(pipes.records), pipes.heartbeat, held)
        signal.signal(signal.SIGTERM, source.stop)
        layers |= _confine(backend.name)
        for word in source.run():
            if word == "display_lost":
                _say(report, state="gap", reason=word)
            else:
                _say(report, state=word, backend=backend.name, why=f"asked for {backend.name}", sandbox=layers)
        return source.status
    finally:
        opened.close()


def _say(report: int, **facts: Any) -> None:
    """One JSON line on the report pipe. Nobody listening is no reason to fail."""
    with contextlib.suppress(OSError):
        os.write(report, json.dumps(facts).encode() + b"\n")


def _all_of(descriptor: int) -> bytes:
    data = bytearray()
    while chunk := os.read(descriptor, CHUNK_BYTES):
        data += chunk
    os.close(descriptor)
    return bytes(data)


def _arguments(argv: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    words = iter(argv)
    bare = []
    for word in words:
        if word.startswith("--"):
            given[word.removeprefix("--")] = next(words, "")
        else:
            bare.append(word)
    given.update(zip((name for name in _NUMBERS if name not in given), bare, strict=False))
    unknown = set(given) - {"backend", "replay", *_NUMBERS}
    if unknown or not given.get("backend") or not all(given.get(name, "").isdecimal() for name in _NUMBERS):
        raise UsageError("capture was started with the wrong arguments", "It is started by: desktop-logger start")
    return given


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
