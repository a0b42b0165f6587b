"""Colour transfer: one photograph in the colours of another, by the exact plan between their palettes."""

from __future__ import annotations

from _pictures import out, save, sheet, size
from sklearn.datasets import load_sample_image

import transport as tp


def main(path: str) -> None:
    """Two photographs of scikit-learn, every second pixel."""
    step = size(2, 16)
    image, style = (load_sample_image(name)[::step, ::step] for name in ("china.jpg", "flower.jpg"))
    after, sol = tp.transfer_colours(image, style)
    n, m = sol.plan.shape
    print(f"{n} colours to {m}: cost {sol.value:.3f}, certified to {sol.gap:.0e}, {sol.elapsed:.1f} s")
    figure, axes = sheet(3, height=2.6)
    for axis, shown, title in zip(axes, (image, style, after), ("P", "Q", "P in the colours of Q")):
        axis.imshow(shown)
        axis.set_title(title)
        axis.set_axis_off()
    save(figure, path)


if __name__ == "__main__":
    main(out("colour_transfer"))
