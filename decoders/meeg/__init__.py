"""Decoders of sensors over time: networks, baselines, time courses, streaming."""
