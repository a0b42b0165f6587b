"""Oracles: costs as the simplex searches them. They price; they do not solve."""
