"""Sections of the report: one module a section, each a function from the record to blocks."""
