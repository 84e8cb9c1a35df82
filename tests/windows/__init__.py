"""Tests that run in CPython for Windows under Wine, which ``tests/setup.sh windows`` gets. Wine is not Windows."""
