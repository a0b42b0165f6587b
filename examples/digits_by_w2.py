"""MNIST digits by their Wasserstein distances: nearest neighbours, beside Euclidean ones, and a picture.

    python examples/digits_by_w2.py [OUT.png]

Each digit is a measure on its pixels. `transport.pairwise(..., nearest=k)` finds the k nearest digits in W2,
exactly, without most of the distances; its graph is what scikit-learn takes for ``metric="precomputed"``.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from _pictures import out, plt, save, size
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

import transport as tp

K = 10


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """(images (count, 28, 28), labels)."""
    with np.load(str(files("divergences") / "data" / "mnist10k.npz")) as archive:
        return archive["images"][:count].astype(float), archive["labels"][:count]


def left_out_accuracy(neighbours: np.ndarray, labels: np.ndarray) -> float:
    """Share of the digits whose label is the most frequent among their neighbours'."""
    votes = np.array([np.bincount(labels[row], minlength=10).argmax() for row in neighbours])
    return float(np.mean(votes == labels))


def main(path: str) -> None:
    """Print the accuracies, draw a map of the digits."""
    images, labels = digits(size(300, 60))
    near = tp.pairwise(images, cost=tp.Grid((28, 28)), normalize=True, nearest=K)
    print(near)
    flat = images.reshape(len(images), -1)
    euclidean = NearestNeighbors(n_neighbors=K + 1).fit(flat).kneighbors(flat, return_distance=False)[:, 1:]
    print(f"{K}-NN accuracy, W2:        {left_out_accuracy(near.indices, labels):.3f}")
    print(f"{K}-NN accuracy, Euclidean: {left_out_accuracy(euclidean, labels):.3f}")
    classifier = KNeighborsClassifier(n_neighbors=K, metric="precomputed").fit(near.graph(), labels)
    print(f"scikit-learn on the graph:  {classifier.score(near.graph(), labels):.3f} (each digit votes too)")
    draw(images, labels, path)


def draw(images: np.ndarray, labels: np.ndarray, path: str, most: int = 200) -> None:
    """t-SNE of the matrix of the first digits."""
    part = images[:most]
    matrix = tp.pairwise(part, cost=tp.Grid((28, 28)), normalize=True).matrix
    perplexity = min(15.0, len(part) / 4)
    at = TSNE(metric="precomputed", init="random", random_state=0, perplexity=perplexity).fit_transform(
        matrix
    )
    figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
    for digit in range(10):
        chosen = labels[:most] == digit
        axis.scatter(*at[chosen].T, label=str(digit), s=14)
    axis.legend(title="digit", ncol=2)
    axis.set_title(f"{len(part)} digits, W2, t-SNE")
    save(figure, path)


if __name__ == "__main__":
    main(out("digits_by_w2"))
