"""Some of many, with every class in its share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def sample(known: Array, targets: Array | None, most: int, rng: np.random.Generator) -> Array:
    """At most ``most`` of the numbers ``known``, rising; of classes ``targets[known]`` each in its share.

    A class as rare as one in ``most`` may have no example left.

    >>> y = np.repeat([0, 1], [90, 10])
    >>> np.bincount(y[sample(np.arange(100), y, 20, np.random.default_rng(0))]).tolist()
    [18, 2]
    """
    if len(known) <= most:
        return known
    mixed = rng.permutation(known)
    if targets is not None:
        mixed = mixed[np.argsort(targets[mixed], kind="stable")]
    places = ((np.arange(most) + 0.5) * len(mixed) / most).astype(int)
    picked: Array = np.sort(mixed[places])
    return picked
