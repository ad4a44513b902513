"""Which inputs an output comes from: integrated gradients, through recurrent layers too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gatework.errors import ConfigError

MAX_POINTS = 512


@dataclass(frozen=True)
class Attribution:
    """What each input adds to an output, and how well the parts add up."""

    values: Tensor  # as x
    output: Tensor  # (B,) f(x)
    baseline: Tensor  # (B,) f(baseline)
    points: int  # at which gradients were taken

    @property
    def residual(self) -> Tensor:
        """``(B,)``: output minus baseline minus the sum of the values; 0 if the integral were exact."""
        return self.output - self.baseline - self.values.flatten(1).sum(dim=1)

    @property
    def relative_residual(self) -> float:
        """The largest residual, as a share of the sum of sizes of the values."""
        size = self.values.flatten(1).abs().sum(dim=1).clamp_min(1e-12)
        return float((self.residual.abs() / size).max())


def integrated_gradients(
    f: Callable[[Tensor], Tensor],
    x: Tensor,
    baseline: Tensor | None = None,
    *,
    points: int = 16,
    tolerance: float = 0.01,
) -> Attribution:
    """How much each element of ``x`` moves ``f`` away from its value at ``baseline``.

    .. code-block:: text

        a_i = (x_i - b_i) * ∫ from 0 to 1 of ∂f/∂x_i at b + α (x - b) dα        Σ a_i = f(x) - f(b)

    Sundararajan, Taly & Yan 2017 (arXiv 1703.01365), equation 1, and their axiom of completeness.  The
    integral is taken by Gauss and Legendre's rule, over twice as many points until the parts add up to
    within ``tolerance``; the residual is told.  Where x is NaN the attribution is 0.

    Args:
        f: ``(B, …)`` to ``(B,)``, differentiable; each output may depend on its own row alone.
        x: ``(B, …)`` floating.
        baseline: as x, or what can be expanded to it; zeros when absent.
        points: to begin with; at most 512 are taken.
        tolerance: of the residual, as a share of the sum of the sizes of the attributions.

    Raises:
        ConfigError: f returns something else, or does not depend on x.

    >>> x = torch.tensor([[1.0, 2.0, 3.0]])
    >>> a = integrated_gradients(lambda x: x[:, 0] ** 2 + 3 * x[:, 1], x)
    >>> a.values.round(decimals=4).tolist(), a.relative_residual < 1e-5
    ([[1.0, 6.0, 0.0]], True)
    """
    start = torch.zeros_like(x) if baseline is None else baseline.expand_as(x)
    start = torch.where(torch.isnan(x), x, start)
    ends = []
    with torch.no_grad():
        for point in (x, start):
            value = f(point)
            if value.shape != x.shape[:1]:
                raise ConfigError(
                    f"integrated_gradients: `f` must return one number of each row, ({x.shape[0]},); got "
                    f"{tuple(value.shape)}."
                )
            ends.append(value.double())
    while True:
        values = (x - start).double() * _mean_gradient(f, x, start, points)
        found = Attribution(values.nan_to_num(), ends[0], ends[1], points)
        if found.relative_residual <= tolerance or points >= MAX_POINTS:
            return found
        points = min(2 * points, MAX_POINTS)


def _mean_gradient(f: Callable[[Tensor], Tensor], x: Tensor, start: Tensor, points: int) -> Tensor:
    nodes, weights = np.polynomial.legendre.leggauss(points)
    total = torch.zeros_like(x, dtype=torch.float64)
    for node, weight in zip(nodes, weights, strict=True):
        with torch.enable_grad():
            at = (start + (node + 1) / 2 * (x - start)).detach().requires_grad_()
            value = f(at).sum()
        if not value.requires_grad:
            raise ConfigError("integrated_gradients: `f` does not depend on x.")
        (gradient,) = torch.autograd.grad(value, at, allow_unused=True)
        if gradient is None:
            raise ConfigError("integrated_gradients: `f` does not depend on x.")
        total += weight / 2 * gradient.double()
    return total
