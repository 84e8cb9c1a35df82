"""Commands for tests that ask what is said and with which exit status, without loading the program each time.

Nine tenths of a short command's time go into loading typer, pydantic and this program. Here one process has loaded
them, and each command is a fork of it: a process with its own memory, arguments, environment, working folder,
descriptors and exit status, through the same entry as ``desktop-logger``. What a start itself does, and processes that
are killed, held or looked at, are tested with whole processes (``tests.people``).
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any, NoReturn

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATIENCE_S = 180
_LARGEST = 1 << 17


def run(words: list[str], env: Mapping[str, str], stdin: str, *given: int) -> subprocess.CompletedProcess[str]:
    """One command as such a fork; it inherits the descriptors in ``given`` under their numbers."""
    with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        fed.write(stdin.encode())
        fed.seek(0)
        order = {"words": words, "env": {**env}, "folder": os.getcwd(), "numbers": [0, 1, 2, *given]}
        server = begin()
        socket.send_fds(server, [json.dumps(order).encode()], [fed.fileno(), out.fileno(), err.fileno(), *given])
        answer = server.recv(_LARGEST)
        assert answer, "the process that is forked has ended"
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(words, int(answer), *said)


@functools.cache
def begin() -> socket.socket:
    """Start what is forked, once; it ends when our end of the socket, which this returns, is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE_S)
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a process with threads is none to fork
    process = subprocess.Popen([sys.executable, "-m", "tests.warm"], cwd=ROOT, env=alone, stdin=theirs.fileno())
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(PATIENCE_S)

    atexit.register(end)
    return ours


def _load() -> None:
    """What the commands use: loaded, and nothing done with it."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # as the door does
    import typer

    from desktop_logger.cli import app, books, data, hearing, keeping, passphrase, releasing, stewarding  # noqa: F401
    from desktop_logger.consent import ceremony, examining, gate, validation  # noqa: F401
    from desktop_logger.inspection import drawing, own, page, table  # noqa: F401

    typer.main.get_command(app.build())


def serve() -> None:
    """Fork once for each order, and answer with the exit status of that process."""
    _load()
    with socket.socket(fileno=os.dup(0)) as orders:
        while True:
            data, given, _, _ = socket.recv_fds(orders, _LARGEST, 16)
            if not data:
                return
            child = os.fork()
            if not child:
                try:
                    orders.close()
                    _become(json.loads(data), given)
                finally:
                    os._exit(99)
            for descriptor in given:
                os.close(descriptor)
            orders.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _become(order: dict[str, Any], given: list[int]) -> NoReturn:
    """The forked process, from its descriptors to its end."""
    from desktop_logger.cli import door

    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 200) for one in given]
    os.closerange(3, 200)
    for number, one in zip(order["numbers"], high, strict=True):
        os.dup2(one, number)
        os.close(one)
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    os.chdir(order["folder"])
    sys.stdin, sys.stdout, sys.stderr = (open(n, "r" if n == 0 else "w", encoding="utf-8") for n in (0, 1, 2))  # noqa: SIM115
    sys.argv = ["desktop-logger", *order["words"]]
    status = door.main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    serve()
