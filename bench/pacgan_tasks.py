"""The two tasks of the PacGAN protocol, and on how many samples they are scored."""

from __future__ import annotations

from generative import datasets

SCORED = 2_500
TASKS = {"ring": datasets.load("ring"), "grid": datasets.load("grid25")}
