"""One way to print a table, for the benchmarks."""

from __future__ import annotations

from collections.abc import Sequence


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """Print aligned columns, the first one to the left, as a Markdown table."""
    cells = [list(columns), *[list(row) for row in rows]]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        first, *rest = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        return f"| {' | '.join([first, *(text.strip().rjust(len(text)) for text in rest)])} |"

    rule = [":" + "-" * (width - 1) if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    print(f"\n### {title}\n", line(cells[0]), line(rule), *map(line, cells[1:]), sep="\n", flush=True)
    if note:
        print(f"\n{note}", flush=True)


def ratio(ours: float, theirs: float) -> str:
    """How many times less ours is (``8.0x less``), or more."""
    if ours <= 0 or theirs <= 0:
        return "-"
    return f"{theirs / ours:.1f}x less" if ours <= theirs else f"{ours / theirs:.1f}x more"
