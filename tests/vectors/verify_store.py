"""An independent reader of desktop-logger stores: python verify_store.py HOME [--anchor HEAD].

Written from docs/reference/segment-format.md alone; shares no code with the program. Needs only `cryptography`.
Prints one verdict a segment; exit status 0 if all is well, 4 if anything is wrong. It changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import struct
import sys
from importlib import import_module
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

try:
    zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
except ImportError:
    zstd = None  # then what is inside an opened part is not looked at

LABEL = b"desktop-logger/v1/"
SUITE = "MLKEM768_X25519+HKDF-SHA256+AES-256-GCM"
SEGMENT, ENTRY, KEYS = (f"desktop-logger/{name}/v1\n".encode() for name in ("segment", "keystore", "keys"))
SCOPES = ["keyboard", "pointer", "context", "target", "task"]
PROFILES = ["events", "bursts", "coarse", "counts"]
FIRST = "0" * 64
KINDS = {
    "ledger.created", "consent.given", "consent.narrowed", "consent.withdrawn", "started", "stopped", "segment.opened",
    "segment.sealed", "segment.recovered", "approved", "released", "erased.intent", "erased.done", "erasure.requested",
    "acknowledged", "checkpoint",
}  # fmt: skip


class Wrong(Exception):
    """What is read is not what the specification says; the text is the verdict."""


def need(condition: object, verdict: str) -> None:
    if not condition:
        raise Wrong(verdict)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def is_hex(value: object, digits: int) -> bool:
    return isinstance(value, str) and len(value) == digits and all(c in "0123456789abcdef" for c in value)


def is_int(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def write(value: Any) -> str:
    """Canonical JSON (RFC 8785) of what the format allows."""
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        need(abs(value) < 2**53, "malformed")
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    need(isinstance(value, dict), "malformed")
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(json.dumps(name, ensure_ascii=False) + ":" + write(value[name]) for name in names) + "}"


def read(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode())
        same = write(value).encode() == data
    except (ValueError, RecursionError):
        same = False
    if not same or not isinstance(value, dict):
        raise Wrong("malformed")
    return value


def without(fields: dict[str, Any], name: str) -> bytes:
    return write({key: value for key, value in fields.items() if key != name}).encode()


def signed(public: Any, context: str, message: bytes, signature: Any, verdict: str) -> None:
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), LABEL + context.encode() + b"\0" + message)
    except (ValueError, TypeError, InvalidSignature):
        raise Wrong(verdict) from None


def fingerprint(public: bytes) -> str:
    text = base64.b32encode(sha(public)[:20]).decode()
    return "-".join(text[at : at + 4] for at in range(0, 32, 4))


def expand(key: bytes, info: bytes) -> bytes:
    return hmac.digest(key, LABEL + info + b"\1", "sha256")


def unwrap(key: bytes, sealed: bytes, aad: bytes, verdict: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)
    except (InvalidTag, ValueError):
        raise Wrong(verdict) from None


# Stream files


def header_of(data: bytes) -> tuple[dict[str, Any], int]:
    """Fields and the offset of the first frame."""
    need(data[: len(SEGMENT)] == SEGMENT[: len(data)], "altered")
    need(len(data) >= len(SEGMENT) + 4, "truncated")
    (size,) = struct.unpack_from("<I", data, len(SEGMENT))
    need(size <= 8192, "altered")
    start = len(SEGMENT) + 4
    need(len(data) >= start + size, "truncated")
    try:
        head = read(data[start : start + size])
    except Wrong:
        raise Wrong("altered") from None
    own = head.get("stream") == "own"
    names = {"v", "suite", "segment", "stream", "profile", "scopes", "parts", "commit", "receipt", "policy", "tick_s"}
    need(set(head) == names | ({"opened"} if own else set()), "altered")
    scopes, parts, commit = head["scopes"], head["parts"], head["commit"]
    need(is_int(head["v"], 1, 1) and head["suite"] == SUITE and head["stream"] in ("own", "release"), "altered")
    need(head["profile"] in PROFILES and is_int(head["tick_s"], 1, 3600), "altered")
    need(not own or is_int(head["opened"], 0, 2**40), "altered")
    need(is_hex(head["segment"], 32) and is_hex(head["receipt"], 64) and is_hex(head["policy"], 64), "altered")
    need(isinstance(scopes, list) and scopes and scopes == [scope for scope in SCOPES if scope in scopes], "altered")
    need(isinstance(parts, dict) and isinstance(commit, dict) and set(parts) == set(commit) == set(scopes), "altered")
    need(all(is_int(parts[scope], 4, 65536) and is_hex(commit[scope], 64) for scope in scopes), "altered")
    return head, start + size


def walk(data: bytes) -> tuple[dict[str, Any], bytes, list[tuple[int, int, int]], bytes, int, bool, str]:
    """Header, its digest, good frames as (seq, kind, offset), chain, end of the good bytes, whether final, the rest."""
    need(len(data) <= 64 << 20, "altered")
    head, at = header_of(data)
    first = chain = sha(data[:at])
    size = 5 + sum(28 + head["parts"][scope] for scope in head["scopes"]) + 32
    frames: list[tuple[int, int, int]] = []
    final = False
    while not final and at + size <= len(data):
        seq, kind = struct.unpack_from("<IB", data, at)
        link = data[at + size - 32 : at + size]
        if seq != len(frames) or kind not in (1, 2) or sha(chain + data[at : at + size - 32]) != link:
            return head, first, frames, chain, at, False, "altered"
        frames.append((seq, kind, at))
        chain, final, at = link, kind == 2, at + size
    rest = "" if at == len(data) else "altered" if final else "torn"
    return head, first, frames, chain, at, final, rest


def judge(data: bytes, digest: str, how: str, closed: dict[str, Any] | None) -> str:
    """The verdict on one stream file by what the ledger says of it."""
    try:
        _, first, frames, chain, good, final, rest = walk(data)
    except Wrong as wrong:
        return str(wrong)
    if first.hex() != digest:
        return "altered"
    if how == "open":
        return "altered" if rest == "altered" else "open"
    if closed is None:
        return "missing"
    same = good == closed["bytes"] and chain.hex() == closed["head"] and len(frames) == closed["frames"]
    if how == "recovered" and same and len(data) - good == closed["dropped"]:
        return "recovered"
    if how == "sealed" and same and final and not rest:
        return "ok"
    return "truncated" if rest != "altered" and len(data) < closed["bytes"] + closed.get("dropped", 0) else "altered"


def open_parts(data: bytes, root: bytes) -> str:
    """SHA-256 over the records of all parts, in order. Raises ``Wrong`` of key-mismatch, unreadable or malformed."""
    head, first, frames, *_ = walk(data)
    names = {name: head[name] for name in ("receipt", "segment", "stream", "suite")}
    context = write(names).encode()
    chains = {scope: expand(root, b"scope\0" + scope.encode() + b"\0" + context) for scope in head["scopes"]}
    for scope, key in chains.items():
        need(expand(key, b"commit\0" + context).hex() == head["commit"][scope], "key-mismatch")
    total = hashlib.sha256()
    for seq, kind, start in frames:
        at = start + 5
        for scope in head["scopes"]:
            size = 28 + head["parts"][scope]
            aad = first + struct.pack("<IB", seq, kind) + scope.encode()
            part = unwrap(expand(chains[scope], b"msg"), data[at : at + size], aad, "unreadable")
            total.update(part_records(part))
            chains[scope], at = expand(chains[scope], b"next"), at + size
    return total.hexdigest()


def part_records(part: bytes) -> bytes:
    count, size = struct.unpack_from("<HH", part)
    packed, padding = part[4 : 4 + size], part[4 + size :]
    need(len(packed) == size and not any(padding) and (count == 0) == (size == 0), "malformed")
    if count == 0 or zstd is None:
        return b""
    opener = zstd.ZstdDecompressor()
    try:
        planes = opener.decompress(packed, max_length=16 * count + 1)
    except zstd.ZstdError:
        raise Wrong("malformed") from None
    need(len(planes) == 16 * count and opener.eof and not opener.unused_data, "malformed")
    records, time = b"", 0
    for n in range(count):
        row = planes[n::count]
        time = (time + int.from_bytes(row[:4], "little")) % 2**32
        records += time.to_bytes(4, "little") + row[4:]
    return records


# Keystore


def keys_of(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Epoch, and segment → record, from the bytes of ``keystore/keys``."""
    need(data.startswith(KEYS) and len(data) >= len(KEYS) + 4, "altered")
    start = len(KEYS) + 4
    records = (data[at : at + 76] for at in range(start, len(data) - 75, 76))
    return data[:start], {record[:16].hex(): record[16:] for record in records}


