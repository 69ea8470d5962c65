"""Figures of the report: one module a kind, each a pure function from arrays to PNG bytes."""
