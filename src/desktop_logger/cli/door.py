"""The fast door in front of the command line: ``status``, ``pause``, ``resume`` and ``stop`` without loading it.

Standard library only: stopping must be quick, and must work when something else in the installation is broken. The
table ``VERBS`` serves this door and the full command line, so that help and behaviour cannot part. Whatever the
door does not understand goes on to the full command line.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import Any, NamedTuple

from desktop_logger.errors import DesktopLoggerError


class Verb(NamedTuple):
    """One fast verb: what it says in the help, and whether it takes a duration."""

    help: str
    example: str
    takes_duration: bool


VERBS = {
    "status": Verb("Show whether recording is on, and everything about it.", "desktop-logger status --json", False),
    "pause": Verb("Pause recording, until you resume it or for a while.", "desktop-logger pause 15m", True),
    "resume": Verb("Resume recording after a pause.", "desktop-logger resume", False),
    "stop": Verb("Stop recording.", "desktop-logger stop", False),
}


def act(verb: str, duration: str | None = None) -> dict[str, Any]:
    """Do one fast verb and return its report; the report of ``status`` is the contract of ``status --json``."""
    from desktop_logger import control
    from desktop_logger.clock import duration as seconds_of
    from desktop_logger.clock import in_words
    from desktop_logger.errors import Refused, Unavailable
    from desktop_logger.paths import home

    place = home()
    if verb == "status":
        return status()
    if verb == "stop":
        how = control.halt(place, "stop")
        return {"stopped": how != "absent", "how": how}
    if verb == "pause":
        seconds = seconds_of(duration) if duration else None
        how = control.halt(place, "pause", seconds)
        if how == "absent":
            raise Refused("nothing is running, so there is nothing to pause", "Start with: desktop-logger start")
        return {"paused": True, "how": how, "for": in_words(seconds) if seconds else None}
    answer = control.ask(place, {"verb": "resume"}, timeout=2.0)
    if "error" in answer:
        raise DesktopLoggerError.reported(answer, "not resumed")
    if answer.get("state") != "recording":
        answer = _settle(place, answer)
    if answer.get("state") != "recording":
        raise Unavailable("recording has not begun again", "See: desktop-logger status")
    return {"resumed": True}


def _settle(place: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """Wait until capture truly runs again, at most five seconds."""
    import time

    from desktop_logger import control

    deadline = time.monotonic() + 5.0
    while answer.get("state") != "recording" and time.monotonic() < deadline:
        time.sleep(0.05)
        answer = control.ask(place, {"verb": "status"})
    return answer


def status() -> dict[str, Any]:
    """The report of ``status --json``: what the supervisor says, or what the files say when nothing runs."""
    from desktop_logger import control
    from desktop_logger.errors import Unavailable
    from desktop_logger.paths import foreign_logger, home

    place = home()
    place.check()
    report: dict[str, Any] = {
        "state": "stopped", "reason": None, "resumes_in": None, "pids": dict.fromkeys(control.ROLES), "backend": None,
        "profile": None, "scopes": [], "indicator": None, "task": None,
        "consent": {"state": "unverified", "expires": None}, "store": _store(place.segments),
        "kek": _kek(place.kek), "sandbox": {}, "logger_on_path": foreign_logger() is None,
        "lacks": [], "warnings": [],
    }  # fmt: skip
    try:
        report.update(control.ask(place, {"verb": "status"}))
    except Unavailable as error:
        alive = control.recorded_pids(place)
        report["pids"].update(alive)
        if alive:
            report["state"] = "recording" if "capture" in alive else "paused"
            report["warnings"].append(error.message)
        elif not os.path.exists(place.receipt) or os.path.lexists(place.withdrawn):
            report["state"] = "no-consent"
            report["consent"]["state"] = "none"
        else:
            _remind(place, report)
    if not report["logger_on_path"]:
        report["warnings"].append("`logger` on your PATH is another program; use desktop-logger")
    return report


def _remind(place: Any, report: dict[str, Any]) -> None:
    """While nothing runs: when the consent ends, from the receipt's own words; not a verdict on it."""
    import json
    import time

    from desktop_logger.consent.gate import reminder

    try:
        with open(place.receipt, encoding="utf-8") as file:
            expires = int(json.load(file)["event"]["expires"])
    except (OSError, ValueError, TypeError, KeyError):
        return
    report["consent"]["expires"] = expires
    said = reminder(expires, time.time())
    if said:
        report["warnings"].append(said)


def _store(folder: str) -> dict[str, int]:
    """Segments and bytes on disk, from file names and sizes alone."""
    names, size = set(), 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.add(entry.name.partition(".")[0])
                size += entry.stat(follow_symlinks=False).st_size
    except OSError:
        pass
    return {"segments": len(names), "bytes": size}


def _kek(folder: str) -> str | None:
    """Where the key-encryption key lies: decided at the ceremony, ``None`` before it."""
    import json

    try:
        with open(os.path.join(folder, "place.json"), encoding="utf-8") as file:
            place = json.load(file).get("place")
    except (OSError, ValueError, AttributeError):
        return None
    return place if place in ("keyring", "file") else None


def say(verb: str, report: dict[str, Any]) -> str:
    """The report of a fast verb for people."""
    if verb == "stop":
        return {"asked": "stopped", "ended": "stopped (it did not answer and was ended)"}.get(
            report["how"], "nothing was running"
        )
    if verb == "pause":
        if report["how"] == "ended":
            return "stopped: it did not answer and was ended. Start again with: desktop-logger start"
        return f"paused for {report['for']}" if report["for"] else "paused until: desktop-logger resume"
    if verb == "resume":
        return "recording"
    return _say_status(report)


