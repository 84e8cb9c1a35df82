"""The four processes' lives: supervisor, indicator, and the short-lived keeper."""
