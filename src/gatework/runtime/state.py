"""The state of a recurrent network: a small value that can be copied, compared, and kept as bytes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import InputError
from gatework.runtime.inputs import mask_array, plain_array

Array = npt.NDArray[Any]

# Little-endian: magic, version, bytes of a number (4 or 8), 1 when there is a c, Z, B, R, H, and the CRC-32
# of all bytes but its own four.  The numbers of h and then of c follow, last axis fastest.
_HEADER = struct.Struct("<4sBBHIIII")
_CHECKSUM = struct.Struct("<I")
_MAGIC, _VERSION = b"GWST", 1
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(eq=False, slots=True)
class State:
    """What a network of Z layers remembers of B sequences between two steps.

    Arrays that are contiguous and writable are kept, not copied.  From torch: ``State(h.numpy(), c.numpy())``
    of the ``(h, c)`` that ``torch.nn.LSTM`` returns.

    Args:
        h: ``(Z, B, R)`` float32 or float64 – outputs of the last step, layer by layer.
        c: ``(Z, B, H)`` of the same dtype – cell states; None for a cell that has none (GRU, RNN).

    Raises:
        InputError: dtypes or sizes that do not fit together.

    >>> state = State(np.zeros((2, 1, 8)), np.ones((2, 1, 8)))
    >>> State.from_bytes(state.to_bytes()) == state
    True
    """

    h: Array
    c: Array | None = None

    def __post_init__(self) -> None:
        self.h = _part(self.h, "h")
        if self.c is None:
            return
        self.c = _part(self.c, "c")
        if self.c.dtype != self.h.dtype or self.c.shape[:2] != self.h.shape[:2]:
            raise InputError(
                "State: `h` and `c` must have one dtype, and as many layers and sequences; got "
                f"h {self.h.dtype} {self.h.shape}, c {self.c.dtype} {self.c.shape}."
            )

    __hash__ = None  # type: ignore[assignment]  # its arrays change

    def __eq__(self, other: object) -> bool:
        """Same sizes, dtype and numbers; a NaN equals a NaN."""
        if not isinstance(other, State):
            return NotImplemented
        return _equal(self.h, other.h) and _equal(self.c, other.c)

    def copy(self) -> State:
        """A state of the same numbers in arrays of its own."""
        return State(self.h.copy(), None if self.c is None else self.c.copy())

    def reset(self, mask: npt.ArrayLike | None = None) -> None:
        """Forget, in place: all sequences, or those where ``mask`` ``(B,)`` bool is true.

        >>> state = State(np.ones((1, 3, 2)))
        >>> state.reset([True, False, True])
        >>> state.h[0, :, 0]
        array([0., 1., 0.])
        """
        rows = slice(None) if mask is None else mask_array(mask, self.h.shape[1], "State.reset")
        self.h[:, rows] = 0
        if self.c is not None:
            self.c[:, rows] = 0

    def to_bytes(self) -> bytes:
        """The state as bytes, the same on every machine: 28 bytes of header, then the numbers.

        .. code-block:: text

            GWST | version 1 | bytes of a number | has c | Z | B | R | H | CRC-32 | h | c
        """
        checked = State(self.h, self.c)  # either may have been assigned since
        h, c = checked.h, checked.c
        Z, B, R = h.shape
        H = 0 if c is None else c.shape[2]
        size = h.itemsize
        header = _HEADER.pack(_MAGIC, _VERSION, size, c is not None, Z, B, R, H)
        parts = (h,) if c is None else (h, c)
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
        _, version, size, has_c, Z, B, R, H = _HEADER.unpack_from(data)
        if version != _VERSION:
            raise InputError(
                f"State.from_bytes: the state has format version {version}, this Gatework reads version "
                f"{_VERSION}. Use the Gatework that wrote it, or upgrade: pip install -U gatework"
            )
        (checksum,) = _CHECKSUM.unpack_from(data, _HEADER.size)
        length = start + size * Z * B * (R + H)
        whole = size in (4, 8) and has_c in (0, 1) and (has_c or not H) and len(data) == length
        if not whole or checksum != zlib.crc32(data[start:], zlib.crc32(data[: _HEADER.size])):
            raise InputError(
                f"State.from_bytes: these {len(data)} bytes are damaged (the header promises {length}, and "
                "a checksum that they must match). Copy them again, or start from a fresh state."
            )
        numbers = np.frombuffer(data, f"<f{size}", offset=start).astype(f"=f{size}")
        h, c = np.split(numbers, [Z * B * R])
        return State(h.reshape(Z, B, R), c.reshape(Z, B, H) if has_c else None)


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


def _equal(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
