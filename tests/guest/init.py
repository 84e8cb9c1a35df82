"""The first process of the guest: mounts, the two modules, one command, its exit status, power off.

``python -I init.py MODULES JOB``: JOB is a folder with ``words`` (JSON), in which ``status`` is left.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import traceback

_FINIT_MODULE = 313  # x86_64
_POWER_OFF = 0x4321FEDC


def main(modules: str, job: str) -> None:
    with open(os.path.join(job, "words"), encoding="utf-8") as file:
        todo = json.load(file)
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")):
        libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
    for kind, place in (("tmpfs", "/dev/shm"), ("devpts", "/dev/pts")):
        os.makedirs(place, exist_ok=True)
        libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
    os.makedirs("/run/tmp")
    os.chmod("/run/tmp", 0o1777)  # noqa: S103  as /tmp is
    for name in ("evdev.ko", "uinput.ko"):
        module = os.open(os.path.join(modules, name), os.O_RDONLY)
        if libc.syscall(_FINIT_MODULE, module, b"", 0):
            raise OSError(ctypes.get_errno(), name)
    with open(os.path.join(job, "output"), "wb") as output:
        status = subprocess.run(
            todo["words"], cwd=todo["folder"], env=todo["environment"], check=False, timeout=todo["seconds"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        ).returncode  # fmt: skip
    with open(os.path.join(job, "status"), "w", encoding="ascii") as file:
        file.write(str(status))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:  # noqa: BLE001  a first process that ends takes the kernel with it
        with open(os.path.join(sys.argv[2], "failed"), "w", encoding="utf-8") as said:
            said.write(traceback.format_exc())
    os.sync()
    ctypes.CDLL(None).reboot(_POWER_OFF)
