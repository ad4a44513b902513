"""The state of a recurrent network: a small value that can be copied, compared, and kept as bytes."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import InputError
from gatework.runtime.inputs import mask_array, plain_array

Array = npt.NDArray[Any]

# Little-endian: magic, version, bytes of a number (4 or 8), how many states there are beside h, Z, B, R, H,
# and the CRC-32 of all bytes but its own four.  The numbers of h, c, ... follow, last axis fastest.  In
# version 2 more than one state stands beside h; what version 1 can say is written as such.
_HEADER = struct.Struct("<4sBBHIIII")
_CHECKSUM = struct.Struct("<I")
_MAGIC, _VERSIONS = b"GWST", (1, 2)
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
_NAMES = ("h", "c", "n", "m")


class State:
    """What a network of Z layers remembers of B sequences between two steps.

    Arrays that are contiguous and writable are kept, not copied.  From torch: ``State(h.numpy(), c.numpy())``
    of the ``(h, c)`` that ``torch.nn.LSTM`` returns, and so on for a cell with more states.

    Args:
        h: ``(Z, B, R)`` float32 or float64 – outputs of the last step, layer by layer.
        c: ``(Z, B, H)`` of the same dtype – cell states; None for a cell that has none (GRU, RNN).
        others: of the shape of c – what the cell has beside it, in the order of its row in
            ``gatework.cells``: n and m of the sLSTM.

    Raises:
        InputError: dtypes or sizes that do not fit together.

    >>> state = State(np.zeros((2, 1, 8)), np.ones((2, 1, 8)))
    >>> State.from_bytes(state.to_bytes()) == state
    True
    """

    __slots__ = ("c", "h", "others")

    h: Array
    c: Array | None
    others: tuple[Array, ...]

    def __init__(
        self, h: npt.ArrayLike, c: npt.ArrayLike | None = None, *others: npt.ArrayLike
    ) -> None:
        self.h = _part(h, "h")
        if c is None and others:
            raise InputError("State: `c` is None, and states beside it are given. Give c too.")
        self.c = None if c is None else _part(c, "c")
        self.others = tuple(_part(s, name_of(k)) for k, s in enumerate(others, 2))
        for k, part in enumerate(self.parts):
            if part.dtype != self.h.dtype or part.shape[:2] != self.h.shape[:2]:
                name = name_of(k)
                raise InputError(
                    f"State: `h` and `{name}` must have one dtype, and as many layers and sequences; got "
                    f"h {self.h.dtype} {self.h.shape}, {name} {part.dtype} {part.shape}."
                )
            if k > 1 and part.shape != self.parts[1].shape:
                raise InputError(
                    f"State: `c` and `{name_of(k)}` must have one shape; got {self.parts[1].shape} "
                    f"and {part.shape}."
                )

    @property
    def parts(self) -> tuple[Array, ...]:
        """h, then c where there is one, then the others."""
        return (self.h,) if self.c is None else (self.h, self.c, *self.others)

    __hash__ = None  # type: ignore[assignment]  # its arrays change

    def __eq__(self, other: object) -> bool:
        """Same sizes, dtype and numbers; a NaN equals a NaN."""
        if not isinstance(other, State):
            return NotImplemented
        ours, theirs = self.parts, other.parts
        return len(ours) == len(theirs) and all(map(_equal, ours, theirs))

    def __repr__(self) -> str:
        return f"State({', '.join(f'{name_of(k)}={p!r}' for k, p in enumerate(self.parts))})"

    def copy(self) -> State:
        """A state of the same numbers in arrays of its own."""
        return State(*(part.copy() for part in self.parts))

    def reset(self, mask: npt.ArrayLike | None = None) -> None:
        """Forget, in place: all sequences, or those where ``mask`` ``(B,)`` bool is true.

        >>> state = State(np.ones((1, 3, 2)))
        >>> state.reset([True, False, True])
        >>> state.h[0, :, 0]
        array([0., 1., 0.])
        """
        rows = slice(None) if mask is None else mask_array(mask, self.h.shape[1], "State.reset")
        for part in self.parts:
            part[:, rows] = 0

    def to_bytes(self) -> bytes:
        """The state as bytes, the same on every machine: 28 bytes of header, then the numbers.

        .. code-block:: text

            GWST | version | bytes of a number | states beside h | Z | B | R | H | CRC-32 | h | c | ...

        The version is 2 where more than c stands beside h, else 1.
        """
        parts = State(*self.parts).parts  # any may have been assigned since
        Z, B, R = parts[0].shape
        beside, size = len(parts) - 1, parts[0].itemsize
        H = parts[1].shape[2] if beside else 0
        header = _HEADER.pack(_MAGIC, 2 if beside > 1 else 1, size, beside, Z, B, R, H)
        numbers = b"".join(p.astype(f"<f{size}").tobytes() for p in parts)
        return header + _CHECKSUM.pack(zlib.crc32(numbers, zlib.crc32(header))) + numbers

    @staticmethod
    def from_bytes(data: bytes | bytearray | memoryview) -> State:
        """The state that :meth:`to_bytes` made bytes of; nothing in them is executed.

        Raises:
            InputError: not a state, of a newer version, cut short, or damaged.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InputError(
                f"State.from_bytes: `data` must be bytes, as State.to_bytes makes them; got "
                f"{type(data).__name__}."
            )
        data = bytes(data)
        start = _HEADER.size + _CHECKSUM.size
        if len(data) < start or data[:4] != _MAGIC:
            raise InputError(
                f"State.from_bytes: these {len(data)} bytes are no state; give what State.to_bytes made."
            )
        _, version, size, beside, Z, B, R, H = _HEADER.unpack_from(data)
        if version not in _VERSIONS:
            raise InputError(
                f"State.from_bytes: the state has format version {version}, this Gatework reads versions "
                f"up to {_VERSIONS[-1]}. Use the Gatework that wrote it, or upgrade: "
                "pip install -U gatework"
            )
        (checksum,) = _CHECKSUM.unpack_from(data, _HEADER.size)
        length = start + size * Z * B * (R + beside * H)
        told = size in (4, 8) and (beside > 1) == (version == 2) and (beside or not H)
        whole = told and len(data) == length
        if not whole or checksum != zlib.crc32(data[start:], zlib.crc32(data[: _HEADER.size])):
            raise InputError(
                f"State.from_bytes: these {len(data)} bytes are damaged (the header promises {length}, and "
                "a checksum that they must match). Copy them again, or start from a fresh state."
            )
        numbers = np.frombuffer(data, f"<f{size}", offset=start).astype(f"=f{size}")
        h, others = np.split(numbers, [Z * B * R])
        return State(h.reshape(Z, B, R), *others.reshape(beside, Z, B, H))


