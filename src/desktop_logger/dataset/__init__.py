"""Datasets on disk: parts, card, erasure, and what a model is trained on. No keys, no consent, no store here."""
