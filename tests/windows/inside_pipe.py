"""Inside Windows: the control pipe served, and asked by those who mean well and those who do not.

``serve HOME`` answers until it is ended; ``ask HOME`` tries everything and prints one JSON object.
"""

from __future__ import annotations

import sys

if sys.platform != "win32":
    raise SystemExit("this runs inside Windows")

import _winapi
import contextlib
import ctypes
import json
import time
from typing import Any

from desktop_logger import control
from desktop_logger.cli import door
from desktop_logger.control import pipe, serving
from desktop_logger.errors import DesktopLoggerError, Refused
from desktop_logger.paths import Home

SYSTEM = "S-1-5-18"
LONG_S = 20.0
"""For machines that do other things too; how long an answer takes is no matter of this script."""


def serve(place: Home) -> None:
    """Answer ``status``, take its time over ``pause``, refuse the rest."""

    def do(verb: str, seconds: int | None, word: str) -> dict[str, Any]:
        if verb == "pause":
            time.sleep(0.6)
        elif verb != "status":
            raise Refused("not here", "Ask something else.")
        return {"verb": verb, "seconds": seconds, "word": word}

    answering = serving.Answering(place, do)
    print("serving", flush=True)
    while True:
        answering.turn(0.2)


def opened(place: Home) -> int:
    """A client that may say anything, or nothing."""
    until = time.monotonic() + LONG_S
    while True:
        try:
            return _winapi.CreateFile(
                pipe.name(place), _winapi.GENERIC_READ | _winapi.GENERIC_WRITE, 0, 0, _winapi.OPEN_EXISTING, 0, 0
            )
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.005)


def said(place: Home, *messages: bytes) -> str:
    """What comes back for these messages; nothing where the other end hangs up."""
    handle = opened(place)
    got = b""
    try:
        for message in messages:
            _winapi.WriteFile(handle, message)
        with contextlib.suppress(OSError):
            while chunk := _winapi.ReadFile(handle, 8192)[0]:
                got += chunk
    except OSError:
        pass
    finally:
        _winapi.CloseHandle(handle)
    return got.decode()


def asked(place: Home, verb: str, **more: Any) -> Any:
    """The answer, or what is wrong."""
    try:
        return control.ask(place, {"verb": verb, **more}, LONG_S)
    except DesktopLoggerError as error:
        return error.message


def rights(handle: int) -> str:
    """Owner and access list of a pipe, as text."""
    descriptor, text = ctypes.c_void_p(), ctypes.c_wchar_p()
    advapi = pipe._advapi
    assert not advapi.GetSecurityInfo(handle, 6, 1 | 4, None, None, None, None, ctypes.byref(descriptor))
    assert advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, 1, 1 | 4, ctypes.byref(text), None)
    return str(text.value)


def first_of_its_name(place: Home) -> list[int]:
    """Whether each instance asked to be the first of its name: Wine 8 grants that to the second too."""
    seen = []
    real = _winapi.CreateNamedPipe

    def noted(path: str, mode: int, *more: int) -> int:
        seen.append(int(bool(mode & _winapi.FILE_FLAG_FIRST_PIPE_INSTANCE)))
        return real(path, mode, *more)

    _winapi.CreateNamedPipe = noted
    other = Home(place.root + "-other")
    answering = serving.Answering(other, lambda *_: {})
    _winapi.CloseHandle(opened(other))
    answering.turn(LONG_S)
    answering.close()
    _winapi.CreateNamedPipe = real
    return seen


def taken(place: Home) -> str:
    """What is said where the system does not let us be the first."""
    real = _winapi.CreateNamedPipe

    def refused(*_: object) -> int:
        raise PermissionError(13, "Access is denied", None, 5)

    _winapi.CreateNamedPipe = refused
    try:
        serving.Answering(place, lambda *_: {})
    except DesktopLoggerError as error:
        return error.message
    finally:
        _winapi.CreateNamedPipe = real
    return "served"


def of_another(place: Home) -> str:
    """What happens where another account owns the pipe."""
    own = pipe.own_sid
    pipe.own_sid = lambda: SYSTEM
    try:
        return str(asked(place, "status"))
    finally:
        pipe.own_sid = own


def ask(place: Home) -> dict[str, Any]:
    """Everything, in one go; the last questions tell whether the server is none the worse for it."""
    seen: dict[str, Any] = {
        "status": asked(place, "status"), "pause": asked(place, "pause", seconds=5), "resume": asked(place, "resume"),
        "no JSON": said(place, b"\x00\xff{{{\n"), "no verb": said(place, b'{"verb": "shout"}\n'),
        "half a line": said(place, b'{"verb": "status"}'), "too long": said(place, b"x" * 5000 + b"\n"),
        "two": said(place, b'{"verb": "status"}\n', b'{"verb": "status"}\n').count("\n"),
    }  # fmt: skip
    silent = [opened(place) for _ in range(40)]
    seen["among the silent"] = asked(place, "status")["verb"]
    for handle in silent:
        _winapi.CloseHandle(handle)
    for _ in range(60):
        _winapi.CloseHandle(opened(place))
    seen["after those who left"] = asked(place, "status")["verb"]
    handle = opened(place)
    began = time.monotonic()
    with contextlib.suppress(OSError):
        _winapi.ReadFile(handle, 1)
    seen["silent for"] = time.monotonic() - began
    _winapi.CloseHandle(handle)
    handle = opened(place)
    seen["rights"] = rights(handle).replace(pipe.own_sid(), "OWN")
    _winapi.CloseHandle(handle)
    seen |= {"first": first_of_its_name(place), "taken": taken(place), "another owner": of_another(place)}
    seen["nobody"] = asked(Home(place.root + "-nobody"), "status")
    seen["door"] = door.act("pause", "5s")["how"]
    seen["at last"] = asked(place, "status")["verb"]
    return seen


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Home(sys.argv[2]))
    else:
        print(json.dumps(ask(Home(sys.argv[2]))))
