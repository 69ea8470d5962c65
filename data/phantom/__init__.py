"""A synthetic brain with known truth: scenes, cortex and recordings in BIDS."""