def name_of(part: int) -> str:
    """What messages call a state's part of this number.

    >>> name_of(0), name_of(3)
    ('h', 'm')
    """
    return _NAMES[part] if part < len(_NAMES) else f"others[{part - 2}]"


def joined(state: State) -> tuple[Array, Array | None]:
    """h and, side by side in one ``(Z, B, C*H)``, what stands beside it: as the engine takes a state.

    Without copies where C is 0 or 1.
    """
    if not state.others:
        return state.h, state.c
    return state.h, np.concatenate(state.parts[1:], axis=2)


def parted(h: Array, beside: Array | None, count: int) -> State:
    """The state of h and the ``count`` values beside it; undoes :func:`joined`."""
    if beside is None:
        return State(h)
    return State(h, *(np.split(beside, count, axis=2) if count > 1 else (beside,)))


def moved_on(state: State, h: Array, beside: Array | None) -> State:
    """``state`` after the engine has written into what :func:`joined` made of it.

    Itself where that made no copy, which saves a step of one sequence several microseconds.
    """
    return parted(h, beside, len(state.parts) - 1) if state.others else state


def usable(array: Array) -> Array:
    """The array as the engine takes it: C order, aligned, writable, native; itself where it is so."""
    if array.dtype.isnative and array.flags.carray:
        return array
    return np.require(array, array.dtype.newbyteorder("="), ("C", "A", "W"))


def _part(value: Any, name: str) -> Array:
    """A checked array of a state, usable by the engine."""
    array = plain_array(value, name, "State")
    if array.ndim != 3 or array.dtype.newbyteorder("=") not in _DTYPES:
        raise InputError(
            f"State: `{name}` must be float32 or float64 with 3 axes (layers, batch, units); got "
            f"{array.dtype} of shape {array.shape}."
        )
    return usable(array)


def _equal(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
