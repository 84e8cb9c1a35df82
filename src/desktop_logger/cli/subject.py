"""The subject's own commands that are neither consent nor data: start, doctor, demo."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from .systems import need_linux

_BACKENDS = "auto, x11, evdev, pynput or replay:FILE"


def start(
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay in this terminal; Ctrl-C stops recording.")
    ] = False,
    backend: Annotated[str, typer.Option("--backend", help=f"Where input is seen: {_BACKENDS}.")] = "auto",
) -> None:
    """Start recording what you signed for. Refuses without valid consent (exit status 3)."""
    need_linux()
    from desktop_logger.clock import Clock
    from desktop_logger.daemon.starting import start as begin
    from desktop_logger.paths import home

    def began(answer: dict[str, Any]) -> None:
        if answer.get("waiting"):
            print("started, and not recording: outside the signed hours. Recording begins by itself when they do.")
        else:
            print(f"recording through {answer['backend']}" + (f" ({answer['why']})" if answer.get("why") else ""))
        stop = "Ctrl-C here" if foreground else "desktop-logger stop"
        print(f"pause: desktop-logger pause · stop: {stop} · see: desktop-logger inspect", flush=True)

    begin(home(), Clock(), backend, foreground=foreground, began=began)
    if foreground:
        print("stopped")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Check everything this program needs, and say the remedy for what is missing."""
    from desktop_logger.doctor import examine
    from desktop_logger.paths import home

    findings = examine(home())
    if as_json:
        print(json.dumps({"ok": all(one.ok for one in findings), "checks": [one._asdict() for one in findings]}))
    else:
        for one in findings:
            print(f"{'ok  ' if one.ok else 'NO  '} {one.name}: {one.found}")
            if not one.ok and one.remedy:
                print(f"      {one.remedy}")
    if not all(one.ok for one in findings if one.needed):
        raise typer.Exit(5)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's folder and print where it is.")] = False,
) -> None:
    """See the whole story in about a minute, on a display of its own, with nothing left behind."""
    need_linux("there is nothing to show")
    from desktop_logger.demo import run

    raise typer.Exit(run(keep=keep))
