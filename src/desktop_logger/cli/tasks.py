"""``task list``, ``begin`` and ``end``: what the person volunteers about what they are doing."""

from __future__ import annotations

import textwrap
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Say, if you like, which task you begin and how it ended; codes are those of the list that you signed.",
)


@app.command("list", epilog="Example: desktop-logger task list")
def listed() -> None:
    """Say which tasks there are, by their codes and in the words of your policy."""
    texts = _texts()
    if not texts:
        print("your policy names no tasks")
    width = max(map(len, texts), default=0)
    for code, text in texts.items():
        print(textwrap.fill(text, 80, initial_indent=f"{code:<{width}}  ", subsequent_indent=" " * (width + 2)))


@app.command("begin", epilog="Example: desktop-logger task begin invoice")
def begin(
    code: Annotated[str, typer.Argument(help="A code of the list that you signed.", metavar="CODE")],
) -> None:
    """Say that a task begins. Needs the scope task, and that recording is on."""
    text = _texts().get(code)
    _tell({"verb": "begin", "task": code}, code)
    print(f"begun: {code}{f' ({text})' if text else ''}")
    print("when it is over: desktop-logger task end ok, or failed, or gave-up")


@app.command("end", epilog="Example: desktop-logger task end ok")
def end(
    outcome: Annotated[str, typer.Argument(help="ok, failed or gave-up.", metavar="OUTCOME")],
) -> None:
    """Say how the task that you began ended."""
    from desktop_logger.control import OUTCOMES
    from desktop_logger.errors import UsageError

    if outcome not in OUTCOMES:
        raise UsageError("that is not how a task can end", f"Say one of: {', '.join(OUTCOMES)}.")
    _tell({"verb": "end", "outcome": outcome})
    print(f"ended: {outcome}")


def _texts() -> dict[str, str]:
    """Code → what it is, in the person's language, as the policy in force says."""
    from desktop_logger import policy
    from desktop_logger.consent import notices
    from desktop_logger.paths import home

    language = notices.language()
    return {one.id: one.text.spoken(language) for one in policy.active(home())[0].tasks}


def _tell(request: dict[str, Any], code: str | None = None) -> None:
    from desktop_logger import control
    from desktop_logger.errors import DesktopLoggerError, Refused, Unavailable, UsageError
    from desktop_logger.paths import home

    if code is not None and not control.is_code(code):
        raise UsageError("that is not the code of a task", "A code is small letters, digits and hyphens.")
    place = home()
    place.check()
    try:
        answer = control.ask(place, request, timeout=2.0)
    except Unavailable as error:
        if control.runs(place):
            raise
        raise Refused("nothing is recorded now, so no task can be told", error.hint) from None
    if "error" in answer:
        raise DesktopLoggerError.reported(answer, "the task was not taken")
