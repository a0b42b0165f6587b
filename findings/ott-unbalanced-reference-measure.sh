#!/usr/bin/env bash
# OTT-JAX 0.6.0, JAX 0.6.2: Sinkhorn with tau_a = tau_b = rho / (rho + epsilon) on 4 x 5 costs, totals 1 and 1.25,
# converges to a plan of mass 1.0744. The documentation of its entropic problems measures the entropy against
# a x b; the minimiser of <C, P> + eps KL(P | a x b) + rho KL(P1 | a) + rho KL(P'1 | b) has mass 0.8787. The plan
# is the minimiser with KL(P | 1 x 1) instead, to 1e-12, and `reg_ot_cost`, 0.2799, is below the minimum of the
# documented problem, 0.2834. Right values: scaling iterations for both problems, 20 000 steps, in NumPy.
# For balanced problems the two differ by a constant; for unbalanced ones by the mass that is moved.
# For users: docs/conventions.md says which cost of ours gives which plan of theirs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ott-jax==0.6.0 jax==0.6.2 jaxlib==0.6.2 numpy==1.26.4
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PY'
import jax

jax.config.update("jax_enable_x64", True)
import numpy as np
from ott.geometry import geometry
from ott.problems.linear import linear_problem
from ott.solvers.linear import sinkhorn

rng = np.random.default_rng(0)
cost, a, b = rng.random((4, 5)), rng.dirichlet(np.ones(4)), 1.25 * rng.dirichlet(np.ones(5))
eps, rho = 0.1, 0.5
tau = rho / (rho + eps)
given = linear_problem.LinearProblem(
    geometry.Geometry(cost_matrix=jax.numpy.asarray(cost), epsilon=eps),
    jax.numpy.asarray(a), jax.numpy.asarray(b), tau_a=tau, tau_b=tau,
)
out = sinkhorn.Sinkhorn(threshold=1e-12, max_iterations=20_000)(given)
assert out.converged
theirs = np.asarray(out.matrix)


def kl(p, q):
    return float(np.sum(p * np.log(p / q) - p + q))


def optimum(reference):
    u, v, kernel = np.ones(4), np.ones(5), reference * np.exp(-cost / eps)
    for _ in range(20_000):
        u = (a / (kernel @ v)) ** tau
        v = (b / (kernel.T @ u)) ** tau
    plan = u[:, None] * kernel * v
    soft = rho * kl(plan.sum(1), a) + rho * kl(plan.sum(0), b)
    return plan, float(np.sum(cost * plan)) + eps * kl(plan, reference) + soft


documented, least = optimum(np.outer(a, b))
counting, _ = optimum(np.ones((4, 5)))
print(f"mass: OTT {theirs.sum():.4f}, minimiser with a x b {documented.sum():.4f}, with 1 x 1 {counting.sum():.4f}")
print(f"OTT's reg_ot_cost {float(out.reg_ot_cost):.4f}, least value with a x b {least:.4f}")
assert np.abs(theirs - counting).max() < 1e-9, "changed: the plan is not that of 1 x 1"
assert abs(theirs.sum() - documented.sum()) > 0.1, "changed: the mass is that of a x b"
assert float(out.reg_ot_cost) < least - 1e-3, "changed: reg_ot_cost"
PY
echo "as stated"
