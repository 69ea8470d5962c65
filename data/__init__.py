"""Recordings and stimuli become trials: readers, preprocessing, tables, splits, the phantom."""
