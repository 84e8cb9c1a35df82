"""The control channel on Windows: who may open it, and what those do who mean no good."""

from __future__ import annotations

import json
from pathlib import Path

from tests.windows import wine

SCRIPT = wine.path(Path(__file__).parent / "inside_pipe.py")


def test_the_pipe_is_its_owners_alone_and_survives_everybody(tmp_path: Path) -> None:
    home = wine.path(tmp_path / "home")
    server = wine.begin(SCRIPT, "serve", home)
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == b"serving\r\n"
        status, out, errors = wine.run(SCRIPT, "ask", home, DESKTOP_LOGGER_HOME=home)
        assert server.poll() is None
    finally:
        server.kill()
        server.communicate()
    assert status == 0, errors
    seen = json.loads(out)
    assert 1.0 < seen.pop("silent for") < 20
    refused = {"error": "not here", "hint": "Ask something else.", "status": 1}
    assert seen == {
        "status": {"verb": "status", "seconds": None, "word": ""},
        "pause": {"verb": "pause", "seconds": 5, "word": ""},
        "resume": refused,
        "no JSON": json.dumps({"error": "a request that is not JSON", "hint": None, "status": 1}) + "\n",
        "no verb": json.dumps({"error": "a request outside the closed set of verbs", "hint": None, "status": 1}) + "\n",
        "half a line": "",
        "too long": "",
        "two": 1,
        "among the silent": "status",
        "after those who left": "status",
        "rights": "O:OWND:P(A;;FA;;;OWN)",
        "first": [1, 0],
        "taken": "the control pipe of this home is taken",
        "another owner": "the control pipe belongs to another account",
        "nobody": "nothing is running",
        "door": "asked",
        "at last": "status",
    }
