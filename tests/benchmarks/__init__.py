"""Benchmarks: tables of ratios measured in one run. Nothing here asserts a time."""
