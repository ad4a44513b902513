"""Whether two contestants computed the same; checked before anything is timed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from gatework.bench.work import Work
from gatework.errors import GateworkError


class ResultsDifferError(GateworkError):
    """Two contestants computed different things: their times would mean nothing."""


def tolerance(work: Work, name: str, eps: float = 2.0**-23) -> float:
    """The greatest difference between two right results, as a share of the largest number in them.

    Rounding errors of a sum of n terms add up like a random walk, eps * sqrt(n).  Here n is what a
    pre-activation sums; a weight's gradient also sums over all steps.  Eight, for the way through the
    steps and the layers, and since the largest of many errors is compared.

    >>> work = Work("training", B=32, T=50, I=128, H=128)
    >>> f"{tolerance(work, 'y'):.1e} {tolerance(work, 'grad weight_hh_l0'):.1e}"
    '1.5e-05 5.3e-05'
    """
    terms = math.sqrt(work.summed)
    if name.startswith("grad ") and name != "grad x":
        terms += math.sqrt(work.steps)
    return 8 * work.Z * eps * terms


def compare(
    work: Work,
    expected: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    names: tuple[str, str],
    rounding: float = 0.0,
) -> float:
    """The largest difference, as a share of what is allowed, over the results that both have.

    ``rounding``: by how much of itself the second contestant rounds each weight, such as 2**-11.

    Raises:
        ResultsDifferError: a shape differs, a value is not finite, or a difference is too large.
    """
    shared = [name for name in expected if name in found]
    if not shared:
        raise ResultsDifferError(f"{work.name}: {names[0]} and {names[1]} share no result.")
    worst = 0.0
    for name in shared:
        a, b = expected[name], found[name]
        where = f"{work.name}: `{name}` of {names[1]} is not that of {names[0]}"
        if a.shape != b.shape:
            raise ResultsDifferError(f"{where}: shape {tuple(b.shape)}, not {tuple(a.shape)}.")
        scale = float(a.abs().max()) if a.numel() else 0.0
        error = float((a.double() - b.double()).abs().max()) if a.numel() else 0.0
        allowed = (tolerance(work, name, torch.finfo(a.dtype).eps) + 8 * work.Z * rounding) * scale
        if not (error <= allowed):
            raise ResultsDifferError(
                f"{where}: they differ by {error:.2g}, allowed are {allowed:.2g} (largest value {scale:.2g}). "
                "Its time is not measured; please report it with the output of `gatework info`."
            )
        worst = max(worst, error / allowed if allowed else 0.0)
    return worst
