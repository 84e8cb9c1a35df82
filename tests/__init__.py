"""The tests: `unit` needs nothing but Python, `desktop` a virtual display and real processes."""
