"""The mean of handwritten digits, three ways: pixels averaged, and certified Wasserstein barycentres.

Run ``python examples/digits_barycenter.py OUT.png``: one row a digit, five samples, their average, their
W_2 barycentre with its certified interval.
"""

from __future__ import annotations

import numpy as np
from _pictures import out, plt, save, size

import transport as tp
from generative import datasets

DIGITS, SAMPLES = size((2, 3, 8), (2,)), size(5, 2)


def main(path: str) -> None:
    """Draw the sheet."""
    images, labels = datasets.mnist()
    figure, axes = plt.subplots(
        len(DIGITS), SAMPLES + 2, figsize=(10, 1.6 * len(DIGITS)), layout="constrained", squeeze=False
    )
    for row, digit in zip(axes, DIGITS):
        some = np.asarray(images)[np.asarray(labels) == digit][:SAMPLES].reshape(SAMPLES, 28, 28)
        found = tp.barycenter(some, normalize=True, tol=1e-2)
        print(
            f"{digit}: mean W2^2 in [{found.lower_bound:.5f}, {found.upper_bound:.5f}] pixels^2, "
            f"{found.elapsed:.1f} s"
        )
        average = np.mean([image / image.sum() for image in some], axis=0)
        for axis, image in zip(row, [*some, average, found.measure]):
            axis.imshow(image, cmap="gray_r")
            axis.set_axis_off()
        row[-1].set_title(f"W₂ mean, ±{found.gap / found.value / 2:.1%}", fontsize=9)
    axes[0, -2].set_title("average", fontsize=9)
    save(figure, path)


if __name__ == "__main__":
    main(out("digits_barycenter"))
