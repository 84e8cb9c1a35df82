"""Backends of others: one file, named in the signed policy with its hash, and loaded only then.

Nothing is looked for or found: a policy says ``[[backends]]`` with a name and the SHA-256 of a file, the person signs
that, the file lies in ``backends/NAME.py`` of the home, and ``start --backend NAME`` asks for it. The file defines
``capture(grant)``, which gives what ``Capture`` describes. Its code runs in the capture process and nowhere else.

1. Read the whole file once; its hash must be the one in the grant.
2. Run those very bytes. They may import the standard library and this program; anything else would be code that no
   hash covers, and is refused.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Sequence

from desktop_logger.consent import gate
from desktop_logger.consent.grant import Grant
from desktop_logger.errors import DesktopLoggerError, IntegrityError, Unavailable

from . import Capture, Probe

_LARGEST = 1 << 20
_PACKAGE = "desktop_logger"


class Foreign:
    """The backend in one file whose bytes have this SHA-256 (hex)."""

    def __init__(self, path: str, sha256: str) -> None:
        self.name = os.path.basename(path).removesuffix(".py")
        self._path, self._sha256 = path, sha256

    def probe(self) -> Probe:
        """Whether the file is there and is the one that was signed. Nothing of it is run."""
        try:
            self._bytes()
        except DesktopLoggerError as error:
            return Probe(False, error.message, error.hint)
        return Probe(True, f"{self._path}, named in the policy, with the hash that was signed")

    def capture(self, grant: Grant) -> Capture:
        """Run the file and open what it defines. Raises ``IntegrityError``, ``Unavailable``."""
        code = self._bytes()
        module = types.ModuleType(f"desktop_logger_backend_{self.name.replace('-', '_')}")
        module.__file__ = self._path
        guard = _OnlyWhatIsKnown()
        sys.meta_path.insert(0, guard)
        sys.modules[module.__name__] = module
        try:
            exec(compile(code, self._path, "exec"), module.__dict__)  # noqa: S102  its hash was signed
            opened: Capture = module.capture(grant)
        except DesktopLoggerError:
            raise
        except Exception as error:  # noqa: BLE001  theirs, whatever it is
            raise Unavailable(
                f"backend {self.name}: {self._path} failed when it was opened ({type(error).__name__})",
                "Ask whoever wrote it. It must define capture(grant): docs/reference/backends.md",
            ) from None
        return opened

    def _bytes(self) -> bytes:
        try:
            with open(self._path, "rb") as file:
                code = file.read(_LARGEST + 1)
        except OSError as error:
            raise Unavailable(
                f"backend {self.name}: cannot read {self._path}: {error.strerror}",
                "Put the file there that the policy names.",
            ) from None
        if len(code) > _LARGEST or gate.digest(code) != self._sha256:
            raise IntegrityError(
                f"backend {self.name}: {self._path} is not the file that the policy names (its SHA-256 differs)",
                "Put the named file back. A new one needs a new policy, and your signature.",
            )
        return code


class _OnlyWhatIsKnown(importlib.abc.MetaPathFinder):
    """Stands before the other finders for the rest of the process's life."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        first = fullname.partition(".")[0]
        if first in sys.stdlib_module_names or first == _PACKAGE:
            return None
        raise ModuleNotFoundError(f"a backend of others imports the standard library and {_PACKAGE} only", name=first)
