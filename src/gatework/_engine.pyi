"""Types of the compiled module.  Addresses are integers, 0 is absent; ``Stream`` takes NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int, int]  # address, batch stride, time stride (elements)
Sizes = tuple[int, int, int, int, int, int]  # D, B, T, I, H, P
Five = Sequence[int]  # w_ih, w_hh, b_ih, b_hh, w_hr

Layer = tuple[Any, ...]  # I, H, P, then the five arrays of Five or None

def info() -> dict[str, Any]: ...
def peak(f64: bool, seconds: float, /) -> float: ...
def adopt_openmp(library: str, spins: bool, /) -> bool: ...
def drop_memory() -> int: ...
def empty(n: int, f64: bool, /) -> NDArray[np.floating[Any]]: ...
def saved_size(cell: int, f64: bool, D: int, rows: int, H: int, P: int, /) -> int: ...
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
    weights: Sequence[Five],
    saved: int,
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
    weights: Sequence[Five],
    saved: int,
    dy: Place,
    dstates: tuple[int, int, int, int],
    dx: Place,
    dweights: Sequence[Five],
    /,
) -> None: ...

class Cursor:
    def push(self, x: NDArray[Any], /) -> NDArray[np.floating[Any]]: ...

class Stream:
    def __init__(self, cell: int, f64: bool, half: bool, layers: Sequence[Layer], /) -> None: ...
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
