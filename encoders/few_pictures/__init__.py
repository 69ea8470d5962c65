"""Encoders of a new person from few pictures: what other people's voxels tell beforehand."""