def stanzas_of(keys: bytes, kek: bytes, segment: str, entry: bytes) -> list[dict[str, str]]:
    """The stanzas of one segment: the file of keys, then the entry under the key that it gives."""
    head, records = keys_of(keys)
    need(segment in records, "missing")
    entry_key = unwrap(kek, records[segment], head + bytes.fromhex(segment), "unreadable")
    need(entry.startswith(ENTRY), "unreadable")
    fields = read(unwrap(entry_key, entry[len(ENTRY) :], ENTRY + segment.encode(), "unreadable"))
    need(set(fields) == {"v", "segment", "stanzas"} and is_int(fields["v"], 1, 1), "malformed")
    stanzas: list[dict[str, str]] = fields["stanzas"]
    need(fields["segment"] == segment and isinstance(stanzas, list), "malformed")
    for stanza in stanzas:
        need(isinstance(stanza, dict) and set(stanza) == {"stream", "role", "reader", "scope", "sealed"}, "malformed")
        need(all(isinstance(value, str) for value in stanza.values()), "malformed")
        try:
            base64.b64decode(stanza["sealed"], validate=True)
        except ValueError:
            raise Wrong("malformed") from None
    return stanzas


# Ledger


def ledger_of(data: bytes, signers: list[str], anchor: str | None = None) -> list[dict[str, Any]]:
    """All entries, each checked. ``signers``: public keys (hex) of the private ones that are there."""
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
    need(lines, "missing")
    entries = [read(line) for line in lines]
    for entry in entries:
        need(is_int(entry.get("seq"), 0, 2**53) and entry.get("kind") in KINDS, "malformed")
        need(
            is_hex(entry.get("prev"), 64) and is_hex(entry.get("next"), 64) and is_hex(entry.get("sig"), 128),
            "malformed",
        )
        need(isinstance(entry.get("day"), str), "malformed")
        if entry["kind"] == "checkpoint":
            need(all(is_hex(entry.get(name), 64) for name in ("head", "signer", "bundle")), "malformed")
            need(isinstance(entry.get("folded"), str), "malformed")
            need(is_int(entry.get("through"), 1, entry["seq"] - 1), "malformed")
    need(entries[0]["kind"] == "ledger.created", "malformed")
    folds = [e for e in entries[1:] if e["kind"] == "checkpoint" and e["through"] == entries[1]["seq"] - 1]
    seq, prev, key = 0, FIRST, entries[0].get("subject")
    heads: list[str] = []
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True)):
        if number == 1 and entry["seq"] != 1 and folds:
            seq, prev, key = folds[0]["through"] + 1, folds[0]["head"], folds[0]["signer"]
            heads += [prev, *(folds[0]["folded"][at : at + 16] for at in range(0, len(folds[0]["folded"]), 16))]
        need(number == 0 or entry["kind"] != "ledger.created", "broken-chain")
        need(entry["seq"] == seq and entry["prev"] == prev, "broken-chain")
        signed(key, "ledger", without(entry, "sig"), entry["sig"], "bad-signature")
        seq, prev, key = seq + 1, sha(line).hex(), entry["next"]
        heads.append(prev)
    need(key in signers, "cut")
    need(anchor is None or anchor in heads or anchor[:16] in heads, "anchor")
    return entries


