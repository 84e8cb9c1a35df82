"""Trials of the store: each takes an amount, small in ``make test``, large in ``make soak``; returns figures."""
