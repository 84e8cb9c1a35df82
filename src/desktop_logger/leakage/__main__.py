"""``python -m desktop_logger.leakage [--data FOLDER] [--write] [--quick]``: measure, print, hold to the budget.

Exit status: 0 all within budget, 1 over budget, 5 something could not be measured (the rest is printed and marked).
Only figures are printed, never decoded text. With ``--data`` the typing is your own volunteers' (one replay file a
session, ``<person>.<anything>.jsonl``, and perhaps ``labels.csv``) or a public set (``formats``, ``pointer``); then
nothing is written and no budget applies.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from desktop_logger.errors import DesktopLoggerError

from . import budget, data, keeping, measuring, pointer, report, volunteers

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="make leakage", description="What the profiles still tell, measured.")
    parser.add_argument("--cache", default=os.path.join(ROOT, ".cache", "leakage"), help="where the data sets lie")
    parser.add_argument("--budget", default=os.path.join(ROOT, "config", "leakage-budget.toml"))
    parser.add_argument("--data", help="a folder of replay files of your own volunteers")
    parser.add_argument("--write", action="store_true", help="write docs/reference/leakage.md and its plot")
    parser.add_argument("--quick", action="store_true", help="few people; to see that it works")
    given = parser.parse_args(argv)
    sizes = measuring.QUICK if given.quick else measuring.Sizes()
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    kept: keeping.Kept | None = None
    try:
        limits = budget.load(given.budget)
        if given.data and pointer.is_set(given.data):
            people = pointer.read(given.data)
            figures, missing = measuring.run({"pointer": lambda: measuring.pointing(people, sizes)}, say)
            limits = {}
        elif given.data:
            mine, labelled = volunteers.typing(given.data), volunteers.labelled(given.data)
            sizes = sizes._replace(least=min(sizes.least, 400), volumes=(100,))
            try:
                others = data.chats(given.cache)
            except DesktopLoggerError as error:
                say(f"without public typing to learn the language from: {error.message}")
                others = []
            figures, missing = measuring.measure(lambda: mine, sizes, say, others=others, labelled=labelled)
            limits = {}
        else:
            if not given.quick:
                kept = keeping.Kept(os.path.join(given.cache, "figures.jsonl"), keeping.digest(sizes))
            figures, missing = measuring.measure(
                lambda: data.chats(given.cache), sizes, say, cache=given.cache, kept=kept
            )
    except DesktopLoggerError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_status
    print("\n".join(report.table(figures, missing, markdown=False)))
    if given.write and not given.data and not given.quick and not missing:
        report.write(ROOT, figures, time.strftime("%d %B %Y").lstrip("0"))
    if kept and not missing:
        kept.forget()
    exceeded = [] if given.quick else budget.over(figures, missing, limits)
    for line in exceeded:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if exceeded else 5 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
