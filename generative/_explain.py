"""Figures of the lecture notes, drawn from what this library computes.

Every curve that theory gives in closed form is drawn as a line, and what the library computed as dots on it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from generative._plots import ACCENT, GREY, P_COLOUR, Q_COLOUR, pyplot, save, tidy

FIGURES: dict[str, Callable[[Path], str]] = {}
"""File name -> function that draws it and returns one line about what it shows."""


def _figure(name: str) -> Callable[[Callable[[Path], str]], Callable[[Path], str]]:
    def register(draw: Callable[[Path], str]) -> Callable[[Path], str]:
        FIGURES[name] = draw
        return draw

    return register


def _ellipse(
    axis: Any, mean: np.ndarray, cov: np.ndarray, *, levels: tuple[float, ...], **style: Any
) -> None:
    """Lines of constant density, ``levels`` standard deviations out."""
    angle = np.linspace(0, 2 * np.pi, 241)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    label = style.pop("label", None)
    for radius in levels:
        curve = mean[:, None] + radius * np.linalg.cholesky(cov) @ circle
        axis.plot(*curve, label=label, **style)
        label = None


@_figure("modes.png")
def draw_modes(path: Path) -> str:
    """Mode seeking and mass covering: one dimension, two dimensions, and a factorised Gaussian."""
    from generative import variational as gv

    figure, axes = pyplot().subplots(1, 3, figsize=(15, 4.8), layout="constrained")
    seeker, coverer = _modes_on_the_line(axes[0])
    _modes_in_the_plane(axes[1])
    _factorised(axes[2], gv.Gaussian([0, 0], [[1, 0.9], [0.9, 1]]))
    save(figure, path)
    return (
        f"the best Gaussian to two modes: KL(q‖p) takes one (sd {seeker:.2f}), "
        f"KL(p‖q) covers both (sd {coverer:.2f})"
    )


def _modes_on_the_line(axis: Any) -> tuple[float, float]:
    from generative import variational as gv

    p = gv.Mixture([0.35, 0.65], [-3, 3], [1, 0.6])
    reverse, forward = gv.fit_gaussian(p), gv.fit_gaussian(p, divergence="forward")
    x = np.linspace(-8, 8, 801)
    grid = x[:, None]
    axis.fill_between(x, np.exp(p.logpdf(grid)), color=P_COLOUR, alpha=0.18, lw=0, label="p")
    for k, found in enumerate(reverse.minima[:2]):
        name = "best" if k == 0 else "local minimum"
        axis.plot(
            x,
            np.exp(found.q.logpdf(grid)),
            color=Q_COLOUR,
            lw=2.2 if k == 0 else 1.4,
            ls="-" if k == 0 else "--",
            label=f"KL(q‖p) = {found.kl:.3f}, {name}",
        )
    label = f"KL(p‖q) = {forward.kl:.3f}, the only minimum"
    axis.plot(x, np.exp(forward.q.logpdf(grid)), color=ACCENT, lw=2.2, label=label)
    axis.set(title="Mode seeking and mass covering", xlabel="x", ylim=(0, None), xlim=(-8, 8), yticks=[])
    axis.set_ylim(0, 1.32 * axis.get_ylim()[1])
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    tidy(axis)
    return float(np.sqrt(reverse.q.cov[0, 0])), float(np.sqrt(forward.q.cov[0, 0]))


def _modes_in_the_plane(axis: Any) -> None:
    from generative import variational as gv

    # The components and the moments are starts enough for two modes.
    tilt = np.array([[0.9, 0.6], [0.6, 0.9]])
    p = gv.Mixture([0.45, 0.55], [[-2, -1.2], [2, 1.2]], [tilt * [[1, -1], [-1, 1]], tilt])
    reverse, forward = gv.fit_gaussian(p, n_starts=0, n_nodes=65), gv.fit_gaussian(p, divergence="forward")
    x, y = np.linspace(-6.2, 6.2, 220), np.linspace(-5, 5, 180)
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    density = np.exp(p.logpdf(grid.reshape(-1, 2))).reshape(180, 220)
    axis.contourf(x, y, density, levels=np.linspace(0.03, 1, 12) * density.max(), cmap="Blues")
    for k, found in enumerate(reverse.minima[:2]):
        style = {"lw": 2.2 if k == 0 else 1.4, "ls": "-" if k == 0 else "--"}
        name = "best of KL(q‖p)" if k == 0 else "local minimum of KL(q‖p)"
        _ellipse(axis, found.q.mean, found.q.cov, levels=(1, 2), color=Q_COLOUR, label=name, **style)
    _ellipse(axis, forward.q.mean, forward.q.cov, levels=(1, 2), color=ACCENT, lw=2, label="best of KL(p‖q)")
    axis.set(title="The same in the plane (lines at 1 and 2 sd)", xlim=(-6.2, 6.2), ylim=(-4.6, 6))
    axis.set_aspect("equal")
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    tidy(axis)


def _factorised(axis: Any, p: Any) -> None:
    from generative import variational as gv

    found = gv.coordinate_ascent(p, start=[0.5, 1.9])
    _ellipse(axis, p.mean, p.cov, levels=(1, 2), color=P_COLOUR, lw=2, label="p, correlation 0.9")
    field, matched = gv.mean_field(p), gv.moment_match(p)
    label = f"mean field: KL(q‖p) = {field.kl(p):.4f}"
    _ellipse(axis, field.mean, field.cov, levels=(1, 2), color=Q_COLOUR, lw=2, label=label)
    label = f"marginals: KL(p‖q) = {p.kl(matched):.4f}"
    _ellipse(axis, matched.mean, matched.cov, levels=(1, 2), color=ACCENT, lw=2, label=label)
    old, new = found.means[:20], found.means[1:21]
    bends = np.stack([new[:, 0], old[:, 1]], axis=1)  # the first coordinate moves first
    corners = np.stack([old, bends], axis=1).reshape(-1, 2)
    axis.plot(
        *corners.T, color=GREY, lw=1, marker=".", ms=3, label=f"coordinate ascent, ×{found.rate:.2f} a sweep"
    )
    axis.set(title="Factorised: the same KL, the opposite error", xlim=(-3.4, 3.4), ylim=(-2.3, 3.9))
    axis.set_aspect("equal")
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    tidy(axis)


@_figure("lines.png")
def draw_lines(path: Path) -> str:
    """Two parallel lines at distance theta: JS and TV are flat, W is linear (Arjovsky et al. 2017, Ex. 1)."""
    figure, axes = pyplot().subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    theta = np.linspace(-1, 1, 21)
    w, js, tv = np.array([_line_distances(t) for t in theta]).T
    height = np.linspace(0, 1, 24)
    axes[0].plot(0 * height, height, color=P_COLOUR, lw=3, label="P: (0, U), U uniform on [0, 1]")
    axes[0].plot(0 * height + 0.6, height, color=Q_COLOUR, lw=3, label="Q: (θ, U)")
    axes[0].annotate("", (0.57, 0.5), (0.03, 0.5), arrowprops={"arrowstyle": "<->", "color": GREY})
    axes[0].text(0.3, 0.53, "θ", ha="center", fontsize=13)
    axes[0].set(title="Two parallel segments", xlim=(-0.4, 1.0), ylim=(-0.05, 1.4), xlabel="x", ylabel="y")
    axes[0].legend(frameon=False, loc="upper left")
    rows = (
        (w, "W₁ = |θ|", ACCENT, np.abs),
        (js, "JS = 2 log 2 unless θ = 0", Q_COLOUR, lambda t: np.where(t == 0, 0, 2 * np.log(2))),
        (tv, "TV = 1 unless θ = 0", P_COLOUR, lambda t: np.where(t == 0, 0, 1.0)),
    )
    fine = np.concatenate([np.linspace(-1, -1e-9, 200), [np.nan], np.linspace(1e-9, 1, 200)])
    for values, label, colour, law in rows:
        axes[1].plot(fine, law(fine), color=colour, lw=1.6)
        axes[1].plot(theta, values, "o", color=colour, ms=5, label=label)
    axes[1].set(title="Distances from P to Q", xlabel="θ", ylim=(-0.07, 1.95))
    axes[1].legend(frameon=False, loc="upper center", ncols=1, fontsize=9)
    middle = 0.5 * (theta[1:] + theta[:-1])
    for values, label, colour, law in ((*rows[0][:3], np.sign), (*rows[1][:3], np.zeros_like)):
        slopes = np.diff(values) / np.diff(theta)
        keep = np.abs(slopes) < 2  # the jump of JS at 0 has no slope
        axes[2].plot(fine, law(fine), color=colour, lw=1.6)
        axes[2].plot(middle[keep], slopes[keep], "o", color=colour, ms=5, label=label.split(" = ")[0])
    axes[2].set(title="What a generator learns: d/dθ", xlabel="θ", ylim=(-1.4, 1.75))
    axes[2].legend(frameon=False, loc="upper left")
    for axis in axes:
        tidy(axis)
    save(figure, path)
    error = float(np.max(np.abs(w - np.abs(theta))))
    return f"parallel lines: W₁ = |θ| (largest error {error:.1e}), JS = {js[0]:.4f} = 2 log 2 wherever θ ≠ 0"


def _line_distances(theta: float) -> tuple[float, float, float]:
    """W1 (exact, 64 atoms a line), JS and TV of the two lines with ``theta`` between them."""
    import divergences as dv
    import transport as tp

    y = (np.arange(64) + 0.5) / 64
    p, q = np.stack([0 * y, y], axis=1), np.stack([0 * y + theta, y], axis=1)
    w = tp.solve(tp.PointCloud(p, q, "euclidean")).value
    # On the union of the atoms: the same bins when the lines coincide, disjoint ones otherwise.
    atoms, index = np.unique(np.concatenate([p, q]), axis=0, return_inverse=True)
    masses = [np.bincount(part, minlength=len(atoms)) / 64.0 for part in np.split(index.ravel(), 2)]
    return w, float(dv.js(*masses)), float(dv.tv(*masses))


@_figure("discriminator.png")
def draw_discriminator(path: Path) -> str:
    """Trained discriminators against D* = p / (p + q), and what they tell a generator."""
    from generative import variational as gv

    figure, axes = pyplot().subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    shift = gv.Mixture([1], [0], [1]), gv.Mixture([1], [1], [1])
    humps = gv.Mixture([0.5, 0.5], [-2, 2], [0.36, 0.36]), gv.Mixture([1], [0.3], [4.0])
    error, value, truth = _discriminator_panel(axes[0], *shift, title="p = N(0, 1), q = N(1, 1)")
    _discriminator_panel(axes[1], *humps, title="Two modes against one")
    _gradient_panel(axes[2])
    for axis in axes:
        tidy(axis)
    save(figure, path)
    return (
        f"trained discriminator: mean |D − D*| = {error:.4f}, value {value:.5f} "
        f"against −log 4 + JS = {truth:.5f}"
    )


def train_discriminator(p: Any, q: Any, *, steps: int = 1500, rng: int = 0) -> Callable[[Any], np.ndarray]:
    """A small net trained to tell draws of p from draws of q: returns D, (n, d) -> (n,) in (0, 1)."""
    from generative import MLP, Adam, LinearDecay, gan_value, ops
    from generative._player import Player
    from generative._random import Place

    player = Player(MLP(p.dim, 32, 32, 1, activation="tanh"), Adam(LinearDecay(1e-2, 1e-5, steps=steps)))
    source = np.random.default_rng(rng)
    entry = player.begin(source, Place(np.zeros(0)))
    for _ in range(steps):
        x, y = p.sample(1024, rng=source), q.sample(1024, rng=source)

        def loss(params: Any, state: Any, x: Any = x, y: Any = y) -> tuple[Any, Any]:
            real, state = player.net.apply(params, x, state, train=True)
            fake, state = player.net.apply(params, y, state, train=True)
            return -gan_value(real, fake), state

        entry, _ = player.learn(entry, loss)
    return lambda x: np.ravel(ops.sigmoid(player.apply(entry, np.asarray(x, dtype=float))))


def _discriminator_panel(axis: Any, p: Any, q: Any, *, title: str) -> tuple[float, float, float]:
    """Draw one pair; returns mean |D - D*| under (p + q) / 2, the value of D, and -log 4 + JS."""
    from scipy.special import expit

    x = np.linspace(-5, 5.5, 1051)
    grid = x[:, None]
    log_p, log_q = p.logpdf(grid), q.logpdf(grid)
    best, trained = expit(log_p - log_q), train_discriminator(p, q)(grid)
    mass_p, mass_q = np.exp(log_p) * (x[1] - x[0]), np.exp(log_q) * (x[1] - x[0])
    error = float(0.5 * (mass_p + mass_q) @ np.abs(trained - best))
    value = float(mass_p @ np.log(trained) + mass_q @ np.log1p(-trained))
    truth = float(mass_p @ np.log(best) + mass_q @ np.log1p(-best))
    axis.fill_between(x, np.exp(log_p), color=P_COLOUR, alpha=0.18, lw=0, label="p")
    axis.fill_between(x, np.exp(log_q), color=Q_COLOUR, alpha=0.18, lw=0, label="q")
    axis.plot(x, best, color=GREY, lw=4, alpha=0.45, label="D* = p / (p + q)")
    label = f"trained D: V = {value:.4f}, −log 4 + JS = {truth:.4f}"
    seen = mass_p + mass_q > 2e-4 * (x[1] - x[0])  # where training draws points at all
    axis.plot(np.where(seen, x, np.nan), trained, color=ACCENT, lw=1.8, label=label)
    axis.set(title=title, xlabel="x", xlim=(-5, 5.5), ylim=(0, 1.5), yticks=[0, 0.5, 1])
    axis.legend(frameon=False, fontsize=9, loc="upper left", ncols=2)
    return error, value, truth


def _gradient_panel(axis: Any) -> None:
    """Slope of the generator's cost at the centre of q = N(shift, 1), p = N(0, 1), D = D*."""
    from generative import generator_cost, grad

    shift = np.linspace(0, 6, 25)
    fine = np.linspace(0, 6, 301)
    laws: tuple[tuple[str, str, Callable[[np.ndarray], np.ndarray]], ...] = (
        ("minimax", Q_COLOUR, lambda t: t / (1 + np.exp(t * t / 2))),
        ("non_saturating", P_COLOUR, lambda t: t / (1 + np.exp(-t * t / 2))),
    )
    for loss, colour, law in laws:
        slopes = []
        for gap in shift:
            # log D* / (1 - D*) = gap^2 / 2 - gap x, evaluated at the centre x = gap.
            slope = grad(lambda x, gap=gap, loss=loss: generator_cost(gap * gap / 2 - gap * x, loss=loss))
            slopes.append(float(np.sum(slope(np.array([gap])))))
        axis.plot(fine, law(fine), color=colour, lw=1.6)
        axis.plot(shift, np.abs(slopes), "o", color=colour, ms=5, label=loss.replace("_", "-"))
    axis.plot(fine, np.ones_like(fine), color=ACCENT, lw=1.6, label="Wasserstein critic: always 1")
    axis.set(title="How hard the generator is pulled", xlabel="distance between p and q", ylim=(0, 4.2))
    axis.legend(frameon=False, loc="upper left")
