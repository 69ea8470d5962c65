"""Voxelwise ridge regression, exact and in flat memory, from sums over blocks of samples."""
