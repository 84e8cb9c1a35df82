"""The organisation's side at size, as `make fleet`: figures for docs/explanation, each with what must hold.

1. ten thousand bundles of which one is broken: the rest is exported, in bounded memory
2. one person out of a thousand bundles erased: every row gone, looked for by planted values
3. the same export on a real Ray cluster of two workers, of which one is killed: the same rows
4. every combination of granted scopes under every combination that the reader may open: no row of any other
5. exports killed (SIGKILL) at random moments and run again: the same rows, one ledger entry, nothing left over
6. full frames of the profile ``events``: the most rows that a bundle can hold
7. a hundred million rows in as many processes as there may be, and sequences built of them, each by the command itself:
   in the same memory as a tenth of them

``python -m tests.soak.organisation [1] … [7]``; needs about 2 GB in the temporary folder. JSON lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Self

import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet

from desktop_logger import bundle
from desktop_logger.admin.engines import MOST_WORKERS
from desktop_logger.bundle import ERASURE_SUFFIX
from desktop_logger.dataset import sequences
from desktop_logger.sealing import fingerprint
from tests.granting import COMBINATIONS, exactly
from tests.organisation import PASSPHRASE, HeldClock, Organisation, Subject
from tests.outboxes import Press, frames

MOST_MB = 500


def said(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def cpu_s() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    return sum(one.ru_utime + one.ru_stime for one in map(resource.getrusage, (_SELF, _CHILDREN)))


_SELF, _CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN


class Watched:
    """The most memory (PSS) of a process and all below it together, looked at ten times a second."""

    def __init__(self, pid: int = 0) -> None:
        self.pid = pid or os.getpid()
        self.most_mb = self.first_mb = 0
        """All together; the first alone."""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            found = [*map(pss_kb, [self.pid, *below(self.pid)])]
            self.most_mb = max(self.most_mb, sum(found) // 1024)
            self.first_mb = max(self.first_mb, found[0] // 1024)


def below(pid: int) -> list[int]:
    """Processes that it started, and theirs."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    return [*found, *(one for each in found for one in below(each))]


