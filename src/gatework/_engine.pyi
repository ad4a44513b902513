"""Types of the compiled module.  Addresses are integers, 0 is absent; ``Stream`` takes NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int, int]  # address, batch stride, time stride (elements)
Sizes = tuple[int, int, int, int, int, int]  # D, B, T, I, H, P
Six = Sequence[int]  # w_ih, w_hh, b_ih, b_hh, w_hr, params
Modifiers = tuple[Place, Place, Place]  # scale, zone_h, zone_c

# I, H, P, then the six arrays of Six or None, then the shares of h' and c' that stay
Layer = tuple[Any, ...]

def info() -> dict[str, Any]: ...
def peak(f64: bool, seconds: float, /) -> float: ...
def adopt_openmp(library: str, spins: bool, /) -> bool: ...
def drop_memory() -> int: ...
def draw(out: int, n: int, f64: bool, share: float, seed: int, /) -> None: ...
def empty(n: int, f64: bool, /) -> NDArray[np.floating[Any]]: ...
def saved_size(cell: int, f64: bool, D: int, rows: int, H: int, P: int, /) -> int: ...
def traits(cell: int, /) -> dict[str, Any]: ...
def forward(
    cell: int,
    f64: bool,
    threads: int,
    sizes: Sizes,
    x: Place,
    y: Place,
    lengths: int,
    offsets: int,
    resets: int,
    states: tuple[int, int, int, int],
    weights: Sequence[Six],
    saved: int,
    modifiers: Modifiers,
    decay: bool,
    /,
) -> None: ...
def backward(
    cell: int,
    f64: bool,
    threads: int,
    sizes: Sizes,
    x: Place,
    y: Place,
    lengths: int,
    offsets: int,
    resets: int,
    states: tuple[int, int],
    weights: Sequence[Six],
    saved: int,
    modifiers: Modifiers,
    decay: bool,
    dy: Place,
    dstates: tuple[int, int, int, int],
    dx: Place,
    dweights: Sequence[Six],
    dscale: Place,
    /,
) -> None: ...
def planes_forward(
    f64: bool,
    threads: int,
    sizes: tuple[int, int, int],  # B, S, n
    arrays: Sequence[int],  # x, h, c0, peephole, gates, c, y
    /,
) -> None: ...
def planes_backward(
    f64: bool,
    threads: int,
    sizes: tuple[int, int, int],
    arrays: Sequence[int],  # gates, c, c0, peephole, dy, dh, dc, dx, dpeephole
    /,
) -> None: ...

class RowModel:
    def __init__(
        self,
        stream: Stream,
        sizes: tuple[int, int, int, bool, int, int],  # C, F, K, mask, below, above
        head: tuple[NDArray[Any] | None, ...],  # weight, bias, keep
        words: Sequence[tuple[Any, ...]],  # words, width, table, weight, bias
        tails: tuple[NDArray[Any], int, float],  # table, knots, reach
        level: tuple[NDArray[Any] | None, float],  # table, slowness; or None
        joining: tuple[int, float, float, float],  # top, forget, share, constant
        scale: tuple[NDArray[Any] | None, NDArray[Any] | None],  # location, inverse; or Nones
    ) -> None: ...
    def bind(
        self,
        h: NDArray[Any],
        c: NDArray[Any] | None,
        last: NDArray[Any],
        missing: NDArray[Any],
        tokens: NDArray[Any],
        usual: NDArray[Any],
        slow: NDArray[Any],
        held: NDArray[Any],
        expected: NDArray[Any],
        best: NDArray[Any],
        chances: NDArray[Any],
        surprise: NDArray[Any],
    ) -> RowStep: ...

class RowStep:
    def push(
        self,
        numbers: NDArray[Any] | None,
        tokens: NDArray[Any] | None,
        calendar: NDArray[Any] | None,
        changed: NDArray[Any] | None,
        /,
    ) -> tuple[float, int, float]: ...  # joined, first, total

class Cursor:
    def push(self, x: NDArray[Any], /) -> NDArray[np.floating[Any]]: ...

class Stream:
    def __init__(
        self, cell: int, f64: bool, half: bool, layers: Sequence[Layer], residual: bool = False
    ) -> None: ...
    def step(
        self,
        x: NDArray[Any],
        h: NDArray[Any],
        c: NDArray[Any] | None,
        out: NDArray[Any] | None,
        batch_size: int,
    ) -> None: ...
    def forward(
        self,
        x: NDArray[Any],
        h: NDArray[Any],
        c: NDArray[Any] | None,
        y: NDArray[Any],
        batch_size: int,
        steps: int,
    ) -> None: ...
    def cursor(
        self, h: NDArray[Any], c: NDArray[Any] | None, out: NDArray[Any], batch_size: int
    ) -> Cursor: ...
