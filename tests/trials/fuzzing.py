"""Every parser on whatever there is: by mutation of good input in one process, and coverage-guided by atheris.

A parser may raise an error of ours and nothing else, and may not take memory beyond a bound.
``python -m tests.trials.fuzzing NAME RUNS`` is one atheris run; it is installed by hand (pip install atheris).
"""

from __future__ import annotations

import base64
import os
import random
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from desktop_logger import bundle, keystore
from desktop_logger.bundle.manifest import manifest_of
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.keystore import entries, keys
from desktop_logger.ledger import chain
from desktop_logger.sealing import Kek, canonical, parse_canonical
from desktop_logger.segments.format import scan
from desktop_logger.segments.reading import unpack

VECTORS = Path(__file__).parents[1] / "vectors" / "data"
SMALL = 1 << 20
_ENTRY_KEY = Kek(bytes(32))


def _ledger(data: bytes) -> Any:
    return chain.check(data.split(b"\n"), None, [bytes(32)])


def _entry(data: bytes) -> Any:
    """An entry that opens holds whatever a forger of the key put there."""
    sealed = entries.MAGIC + _ENTRY_KEY.wrap(data, entries.MAGIC + b"5e" * 16)
    return entries.parse_entry(sealed, "5e" * 16, _ENTRY_KEY)


def _receipt(data: bytes) -> Any:
    from desktop_logger.consent import receipt

    return receipt.verify(data)


def _manifest(data: bytes) -> Any:
    return manifest_of(parse_canonical(data))


def _stanza(data: bytes) -> Any:
    return keystore.stanza_from_wire(parse_canonical(data))


PARSERS: dict[str, Callable[[bytes], Any]] = {
    "segment": scan, "part": unpack, "ledger": _ledger, "keys": keys.parse, "entry": _entry, "stanza": _stanza,
    "bundle": bundle.parse, "erasure": bundle.parse_erasure, "manifest": _manifest,
    "receipt": _receipt, "json": parse_canonical,
}  # fmt: skip


def seeds(name: str) -> list[bytes]:
    """Good and nearly good input, from the vectors."""
    found = []
    for path in sorted(VECTORS.glob("*.txt")):
        head, _, body = path.read_text("ascii").partition("\n\n")
        fields = dict(line.split(": ", 1) for line in head.splitlines())
        data, kind = base64.b64decode(body), fields["kind"]
        if kind == name or (name == "json" and kind in ("manifest", "erasure", "ledger")):
            found.append(data)
        elif kind == "keystore" and name == "keys":
            found.append(bytes.fromhex(fields["keys"]))
    if name == "part":
        from desktop_logger.segments.writing import Packer

        found = [Packer(size).pack(bytes(range(16)) * n)[0] for size, n in ((64, 0), (64, 3), (384, 40), (1536, 900))]
    if name in ("stanza", "entry"):
        stanza = keystore.Stanza("own", "subject", "F", "*", b"sealed").to_wire()
        found = [canonical(stanza if name == "stanza" else {"v": 1, "segment": "5e" * 16, "stanzas": [stanza]})]
    return found


def one(name: str, data: bytes) -> None:
    """One execution. Raises whatever is not an error of ours."""
    with suppress(DesktopLoggerError):
        PARSERS[name](data)


_WORDS = (
    b"\0",
    b"\xff",
    b"{}",
    b"[]",
    b'"',
    b"null",
    b"-1",
    b"1e9",
    b"9" * 20,
    b"\xff\xff\xff\x7f",
    b"[" * 300,
    b"\n",
    b"\\u0000",
)


def mutated(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A few small changes, or two inputs spliced."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at, what = chance.randrange(len(out) + 1), chance.randrange(6)
        if what == 0 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif what == 1 and at < len(out):
            out[at] = chance.randrange(256)
        elif what == 2:
            out[at:at] = chance.choice(_WORDS)
        elif what == 3:
            del out[at : at + chance.randrange(1, 20)]
        elif what == 4:
            out[at:at] = out[at : at + chance.randrange(1, 60)]
        else:
            out[at:] = other[chance.randrange(len(other) + 1) :]
    return bytes(out[:SMALL])


def run(executions: int, seed: int = 0) -> dict[str, int]:
    """So many executions over all parsers; returns the number of each, and the growth of memory in KiB."""
    chance, figures = random.Random(seed), {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in PARSERS:
        known = seeds(name)
        assert known, name
        for _ in range(executions // len(PARSERS)):
            one(name, mutated(chance.choice(known), chance.choice(known), chance))
        figures[name] = executions // len(PARSERS)
    figures["grown_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return figures


def guided(name: str, executions: int) -> None:
    """atheris on one parser, in this process, which it ends. What fails is written to ``crash-*`` where it runs."""
    atheris = import_module("atheris")

    atheris.instrument_all()
    known = seeds(name)

    def target(data: bytes) -> None:
        # the first byte chooses a seed to change, or none: checksums and signatures are hard to guess
        if data[:1] and data[0] < len(known):
            base = bytearray(known[data[0]])
            for at in range(1, len(data) - 3, 4):
                place = int.from_bytes(data[at : at + 2], "little") % (len(base) + 1)
                base[place : place + data[at + 2] % 3] = data[at + 3 : at + 4]
            one(name, bytes(base))
        else:
            one(name, data[1:])

    atheris.Setup([sys.argv[0], f"-runs={executions}", "-rss_limit_mb=512", "-max_len=4096", "-verbosity=0"], target)
    atheris.Fuzz()


def main() -> None:
    """``NAME RUNS``"""
    guided(sys.argv[1], int(sys.argv[2]))


if __name__ == "__main__":
    os.umask(0o077)
    main()
