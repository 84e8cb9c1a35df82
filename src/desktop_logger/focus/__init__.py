"""Focus: which application has it, what its focused element says of secrets, and what lies under a click.

This room belongs to the indicator process, which sees names and never a key. All that it tells is the attention
record of 16 bytes: three enums, three flags and a time. Names of applications end here.

``windows``        the focused window of an X display, and clicks by their time alone
``sway``           the same under the Wayland compositor sway, without clicks
``accessibility``  AT-SPI: the focused element's role, the role under a point
``fields``         what macOS and Windows say of the focused field
``locks``          screen lockers and logind
``bus``            the D-Bus client under the two, which never waits
``watching``       the one place that joins them and writes attention records

Observing has no library of its own: python-xlib is there with pynput, and D-Bus is ``jeepney`` (the extra
``desktop``). Where the library, the bus or the answer is missing, that is what is told.
"""

from __future__ import annotations
