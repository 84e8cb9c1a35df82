"""Vectors of receipts, bundles, their manifests and erasure requests."""

from __future__ import annotations

import tempfile
from base64 import b64decode, b64encode
from typing import Any

from desktop_logger import bundle
from desktop_logger.consent import identity, receipt
from desktop_logger.sealing import ReaderKey, Signer, canonical, fingerprint, hexdigest, parse_canonical

from .generate import SEGMENT, flip, put


def papers() -> None:
    receipts()
    bundles()
    manifests()
    erasures()


def receipts() -> None:
    from tests.signing import PASSPHRASE, HeldClock, home_in, signed

    with tempfile.TemporaryDirectory() as folder:
        place = home_in(folder)
        signed(place, HeldClock())
        with open(place.receipt, "rb") as file:
            good = file.read()
        person = identity.unlock(place, PASSPHRASE).signer
    document = parse_canonical(good)
    del document["signature"]

    def resigned(changed: dict[str, Any], who: Signer = person, by: str = "") -> bytes:
        value = b64encode(who.sign("receipt", canonical(changed))).decode()
        named = by or fingerprint(who.public)
        return canonical({**changed, "signature": {"by": named, "algorithm": "Ed25519", "value": value}})

    def inside(part: str, **values: Any) -> dict[str, Any]:
        return {**document, part: {**document[part], **values}}

    def recoded(changed: dict[str, Any]) -> dict[str, Any]:
        code = receipt.code_of(changed["processing"], changed["parties"], changed["event"])
        return {**changed, "event": {**changed["event"], "code": code}}

    signature = parse_canonical(good)["signature"]
    event = document["event"]
    put("ok", "receipt", "ok", "as a ceremony made it", good)
    put("spaces", "receipt", "malformed", "not canonical JSON", good.replace(b'":', b'": ', 1))
    put("cut", "receipt", "malformed", "the last byte is missing", good[:-1])
    put(
        "altered",
        "receipt",
        "bad-signature",
        "a later day",
        canonical({**recoded(inside("event", given=event["given"] + 1)), "signature": signature}),
    )
    value = b64encode(flip(b64decode(signature["value"]), 9)).decode()
    put(
        "signature",
        "receipt",
        "bad-signature",
        "a bit of the signature",
        canonical({**document, "signature": {**signature, "value": value}}),
    )
    put(
        "other-signer",
        "receipt",
        "bad-signature",
        "signed by somebody else in this name",
        resigned(document, Signer.generate(), fingerprint(person.public)),
    )
    put("by", "receipt", "contradiction", "the signature names another key", resigned(document, by=fingerprint(b"x")))
    put(
        "digest",
        "receipt",
        "contradiction",
        "the consent digest is another's, signed so",
        resigned(recoded(inside("processing", consent_digest="0" * 64))),
    )
    put(
        "code",
        "receipt",
        "contradiction",
        "the code is another document's, signed so",
        resigned(inside("event", code="AAAA-AAAA")),
    )
    put(
        "expires",
        "receipt",
        "contradiction",
        "for longer than a year, signed so",
        resigned(recoded(inside("event", expires=event["given"] + 367 * 86400))),
    )
    put(
        "no-parties",
        "receipt",
        "malformed",
        "a part is missing, signed so",
        resigned({name: value for name, value in document.items() if name != "parties"}),
    )


