"""The command line: thin, lazy, and the only room that prints."""
