"""Representational geometry: dissimilarities between conditions, and how two sets of them agree."""
