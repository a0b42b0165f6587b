"""Laguerre cells in a box by polygon clipping: masses, costs, facet masses for a density of pixels."""

from __future__ import annotations

import math

import numpy as np

from transport.internal import compiled

_MAX = 512  # vertices of one clipped cell


@compiled
def _clip(px, py, label, n, a, b, c, tag, qx, qy, qlabel):
    """Keep a·x + b·y <= c of the polygon; the new edge is labelled ``tag``. label[k]: edge k -> k+1."""
    m = 0
    for k in range(n):
        k1 = k + 1 if k + 1 < n else 0
        s0 = a * px[k] + b * py[k] - c
        s1 = a * px[k1] + b * py[k1] - c
        if s0 <= 0:
            qx[m], qy[m], qlabel[m] = px[k], py[k], label[k]
            m += 1
            if s1 > 0:
                t = s0 / (s0 - s1)
                qx[m], qy[m] = px[k] + t * (px[k1] - px[k]), py[k] + t * (py[k1] - py[k])
                qlabel[m] = tag
                m += 1
        elif s1 <= 0:
            t = s0 / (s0 - s1)
            qx[m], qy[m] = px[k] + t * (px[k1] - px[k]), py[k] + t * (py[k1] - py[k])
            qlabel[m] = label[k]
            m += 1
    return m


@compiled
def _moments(px, py, n, cx, cy):
    """Area of the polygon and its integral of |x - c|²."""
    area, second = 0.0, 0.0
    if n < 3:
        return area, second
    ax, ay = px[0] - cx, py[0] - cy
    for k in range(1, n - 1):
        bx, by = px[k] - cx, py[k] - cy
        dx, dy = px[k + 1] - cx, py[k + 1] - cy
        t = 0.5 * ((bx - ax) * (dy - ay) - (by - ay) * (dx - ax))
        area += t
        # triangle: ∫|x|² = |T|/6·(|a|² + |b|² + |d|² + a·b + b·d + d·a)
        squares = ax * ax + ay * ay + bx * bx + by * by + dx * dx + dy * dy
        products = ax * bx + ay * by + bx * dx + by * dy + dx * ax + dy * ay
        second += t / 6.0 * (squares + products)
    return area, second


@compiled
def _facet(x0, y0, x1, y1, rho, left, low, wx, wy):
    """Integral of the pixel density along a segment."""
    rows, cols = rho.shape
    length = math.hypot(x1 - x0, y1 - y0)
    if length == 0.0:
        return 0.0
    # every crossing with a grid line, in order, is met by stepping from pixel to pixel
    dx, dy = (x1 - x0) / wx, (y1 - y0) / wy
    u, v = (x0 - left) / wx, (y0 - low) / wy
    t, total = 0.0, 0.0
    for _ in range(2 * (rows + cols) + 4):
        if t >= 1.0:
            break
        # the pixel just ahead of position t
        step = 1.0
        cx, cy = u + t * dx, v + t * dy
        i, j = math.floor(cx), math.floor(cy)
        if dx < 0 and cx - i < 1e-12:
            i -= 1
        if dx > 0 and i + 1 - cx < 1e-12:
            i += 1
        if dy < 0 and cy - j < 1e-12:
            j -= 1
        if dy > 0 and j + 1 - cy < 1e-12:
            j += 1
        if dx > 0:
            step = min(step, (i + 1 - u) / dx)
        elif dx < 0:
            step = min(step, (i - u) / dx)
        if dy > 0:
            step = min(step, (j + 1 - v) / dy)
        elif dy < 0:
            step = min(step, (j - v) / dy)
        step = max(step, t + 1e-14)
        i, j = min(max(i, 0), cols - 1), min(max(j, 0), rows - 1)
        total += (min(step, 1.0) - t) * rho[j, i]
        t = step
    return total * length


