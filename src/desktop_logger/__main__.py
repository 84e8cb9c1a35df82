"""``python -m desktop_logger``: the same program as ``desktop-logger``."""

import sys

from .cli.door import main

sys.exit(main())
