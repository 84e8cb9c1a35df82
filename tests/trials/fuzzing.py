"""Every parser on whatever there is, by mutation of good input in one process. ``guided`` does it by coverage.

A parser may raise an error of ours and nothing else, and may not take memory beyond a bound. What carries a signature
is signed again after each change, so that what lies behind the signature is reached too.
"""

from __future__ import annotations

import atexit
import base64
import functools
import json
import os
import random
import resource
import shutil
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from desktop_logger import bundle, control, keystore, policy, sealing
from desktop_logger.bundle.acknowledgement import parse_acknowledgement, write_erased, write_exported
from desktop_logger.bundle.manifest import manifest_of
from desktop_logger.capture import keymap, pointing, replay
from desktop_logger.consent import checking, grant, identity
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.keystore import entries, keys
from desktop_logger.ledger import chain
from desktop_logger.paths import Home, shipped
from desktop_logger.sealing import Kek, canonical, parse_canonical
from desktop_logger.segments.format import scan
from desktop_logger.segments.reading import unpack

VECTORS = Path(__file__).parents[1] / "vectors" / "data"
SMALL = 1 << 20
_ENTRY_KEY = Kek(bytes(32))
_FROM_A_SERVER = (ValueError, struct.error, IndexError)
"""What is not whole from the display ends capture, without a word of it in the message (``source.__main__``)."""
_SIGNER = sealing.Signer.from_bytes(bytes(range(32)))
_CONTEXTS = {"narrowed": "narrowing", "withdrawn": "withdrawal", "processing": "receipt"}


def _ledger(data: bytes) -> Any:
    return chain.check(data.split(b"\n"), None, [bytes(32)])


def _entry(data: bytes) -> Any:
    """An entry that opens holds whatever a forger of the key put there."""
    sealed = entries.MAGIC + _ENTRY_KEY.wrap(data, entries.MAGIC + b"5e" * 16)
    return entries.parse_entry(sealed, "5e" * 16, _ENTRY_KEY)


def _manifest(data: bytes) -> Any:
    return manifest_of(parse_canonical(data))


def _stanza(data: bytes) -> Any:
    return keystore.stanza_from_wire(parse_canonical(data))


def _check(data: bytes) -> Any:
    """``consent verify`` on a file: what it prints too."""
    return checking.in_words(checking.check(data, "file"))


def _signed(data: bytes) -> Any:
    """The same file, signed again by a key that it is made to name: what a forger with a key of their own can do."""
    document = parse_canonical(data)
    if isinstance(document, dict):
        document.pop("signature", None)
        if "device" in document:
            document["device"] = _SIGNER.public.hex()
        with suppress(KeyError, TypeError, ValueError):
            document["parties"]["subject"]["identity"] = base64.b64encode(_SIGNER.public).decode()
            document["parties"]["subject"]["identity_fingerprint"] = sealing.fingerprint(_SIGNER.public)
            made = document["processing"]
            made["consent_digest"] = sealing.hexdigest(canonical(made["meaning"]))
            if isinstance(document.get("event"), dict):
                from desktop_logger.consent.receipt import code_of

                document["event"]["code"] = code_of(made, document["parties"], document["event"])
        context = next((name for key, name in _CONTEXTS.items() if key in document), "receipt")
        with suppress(ValueError):
            value = base64.b64encode(_SIGNER.sign(context, canonical(document))).decode()
            by = {"algorithm": "Ed25519", "by": sealing.fingerprint(_SIGNER.public), "value": value}
            document["signature"] = by if context == "receipt" else value
        data = canonical(document)
    return _check(data)


def _acknowledgement(data: bytes) -> Any:
    document = parse_canonical(data)
    if isinstance(document, dict) and document.pop("signature", None) is not None:
        document["signature"] = _SIGNER.sign("acknowledgement", canonical(document)).hex()
        data = canonical(document)
    return parse_acknowledgement(data, _SIGNER.public)


def _policy(data: bytes) -> Any:
    return policy.parse(data, "policy.toml")


