"""A desktop interaction logger that people would agree to."""

__version__ = "0.1.0"
