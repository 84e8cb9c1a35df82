"""From and to object storage: a real S3 server on loopback, the same rows, the same erasure.

Skipped where obstore or the server (moto) is not installed; ``make fleet`` installs both.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_logger import store
from desktop_logger.admin import books, places
from desktop_logger.admin import export as exporting
from desktop_logger.errors import Refused, Unavailable, UsageError
from tests.organisation import HeldClock, Organisation, Subject
from tests.soak import organisation as soak

HERE = all(importlib.util.find_spec(name) for name in ("obstore", "moto", "flask"))
needed = pytest.mark.skipif(
    not HERE, reason="NOT TESTED: obstore or moto[server] is not installed (make fleet does it)"
)
pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An empty bucket on a server of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    facts = {
        "AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true",
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in facts}
    os.environ.update(facts)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                make = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                make.request("PUT", "/fleet")
                assert make.getresponse().status == 200
                make.close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.1)
        yield "s3://fleet"
    finally:
        places._store.cache_clear()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        server.terminate()
        server.wait()


@pytest.fixture
def two(tmp_path: Path) -> tuple[Organisation, list[Subject]]:
    organisation = Organisation(str(tmp_path), HeldClock())
    people = [Subject(str(tmp_path / f"home{n}"), organisation) for n in range(2)]
    for person in people:
        person.record()
        person.record()
    for person in people:
        person.release()
    return organisation, people


def carry(person: Subject, to: str) -> None:
    """What a tool that syncs folders does."""
    for name in os.listdir(person.outbox):
        places.upload(os.path.join(person.outbox, name), f"{to}/{name}")


def copied(url: str, folder: Path) -> str:
    folder.mkdir()
    for path in places.walk(url, ""):
        target = folder / path[len(url) + 1 :]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(places.read(path, 1 << 30))
    return str(folder)


@needed
def test_the_same_rows_result_and_erasure_follows(
    two: tuple[Organisation, list[Subject]], bucket: str, tmp_path: Path
) -> None:
    organisation, people = two
    box, out = f"{bucket}/a/outboxes", f"{bucket}/a/data"
    for number, person in enumerate(people):
        carry(person, f"{box}/{number}")
    local = organisation.export(str(tmp_path / "local"), *(one.outbox for one in people), form="parquet")
    report = organisation.export(out, box, form="parquet")
    assert (report.rows, report.sessions, report.subjects) == (local.rows, 4, 2)
    assert not report.refused
    assert not report.notes
    first = copied(out, tmp_path / "first")
    assert soak.digest_of(first) == soak.digest_of(str(tmp_path / "local"))
    assert sorted(os.listdir(first)) == ["README.md", "card.json", "croissant.json", "data"]
    assert not list(places.walk(f"{out}.partial", ""))
    again = organisation.export(out, box, form="parquet")
    assert (again.export, again.fresh) == (report.export, False)
    # the person reads who exported it, from what lies in object storage now
    acknowledged = list(places.walk(f"{box}/0", ".ack.json"))
    assert len(acknowledged) == 1

    store.purge(people[0].home, people[0].clock, [one.id for one in store.segments(people[0].home)])
    carry(people[0], f"{box}/0")
    with pytest.raises(Refused, match="asked to erase"):
        organisation.export(f"{out}-2", box, form="parquet")
    assert "erasure-pending.json" in places.names(out)
    done = organisation.erase(box)
    assert {one["path"] for one in done.exports} == {out, str(tmp_path / "local")}
    assert done.bundles == 2
    second = copied(out, tmp_path / "second")
    card = json.loads(Path(second, "card.json").read_text())
    assert (card["subjects"], card["sessions"]) == (1, 2)
    assert soak.rows_of(second).count_rows() == card["rows"] == report.rows // 2
    assert soak.digest_of(second) == soak.digest_of(str(tmp_path / "local"))
    assert "erasure-pending.json" not in places.names(out)


@needed
def test_processes_beside_this_one_write_to_it(
    two: tuple[Organisation, list[Subject]], bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    organisation, people = two
    monkeypatch.setattr(exporting, "_ENOUGH", 1)
    monkeypatch.setattr(exporting, "_CHUNK", 1)
    monkeypatch.setattr(books, "BUNDLES_A_PART", 1)
    report = organisation.export(f"{bucket}/b/data", *(one.outbox for one in people), form="parquet", workers=2)
    assert report.sessions == 4
    found = copied(f"{bucket}/b/data", tmp_path / "found")
    assert soak.rows_of(found).count_rows() == report.rows


@needed
def test_what_is_there_is_never_overwritten_and_a_bad_object_stops_nothing(
    two: tuple[Organisation, list[Subject]], bucket: str
) -> None:
    organisation, people = two
    box = f"{bucket}/c/box"
    carry(people[0], box)
    places.write(f"{box}/{'0' * 32}.bundle", b"nothing of ours")
    places.write(f"{bucket}/c/taken/mine.txt", b"mine")
    with pytest.raises(Refused, match="exists already"):
        organisation.export(f"{bucket}/c/taken", box)
    assert places.read(f"{bucket}/c/taken/mine.txt", 10) == b"mine"
    report = organisation.export(f"{bucket}/c/data", box)
    assert report.sessions == 2
    assert [one.reason for one in report.refused] == ["not a bundle (unknown first bytes)"]


@needed
def test_a_whole_bucket_can_be_read_from_and_none_written_to(
    two: tuple[Organisation, list[Subject]], bucket: str, tmp_path: Path
) -> None:
    organisation, people = two
    carry(people[1], f"{bucket}/d")
    mine = set(os.listdir(people[1].outbox))
    found = [path for path in places.walk(bucket, ".bundle") if os.path.basename(path) in mine]
    assert found == sorted(f"{bucket}/d/{name}" for name in mine)
    with pytest.raises(UsageError, match="no place in a bucket"):
        organisation.export(bucket, people[1].outbox)
    assert organisation.export(str(tmp_path / "whole"), f"{bucket}/d/").sessions == 2


@needed
def test_storage_that_cannot_be_reached_is_said_before_a_passphrase(bucket: str) -> None:
    for place in ("s3://no-such-bucket/x", f"{bucket}/empty"):
        order = exporting.Order((place,), f"{bucket}/out", "improve-tools", "jsonl")
        if place.startswith(bucket):
            order.check()
        else:
            with pytest.raises(Unavailable, match="no-such-bucket") as caught:
                order.check()
            assert "made-up" not in str(caught.value)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    order = exporting.Order(("s3://somewhere/outboxes",), str(tmp_path / "out"), "improve-tools", "jsonl")
    with pytest.raises(Unavailable, match="obstore") as caught:
        order.check()
    assert "desktop-logger[obstore]" in str(caught.value.hint)
