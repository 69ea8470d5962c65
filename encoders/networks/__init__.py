"""Encoders that are networks: routing by attention, read-outs, pixels, in-context learning."""
