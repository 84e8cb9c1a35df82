"""What a process gives up, asked of the kernel in processes that gave it up: each forbidden act is tried, and fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from desktop_logger.confine import landlock, seccomp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these are Linux's layers")

ACTS = """
import ctypes, errno, json, os, socket, subprocess, sys, threading
from desktop_logger import confine

def attempt(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def exec_true():
    # vfork and exec by hand, so that Python's own error pipe does not decide
    child = os.posix_spawn("/bin/true", ["true"], {})
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise OSError(errno.EPERM, "exec")

def trace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, os.getppid(), 0, 0) != 0:  # PTRACE_SEIZE: does not stop whom it seizes
        raise OSError(ctypes.get_errno(), "ptrace")

home, shipped, outside = sys.argv[1], sys.argv[2], sys.argv[4]
unix = socket.socketpair()
before = open(home + "/open-before", "w+")
layers = eval(sys.argv[3])
acts = {
    "inet": lambda: socket.socket(socket.AF_INET).close(),
    "inet6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close(),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "unix": lambda: socket.socket(socket.AF_UNIX).close(),
    "exec": exec_true,
    "trace": trace,
    "write in home": lambda: open(home + "/new", "w").close(),
    "write outside": lambda: open(outside + "/file", "w").close(),
    "make folder outside": lambda: os.mkdir(outside + "/folder"),
    "read shipped": lambda: open(shipped).close(),
    "read outside": lambda: open("/etc/passwd").close(),
    "what is open goes on": lambda: (before.write("x"), before.flush(), unix[0].send(b"x")),
}
print(json.dumps({"layers": layers, **{name: attempt(act) for name, act in acts.items()}}))
"""


def attempt(tmp_path: Path, giving_up: str) -> dict[str, Any]:
    home, shipped = tmp_path / "home", tmp_path / "shipped"
    home.mkdir()
    shipped.write_text("x")
    done = subprocess.run(
        [sys.executable, "-I", "-c", ACTS, str(home), str(shipped), giving_up, str(tmp_path)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


needs = pytest.mark.skipif(landlock.abi() < 1, reason="NOT TESTED: this kernel has no Landlock")


def test_hardening_takes_hold() -> None:
    code = """
import ctypes, os, resource
from desktop_logger import confine
layers = confine.harden()
print(layers["dumpable"], layers["no_core"], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
      resource.getrlimit(resource.RLIMIT_CORE), oct(os.umask(0)))
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "on on 0 (0, 0) 0o77"


def test_without_giving_anything_up_every_act_works(tmp_path: Path) -> None:
    """The control: else the tests below could pass because an act never works here."""
    found = attempt(tmp_path, "{}")
    del found["layers"], found["trace"]
    assert set(found.values()) == {"done"}


def test_unplugged_there_is_no_network(tmp_path: Path) -> None:
    found = attempt(tmp_path, "confine.unplug()")
    assert found["layers"] == {"seccomp": "on"}
    assert [found[name] for name in ("inet", "inet6", "netlink")] == ["EAFNOSUPPORT"] * 3
    assert found["trace"] == "EPERM"
    assert found["unix"] == found["exec"] == "done"


@needs
def test_a_writer_reaches_its_home_and_nothing_else(tmp_path: Path) -> None:
    found = attempt(tmp_path, "confine.shut(write=(home,), read=(shipped,))")
    assert found == {
        "layers": {"landlock": "on", "seccomp": "on"},
        "inet": "EPERM", "inet6": "EPERM", "netlink": "EPERM", "unix": "EPERM", "exec": "EPERM", "trace": "EPERM",
        "write in home": "done", "write outside": "EACCES", "make folder outside": "EACCES",
        "read shipped": "done", "read outside": "EACCES", "what is open goes on": "done",
    }  # fmt: skip


@needs
def test_capture_and_indicator_have_no_file_at_all(tmp_path: Path) -> None:
    found = attempt(tmp_path, "confine.shut()")
    assert found.pop("layers") == {"landlock": "on", "seccomp": "on"}
    assert found.pop("what is open goes on") == "done"
    assert set(found.values()) <= {"EPERM", "EACCES"}


def test_with_threads_landlock_is_not_claimed(tmp_path: Path) -> None:
    thread = "threading.Thread(target=threading.Event().wait, args=(9,), daemon=True).start()"
    found = attempt(tmp_path, f"({thread}, confine.shut(threads=True))[1]")
    assert found["layers"] == {"landlock": "unavailable", "seccomp": "on"}
    assert found["inet"] == found["exec"] == found["write in home"] == "EPERM"


@pytest.mark.parametrize("machine", sorted(seccomp.MACHINES))
@pytest.mark.parametrize("kind", [seccomp.UNPLUGGED, seccomp.SHUT, seccomp.SHUT_AND_DRY])
def test_every_jump_stays_inside_the_filter_and_every_way_ends(machine: str, kind: str) -> None:
    import struct

    code = list(struct.iter_unpack("<HBBI", seccomp.program(kind, seccomp.MACHINES[machine])))
    assert len(code) <= 4096
    for place, (operation, yes, no, _) in enumerate(code):
        if operation & 7 == 5:
            assert place + 1 + max(yes, no) < len(code)
    assert code[-1][0] == 0x06
