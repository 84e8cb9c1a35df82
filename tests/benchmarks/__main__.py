"""``python -m tests.benchmarks [PART…]``: all tables, or the named ones (``PARTS``)."""

from __future__ import annotations

import importlib
import platform
import sys

PARTS = ("size", "storage", "cpu", "events", "latency", "redaction", "commands")


def main(chosen: list[str]) -> int:
    """Run the parts in order; 2 for a word that is none of them."""
    if unknown := [word for word in chosen if word not in PARTS]:
        print(f"error: no such benchmark: {unknown[0]}\nhint: one of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; compare within this run only")
    for part in chosen or PARTS:
        importlib.import_module(f"{__package__}.{part}").run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