@compiled
def cells(y, g, indptr, neighbours, rho, left, low, wx, wy, mass, cost, facet):
    """Masses (n,), costs ∫|x - y_j|²ρ (n,) and facet masses (len(neighbours),) of the Laguerre cells.

    Cell j is the box cut by |x - y_j|² - g_j <= |x - y_k|² - g_k for its neighbours k. Facet masses are
    ∫ρ / (2|y_j - y_k|) over the common edge: minus the off-diagonal Hessian of the semi-dual.
    """
    rows, cols = rho.shape
    right, high = left + cols * wx, low + rows * wy
    buf = np.empty((6, _MAX))
    tags = np.empty((3, _MAX), dtype=np.int64)
    for j in range(len(g)):
        mass[j], cost[j] = 0.0, 0.0
        n = 4
        px, py, label = buf[0], buf[1], tags[0]
        qx, qy, qlabel = buf[2], buf[3], tags[1]
        px[0], px[1], px[2], px[3] = left, right, right, left
        py[0], py[1], py[2], py[3] = low, low, high, high
        label[:4] = -1
        for e in range(indptr[j], indptr[j + 1]):
            k = neighbours[e]
            facet[e] = 0.0
            if n == 0:
                continue
            # 2x·(y_k - y_j) <= |y_k|² - |y_j|² - g_k + g_j, taken about y_j so that nothing large cancels
            a, b = y[k, 0] - y[j, 0], y[k, 1] - y[j, 1]
            c = 0.5 * (a * a + b * b - g[k] + g[j]) + a * y[j, 0] + b * y[j, 1]
            n = _clip(px, py, label, n, a, b, c, e, qx, qy, qlabel)
            if n > _MAX - 8:
                return j
            px, qx, py, qy, label, qlabel = qx, px, qy, py, qlabel, label
        if n < 3:
            continue
        for k in range(n):
            if label[k] >= 0:
                k1 = k + 1 if k + 1 < n else 0
                e = label[k]
                other = neighbours[e]
                gap = math.hypot(y[other, 0] - y[j, 0], y[other, 1] - y[j, 1])
                facet[e] += _facet(px[k], py[k], px[k1], py[k1], rho, left, low, wx, wy) / (2 * gap)
        mass[j], cost[j] = _integrate(
            px, py, n, y[j, 0], y[j, 1], rho, left, low, wx, wy, buf[2:], tags[1:], qx
        )
    return -1


@compiled
def _integrate(px, py, n, cx, cy, rho, left, low, wx, wy, buf, tags, free):
    """Mass and ∫|x - c|²ρ of a polygon over the pixels it meets."""
    rows, cols = rho.shape
    if rows == 1 and cols == 1:
        area, second = _moments(px, py, n, cx, cy)
        return area * rho[0, 0], second * rho[0, 0]
    x, y, tag = px[:n].copy(), py[:n].copy(), np.zeros(n, dtype=np.int64)
    strip = np.empty((2, n + 8))
    cell = np.empty((2, n + 8))
    work = np.empty((2, n + 8))
    marks = np.zeros((3, n + 8), dtype=np.int64)
    j0 = max(0, (math.floor((y.min() - low) / wy)))
    j1 = min(rows - 1, (math.floor((y.max() - low) / wy)))
    mass, cost = 0.0, 0.0
    for j in range(j0, j1 + 1):
        m = _clip(x, y, tag, n, 0.0, -1.0, -(low + j * wy), 0, work[0], work[1], marks[0])
        m = _clip(
            work[0], work[1], marks[0], m, 0.0, 1.0, low + (j + 1) * wy, 0, strip[0], strip[1], marks[1]
        )
        if m < 3:
            continue
        i0 = max(0, (math.floor((strip[0, :m].min() - left) / wx)))
        i1 = min(cols - 1, (math.floor((strip[0, :m].max() - left) / wx)))
        for i in range(i0, i1 + 1):
            if rho[j, i] == 0.0:
                continue
            s = _clip(
                strip[0], strip[1], marks[1], m, -1.0, 0.0, -(left + i * wx), 0, work[0], work[1], marks[0]
            )
            s = _clip(
                work[0], work[1], marks[0], s, 1.0, 0.0, left + (i + 1) * wx, 0, cell[0], cell[1], marks[2]
            )
            area, second = _moments(cell[0], cell[1], s, cx, cy)
            mass += area * rho[j, i]
            cost += second * rho[j, i]
    return mass, cost
