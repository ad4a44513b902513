"""A network fed one step at a time: constant time, constant memory, nothing allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gatework.runtime.inputs import input_array, mask_array
from gatework.runtime.state import State, joined, parted

if TYPE_CHECKING:
    from gatework.runtime.recurrent import Recurrent

Array = npt.NDArray[Any]


class Stream:
    """Push observations, get outputs; made by :meth:`Recurrent.stream`.

    It owns its state and its output.  Streams of one network are independent of each other, in different
    threads too; one stream belongs to one thread at a time.  A copy of it, by ``copy`` or ``pickle``, goes on
    from the same state on its own.

    >>> from gatework.runtime import Recurrent
    >>> weights = {"weight_ih_l0": np.ones((1, 1)), "weight_hh_l0": np.ones((1, 1))}
    >>> running_sum = Recurrent.from_state_dict("rnn_relu", weights).stream()
    >>> [float(running_sum.push(np.array([x]))[0]) for x in (1.0, 2.0, 3.0)]
    [1.0, 3.0, 6.0]
    """

    __slots__ = ("_batch_size", "_beside", "_h", "_initial", "_network", "_push", "_row")

    def __init__(self, network: Recurrent, batch_size: int | None, initial: State) -> None:
        now, B = initial.copy(), batch_size or 1
        self._network, self._batch_size, self._initial = network, batch_size, initial
        self._h, self._beside = joined(now)
        out = np.zeros((B, network.output_size), network.dtype)
        self._row: Array | None = out[0] if batch_size is None else None
        # State and output are checked here, once; each push looks at x alone.
        self._push = network.engine.cursor(self._h, self._beside, out, B).push

    def push(self, x: Array) -> Array:
        """Output of the top layer after one more observation, in constant time and memory.

        Args:
            x: ``(B, I)``, or ``(I,)`` where the stream has no batch axis.  Fastest as a contiguous array of
                the network's dtype; anything else that holds numbers is converted first.

        Returns:
            ``(B, R)`` or ``(R,)`` – the stream's own buffer, which the next push overwrites: ``.copy()`` it
            to keep it.

        Raises:
            InputError: sizes that do not fit, with the sizes named; the state is as it was.
        """
        # The engine checks x; Python only looks once it has refused.
        row = self._row
        try:
            if type(x) is np.ndarray:  # of a masked array the engine would see the numbers alone
                if row is None:
                    out: Array = self._push(x)
                    return out
                self._push(x[None])
                return row
        except (TypeError, ValueError, LookupError):
            pass
        out = self._push(self._converted(x, "I", "Stream.push"))
        return out if row is None else row

    def extend(self, x: npt.ArrayLike, threads: int = 1) -> Array:
        """Outputs of T observations: what T calls of :meth:`push` give, faster.

        Args:
            x: ``(B, T, I)``, or ``(T, I)`` where the stream has no batch axis.
            threads: how many may work on it at once.

        Returns:
            ``(B, T, R)`` or ``(T, R)``, a new array.

        Raises:
            InputError: sizes that do not fit, with the sizes named; the state is as it was.
        """
        x = self._converted(x, "TI", "Stream.extend")
        y, last = self._network.run(x, self._state(), None, None, threads, "Stream.extend")
        self._assign(last)
        return y if self._row is None else y[0]

    @property
    def arrays(self) -> tuple[Array, Array | None]:
        """``(Z, B, R)`` h and ``(Z, B, C*H)`` what stands beside it: the stream's own, not copies."""
        return self._h, self._beside

    @property
    def state(self) -> State:
        """A copy of what the stream remembers; assign one to go on from there."""
        return self._state().copy()

    @state.setter
    def state(self, state: State) -> None:
        self._assign(self._network.check_state(state, self._h.shape[1], "Stream.state"))

    def reset(self, mask: npt.ArrayLike | None = None) -> None:
        """Go back to the initial state: all sequences, or those where ``mask`` ``(B,)`` bool is true.

        Raises:
            InputError: a mask of another shape or dtype.
        """
        rows = slice(None) if mask is None else mask_array(mask, self._h.shape[1], "Stream.reset")
        h, beside = joined(self._initial)
        self._h[:, rows] = h[:, rows]
        if self._beside is not None and beside is not None:
            self._beside[:, rows] = beside[:, rows]

    def __copy__(self) -> Stream:
        other = Stream(self._network, self._batch_size, self._initial)
        other._assign(self._state())
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Stream:
        return self.__copy__()  # the network never changes

    def __reduce__(self) -> tuple[Any, ...]:
        return Stream, (self._network, self._batch_size, self._initial), self.state

    def __setstate__(self, state: State) -> None:
        self._assign(state)

    def __repr__(self) -> str:
        return f"{self._network!r}.stream(batch_size={self._batch_size})"

    def _assign(self, state: State) -> None:
        h, beside = joined(state)
        self._h[...] = h
        if self._beside is not None:
            self._beside[...] = beside

    def _state(self) -> State:
        """What the stream remembers; its own arrays where the cell has at most one state beside h."""
        return parted(self._h, self._beside, len(self._initial.parts) - 1)

    def _converted(self, x: npt.ArrayLike, form: str, who: str) -> Array:
        """``x`` with a batch axis, contiguous, of the network's dtype."""
        network = self._network
        single = self._batch_size is None
        form = form if single else f"B{form}"
        array = input_array(x, (form,), network.input_size, network.dtype, who, self._batch_size)
        return array[None] if single else array