def segments_of(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Segment → what the ledger says of it."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        names = [entry["segment"]] if "segment" in entry else entry.get("segments", [])
        for name in names:
            one = found.setdefault(name, {"opened": {}, "stanzas": set(), "more": set(), "how": "open", "closed": {}})
            if entry["kind"] == "segment.opened":
                one["opened"], one["stanzas"] = entry["streams"], set(entry["stanzas"])
            elif entry["kind"] in ("segment.sealed", "segment.recovered"):
                one["how"], one["closed"] = entry["kind"][8:], entry["streams"]
            elif entry["kind"] == "approved":
                one["more"] |= set(entry["stanzas"])
            elif entry["kind"] in ("erased.intent", "erased.done"):
                one["erased"] = entry["kind"]
    return found


def begun(data: bytes) -> bool:
    """A file that the ledger does not know and that holds no frame: a crash left it while it was being opened."""
    try:
        _, _, frames, _, _, _, rest = walk(data)
    except Wrong:
        return len(data) <= 8256
    return not frames and not rest


WORST = ["ok", "recovered", "open", "key-mismatch", "truncated", "altered", "missing"]


def verdict(facts: dict[str, Any] | None, files: dict[str, bytes], keyed: bool, stanzas: set[str] | None) -> str:
    """One segment's. ``files``: stream → bytes; ``stanzas``: digests, or None where no KEK opens the entry."""
    if facts is None or (facts.get("erased") == "erased.done" and files):
        return "foreign"
    if "erased" in facts:
        return "erased"
    found = ["ok"]
    for stream, digest in facts["opened"].items():
        data = files.get(stream)
        closed = facts["closed"].get(stream)
        if data is None or (stream in facts["closed"] and closed is None):
            found.append("missing")
        else:
            found.append(judge(data, digest, facts["how"], closed))
    if set(files) - set(facts["opened"]):
        found.append("altered")
    known = facts["stanzas"] | facts["more"]
    if not keyed or (stanzas is not None and not (facts["stanzas"] <= stanzas <= known)):
        found.append("key-mismatch")
    return max(found, key=WORST.index)


# Whole stores


def contents(*path: str) -> bytes:
    try:
        with open(os.path.join(*path), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def store(home: str, anchor: str | None = None) -> tuple[dict[str, str], str]:
    """(segment → verdict, what is wrong with the ledger or '')."""
    public = ed25519.Ed25519PrivateKey.from_private_bytes
    secrets = [contents(home, "ledger", name) for name in ("signer", "signer.new")]
    signers = [public(one).public_key().public_bytes_raw().hex() for one in secrets if len(one) == 32]
    book, wrong = contents(home, "ledger", "ledger.jsonl"), ""
    try:
        entries = ledger_of(book, signers, anchor)
    except Wrong as error:
        wrong, entries = str(error), [json.loads(line) for line in book.split(b"\n")[:-1]]
    known, keys = segments_of(entries), contents(home, "keystore", "keys")
    head, records = keys_of(keys) if keys else (b"", {})
    kek = contents(home, "kek", f"{int.from_bytes(head[len(KEYS) :], 'little')}.key")
    files: dict[str, dict[str, bytes]] = {}
    for name in os.listdir(os.path.join(home, "segments")):
        segment, _, stream = name.partition(".")
        if stream in ("own", "release"):
            files.setdefault(segment, {})[stream] = contents(home, "segments", name)
    found = {}
    for segment in [*known, *sorted(set(files) - set(known))]:
        entry, stanzas = contents(home, "keystore", f"{segment}.key"), None
        keyed = bool(entry) and segment in records
        if keyed and len(kek) == 32:
            try:
                stanzas = {sha(write(one).encode()).hex() for one in stanzas_of(keys, kek, segment, entry)}
            except Wrong:
                keyed = False
        if segment not in known and all(begun(one) for one in files[segment].values()):
            found[segment] = "open"
            continue
        found[segment] = verdict(known.get(segment), files.get(segment, {}), keyed, stanzas)
    return found, wrong


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1] != "--anchor"):
        print(__doc__, file=sys.stderr)
        return 2
    found, wrong = store(arguments[0], arguments[2] if len(arguments) == 3 else None)
    print(f"ledger  {wrong or 'ok'}")
    for segment, one in found.items():
        print(f"{segment}  {one}")
    return 4 if wrong or set(found.values()) - {"ok", "open", "recovered", "erased"} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
