"""The works council's part through whole processes: its own key, its signature, and what people get without it."""

from __future__ import annotations

import os
import re

import pexpect
import pytest

from tests.testbed import wait_until

from .test_ceremony import Desk, ended

SECRET = "a passphrase of an office"  # noqa: S105 - a made-up one


@pytest.fixture
def desk(tmp_path: object) -> Desk:
    return Desk(os.path.join(str(tmp_path), "home"))


def typed(child: pexpect.spawn[str], prompts: int) -> None:
    """Answer passphrase prompts on the terminal."""
    for _ in range(prompts):
        child.expect(r"assphrase: ")
        wait_until(lambda: not child.getecho(), 5, "echo off")
        child.sendline(SECRET)
    code, said = ended(child)
    assert code == 0, said


def test_a_policy_that_names_a_second_party_is_in_force_only_with_its_signature(desk: Desk, tmp_path: object) -> None:
    steward, council = (os.path.join(str(tmp_path), name) for name in ("steward", "council"))
    for folder, name in ((steward, "Example Works"), (council, "Works council")):
        typed(desk.terminal("admin", "init", folder, "--organisation", name), 2)
    with open(os.path.join(council, "policy.toml"), encoding="utf-8") as file:
        key = re.search(r'^public = "([^"]+)"', file.read(), re.MULTILINE)
    assert key
    table = f'[countersignature]\nname = "works council"\ncontact = "council@example.org"\npublic = "{key[1]}"\n\n[dpo]'
    policy = os.path.join(steward, "policy.toml")
    with open(policy, encoding="utf-8") as file:
        text = file.read()
    with open(policy, "w", encoding="utf-8") as file:
        file.write(text.replace("\n[dpo]", f"\n{table}"))
    typed(desk.terminal("admin", "policy", "sign", policy, "--dir", steward), 1)
    signed = os.path.join(steward, "policy.signed.json")

    child = desk.terminal("join", signed)
    code, said = ended(child)
    assert code == 1
    assert "works council has not signed it" in " ".join(said.split())
    assert not os.path.exists(desk.home)
    assert "countersignature" in desk.run("consent", "verify", signed, status=1)

    assert "needs a terminal" in desk.run(
        "admin", "policy", "countersign", signed, "--dir", council, status=1, stdin=f"{SECRET}\n"
    )
    typed(desk.terminal("admin", "policy", "countersign", signed, "--dir", council), 1)
    assert "countersigned with the key" in desk.run("consent", "verify", signed)
    child = desk.terminal("join", signed)
    child.expect_exact("in person? [y/N] ")
    assert "Signed also by: works council" in str(child.before)
    child.sendline("y")
    assert ended(child)[0] == 0

    papers = os.path.join(str(tmp_path), "papers")
    made = desk.run("admin", "papers", papers, "--policy", policy).split()
    assert sorted(map(os.path.basename, made)) == sorted(os.listdir(papers))
    with open(os.path.join(papers, "works-agreement-annex.md"), encoding="utf-8") as file:
        assert "works council signs every version" in file.read()
