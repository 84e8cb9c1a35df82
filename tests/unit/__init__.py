"""Tests of single rooms, in this process."""
