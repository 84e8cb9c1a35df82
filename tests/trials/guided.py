"""One parser under atheris, guided by what its input reaches: ``python -m tests.trials.guided NAME RUNS``.

The process ends with the run; what fails is written to ``crash-*`` where it runs. ``make soak`` installs atheris.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

atheris = import_module("atheris")
with atheris.instrument_imports(include=["desktop_logger", "tomllib"]):
    from tests.trials import fuzzing


def run(name: str, executions: int) -> None:
    """Beginning with the seeds, as they are and as something to change."""
    known = fuzzing.seeds(name)

    def target(data: bytes) -> None:
        # the first byte chooses a seed to change, or none: checksums are hard to guess
        if data[:1] and data[0] < len(known):
            base = bytearray(known[data[0]])
            for at in range(1, len(data) - 3, 4):
                place = int.from_bytes(data[at : at + 2], "little") % (len(base) + 1)
                base[place : place + data[at + 2] % 3] = data[at + 3 : at + 4]
            fuzzing.one(name, bytes(base))
        else:
            fuzzing.one(name, data[1:])

    corpus = Path(
        tempfile.mkdtemp()
    )  # below the caller's folder: libFuzzer ends the process, nothing here would clean up
    for number, seed in enumerate(known):
        (corpus / f"{number}").write_bytes(b"\xff" + seed)
    words = Path(f"{corpus}.words")
    escaped = ["".join(f"\\x{byte:02x}" for byte in word) for word in fuzzing.WORDS if len(word) < 64]
    words.write_text("".join(f'"{word}"\n' for word in escaped), "ascii")
    options = [f"-runs={executions}", "-rss_limit_mb=1024", "-max_len=8192", "-print_final_stats=1", f"-dict={words}"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    os.umask(0o077)
    run(sys.argv[1], int(sys.argv[2]))