_STATES = {
    "no-consent": "No consent. Nothing is recorded.",
    "stopped": "Stopped. Nothing is recorded.",
    "paused": "Paused. Nothing is recorded.",
    "recording": "Recording.",
}


def _say_status(report: dict[str, Any]) -> str:
    from desktop_logger.clock import day, in_words

    lines = [_STATES[report["state"]]]
    if report["state"] == "paused" and report["reason"] not in (None, "paused"):
        lines[0] = f"Not recording ({report['reason'].replace('_', ' ')})."
    if report["state"] == "recording" and report["reason"]:
        lines[0] = "Recording, at rest: nothing happens, so nothing is written until something does."
    if report["resumes_in"] is not None:
        lines[0] += f" Resumes in {in_words(report['resumes_in'])}."
    if report["backend"]:
        lines.append(
            f"  what       {', '.join(report['scopes'])} as {report['profile']}, seen through {report['backend']}"
        )
    if any(report["pids"].values()):
        lines.append("  processes  " + ", ".join(f"{role} {pid or '-'}" for role, pid in report["pids"].items()))
    if report["indicator"]:
        lines.append(f"  sign       {report['indicator']}")
    if report["task"]:
        lines.append(f"  task       {report['task']} (open)")
    if report["consent"]["expires"]:
        lines.append(f"  consent    {report['consent']['state']}, until {day(report['consent']['expires'])}")
    stored = report["store"]
    segments = f"{stored['segments']:,} segment{'' if stored['segments'] == 1 else 's'}"
    lines.append(f"  stored     {segments}, {stored['bytes'] / 1024:,.0f} KiB")
    if report["kek"]:
        where = {"keyring": "in your keyring", "file": "in a file of yours"}[report["kek"]]
        lines.append(f"  store key  {where}")
    if report["lacks"]:
        from desktop_logger.records.attention import LACKS

        lines += [f"  lacks      {LACKS[one]}" for one in report["lacks"]]
    lines += [f"  warning    {warning}" for warning in report["warnings"]]
    return "\n".join(lines)


def _fast(argv: list[str]) -> tuple[str, str | None, bool] | None:
    """Verb, duration and ``--json``, when that is all the words there are; else ``None``."""
    if not argv or argv[0] not in VERBS:
        return None
    verb, words = argv[0], argv[1:]
    as_json = verb == "status" and words == ["--json"]
    if as_json or not words:
        return verb, None, as_json
    if VERBS[verb].takes_duration and len(words) == 1 and not words[0].startswith("-"):
        return verb, words[0], False
    return None


def complain(error: DesktopLoggerError) -> int:
    """Print an error as the contract says, and return its exit status: a line each, filled where a person reads it."""
    lines = [f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else [])]
    if sys.stderr.isatty():
        from .narrow import said

        lines = [said(line) for line in lines]
    print(*lines, sep="\n", file=sys.stderr)
    return error.exit_status


def interrupted() -> int:
    """The same after Ctrl-C. Every command leaves what it changes old or new as a whole, and can be repeated."""
    return complain(
        DesktopLoggerError("interrupted", "Run the same command again: what was begun is finished then, or begun anew.")
    )


def _withdraw_at_once(argv: list[str]) -> None:
    """``consent withdraw``: the marker before anything else is loaded, so that a slow start does not delay the end."""
    if argv[:2] != ["consent", "withdraw"] or not set(argv[2:]) <= {"--json"}:
        return
    from desktop_logger.consent.gate import mark_withdrawn
    from desktop_logger.paths import home

    place = home()
    if os.path.lexists(place.receipt):
        with contextlib.suppress(DesktopLoggerError):  # the full command says what is wrong
            mark_withdrawn(place)


def main() -> int:
    """Entry point of ``logger`` and ``desktop-logger``."""
    os.umask(0o077)
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # else any installed package may look at what is validated
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that lacks a letter is no error
    status = _run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the interpreter complains again at its end
        status = status or (1 if isinstance(error, BrokenPipeError) else complain(_unwritten(error)))
    gc.freeze()  # the process ends: to look once more through all that was loaded takes a sixth of a command's time
    return status


def _unwritten(error: OSError) -> DesktopLoggerError:
    return DesktopLoggerError(f"what was asked for could not be printed: {error.strerror}")


def _run(argv: list[str]) -> int:
    fast = _fast(argv)
    try:
        _withdraw_at_once(argv)
        if fast is None:
            from .app import run

            return run(argv)
        verb, duration, as_json = fast
        report = act(verb, duration)
        if as_json:
            import json

            print(json.dumps(report))
        else:
            print(say(verb, report))
    except DesktopLoggerError as error:
        return complain(error)
    except KeyboardInterrupt:
        return interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader went away: nothing to say to nobody
        return 1
    except OSError as error:
        return complain(DesktopLoggerError(f"{error.strerror}: {error.filename or 'the system'}",
                                           "Run: desktop-logger doctor"))  # fmt: skip
    except Exception as error:  # noqa: BLE001  a traceback could quote what was read: its name is all that is shown
        hint = "Run: desktop-logger doctor; if that finds nothing, please report it."
        return complain(DesktopLoggerError(f"something unforeseen happened ({type(error).__name__})", hint))
    return 0