@functools.cache
def _home() -> Home:
    """A home for the parsers that read a file of their own."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Home(folder, os.path.join(folder, "run"))
    made.create()
    return made


def _file(path: str, data: bytes) -> str:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    return path


def _identity(data: bytes) -> Any:
    home = _home()
    os.makedirs(os.path.dirname(home.identity), 0o700, exist_ok=True)
    _file(home.identity, data)
    return identity.publics(home)


def _replay(data: bytes) -> Any:
    reader = replay.Reader(_file(os.path.join(_home().root, "replay.jsonl"), data))
    return [*reader.lines(), reader.rest()]


def _keymap(data: bytes) -> Any:
    with suppress(*_FROM_A_SERVER):
        return keymap.parse(data)


def _events(data: bytes) -> Any:
    from tests.unit.test_x11_bytes import parser

    one = parser()
    one.awaited.extend(("state", "keys"))
    with suppress(*_FROM_A_SERVER):
        return one.parse(bytearray(data), len(data), [])


def _devices(data: bytes) -> Any:
    with suppress(*_FROM_A_SERVER):
        return pointing.parse(data, 1280, 800)


PARSERS: dict[str, Callable[[bytes], Any]] = {
    "segment": scan, "part": unpack, "ledger": _ledger, "keys": keys.parse, "entry": _entry, "stanza": _stanza,
    "bundle": bundle.parse, "erasure": bundle.parse_erasure, "manifest": _manifest,
    "acknowledgement": _acknowledgement, "receipt": _check, "signed": _signed, "policy": _policy,
    "identity": _identity, "grant": grant.facts_of_wire, "request": control.parse, "replay": _replay,
    "keymap": _keymap, "devices": _devices, "events": _events, "json": parse_canonical,
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
    return found or _made(name)


def _made(name: str) -> list[bytes]:
    """Good input that is not among the vectors, from whoever writes it."""
    from tests.unit.test_x11_bytes import DEVICES, RAW_BUTTON, RAW_KEY, RAW_MOTION, REPLY, notice, raw, state

    if name in ("keymap", "devices"):
        return [REPLY if name == "keymap" else DEVICES]
    if name == "events":
        made = [raw(RAW_KEY, 54), raw(RAW_BUTTON, 1), raw(RAW_MOTION, axes=(5, 0.5)), state(4, 1), notice(1)]
        return [b"".join(made), *made]
    if name == "request":
        return [json.dumps({"verb": verb}).encode() for verb in control.VERBS] + [
            b'{"verb":"pause","seconds":900}', b'{"verb":"begin","task":"invoice"}', b'{"verb":"end","outcome":"ok"}',
        ]  # fmt: skip
    if name == "policy":
        return [_shipped("config", file) for file in ("personal.toml", "policy.example.toml")]
    if name == "replay":
        return [(Path(__file__).parents[2] / "docs" / "examples" / "letter.jsonl").read_bytes()[:2000], _REPLAY]
    if name == "acknowledgement":
        by, day, one, bundles = sealing.fingerprint(b"k"), "2026-01-01", "5e" * 16, ["ab" * 32]
        return [
            write_erased(
                _SIGNER, by=by, day=day, request=one, device="cd" * 32, exports=1, rows=2, models=["m"], bundles=bundles
            ),
            write_exported(_SIGNER, by=by, day=day, export=one, purpose="train", bundles=bundles),
        ]
    return _consents()[name]


_REPLAY = b"""{"t":0.1,"key":"a","down":true}
{"t":0.2,"move":[3,-4]}
{"t":0.3,"button":1,"down":true}
{"t":0.4,"scroll":[0,2]}
{"t":0.5,"focus":"org.example.Editor","secure":true}
"""


def _shipped(*names: str) -> bytes:
    return Path(shipped(*names)).read_bytes()


@functools.cache
def _consents() -> dict[str, list[bytes]]:
    """A consent of each kind of file, as the ceremony leaves it."""
    from desktop_logger.clock import Clock
    from desktop_logger.consent import gate, withdrawing
    from tests.signing import home_in
    from tests.unit.test_mutations import documents

    with tempfile.TemporaryDirectory() as folder:
        found = documents(folder)
        home = home_in(f"{folder}/0")
        held = Clock()
        held.now = lambda: 1_800_000_000.0  # type: ignore[method-assign]
        wire = gate.check(home, held).to_wire()
        identities = [Path(home.identity).read_bytes()]
        withdrawal = withdrawing.withdraw(home, held)
        assert withdrawal
        files = [data for first, second, _ in found.values() for data in (first, second)]
        files.append(Path(withdrawal).read_bytes())
    return {"receipt": files, "signed": files, "grant": [wire], "identity": identities}


def one(name: str, data: bytes) -> None:
    """One execution. Raises whatever is not an error of ours."""
    with suppress(DesktopLoggerError):
        PARSERS[name](data)


WORDS = (
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
            out[at:at] = chance.choice(WORDS)
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
