"""From arrays with torch's names to the layers of a network, every name and shape checked.

A layer k has ``weight_ih_l{k}`` (X*H, I), ``weight_hh_l{k}`` (G*H, R), both or neither of
``bias_ih_l{k}`` (X*H) and ``bias_hh_l{k}`` (G*H), with a projection ``weight_hr_l{k}`` (P, H), and where the
cell has vectors of its own ``weight_p_l{k}`` (K, H): what the cell's row of the table says.  Gates in torch's
order: i f g o for the LSTM, r z n for the GRU.  A cell whose gates do not see h has no ``_hh``.  A state that
was learned is ``initial_h`` (Z, 1, R), ``initial_c`` (Z, 1, H), ...

Functions here raise a plain ValueError with the bare fact; the caller says whose weights they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.cells import Cell
from gatework.runtime.cells import CELLS
from gatework.runtime.inputs import is_masked

Array = npt.NDArray[Any]
Name = Callable[[str], str]

KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_p")
_NAME = re.compile(rf"({'|'.join(KINDS)})_l(0|[1-9]\d{{0,3}})(_reverse)?")
_INITIAL = re.compile(r"initial_([a-zA-Z]\w*)")
_REVERSE = (
    "belongs to a bidirectional network, which needs a whole sequence before its first output and cannot "
    "stream. Train with bidirectional=False, or run it through gatework.nn."
)


class Layer(NamedTuple):
    """One layer as the engine takes it: sizes, then contiguous weights of one dtype."""

    input_size: int
    hidden_size: int
    proj_size: int  # 0: no projection
    w_ih: Array
    w_hh: Array | None
    b_ih: Array | None
    b_hh: Array | None
    w_hr: Array | None
    params: Array | None

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """w_ih, w_hh, b_ih, b_hh, w_hr, params."""
        return self[3:]

    def of_dtype(self, dtype: npt.DTypeLike) -> tuple[Array | None, ...]:
        """The weights in a dtype; those that have it are not copied."""
        return tuple(None if w is None else w.astype(dtype, copy=False) for w in self.weights)

    def halved(self) -> Layer:
        """The layer with its matrices rounded to float16, its biases and vectors as they are."""
        *matrices, params = self.weights
        rounded = (
            w if w is None or w.ndim == 1 else w.astype(np.float16, copy=False) for w in matrices
        )
        return Layer._make((*self[:3], *rounded, params))


def is_weight(name: str, prefix: str = "") -> bool:
    """Whether an array of this name is a weight of the network under ``prefix``."""
    own = name[len(prefix) :]
    known = _NAME.fullmatch(own) or _INITIAL.fullmatch(own)
    return name.startswith(prefix) and known is not None


def read_layers(cell: Cell, arrays: Mapping[str, Any], prefix: str = "") -> list[Layer]:
    """Layers of the network whose weights are the ``arrays`` with names ``prefix + torch's name``.

    Raises:
        ValueError: a name, shape or dtype that does not fit; the message is the bare fact.
    """
    if not isinstance(arrays, Mapping):
        raise ValueError(
            f"the weights must map names to arrays; got {type(arrays).__name__}. Of a torch module, pass "
            "its state_dict()."
        )
    by_layer: dict[int, dict[str, Array]] = {}
    for full in arrays:
        if not full.startswith(prefix):
            continue
        if _INITIAL.fullmatch(full[len(prefix) :]):
            continue
        match = _NAME.fullmatch(full[len(prefix) :])
        if match is None:
            raise ValueError(_unknown_name(full, arrays, prefix))
        kind, number, reverse = match.groups()
        if reverse:
            raise ValueError(f"{full!r} {_REVERSE}")
        by_layer.setdefault(int(number), {})[kind] = _array(full, arrays[full])
    if not by_layer:
        raise ValueError(_nothing_found(arrays, prefix))
    layers: list[Layer] = []
    for number in range(max(by_layer) + 1):
        found = by_layer.get(number)
        if found is None:
            raise ValueError(
                f"layer {number} has no weights, yet layer {max(by_layer)} has; "
                f"{prefix}weight_ih_l{number} is missing."
            )
        before = layers[-1] if layers else None
        layers.append(_layer(cell, found, partial(_full_name, prefix, number), before))
    _one_dtype(layers)
    return layers


def read_initial(
    cell: Cell, arrays: Mapping[str, Any], layers: list[Layer], prefix: str = ""
) -> tuple[Array, ...]:
    """The state that was learned to begin with, in the order of the cell's row; empty without one.

    Raises:
        ValueError: a part is missing, unknown, or of another shape.
    """
    start = f"{prefix}initial_"
    found = {
        full.removeprefix(start): _array(full, arrays[full])
        for full in arrays
        if full.startswith(prefix) and _INITIAL.fullmatch(full[len(prefix) :])
    }
    if not found:
        return ()
    first, Z = layers[0], len(layers)
    H = first.hidden_size
    parts: list[Array] = []
    for state in dict.fromkeys((*cell.states, *found)):
        name = repr(start + state)
        if state not in cell.states:
            raise ValueError(
                f"{name} is no state of {cell.name!r}, which has {', '.join(cell.states)}."
            )
        wanted = (Z, 1, H if parts else first.proj_size or H)
        if state not in found:
            raise ValueError(
                f"{name} is missing, shape {wanted}; give every part of the state or none."
            )
        if found[state].shape != wanted:
            raise ValueError(f"{name} has shape {found[state].shape}; this network needs {wanted}.")
        parts.append(found[state].astype(first.w_ih.dtype))
    return tuple(parts)


def _full_name(prefix: str, number: int, kind: str) -> str:
    return f"{prefix}{kind}_l{number}"


def _array(name: str, value: Any) -> Array:
    if is_masked(value):
        raise ValueError(f"{name!r} is a masked array, whose mask would be lost. Pass its numbers.")
    if getattr(value, "requires_grad", False):
        raise ValueError(
            f"{name!r} is no array that NumPy can read: it is a torch tensor with a gradient. Pass the "
            "module's state_dict(), whose tensors have none, or detach() it."
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # such as torch.bfloat16
        raise ValueError(f"{name!r} is no array that NumPy can read ({error}).") from None
    if array.dtype.newbyteorder("=") not in (np.float16, np.float32, np.float64):
        raise ValueError(
            f"{name!r} has dtype {array.dtype}; weights are float16, float32 or float64."
        )
    return array


def _layer(cell: Cell, found: dict[str, Array], name: Name, before: Layer | None) -> Layer:
    """One layer, checked against its cell and the layer below it; ``name`` gives a kind its full name."""
    for kind in ("weight_ih", "weight_hh") if cell.h_gates else ("weight_ih",):
        if kind not in found:
            raise ValueError(f"{name(kind)!r} is missing.")
    if "weight_hr" in found and not cell.projects:
        having = " and ".join(repr(c.name) for c in CELLS.values() if c.projects)
        raise ValueError(
            f"{name('weight_hr')!r} is a projection, which only the cell {having} has; "
            f"this is {cell.name!r}."
        )
    own = _kinds(cell)
    for kind in found:
        if kind not in own:
            raise ValueError(
                f"{name(kind)!r} is no weight of the cell {cell.name!r}, which has {', '.join(own)}. "
                "Name the cell that was trained."
            )
    if cell.h_gates and ("bias_ih" in found) != ("bias_hh" in found):
        there, absent = sorted(("bias_ih", "bias_hh"), key=lambda k: k not in found)
        raise ValueError(
            f"{name(there)!r} is there without {name(absent)!r}; give both or neither."
        )
    for kind, array in found.items():
        axes = 1 if kind.startswith("bias") else 2
        if array.ndim != axes or 0 in array.shape:
            raise ValueError(
                f"{name(kind)!r} must have {axes} ax{'es' if axes > 1 else 'is'} and no empty one; "
                f"got shape {array.shape}."
            )
    if cell.heads:
        found = found | {"weight_hh": _dense(found["weight_hh"], len(cell.h_gates))}
    H, P, R = _sizes(cell, found, name)
    I = found["weight_ih"].shape[1]  # noqa: E741
    X, G = len(cell.x_gates) * H, len(cell.h_gates) * H
    wanted = {
        "weight_ih": (X, I),
        "weight_hh": (G, R),
        "bias_ih": (X,),
        "bias_hh": (G,),
        "weight_hr": (P, H),
        "weight_p": (len(cell.parameters), H),
    }
    telling = "weight_hh" if cell.h_gates else "weight_ih"
    for kind, array in found.items():
        if array.shape != wanted[kind]:
            raise ValueError(
                f"{name(kind)!r} has shape {array.shape}; by {name(telling)!r} "
                f"this {cell.name} has H={H}{f', P={P}' if P else ''} and needs {wanted[kind]}."
            )
    if before is not None:
        _fits_on(before, I, H, P, name)
    return Layer(I, H, P, *(found.get(k) for k in KINDS))  # type: ignore[arg-type]  # the first is there


def _kinds(cell: Cell) -> list[str]:
    """The kinds of weights that a cell can have."""
    there = (True, cell.h_gates, True, cell.h_gates, cell.projects, cell.parameters)
    return [kind for kind, has in zip(KINDS, there, strict=True) if has]


def _dense(w: Array, gates: int) -> Array:
    """``(G*H, H)`` from ``(G*H, H/heads)``: zeros where a head would see another; others as they are."""
    rows, width = w.shape
    H = rows // gates
    if rows % gates or H % width or width == H:
        return w
    whole = np.zeros((gates, H // width, width, H // width, width), w.dtype)
    for head in range(H // width):
        whole[:, head, :, head] = w.reshape(gates, H // width, width, width)[:, head]
    return whole.reshape(rows, H)


def _sizes(cell: Cell, found: dict[str, Array], name: Name) -> tuple[int, int, int]:
    """H, P and R by ``weight_hh`` (G*H, R) and, with a projection, ``weight_hr`` (P, H).

    H by ``weight_ih`` (X*H, I) where there is no ``weight_hh``.
    """
    X, G = len(cell.x_gates), len(cell.h_gates)
    if not G:
        rows = found["weight_ih"].shape[0]
        if rows % X:
            raise ValueError(
                f"{name('weight_ih')!r} has shape {found['weight_ih'].shape}; the cell {cell.name!r} needs "
                f"({X}*H, I)."
            )
        return rows // X, 0, rows // X
    rows, R = found["weight_hh"].shape
    if "weight_hr" in found:
        P, H = found["weight_hr"].shape
        if not 0 < P < H:
            raise ValueError(
                f"{name('weight_hr')!r} has shape {(P, H)}, (P, H); a projection needs P smaller than H."
            )
    else:
        P, H = 0, R
    if rows == G * H and P in (0, R):
        return H, P, R
    text = f"{name('weight_hh')!r} has shape {(rows, R)}"
    fitting = [repr(c.name) for c in CELLS.values() if rows == len(c.h_gates) * R]
    if P == 0 and fitting:
        raise ValueError(
            f"{text}: {rows // R} x {R} rows are those of {' or '.join(fitting)}, not of {cell.name!r}. "
            f"Name that cell."
        )
    if P == 0 and cell.projects and rows % G == 0:
        raise ValueError(
            f"{text}: {R} columns for H={rows // G} mean a projection, and "
            f"{name('weight_hr')!r} is missing."
        )
    raise ValueError(
        f"{text}; the cell {cell.name!r} needs ({G}*H, {'P' if P else 'H'})"
        + (f" with {name('weight_hr')!r} of shape (P, H), which is {(P, H)}." if P else ".")
    )


def _fits_on(before: Layer, I: int, H: int, P: int, name: Name) -> None:  # noqa: E741
    if (before.hidden_size, before.proj_size) != (H, P):
        raise ValueError(
            f"{name('weight_hh')!r} has H={H}, P={P}, the layer below it has "
            f"H={before.hidden_size}, P={before.proj_size}; all layers of one network have the same."
        )
    below = before.proj_size or before.hidden_size
    if below != I:
        raise ValueError(
            f"{name('weight_ih')!r} takes {I} features, the layer below it gives {below}. "
            "Is it a bidirectional network without its reverse weights?"
        )


def _one_dtype(layers: list[Layer]) -> None:
    """All weights copied: one dtype, contiguous, the machine's byte order; float16 becomes float32."""
    dtypes = sorted({w.dtype.name for layer in layers for w in layer.weights if w is not None})
    if len(dtypes) > 1:
        raise ValueError(
            f"the weights have different dtypes: {', '.join(dtypes)}. Convert them to one, such as float32."
        )
    dtype = np.float64 if dtypes == ["float64"] else np.float32
    for k, layer in enumerate(layers):
        weights = (None if w is None else np.array(w, dtype, order="C") for w in layer.weights)
        layers[k] = Layer(*layer[:3], *weights)  # type: ignore[arg-type]


def _prefixes(arrays: Mapping[str, Any]) -> list[str]:
    """What stands before ``weight_hh_l0`` in the names."""
    end = "weight_hh_l0"
    return [name.removesuffix(end) for name in arrays if name.endswith(end)]


def _unknown_name(full: str, arrays: Mapping[str, Any], prefix: str) -> str:
    others = [repr(p) for p in _prefixes(arrays) if p != prefix]
    advice = (
        f"The weights of a recurrent network stand under prefix={' and prefix='.join(others)}."
        if others
        else "Pass only the recurrent network's arrays, or their prefix."
    )
    return f"{full!r} is no weight of a recurrent network. {advice}"


def _nothing_found(arrays: Mapping[str, Any], prefix: str) -> str:
    others = [repr(p) for p in _prefixes(arrays)]
    if others:
        return f"no name begins with prefix={prefix!r}. There are: {', '.join(others)}."
    shown = ", ".join(repr(n) for n in list(arrays)[:5]) or "none at all"
    return (
        f"no weights of a recurrent network (weight_ih_l0, ...) are there; the names are: {shown}."
    )
