"""Encoded sequences of any length in three flat arrays, and batches gathered from them.

A part of the data is one array of numbers, one of tokens, and the offsets where each sequence begins.  What
would take more than ``MEMORY_BYTES`` lies in a file without a name that ends with the process: the system
keeps in memory what is being read, and a batch is one gather either way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from gatework.data.encoders.base import Encoded, SequenceBatch

IntArray = npt.NDArray[np.int64]
MEMORY_BYTES = 2 * 2**30
_PIECE_BYTES = 64 * 2**20


class Ragged:
    """B encoded sequences, one after the other.

    >>> two = [Encoded(np.ones((n, 1), np.float32), np.zeros((n, 0), np.int32)) for n in (2, 3)]
    >>> ragged = Ragged.of(two)
    >>> len(ragged), ragged.lengths.tolist(), ragged.values.shape
    (2, [2, 3], (5, 1))
    """

    def __init__(
        self, values: npt.NDArray[np.float32], tokens: npt.NDArray[np.int32], offsets: IntArray
    ) -> None:
        self.values, self.tokens, self.offsets = values, tokens, offsets

    @classmethod
    def of(cls, sequences: Iterable[Encoded], memory_bytes: int = MEMORY_BYTES) -> Ragged:
        """All of ``sequences``, which are taken one at a time: never more of them in memory at once."""
        values, tokens = _Growing(np.float32, memory_bytes), _Growing(np.int32, memory_bytes)
        lengths = []
        with values, tokens:
            for sequence in sequences:
                values.add(sequence.values)
                tokens.add(sequence.tokens)
                lengths.append(len(sequence))
            offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
            return cls(values.whole(), tokens.whole(), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> IntArray:
        """``(B,)`` steps of each."""
        return np.diff(self.offsets)

    def __getitem__(self, i: int) -> Encoded:
        rows = slice(self.offsets[i], self.offsets[i + 1])
        return Encoded(self.values[rows], self.tokens[rows])

    def rows(self, numbers: IntArray) -> tuple[IntArray, npt.NDArray[np.bool_], IntArray]:
        """Rows of the flat arrays ``(n, T)`` of some sequences, whether they are theirs, and lengths."""
        lengths = self.offsets[numbers + 1] - self.offsets[numbers]
        steps = np.arange(max(int(lengths.max(initial=0)), 1))
        valid = steps < lengths[:, None]
        rows = self.offsets[numbers][:, None] + steps
        return np.where(valid, rows, 0), valid, lengths

    def batch(
        self,
        numbers: IntArray,
        targets: torch.Tensor | None = None,
        per_step: bool | None = None,
    ) -> SequenceBatch:
        """Some sequences side by side, 0 behind the end of each.

        ``targets`` are of all sequences, ``(B, ...)``, or of all steps: a flat array as long as ``values``.
        Which of them ``per_step`` says; left out it is told by their number, which is the same where every
        sequence has one step.
        """
        if per_step is None:
            per_step = targets is not None and len(targets) != len(self)
        rows, valid, lengths = self.rows(numbers)
        values = torch.from_numpy(self.values[rows])
        tokens = torch.from_numpy(self.tokens[rows].astype(np.int64))
        if not valid.all():
            outside = torch.from_numpy(~valid).unsqueeze(-1)
            values.masked_fill_(outside, 0.0)
            tokens.masked_fill_(outside, 0)
        picked = torch.empty(0)
        if targets is not None and not per_step:
            picked = targets[torch.from_numpy(numbers)]
        elif targets is not None:
            picked = targets[torch.from_numpy(rows)]
            missing = -1 if not targets.is_floating_point() else float("nan")
            picked = picked.masked_fill(torch.from_numpy(~valid), missing)
        return SequenceBatch(
            values, tokens, torch.from_numpy(lengths), picked, torch.from_numpy(numbers)
        )


class _Growing:
    """Rows that are added piece by piece, in memory as long as they are few."""

    def __init__(self, dtype: npt.DTypeLike, memory_bytes: int) -> None:
        self._dtype = np.dtype(dtype)
        self._pieces: list[npt.NDArray[Any]] = []
        self._bytes, self._limit = 0, memory_bytes
        self._shape: tuple[int, ...] = (0,)
        self._file: Any = None
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()  # what is mapped stays

    def add(self, piece: npt.NDArray[Any]) -> None:
        piece = piece.astype(self._dtype, copy=False)  # the file is read back as this
        self._shape = piece.shape[1:]
        self._pieces.append(piece)
        self._bytes += piece.nbytes
        self._rows += len(piece)
        if self._bytes > (self._limit if self._file is None else _PIECE_BYTES):
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="gatework-")  # noqa: SIM115
        for piece in self._pieces:
            self._file.write(np.ascontiguousarray(piece))
        self._pieces, self._bytes = [], 0

    def whole(self) -> npt.NDArray[Any]:
        if self._file is None:
            if not self._pieces:
                return np.zeros((0, 0), self._dtype)
            return np.concatenate(self._pieces)
        self._spill()
        self._file.flush()
        shape = (self._rows, *self._shape)
        mapped: npt.NDArray[Any] = np.memmap(self._file, self._dtype, "r", shape=shape)
        return mapped


def token_batches(
    lengths: IntArray, numbers: IntArray, tokens: int, generator: torch.Generator | None = None
) -> Iterator[IntArray]:
    """Numbers of sequences of like length, at most ``tokens`` steps a batch with its padding.

    With a generator sequences and batches come in random order: sequences are shuffled, sorted by length
    within pools of some dozen batches, cut, and the batches shuffled.  A longer sequence is a batch alone.

    >>> [b.tolist() for b in token_batches(np.array([1, 9, 2, 8]), np.arange(4), 18)]
    [[0, 2], [3, 1]]
    """
    if generator is not None:
        numbers = numbers[torch.randperm(len(numbers), generator=generator).numpy()]
    batches: list[IntArray] = []
    per_batch = (
        max(1, int(tokens / max(float(lengths[numbers].mean()), 1.0))) if len(numbers) else 1
    )
    pool = max(len(numbers), 1) if generator is None else 50 * per_batch
    for first in range(0, len(numbers), pool):
        part = numbers[first : first + pool]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += _cut(part, lengths, tokens)
    if generator is None:
        yield from batches
        return
    for i in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[i]


def _cut(part: IntArray, lengths: IntArray, tokens: int) -> list[IntArray]:
    """Sorted sequences into batches; the longest of a batch is its last."""
    sizes, first, batches = lengths[part], 0, []
    for end in range(1, len(part) + 1):
        if end == len(part) or (end + 1 - first) * max(int(sizes[end]), 1) > tokens:
            batches.append(part[first:end])
            first = end
    return batches


def encode_all(
    items: Sequence[Any],
    encode: Callable[[Any], Encoded],
    refuse: Callable[[int, str], Exception],
) -> Ragged:
    """Every item encoded; the error of one that does not fit names it."""

    def encoded() -> Iterator[Encoded]:
        for i in range(len(items)):
            try:
                yield encode(items[i])
            except ValueError as fact:
                if type(fact) is not ValueError:
                    raise  # named already
                raise refuse(i, str(fact)) from None

    return Ragged.of(encoded())
