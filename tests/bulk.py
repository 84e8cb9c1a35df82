"""Stores of thousands of segments, made in seconds: the real formats and keys, without the syncs between."""

from __future__ import annotations

import os

from desktop_logger import keystore
from desktop_logger.keystore import keys as key_file
from desktop_logger.ledger import FIRST, Ledger
from desktop_logger.ledger.chain import write_line
from desktop_logger.records.layout import STREAMS
from desktop_logger.sealing import Kek, Signer, StreamKeys, fingerprint, fresh_key, hexdigest, random_id, seal_to
from desktop_logger.segments.format import DATA, FINAL, Header, key_context, part_aad, stanza_info, write_frame
from desktop_logger.segments.writing import Packer
from tests.storage import SCOPES, Person, keys


def fill(
    person: Person, count: int, *, minutes: int = 10, frames: tuple[int, int] = (0, 0), part: int = 64
) -> list[str]:
    """``count`` sealed segments of ``minutes`` each, with so many data frames of own and release before the final one.

    Continues the ledger of a person who has just been made.
    """
    ledger = Ledger(person.home, person.clock)
    line = ledger.lines()[-1]
    last, signer = ledger.entries()[-1], ledger._read_signer(ledger._signer)
    assert signer is not None
    seq, prev, out, records, segments = last["seq"], hexdigest(line), [], [], []
    epoch, kek = person.kek()
    head = key_file._head(epoch)
    opened = int(person.clock.now() // 60)

    def note(kind: str, **facts: object) -> None:
        nonlocal seq, prev, signer
        assert signer is not None
        coming = Signer.generate()
        seq += 1
        written = write_line(ledger._entry(seq, prev, kind, facts, coming), signer)
        out.append(written)
        prev, signer = hexdigest(written[:-1]), coming

    for number in range(count):
        segment = random_id()
        segments.append(segment)
        digests, stanzas, closed = {}, [], {}
        for stream, data_frames in zip(STREAMS, frames, strict=True):
            root = fresh_key()
            chain = StreamKeys(root, key_context(segment, stream, "a" * 64), SCOPES)
            header = Header(
                segment, stream, "bursts" if stream == "own" else "coarse", SCOPES, dict.fromkeys(SCOPES, part),
                {scope: chain.commitment(scope).hex() for scope in SCOPES}, "a" * 64, "b" * 64, 60,
                opened + number * minutes if stream == "own" else None,
            )  # fmt: skip
            info = stanza_info("subject", "*", header.digest)
            reader = person.reader.public
            stanzas.append(keystore.Stanza(stream, "subject", fingerprint(reader), "*", seal_to(reader, root, info)))
            for scope in SCOPES if stream == "release" else ():
                reader, info = person.admin.public, stanza_info("admin", scope, header.digest)
                sealed_key = seal_to(reader, chain.scope_key(scope), info)
                stanzas.append(keystore.Stanza(stream, "admin", fingerprint(reader), scope, sealed_key))
            digests[stream] = header.digest.hex()
            data, tip = [header.to_bytes()], header.digest
            for frame in range(data_frames + 1):
                kind = FINAL if frame == data_frames else DATA
                sealed = [
                    chain.seal_part(
                        scope,
                        Packer(part).pack(keys(frame, 2, (scope,)))[0],
                        part_aad(header.digest, frame, kind, scope),
                    )
                    for scope in SCOPES
                ]
                written, tip = write_frame(frame, kind, sealed, tip)
                data.append(written)
            chain.erase()
            body = b"".join(data)
            with open(os.path.join(person.home.segments, f"{segment}.{stream}"), "wb") as file:
                file.write(body)
            closed[stream] = {"frames": data_frames + 1, "bytes": len(body), "head": tip.hex()}
        entry_key = Kek.generate()
        with open(keystore.entry_path(person.home, segment), "wb") as file:
            file.write(keystore.entries._wrap(entry_key, segment, stanzas))
        records.append(bytes.fromhex(segment) + kek.wrap(entry_key.secret(), key_file._aad(head, segment)))
        note("segment.opened", segment=segment, streams=digests, stanzas=[stanza.digest for stanza in stanzas])
        note("segment.sealed", segment=segment, streams=closed)
    with open(key_file.path(person.home), "ab") as file:
        file.write(b"".join(records))
    with open(ledger.path, "ab") as file:
        file.write(b"".join(out))
    with open(ledger._signer, "wb") as file:
        file.write(signer.secret())
    assert last["prev"] or prev != FIRST
    return segments
