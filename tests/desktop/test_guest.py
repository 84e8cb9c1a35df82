"""The evdev backend with a real kernel: boots User Mode Linux once; what is checked is in ``tests/guest/checks.py``."""

from __future__ import annotations

import ast
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from tests.guest import booting

CHECKS = os.path.join("tests", "guest", "checks.py")


def checks() -> list[str]:
    """The names of the tests that run inside."""
    with open(os.path.join(booting.ROOT, CHECKS), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


class Found(NamedTuple):
    """What the guest reported: failures and skips by the test's name, all names, and the whole output."""

    failures: dict[str, str]
    skipped: dict[str, str]
    names: set[str]
    output: str


@pytest.fixture(scope="module")
def guest() -> Iterator[Found]:
    if booting.modules() is None:
        pytest.skip("NO KERNEL WITH INPUT DEVICES: run tests/setup.sh guest (needs Debian on x86_64 and apt-get)")
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        report = os.path.join(folder, "report.xml")
        start = time.monotonic()
        ended = booting.run(
            [sys.executable, "-m", "pytest", CHECKS, "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
             "-p", "no:randomly",
             "--junitxml", report, "-o", "junit_family=xunit1", "--basetemp", "/run/tmp/pytest"],
            seconds=600,
        )  # fmt: skip
        print(f"the guest's run took {time.monotonic() - start:.1f} s")
        failures: dict[str, str] = {}
        skipped: dict[str, str] = {}
        names = set()
        for case in ET.parse(report).iter("testcase") if os.path.exists(report) else ():  # noqa: S314  our own file
            name = case.attrib["name"].partition("[")[0]
            names.add(name)
            for kind, said in (("failure", failures), ("error", failures), ("skipped", skipped)):
                for found in case.findall(kind):
                    said[name] = f"{case.attrib['name']}: {found.attrib.get('message')}\n{found.text}"
            for found in case.iter("property"):
                print(f"{found.attrib['name']}: {found.attrib['value']}")
        yield Found(failures, skipped, names, ended.output)


@pytest.mark.parametrize("name", checks())
def test_in_the_guest(name: str, guest: Found) -> None:
    assert name in guest.names, guest.output[-4000:]
    assert name not in guest.failures, guest.failures[name]
    if name in guest.skipped:
        pytest.skip(guest.skipped[name])