def pss_kb(pid: int) -> int:
    """Its memory, what is shared divided among those who share it; 0 where it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return 0


def rows_of(out: str) -> Any:
    return pyarrow.dataset.dataset(os.path.join(out, "data"), format="parquet")


def digest_of(out: str) -> list[Any]:
    """What an export holds, whatever its parts and session numbers are: sorted counts of whole rows."""
    table = rows_of(out).to_table()
    names = [name for name in table.column_names if name not in ("session", "split_group")]
    plain = table.select(names)
    for place, name in enumerate(names):
        plain = plain.set_column(place, name, plain[name].cast("string").fill_null("-"))
    found = plain.group_by(names).aggregate([("record", "count")])
    return sorted(tuple(row.values()) for row in found.to_pylist())


def many(root: str, bundles: int) -> None:
    """1. Ten thousand bundles, one broken."""
    organisation = Organisation(root, HeldClock())
    people = [Subject(os.path.join(root, f"home{n}"), organisation) for n in range(10)]
    box, rows = os.path.join(root, "box"), 0
    path = ""
    for number, person in enumerate(people):
        press = Press(person, os.path.join(box, str(number)))
        some, records = frames(person, 10, 4000, seed=number)
        for _ in range(bundles // len(people)):
            path, _ = press.write(some)
            rows += records
    with open(path, "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"?")
    rows -= records
    said(step="many", bundles=bundles, records_a_bundle=records, before_mb=peak_mb())
    for workers, out in ((1, "alone"), (2, "out")):
        started, cpu = time.monotonic(), cpu_s()
        with Watched() as watched:
            report = organisation.export(os.path.join(root, out), box, form="parquet", workers=workers)
        wall, cpu = time.monotonic() - started, cpu_s() - cpu
        assert (report.sessions, report.rows) == (bundles - 1, rows), report
        assert [one.file for one in report.refused] == [path], report.refused
        size = sum(os.path.getsize(one) for one in rows_of(os.path.join(root, out)).files)
        said(
            step="many", processes=workers, rows=rows, wall_s=round(wall, 1), cpu_s=round(cpu, 1),
            rows_a_cpu_s=int(rows / cpu), bundles_a_cpu_s=int(bundles / cpu), user_hours_a_s=round(bundles / 6 / wall),
            pss_mb=watched.most_mb, bytes_a_row=round(size / rows, 2), load=round(os.getloadavg()[0], 1),
        )  # fmt: skip
        assert watched.most_mb < MOST_MB
    shutil.rmtree(os.path.join(root, "alone"))
    started = time.monotonic()
    again = organisation.export(os.path.join(root, "out"), box, form="parquet")
    assert (again.export, again.fresh) == (report.export, False)
    said(step="again", wall_s=round(time.monotonic() - started, 1))
    cpu = time.process_time()
    built = sequences.build(os.path.join(root, "out"), os.path.join(root, "built"))
    cpu = time.process_time() - cpu
    plain = reading_cpu_s(os.path.join(root, "out"))
    said(
        step="build", records=built.records, tokens=built.tokens, records_a_cpu_s=int(built.records / cpu),
        plain_reading_a_cpu_s=int(built.records / plain), ratio=round(cpu / plain, 2), peak_mb=peak_mb(),
        load=round(os.getloadavg()[0], 1),
    )  # fmt: skip
    assert peak_mb() < MOST_MB


def reading_cpu_s(out: str) -> float:
    """CPU seconds in which plain pyarrow reads the same columns of the same files."""
    cpu = time.process_time()
    for path in rows_of(out).files:
        with pyarrow.parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group, columns=list(sequences.READ), use_threads=False)
    return time.process_time() - cpu


def erased(root: str) -> None:
    """2. One person out of a thousand bundles, known by a count of records that nobody else has."""
    organisation = Organisation(root, HeldClock())
    people = [Subject(os.path.join(root, f"home{n}"), organisation) for n in range(10)]
    box = os.path.join(root, "box")
    segments: list[str] = []
    for number, person in enumerate(people):
        press = Press(person, os.path.join(box, str(number)))
        some, _ = frames(person, 10, 4000, seed=1)
        if number == 3:
            some, canaries = planted(person)
            segments = [press.write(some)[1] for _ in range(100)]
            device = press.device
        else:
            for _ in range(100):
                press.write(some)
    out = os.path.join(root, "out")
    organisation.export(out, box, form="parquet")
    before = rows_of(out).count_rows(filter=pyarrow.compute.field("duration") == 6)
    assert before == canaries * 100, (before, canaries)
    sequences.build(out, os.path.join(root, "built"), deduplicate=False)
    request = bundle.write_erasure(device, segments, [])
    with open(os.path.join(box, "3", "0" * 32 + ERASURE_SUFFIX), "wb") as file:
        file.write(request)
    started = time.monotonic()
    done = organisation.erase(box)
    wall = time.monotonic() - started
    left = rows_of(out).count_rows(filter=pyarrow.compute.field("duration") == 6)
    subject = fingerprint(people[3].identity.signer.public)
    (export,) = (one["export"] for one in organisation.folder.ledger.entries() if one["kind"] == "exported")
    kept = organisation.lineage(export)
    assert left == 0
    assert subject not in json.dumps(kept)
    assert len(done.exports) == 2
    gone = {one["session"] for one in kept if one["erased"]}
    for folder in (out, os.path.join(root, "built")):
        assert not gone & set(rows_of(folder).to_table(columns=["session"])["session"].to_pylist())
    said(step="erased", bundles=1000, rows=done.exports[0]["rows"], canaries=before, left=left, wall_s=round(wall, 2))


def planted(person: Subject) -> tuple[list[dict[str, bytes]], int]:
    """Frames with a duration that nobody else has."""
    import numpy as np

    from desktop_logger.records.layout import RECORD_FIELDS, TYPING
    from desktop_logger.segments.writing import Packer

    grant = person.grant
    assert grant.release is not None
    found = np.zeros(5, np.dtype(RECORD_FIELDS))
    found["kind"], found["a"], found["c"] = TYPING, 3, 6
    made = []
    for minute in range(10):
        found["t"] = minute
        sizes = grant.release.part_bytes
        made.append(
            {
                scope: Packer(sizes[scope]).pack(found.tobytes() if scope == "keyboard" else b"")[0]
                for scope in grant.scopes
            }
        )
    return made, 50


def fleet(root: str, bundles: int = 1500) -> None:
    """3. Ray: a head and one more node of one worker each, as processes; a worker is killed in the middle."""
    organisation = Organisation(root, HeldClock())
    people = [Subject(os.path.join(root, f"home{n}"), organisation) for n in range(4)]
    box = os.path.join(root, "box")
    for number, person in enumerate(people):
        press = Press(person, os.path.join(box, str(number)))
        some, _ = frames(person, 10, 4000, seed=number)
        for _ in range(bundles):
            press.write(some)
    started = time.monotonic()
    local = organisation.export(os.path.join(root, "local"), box, form="parquet")
    said(step="local", rows=local.rows, wall_s=round(time.monotonic() - started, 1))
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    killed: list[int] = []
    stop = threading.Event()

    def kill_one() -> None:
        """End the first worker that is at work, with no warning."""
        while not stop.wait(0.02):
            listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
            for line in listed.splitlines():
                pid, _, words = line.strip().partition(" ")
                if words.startswith("ray::carry_out"):
                    os.kill(int(pid), 9)
                    killed.append(int(pid))
                    return

    watcher = threading.Thread(target=kill_one)
    watcher.start()
    try:
        started = time.monotonic()
        report = organisation.export(
            os.path.join(root, "ray"), box, form="parquet", engine="ray", address=cluster.address
        )
        wall = time.monotonic() - started
    finally:
        stop.set()
        watcher.join()
        cluster.shutdown()
    assert killed, "no worker was seen at work"
    assert (report.rows, report.sessions) == (local.rows, local.sessions)
    assert digest_of(os.path.join(root, "ray")) == digest_of(os.path.join(root, "local"))
    said(step="ray", rows=report.rows, wall_s=round(wall, 1), nodes=2, killed=killed)


def granted(root: str) -> None:
    """4. All combinations."""
    rows = 0
    for number, read in enumerate(COMBINATIONS):
        place = os.path.join(root, str(number))
        os.mkdir(place)
        rows += exactly(place, HeldClock(), read)
        shutil.rmtree(place)
    said(step="granted", combinations=len(COMBINATIONS) ** 2, rows=rows, outside=0)


_EXPORT = """
import sys
from desktop_logger.admin.export import Order, export
from desktop_logger.admin.folder import Folder
from tests.organisation import PASSPHRASE, HeldClock
folder = Folder(sys.argv[1])
order = Order((sys.argv[2],), sys.argv[3], "improve-tools", "parquet")
export(folder, folder.unlock(PASSPHRASE), order, HeldClock(), workers=2)
"""


def interrupted(root: str, kills: int = 40, bundles: int = 1200) -> None:
    """5. Real processes, ended with no warning, wherever they are; then once more without."""
    organisation = Organisation(root, HeldClock())
    box, rows = os.path.join(root, "box"), 0
    for number in range(4):
        person = Subject(os.path.join(root, f"home{number}"), organisation)
        press = Press(person, os.path.join(box, str(number)))
        some, records = frames(person, 3, 200, seed=number)
        for _ in range(bundles // 4):
            press.write(some)
            rows += records
    started = time.monotonic()
    organisation.export(os.path.join(root, "alone"), box, form="parquet", workers=2)
    longest, expected = 1 + time.monotonic() - started, digest_of(os.path.join(root, "alone"))
    chance, done, outs = random.Random(1), 0, 0
    while True:
        out = os.path.join(root, f"out{outs}")
        command = [sys.executable, "-W", "ignore", "-c", _EXPORT, organisation.folder.root, box, out]
        process = subprocess.Popen(command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.5, longest) if done < kills else None)
        if process.poll() is None:
            process.kill()
            process.wait()
            done += 1
            continue
        assert process.returncode == 0, process.returncode
        assert digest_of(out) == expected
        assert not os.path.lexists(out + ".partial")
        outs += 1
        if done >= kills:
            break
    exported = [one for one in organisation.folder.ledger.entries() if one["kind"] == "exported"]
    assert [one["rows"] for one in exported] == [rows] * (outs + 1)
    assert os.listdir(os.path.join(organisation.folder.root, "work")) == []
    said(step="interrupted", kills=done, exports=outs, rows=rows, differing=0)


def fine(root: str, bundles: int = 400) -> None:
    """6. ``events``."""
    both = [('profile = "coarse"', 'profile = "events"'),
            ('ceiling = "bursts"\ndefault = "bursts"', 'ceiling = "events"\ndefault = "events"')]  # fmt: skip
    organisation = Organisation(root, HeldClock(), change=both)
    person = Subject(os.path.join(root, "home"), organisation)
    press = Press(person, os.path.join(root, "box"))
    some, records = frames(person, 10, 4000)
    for _ in range(bundles):
        press.write(some)
    cpu = cpu_s()
    report = organisation.export(os.path.join(root, "out"), os.path.join(root, "box"), form="parquet", workers=1)
    cpu = cpu_s() - cpu
    assert report.rows == bundles * records
    said(
        step="events", bundles=bundles, records_a_bundle=records, rows_a_cpu_s=int(report.rows / cpu),
        peak_mb=peak_mb(), load=round(os.getloadavg()[0], 1),
    )  # fmt: skip
    cpu = time.process_time()
    built = sequences.build(os.path.join(root, "out"), os.path.join(root, "built"))
    cpu, plain = time.process_time() - cpu, reading_cpu_s(os.path.join(root, "out"))
    said(
        step="build of events", records=built.records, records_a_cpu_s=int(built.records / cpu),
        plain_reading_a_cpu_s=int(built.records / plain), ratio=round(cpu / plain, 2), peak_mb=peak_mb(),
    )  # fmt: skip
    assert peak_mb() < MOST_MB


def large(root: str, rows: int = 100_000_000, distinct: int = 20) -> None:
    """7. More of the same."""
    organisation = Organisation(root, HeldClock())
    box, written = os.path.join(root, "box"), 0
    people = []
    for number in range(10):
        person = Subject(os.path.join(root, f"home{number}"), organisation)
        some = [frames(person, 10, 4000, seed=100 * number + one) for one in range(distinct)]
        people.append((Press(person, os.path.join(box, str(number))), some))
    bundles = 0
    while written < rows:
        for press, some in people:
            made, records = some[bundles % distinct]
            press.write(made)
            written += records
        bundles += 1
    del people, some
    steward, out = organisation.folder.root, os.path.join(root, "out")
    for sources, place, part in ((os.path.join(box, "0"), os.path.join(root, "tenth"), 1), (box, out, 10)):
        words = ("admin", "export", "--from", sources, "--out", place, "--purpose", "improve-tools", "--dir", steward)
        report, facts = commanded(*words)
        assert (report["sessions"], report["refused"]) == (part * bundles, [])
        assert report["rows"] == written if part == 10 else report["rows"] < written
        said(
            step="large", processes=MOST_WORKERS, bundles=part * bundles, rows=report["rows"],
            rows_a_cpu_s=int(report["rows"] / facts["cpu_s"]), **facts,
        )  # fmt: skip
        assert facts["pss_mb"] < MOST_MB
    shutil.rmtree(box)
    for export, more in ((os.path.join(root, "tenth"), ()), (out, ()), (out, ("--keep-duplicates",))):
        built, facts = commanded("dataset", "build", export, "--out", os.path.join(root, "built"), *more)
        said(
            step="build of large", records=built["records"], sequences=built["sequences"],
            records_a_cpu_s=int(built["records"] / facts["cpu_s"]), **facts,
        )  # fmt: skip
        assert facts["pss_mb"] < MOST_MB
        shutil.rmtree(os.path.join(root, "built"))


_COMMAND = """
import os
os.cpu_count = lambda: 64
from desktop_logger.cli.door import main
main()
"""
"""The command itself, on a machine with more cores than it uses."""


def commanded(*words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the command says as JSON, and what it took."""
    ours, theirs = os.pipe()
    os.write(theirs, PASSPHRASE.encode())
    os.close(theirs)
    command = [sys.executable, "-W", "ignore", "-c", _COMMAND, *words, "--json"]
    command += ["--passphrase-fd", str(ours)] if words[0] == "admin" else []
    started, cpu = time.monotonic(), cpu_s()
    with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=(ours,)) as process:
        os.close(ours)
        with Watched(process.pid) as watched:
            found, _ = process.communicate()
    assert process.returncode == 0, process.returncode
    return json.loads(found), {
        "wall_s": round(time.monotonic() - started, 1), "cpu_s": round(cpu_s() - cpu, 1), "pss_mb": watched.most_mb,
        "first_mb": watched.first_mb, "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def main(chosen: list[str]) -> None:
    """Steps by number, each in a process of its own: the most memory that one took is not the next one's."""
    os.environ["LC_ALL"] = "C.UTF-8"
    steps = (lambda root: many(root, 10_000), erased, fleet, granted, interrupted, fine, large)
    if len(chosen) != 1:
        for number in chosen or map(str, range(1, len(steps) + 1)):
            subprocess.run([sys.executable, "-W", "ignore", "-m", "tests.soak.organisation", number], check=True)
        return
    root = tempfile.mkdtemp(prefix="desktop-logger-soak-")
    try:
        steps[int(chosen[0]) - 1](root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
