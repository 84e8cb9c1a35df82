"""Sealed bodies: the format (pure bytes), the plain codec that writes and the numpy codec that reads."""
