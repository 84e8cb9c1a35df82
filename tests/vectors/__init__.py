"""Vectors of the storage format, their generator, and an independent reader of them and of whole stores."""
