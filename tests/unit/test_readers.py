"""What docs/reference/dataset.md tells people to run, run as it stands on a real export.

Skipped where a library is not installed; ``make fleet`` installs them all.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.organisation import HeldClock, Organisation, Subject

pytestmark = pytest.mark.usefixtures("english")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dataset.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


LINES = [
    line.split("#")[0].strip() for block in blocks("python") for line in block.splitlines() if "data-folder" in line
]
QUERIES = [query.strip() for block in blocks("sql") for query in re.sub(r"--.*", "", block).split(";") if query.strip()]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder beside which lies an export called ``data-folder``."""
    organisation = Organisation(
        str(tmp_path), HeldClock(), change=[("named_commands = false", "named_commands = true")]
    )
    people = [Subject(str(tmp_path / f"home{n}"), organisation) for n in range(2)]
    for person in people:
        person.record()
        person.record()
    for person in people:
        person.release()
    boxes = [one.outbox for one in people]
    assert organisation.export(str(tmp_path / "data-folder"), *boxes, form="parquet").sessions == 4
    return tmp_path


def run(code: str, place: Path) -> str:
    """In a process of its own: these libraries start threads and warn as they like."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "hf"), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=place, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_has_what_is_tested_here() -> None:
    assert [line.split(".")[0] for line in LINES] == ["datasets", "pyarrow", "polars"]
    assert len(QUERIES) >= 2


@pytest.mark.parametrize("line", LINES)
def test_the_line_reads_an_export(line: str, place: Path) -> None:
    library = line.split(".", maxsplit=1)[0]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"NOT TESTED: {library} is not installed (make fleet installs it)")
    found = run(
        f"import {library}{', pyarrow.dataset' if library == 'pyarrow' else ''}\nfound = {line}\n"
        "found = found['train'] if hasattr(found, 'keys') else found\n"
        "found = found.collect() if hasattr(found, 'collect') else found\n"
        "print(len(found))",
        place,
    )  # fmt: skip
    counted = run("import pyarrow.dataset as d; print(d.dataset('data-folder/data').count_rows())", place)
    assert int(found) == int(counted) > 0


@pytest.mark.skipif(
    importlib.util.find_spec("duckdb") is None, reason="NOT TESTED: duckdb is not installed (make fleet installs it)"
)
@pytest.mark.parametrize("query", QUERIES)
def test_the_query_answers(query: str, place: Path) -> None:
    assert run(f"import duckdb; found = duckdb.sql({query!r}).fetchall(); print(len(found)); assert found", place)
