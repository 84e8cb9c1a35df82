"""The tutorial, line by line, with a third of its people and one epoch."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "tutorial", "learning.md")


def blocks(language: str) -> list[str]:
    with open(PAGE, encoding="utf-8") as file:
        return re.findall(rf"```{language}\n(.*?)```", file.read(), re.DOTALL)


def smaller(line: str) -> list[str]:
    """The same command for fewer people, with this Python."""
    line = line.replace("--people 48", "--people 16").replace("python -m", f"{sys.executable} -m")
    words = re.findall(r'"[^"]*"|\S+', line)
    words = [word.strip('"') for word in words]
    return [sys.executable, "-m", "desktop_logger", *words[1:]] if words[0] == "desktop-logger" else words


def test_every_line_of_the_tutorial_runs(tmp_path: Path) -> None:
    have = all(importlib.util.find_spec(name) for name in ("torch", "matplotlib"))
    (toml,) = blocks("toml")
    toml = toml.replace("epochs = 6", "epochs = 1")
    (tmp_path / "macro.toml").write_text(toml if have else toml.replace('"gru"', '"ngram"'))
    for line in "".join(blocks("sh")).splitlines():
        words = smaller(line)
        if not importlib.util.find_spec("matplotlib") and "--plot" in words:
            words = words[: words.index("--plot")]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stderr)
    assert (tmp_path / "from-coarse" / "README.md").exists()
    if have:
        assert (tmp_path / "frontier.png").stat().st_size > 5000
    else:
        pytest.skip("NOT TESTED with PyTorch and matplotlib, which are not installed: the lines ran with ngram")
