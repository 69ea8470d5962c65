"""calcarine: brain recordings to models of seeing."""

__version__ = "0.1.0"