def bundles() -> None:
    device, reader = Signer.from_bytes(bytes([3]) * 32), ReaderKey.from_seed(bytes([4]) * 32)
    good = bundle.write(
        device,
        prev="0" * 64,
        anchor="a" * 64,
        recipients={fingerprint(reader.public): reader.public},
        contents={"manifest": {}, "receipt": "r", "policy": "p"},
        stanzas=[],
        stream=b"a stream",
        bundle="b0" * 16,
    )
    start = len(bundle.format.MAGIC) + 4
    size = int.from_bytes(good[start - 4 : start], "little")
    head, rest = parse_canonical(good[start : start + size]), good[start + size + 64 :]

    def make(name: str, expect: str, why: str, data: bytes, device: Signer = device) -> None:
        put(name, "bundle", expect, why, data, device=device.public.hex())

    def resigned(header: dict[str, Any] | bytes, body: bytes = rest) -> bytes:
        text = header if isinstance(header, bytes) else canonical(header)
        return good[: start - 4] + len(text).to_bytes(4, "little") + text + device.sign("bundle", text) + body

    def parts(at: int, **values: Any) -> bytes:
        changed = [{**part, **values} if number == at else part for number, part in enumerate(head["parts"])]
        return resigned({**head, "parts": changed})

    make("ok", "ok", "one recipient, no stanza", good)
    make("version-2", "malformed", "a later version", good.replace(b" 1\n", b" 2\n", 1))
    for name, length in (
        ("length", start - 1),
        ("header", start + 9),
        ("signature", start + size + 63),
        ("part", len(good) - 1),
    ):
        make(f"cut-{name}", "truncated", f"cut at byte {length}", good[:length])
    make(
        "long-header",
        "malformed",
        "a header longer than 16 KiB",
        good[: start - 4] + (16385).to_bytes(4, "little") + good[start:],
    )
    make("part-altered", "altered", "a bit of the stream", flip(good, len(good) - 1))
    make("goes-on", "malformed", "a byte after the last part", good + b"\0")
    make("other-device", "bad-signature", "another device's key", good, Signer.from_bytes(bytes([5]) * 32))
    make("signature", "bad-signature", "a bit of the signature", flip(good, start + size + 9))
    make("anchor-altered", "bad-signature", "another ledger head", good.replace(b"a" * 64, b"b" * 64))
    make("spaces", "malformed", "not canonical JSON, signed so", resigned(canonical(head).replace(b'":', b'": ', 1)))
    make("v-2", "malformed", "the header names another version, signed so", resigned({**head, "v": 2}))
    make("time", "malformed", "a member that the format does not have, signed so", resigned({**head, "time": 1}))
    make("prev", "malformed", "upper-case hexadecimal, signed so", resigned({**head, "prev": "A" * 64}))
    make("nobody", "malformed", "no recipient, signed so", resigned({**head, "recipients": []}))
    make("one-part", "malformed", "a part is not listed, signed so", resigned({**head, "parts": head["parts"][1:]}))
    make("part-name", "malformed", "a part under another name, signed so", parts(1, name="keys"))
    make("part-long", "malformed", "longer than a part can be, signed so", parts(1, bytes=(256 << 10) + 1))
    make("part-digest", "altered", "another digest, signed so", parts(2, sha256=hexdigest(b"")))


def manifests() -> None:
    good = {
        "bundle": "b0" * 16,
        "segment": SEGMENT,
        "stream": "d" * 64,
        "state": "sealed",
        "profile": "coarse",
        "scopes": ["keyboard"],
        "purposes": ["research"],
        "receipt": "e" * 64,
        "policy": "f" * 64,
        "delete_after": "2026-12-31",
    }
    put("ok", "manifest", "ok", "as it stands in the contents", canonical(good))
    for name, changes in (
        ("state", {"state": "open"}),
        ("day", {"delete_after": "31.12.2026"}),
        ("segment", {"segment": SEGMENT[1:]}),
        ("scopes", {"scopes": "keyboard"}),
        ("empty", {"purposes": [""]}),
        ("more", {"opened": 1}),
        ("profile", {"profile": 1}),
    ):
        wrong: dict[str, Any] = {**good, **changes}
        put(name, "manifest", "malformed", "a member that the format does not have", canonical(wrong))


def erasures() -> None:
    device = Signer.from_bytes(bytes([3]) * 32)
    good = bundle.write_erasure(device, [SEGMENT], ["d" * 64])
    body = parse_canonical(good)
    del body["signature"]

    def make(name: str, expect: str, why: str, who: Signer = device, **changes: Any) -> None:
        changed = {**body, **changes}
        put(
            name,
            "erasure",
            expect,
            why,
            canonical({**changed, "signature": who.sign("erasure", canonical(changed)).hex()}),
        )

    put("ok", "erasure", "ok", "one segment, one bundle", good)
    put("altered", "erasure", "bad-signature", "another segment", good.replace(SEGMENT.encode(), b"0" * 32))
    put("spaces", "erasure", "malformed", "not canonical JSON", good.replace(b'":', b'": ', 1))
    make("other-device", "bad-signature", "signed by another device", Signer.from_bytes(bytes([5]) * 32))
    make("v-2", "malformed", "another version, signed so", v=2)
    make("kind", "malformed", "another kind, signed so", kind="receipt")
    make("segment", "malformed", "a name that is no segment, signed so", segments=["../x"])
    make("more", "malformed", "a member that the format does not have, signed so", reason="none")
