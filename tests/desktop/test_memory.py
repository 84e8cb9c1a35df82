"""A full memory image of the writer holds no key of an earlier frame: the real process, its real pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from desktop_logger import keystore, store
from desktop_logger.records.layout import KEY, RECORD, START
from desktop_logger.segments import format as form
from tests.storage import SCOPES, Person

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory images are taken through /proc")

FRAMES = 20
LABEL = b"desktop-logger/v1/"
QUICK = """
import sys
from desktop_logger import confine, sink
made = sink.Sink.__init__
def quick(self, *arguments):
    made(self, *arguments)
    self.period = dict.fromkeys(self.period, 0.02)
sink.Sink.__init__ = quick
if sys.argv.pop(1) == "dumpable":
    confine.harden = lambda *arguments, **named: {}
if sys.argv.pop(1) == "locked":
    from desktop_logger.sealing import guarded
    guarded._secret_page = lambda: None
sys.exit(sink.main(sys.argv[1:]))
"""


class Writer:
    """The writer process as the supervisor starts it, with a frame every 20 ms."""

    def __init__(self, person: Person, memory: str) -> None:
        records, self.records = os.pipe()
        key, give = os.pipe()
        self.report, report = os.pipe()
        # Without root's rights only a process that may be dumped can be looked at.
        dumpable = "hardened" if os.getuid() == 0 else "dumpable"
        self.process = subprocess.Popen(
            [sys.executable, "-c", QUICK, dumpable, memory, *map(str, (records, key, report))],
            pass_fds=(records, key, report), env={**os.environ, "DESKTOP_LOGGER_HOME": person.home.root},
        )  # fmt: skip
        for descriptor in (records, key, report):
            os.close(descriptor)
        epoch, kek = person.kek()
        os.write(give, epoch.to_bytes(4, "little") + kek.secret() + json.dumps(person.wire()).encode())
        os.close(give)

    def image(self) -> tuple[bytes, int]:
        """Every readable page, and how many mappings are kept even from root."""
        os.kill(self.process.pid, 19)
        try:
            pages, kept = [], 0
            maps = Path(f"/proc/{self.process.pid}/maps").read_text().splitlines()
            with open(f"/proc/{self.process.pid}/mem", "rb", buffering=0) as memory:
                for line in maps:
                    span, mode, *rest = line.split()
                    low, high = (int(end, 16) for end in span.split("-"))
                    if "r" not in mode or (rest and rest[-1] in ("[vvar]", "[vvar_vclock]", "[vsyscall]")):
                        continue
                    memory.seek(low)
                    try:
                        pages.append(memory.read(high - low))
                    except OSError:
                        kept += 1
            return b"\0".join(pages), kept
        finally:
            os.kill(self.process.pid, 18)

    def end(self) -> None:
        os.close(self.records)
        assert self.process.wait(60) == 0, os.read(self.report, 4096)
        os.close(self.report)


def expand(key: bytes, info: bytes) -> bytes:
    return HKDFExpand(SHA256(), 32, LABEL + info).derive(key)


def keys_of(person: Person, segment: str, frames: dict[str, int]) -> dict[str, bytes]:
    """Name → key, for all that would open an earlier frame: roots, and per frame CK and MK before the current."""
    found = {}
    for stanza in keystore.read_entry(person.home, person.kek()[1], segment):
        if stanza.role != "subject":
            continue
        body = form.scan(Path(person.home.segments, f"{segment}.{stanza.stream}").read_bytes())
        info = form.stanza_info("subject", "*", body.header_digest)
        root = person.reader.open(stanza.sealed, info)
        found[f"{stanza.stream} root"] = root
        for scope in SCOPES:
            chain = expand(root, b"scope\0" + scope.encode() + b"\0" + body.header.context)
            for number in range(frames[stanza.stream]):
                found[f"{stanza.stream} {scope} CK {number}"] = chain
                found[f"{stanza.stream} {scope} MK {number}"] = expand(chain, b"msg")
                chain = expand(chain, b"next")
            found[f"{stanza.stream} {scope} current"] = chain
    return found


@pytest.mark.parametrize("memory", ["secret", "locked"])
def test_a_memory_image_of_the_writer_opens_no_earlier_frame(tmp_path: Path, memory: str) -> None:
    person = Person(str(tmp_path / "home"))
    os.makedirs(person.home.run, mode=0o700, exist_ok=True)
    writer = Writer(person, memory)
    os.write(writer.records, RECORD.pack(0, START, 0, 0, 0, 0, 0))

    def counts() -> dict[str, int]:
        found: dict[str, int] = {}
        for path in Path(person.home.segments).glob("*"):
            if data := path.read_bytes():  # made a moment before its header is written
                found[path.suffix[1:]] = len(form.scan(data).frames)
        return found

    deadline = time.monotonic() + 30
    number = 0
    while len(have := counts()) < 2 or min(have.values()) < FRAMES:
        assert time.monotonic() < deadline, have
        os.write(writer.records, RECORD.pack(number, KEY, 1, 0, 0, 0, number % 1000) * 3)
        number += 1
        time.sleep(0.02)
    before = counts()
    image, kept = writer.image()
    (segment,) = {path.stem for path in Path(person.home.segments).glob("*")}
    keys = keys_of(person, segment, before)  # frames that were on the medium before the image was taken
    past = {name: key for name, key in keys.items() if not name.endswith("current")}
    assert len(past) >= 2 * (1 + 2 * 2 * FRAMES)
    assert [name for name, key in past.items() if key in image] == []
    assert [name for name, key in past.items() if key[:16] in image or key[16:] in image] == []
    kek = person.kek()[1].secret()
    assert memory == "secret" or kek in image  # so a key that is there would be found
    if memory == "secret" and kept:
        # What the writer needs for the next frame is not there either: the kernel gives those pages to nobody.
        assert kek not in image
        assert [name for name, key in keys.items() if key in image] == []
    print(f"{len(image) >> 20} MiB image, {kept} mappings kept even from root, {len(past)} past keys, 0 found")
    writer.end()
    assert store.verify(person.home, kek=person.kek()[1]).ok


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_nobody_else_can_read_the_writers_memory() -> None:
    """Same account, no root: ``PR_SET_DUMPABLE`` keeps ptrace and /proc/PID/mem away."""
    program = (
        "import ctypes, os, resource, sys; from desktop_logger import confine\n"
        "os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "confine.harden(); print('ready', flush=True); sys.stdin.read()"
    )
    target = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert target.stdout is not None
    assert target.stdout.readline() == b"ready\n"
    child = os.fork()
    if child == 0:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        try:
            os.close(os.open(f"/proc/{target.pid}/mem", os.O_RDONLY))
            os._exit(1)
        except PermissionError:
            os._exit(7)
        except BaseException:  # noqa: BLE001 - a child must not go on into pytest
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    target.communicate(b"")
