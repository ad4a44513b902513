"""The labelling network on NumPy arrays, a step at a time: ``gatework.nn.sequence`` without torch.

The same weights, and the same numbers up to rounding; what each part is for is told there.  A step costs the
same whatever came before: convolutions keep their last inputs, pooling its sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import InputError
from gatework.runtime.frames import FrameEncoder
from gatework.runtime.quantiles import QuantileHead
from gatework.runtime.recurrent import Recurrent
from gatework.runtime.sequence_spec import STREAM_CELLS, SequenceSpec, check_sequence_spec

Array = npt.NDArray[Any]
_EPSILON = 1e-5  # of torch's batch normalisation


class SequenceRuntime:
    """Streams over the weights of a trained ``gatework.nn.sequence.SequenceNetwork``.

    Never changes after it is made, so that threads and streams can share it.

    Args:
        spec: the sizes, the network's ``spec``; causal, without a random field.
        arrays: its ``state_dict()``, of torch tensors or arrays, which are copied.

    Raises:
        InputError: a network that cannot stream, or an array that is missing.
    """

    def __init__(self, spec: SequenceSpec, arrays: Mapping[str, Any]) -> None:
        try:
            check_sequence_spec(spec)
            reason = cannot_stream(spec)
            if reason is not None:
                raise ValueError(reason)
            self.spec = spec
            self.members = [_Member(spec, arrays, f"members.{m}.") for m in range(spec.members)]
        except ValueError as fact:
            raise InputError(f"SequenceRuntime: {fact}") from None
        except KeyError as name:
            raise InputError(f"SequenceRuntime: the array {name} is missing.") from None

    def stream(self) -> SequenceStream:
        """An empty stream."""
        return SequenceStream(self)


def cannot_stream(spec: SequenceSpec) -> str | None:
    """Why a network of these sizes needs the whole sequence; None where it does not."""
    if not spec.causal and spec.cell != "feedforward":
        return "the network reads backwards too, from a sequence's end. Train with causal=True to stream"
    if not spec.causal and spec.filters:
        return "the network's convolutions look ahead. Train with causal=True to stream"
    if spec.crf:
        return "a random field decides over whole sequences. Train with crf=False to stream"
    if spec.cell not in STREAM_CELLS:
        return f"cell={spec.cell!r} has no NumPy form. Train with another cell to stream"
    return None


class SequenceStream:
    """One sequence step by step: ``push`` gives the outputs so far.

    Of a network with a label for every step they are this step's, of others those of the sequence up to here.
    """

    def __init__(self, runtime: SequenceRuntime) -> None:
        self._runtime = runtime
        self.reset()

    def reset(self) -> None:
        """Begin a new sequence."""
        self._members = [_MemberStream(member) for member in self._runtime.members]

    def push(self, values: Array, tokens: Array) -> Array:
        """``(K,)`` outputs after one more encoded step: values ``(F,)`` float32 and tokens ``(C,)``."""
        found = [member.push(values, tokens) for member in self._members]
        if len(found) == 1:
            return found[0].copy()  # a member keeps its own for the steps that a stride leaves out
        stacked = np.stack(found)
        if self._runtime.spec.levels:
            mean: Array = stacked.mean(0)
            return mean
        logs = stacked - _logsumexp(stacked)[:, None]
        combined: Array = _logsumexp(logs.T) - np.float32(np.log(len(found)))
        return combined


def _logsumexp(x: Array) -> Array:
    """Over the last axis."""
    top = x.max(-1, keepdims=True)
    out: Array = np.log(np.exp(x - top).sum(-1)) + top[..., 0]
    return out


class _Member:
    """The arrays of one network, ready to be multiplied with."""

    def __init__(self, spec: SequenceSpec, arrays: Mapping[str, Any], prefix: str) -> None:
        self.spec = spec

        def get(name: str) -> Array:
            return _own(arrays[prefix + name])

        self.tables = [get(f"tables.{c}.weight") for c in range(len(spec.cardinalities))]
        self.frames = (
            FrameEncoder(spec.frame, lambda name: get(f"frames.{name}")) if spec.frame else None
        )
        self.convolutions = [_Convolution(get, j) for j in range(len(spec.filters))]
        self.recurrent: Recurrent | None = None
        self.layers: list[tuple[Array, Array]] = []
        if spec.cell == "feedforward":
            self.layers = [
                (get(f"recurrent.layers.{k}.weight"), get(f"recurrent.layers.{k}.bias"))
                for k in range(spec.num_layers)
            ]
        else:
            weights = {
                name.removeprefix(f"{prefix}recurrent."): _own(array)
                for name, array in arrays.items()
                if name.startswith(f"{prefix}recurrent.")
            }
            self.recurrent = Recurrent.from_state_dict(spec.cell, weights, zoneout=spec.zoneout)
        self.attention: tuple[Array, Array, Array] | None = None
        if not spec.per_step and spec.pooling == "attention":
            self.attention = (
                get("pooling.project.weight"),
                get("pooling.project.bias"),
                get("pooling.score.weight")[0],
            )
        self.head: Callable[[Array], Array]
        if spec.levels:
            quantiles = QuantileHead(
                get("head.linear.weight"), get("head.linear.bias"), len(spec.levels) // 2
            )
            self.head = lambda x: quantiles(x[None])[0].reshape(-1)
        else:
            weight, bias = get("head.weight"), get("head.bias")
            self.head = lambda x: weight @ x + bias


def _own(array: Any) -> Array:
    """A copy; of a torch tensor NumPy takes a view first, as torch cannot be told to copy."""
    return np.array(np.asarray(array), np.float32, order="C")


class _Convolution:
    """One block: a kernel over the last inputs, its normalisation folded into scale and shift."""

    def __init__(self, get: Callable[[str], Array], j: int) -> None:
        weight = get(f"convolutions.layers.{j}.weight")  # (O, I, width)
        norm = f"convolutions.norms.{j}"
        deviation = np.sqrt(get(f"{norm}.running_var") + np.float32(_EPSILON))
        scale = get(f"{norm}.weight") / deviation
        self.width, self.inputs = weight.shape[2], weight.shape[1]
        flat = weight.transpose(0, 2, 1).reshape(len(weight), -1)  # (O, width * I), oldest first
        self.weight = np.ascontiguousarray(flat * scale[:, None])
        self.shift = get(f"{norm}.bias") - get(f"{norm}.running_mean") * scale


class _Window:
    """The last inputs of a convolution; the oldest is dropped at every push."""

    def __init__(self, convolution: _Convolution, stride: int) -> None:
        self.convolution, self.stride = convolution, stride
        self.last = np.zeros((convolution.width, convolution.inputs), np.float32)
        self.count = 0

    def push(self, x: Array) -> Array | None:
        """The output that ends with this input; None at steps that the stride leaves out."""
        self.last[:-1] = self.last[1:]
        self.last[-1] = x
        due = self.count % self.stride == 0
        self.count += 1
        if not due:
            return None
        c = self.convolution
        y: Array = np.maximum(c.weight @ self.last.reshape(-1) + c.shift, 0)
        return y


class _MemberStream:
    def __init__(self, member: _Member) -> None:
        self.member, spec = member, member.spec
        pairs = zip(member.convolutions, spec.strides, strict=True)
        self.windows = [_Window(c, stride) for c, stride in pairs]
        self.recurrent = None if member.recurrent is None else member.recurrent.stream()
        self.pool = None if spec.per_step else _Pool(spec.pooling, member.attention)
        self.answer: Array | None = None

    def push(self, values: Array, tokens: Array) -> Array:
        x: Array | None = self._embedded(values, tokens)
        for window in self.windows:
            assert x is not None
            x = window.push(x)
            if x is None:
                assert self.answer is not None  # the first step is never left out
                return self.answer
        assert x is not None
        y = self._recur(x)
        if self.pool is not None:
            y = self.pool.push(np.concatenate([y, x]) if self.windows else y)
        self.answer = self.member.head(y)
        return self.answer

    def _embedded(self, values: Array, tokens: Array) -> Array:
        member, parts = self.member, []
        if member.spec.size:
            numbers = np.asarray(values, np.float32)
            parts.append(numbers if member.frames is None else member.frames(numbers))
        parts += [table[tokens[c]] for c, table in enumerate(member.tables)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _recur(self, x: Array) -> Array:
        if self.recurrent is not None:
            return self.recurrent.push(np.ascontiguousarray(x))
        for weight, bias in self.member.layers:
            x = np.maximum(weight @ x + bias, 0)
        return x


class _Pool:
    """The steps so far as one vector, in constant memory."""

    def __init__(self, kind: str, attention: tuple[Array, Array, Array] | None) -> None:
        self.kind, self.attention, self.count = kind, attention, 0
        self.total: Any = 0.0
        self.top: Any = -np.inf
        self.weight = 0.0

    def push(self, y: Array) -> Array:
        self.count += 1
        if self.kind == "last":
            return y
        if self.attention is not None:
            return self._attend(y)
        parts = []
        if self.kind != "max":
            self.total = self.total + y.astype(np.float64)  # float32 would stand still at 2^24
            parts.append((self.total / self.count).astype(np.float32))
        if self.kind != "mean":
            self.top = np.maximum(self.top, y)
            parts.append(self.top)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _attend(self, y: Array) -> Array:
        """Weighted sums by a softmax whose largest score moves along (Milakov & Gimelshein 2018)."""
        assert self.attention is not None
        project, bias, score = self.attention
        s = float(score @ np.tanh(project @ y + bias))
        if s > self.top:
            shrink = np.exp(self.top - s)
            self.total, self.weight, self.top = self.total * shrink, self.weight * shrink, s
        share = np.exp(s - self.top)
        self.total = self.total + np.float32(share) * y
        self.weight += share
        mean: Array = (self.total / self.weight).astype(np.float32)
        return mean
