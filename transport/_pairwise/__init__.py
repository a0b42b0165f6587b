"""Distances between all pairs of many measures: the matrix, or the nearest neighbours without it."""
