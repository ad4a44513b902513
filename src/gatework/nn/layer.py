"""What all recurrent layers share: checks, the choice of what computes, lengths, resets, steps.

One alphabet: B batch, T time, I input, H hidden, P projection, D directions, Z layers; R is the size of
``h``: P with a projection, else H.  Gates in one order, i f g o (input, forget, candidate, output), which is
also the order of torch's ``weight_ih_l0``.

What runs where (``RecurrentLayer._route``):

    CPU tensors                                     the engine; half precision computes in float32
    the same in torch.compile, torch.export         the engine as an operator of torch
    torch.func's transforms, forward-mode gradients the loop of ``reference``
    CUDA and other devices                          torch's own (cuDNN); the loop for resets, empty sequences,
                                                    regularisers and cells that torch has not
    torch.jit.trace, ONNX export                    torch's own, or that loop
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from gatework.nn import checks, dynamo, engine, operators, regularisers
from gatework.nn.by_loop import forward_by_loop
from gatework.nn.fan_out import fan_out
from gatework.nn.gates import gates
from gatework.nn.inference import infer
from gatework.nn.options import WithOptions
from gatework.runtime.recurrent import Recurrent

State = Tensor | tuple[Tensor, ...]
_HALF = (torch.bfloat16, torch.float16)


class RecurrentLayer(WithOptions):
    """What all recurrent layers share.

    LSTM, GRU and RNN mix it in before a ``torch.nn`` layer, so that arguments, parameters, ``state_dict`` and
    ``repr`` are that layer's.  Nothing is kept beside what that layer keeps, unless asked for: ``accelerate``
    turns one into the other.
    """

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        lengths: Tensor | list[int] | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Any, Any]:
        """Outputs of every step and the last state; padding is not computed on.

        Args:
            input: ``(B, T, I)`` with ``batch_first``, else ``(T, B, I)``; ``(T, I)`` unbatched; or a
                ``PackedSequence``.
            hx: initial state, as the torch layer takes it: ``(Z*D, B, R)``, for an LSTM a pair with
                ``(Z*D, B, H)``, for other cells what they return; zeros (or what was learned) when absent.
                It may require a gradient.
            lengths: ``(B,)`` integers, 0 to T: the valid steps of each sequence, in any order.  Outputs
                after a sequence's end are 0 and its state is that of its last valid step, or the initial
                one if there is none.
            resets: ``(B, T)`` bool (whatever ``batch_first`` is): True clears the state, h and c, just
                before that step; in the reverse direction too, in its own order.

        Returns:
            ``(output, state)`` as the torch layer returns them: output ``(B, T, D*R)``, states
            ``(Z*D, B, R)`` and, of an LSTM, ``(Z*D, B, H)``.  Without steps (T = 0) the state passes.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, named.
            TypeError: something that is not the kind of value the argument takes.
        """
        return self._forward("forward", input, hx, lengths, resets)

    def _forward(
        self, method: str, input: Any, hx: Any, lengths: Any, resets: Any
    ) -> tuple[Any, Any]:
        """What ``forward`` and ``step`` share; ``method`` is whose name errors bear."""
        if lengths is None and resets is None and not self._has_options:
            quick = infer(self, input, hx)
            if quick is not None:
                return quick
        name = f"{type(self).__name__}.{method}"
        if isinstance(input, PackedSequence):
            return self._forward_packed(name, input, hx, lengths, resets)
        if isinstance(input, Proxy):
            return self._forward_symbolic(input, hx, lengths, resets)
        weights = self._weights(name)
        cast_dtype = _autocast_dtype(weights[0][0])
        casts = cast_dtype is not None
        checks.check_input(name, input, self.input_size, weights[0][0], casts)
        if input.dim() == 2:
            return self._forward_unbatched(name, input, hx, lengths, resets)
        B = input.shape[0 if self.batch_first else 1]
        state: tuple[Tensor, ...] = ()
        if hx is None:
            state = self._initial(B)
        else:
            state = checks.check_state(name, hx, self._state_shapes(B), input, casts)
        if lengths is not None:
            lengths = checks.check_lengths(name, lengths, input, self.batch_first)
        if resets is not None:
            resets = checks.check_resets(name, resets, input, self.batch_first)
        route = self._route(input, state, weights)
        if route == "torch":
            return self._forward_torch(input, hx, lengths, resets)
        if route == "reference":
            return forward_by_loop(self, input, state, lengths, resets, weights)
        half = cast_dtype or (input.dtype if input.dtype in _HALF else None)
        y, state = self._run(route, input, state, weights, lengths, None, resets, half)
        return y, state if self._cell.has_c else state[0]

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, Any]:
        """Output and state after one more observation, in constant time and memory.

        Args:
            x: ``(B, I)``, one step of each sequence.
            state: what the last ``step`` or ``forward`` returned; zeros when absent.

        Returns:
            ``(h, state)``: output ``(B, R)`` of the top layer and the new state.  A chain of steps gives
            what ``forward`` gives over the whole sequence.

        Raises:
            ValueError: the layer is bidirectional, or sizes do not fit.
        """
        if self.bidirectional:
            raise ValueError(
                f"{type(self).__name__}.step: a bidirectional layer needs the whole sequence; "
                "build it with bidirectional=False to stream."
            )
        if not isinstance(x, Tensor) or x.dim() != 2:
            came = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(
                f"{type(self).__name__}.step: `x` must be a tensor (B, I); got {came}."
            )
        if x.shape[1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}.step: `x` has {x.shape[1]} features in its last axis, this layer "
                f"was built with input_size={self.input_size}. Got shape {tuple(x.shape)}."
            )
        axis = 1 if self.batch_first else 0
        x = x.unsqueeze(axis)
        if self._forward_pre_hooks or self._forward_hooks:
            output, state = self(x, state)
        elif "forward" in self.__dict__ or type(self).forward is not RecurrentLayer.forward:
            output, state = self.forward(x, state)
        else:
            output, state = self._forward("step", x, state, None, None)
        return output.squeeze(axis), state

    def fan_out(self, x: Tensor, state: State) -> Tensor:
        """Outputs of one step from the same state for many inputs: what a parallel decoder needs.

        The product of weights and state is made once for the m inputs, that of weights and inputs once
        for all states that share them: B + m products instead of 2 B m.

        Args:
            x: ``(*lead, m, I)`` inputs; an axis of the lead that is 1 is shared along that axis.
            state: ``(Z, *lead, R)``, as ``forward`` returned it, its batch axis folded into one or more.

        Returns:
            ``(*lead, m, R)``: what ``step`` would return for each input, the state left as it was.

        Raises:
            ValueError: the layer is bidirectional, or the inputs' features do not fit.
            TypeError: the state is not that of this kind of layer.

        >>> from gatework.nn import GRU
        >>> gru = GRU(3, 4, batch_first=True)
        >>> h = torch.randn(1, 2, 4)
        >>> x = torch.randn(1, 5, 3)
        >>> torch.allclose(gru.fan_out(x, h)[:, 3], gru.step(x[:, 3].expand(2, 3), h)[0], atol=1e-6)
        True
        """
        return fan_out(self, x, state)

    def gates(
        self,
        x: Tensor,
        hx: State | None = None,
        lengths: Tensor | list[int] | None = None,
        resets: Tensor | None = None,
    ) -> list[dict[str, Tensor]]:
        """Gates and states of every step, to look at: of each layer, and of each direction of it.

        Args:
            x, hx, lengths, resets: as ``forward`` takes them, x with three axes.

        Returns:
            Z*D dictionaries in the order of the rows of a state.  The keys are the ``planes`` of the cell
            in ``gatework.cells`` (of an LSTM ``i f g o``; a plain RNN has none), then ``c`` where there is
            a cell state, and ``h``; the values ``(B, T, H)``, h ``(B, T, R)``, are detached, and 0 after a
            sequence's end.

        >>> from gatework.nn import LSTM
        >>> seen = LSTM(3, 8, batch_first=True).gates(torch.randn(2, 5, 3))
        >>> list(seen[0]), seen[0]["f"].shape
        (['i', 'f', 'g', 'o', 'c', 'h'], torch.Size([2, 5, 8]))
        """
        return gates(self, x, hx, lengths, resets)

    def runtime(self, half: bool = False) -> Recurrent:
        """The layer in evaluation as a network on NumPy arrays, which needs no torch.

        Weights are copied; zoneout, residual and a learned state are told to it.  What acts in training
        alone is left out.  ``half``: see :meth:`gatework.runtime.Recurrent.from_state_dict`.

        Raises:
            ValueError: the layer is bidirectional, or its weights are none that the runtime takes.

        >>> from gatework.nn import GRU
        >>> GRU(3, 4, num_layers=2, zoneout=0.1).runtime()
        Recurrent('gru', input_size=3, hidden_size=4, num_layers=2, float32, zoneout=(0.1, 0.0))
        """
        if self.bidirectional:
            raise ValueError(
                f"{type(self).__name__}.runtime: a bidirectional layer needs the whole sequence and cannot "
                "stream; build it with bidirectional=False."
            )
        names = [name for names in self._all_weights for name in names]
        if self.learned_state:
            names += [f"initial_{part}" for part in self._cell.states]
        arrays = {name: getattr(self, name).detach().cpu() for name in names}
        return Recurrent.from_state_dict(
            self._cell.name, arrays, half=half, zoneout=self.zoneout, residual=self.residual
        )

    # ---- weights and sizes

    def _weights(self, name: str) -> list[list[Tensor]]:
        """Of each layer the flat list that the engine takes, read by name at every call.

        By name because that is where a parametrization, weight drop or ``functional_call`` puts them;
        from the dictionary first because ``nn.Module``'s attributes cost ten times as much.
        """
        own = self._parameters
        found: list[Any] = [
            [own[n] if n in own else getattr(self, n) for n in names] for names in self._all_weights
        ]
        checks.check_weights(name, self._all_weights, found)
        if self.weight_drop:
            found = [regularisers.drop_weights(self, ws) for ws in found]
        if self.bidirectional:
            found = [a + b for a, b in zip(found[::2], found[1::2], strict=True)]
        return found

    # ---- the ways

    def _route(self, x: Tensor, state: tuple[Tensor, ...], weights: list[list[Tensor]]) -> str:
        """ "engine", "operator", "torch" or "reference"."""
        other = "reference" if self._has_options or not isinstance(self, nn.RNNBase) else "torch"
        if torch.compiler.is_compiling():
            if torch.onnx.is_in_onnx_export() or x.device.type not in ("cpu", "meta"):
                return other
            return "operator"
        if torch._C._get_tracing_state() is not None:
            if other == "reference" and not torch.onnx.is_in_onnx_export():
                raise RuntimeError(
                    f"{type(self).__name__}: torch.jit.trace would write down a loop of this input's "
                    "steps, wrong for any other. Use torch.export or torch.compile, or gatework.runtime for "
                    "streams."
                )
            return other
        if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
            return "reference"
        if not (x.is_cpu or x.is_meta):
            return other
        if torch._C._len_torch_dispatch_stack() or x.is_meta:
            return "operator"
        for tensors in ((x, *state), *weights):
            for tensor in tensors:
                if type(tensor) not in engine.PLAIN:
                    return "operator"
        return "engine"

    def _run(
        self,
        route: str,
        x: Tensor,
        state: tuple[Tensor, ...],
        weights: list[list[Tensor]],
        lengths: Tensor | None,
        offsets: Tensor | None,
        resets: Tensor | None,
        half: torch.dtype | None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The stack of layers, one call of the engine each; ``half``: the dtype to give results in."""
        call = operators.recurrent if route == "engine" else operators.recurrent_operator
        if half is not None:
            x, state = x.float(), tuple(s.float() for s in state)
            weights = [[w.float() for w in ws] for ws in weights]
        D, cell = 2 if self.bidirectional else 1, self._cell
        B = x.shape[0 if self.batch_first else 1] if lengths is None else lengths.shape[0]
        beside = len(cell.states) - 1
        hs, cs = [], []
        for number, ws in enumerate(weights):
            if number and self.dropout and self.training:
                x = F.dropout(x, self.dropout, True)
            first = state
            if state and self.num_layers > 1:
                first = tuple(s[number * D : (number + 1) * D] for s in state)
            h0, *others = first or (None,)
            c0 = torch.cat(others, -1) if len(others) > 1 else others[0] if others else None
            modifiers = engine.NOTHING
            if self._has_options:
                modifiers = regularisers.modifiers(self, x, B)
            y, hn, cn = call(
                x,
                h0,
                c0,
                ws,
                lengths,
                offsets,
                resets,
                cast("int", cell.code),
                D,
                self.batch_first,
                modifiers,
            )
            x = y + x if self._skips(number, x, y) else y
            hs.append(hn)
            cs.append(cn)
        last: tuple[Tensor, ...] = (hs[0] if len(hs) == 1 else torch.cat(hs),)
        if beside:
            c = cast("Tensor", cs[0]) if len(cs) == 1 else torch.cat(cast("list[Tensor]", cs))
            last = (*last, *c.chunk(beside, -1)) if beside > 1 else (*last, c)
        if half is not None:
            x, last = x.to(half), tuple(s.to(half) for s in last)
        return x, last

    def _forward_torch(
        self, x: Tensor, hx: Any, lengths: Tensor | None, resets: Tensor | None
    ) -> tuple[Any, Any]:
        """By torch's own layer, packing for lengths; by the loop what torch cannot do."""
        if lengths is None and resets is None:
            return cast("tuple[Any, Any]", super().forward(x, hx))
        if resets is not None or (lengths is not None and bool((lengths < 1).any())):
            state = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
            weights = self._weights(type(self).__name__)
            return forward_by_loop(self, x, state, lengths, resets, weights)
        T = x.shape[1 if self.batch_first else 0]
        assert lengths is not None
        packed = pack_padded_sequence(x, lengths, self.batch_first, enforce_sorted=False)
        output, last = super().forward(packed, hx)
        padded, _ = pad_packed_sequence(output, self.batch_first, total_length=T)
        return padded, last

    def _forward_symbolic(self, x: Proxy, *others: Any) -> tuple[Any, Any]:
        """A leaf of the graph that ``torch.fx`` records, as torch's layers are by their module's name."""
        names = ("hx", "lengths", "resets")
        given = {n: v for n, v in zip(names, others, strict=True) if v is not None}
        tracer: Any = x.tracer
        path = tracer.path_of_module(self)
        return cast("tuple[Any, Any]", tracer.create_proxy("call_module", path, (x,), given))

    def _forward_unbatched(
        self, name: str, x: Tensor, hx: Any, lengths: Any, resets: Any
    ) -> tuple[Any, Any]:
        """``(T, I)`` as a batch of one."""
        axis = 0 if self.batch_first else 1
        if lengths is not None:
            checks.check_lengths(name, lengths, x, self.batch_first)
        shapes = tuple((rows, size) for rows, _, size in self._state_shapes(1))
        state = tuple(s.unsqueeze(1) for s in checks.check_state(name, hx, shapes, x, cast=True))
        if resets is not None:
            resets = checks.check_resets(name, resets, x, self.batch_first).unsqueeze(0)
        initial: Any = None if not state else state if self._cell.has_c else state[0]
        y, last = RecurrentLayer.forward(self, x.unsqueeze(axis), initial, None, resets)
        if isinstance(last, tuple):
            return y.squeeze(axis), tuple(s.squeeze(1) for s in last)
        return y.squeeze(axis), last.squeeze(1)

    def _forward_packed(
        self, name: str, packed: PackedSequence, hx: Any, lengths: Any, resets: Any
    ) -> tuple[Any, Any]:
        """A PackedSequence; all layers work on the packed rows."""
        checks.check_packed(name, packed, lengths, resets)
        data, sizes, order, back = packed
        if sizes.numel() == 0 or int(sizes[0]) < 0:
            checks.check_batch_sizes(name, packed)
        weights = self._weights(name)
        cast_dtype = _autocast_dtype(weights[0][0])
        casts = cast_dtype is not None
        checks.check_features(name, data, self.input_size, weights[0][0], casts)
        shapes = self._state_shapes(int(sizes[0]))
        state = checks.check_state(name, hx, shapes, data, casts)
        if hx is None:
            state = self._initial(int(sizes[0]))
        route = self._route(data, state, weights)
        if route in ("torch", "reference"):
            checks.check_batch_sizes(name, packed)
        if route == "torch":
            return cast("tuple[Any, Any]", super().forward(packed, hx))
        if route == "reference":
            x, counts = pad_packed_sequence(packed, self.batch_first)
            y, last = forward_by_loop(self, x, state, counts, None, weights)
            return pack_padded_sequence(y, counts, self.batch_first, enforce_sorted=False), last
        if order is not None:
            state = tuple(s.index_select(1, order) for s in state)
        # Steps of each sequence: how many batch sizes are above its number; sizes fall.
        numbers = torch.arange(int(sizes[0]), device="cpu")
        counts = torch.searchsorted(-sizes, -numbers)
        offsets = sizes.cumsum(0) - sizes
        half = cast_dtype or (data.dtype if data.dtype in _HALF else None)
        try:
            y, last = self._run(route, data, state, weights, counts, offsets, None, half)
        except ValueError:
            checks.check_batch_sizes(name, packed)  # says it better; the engine looked first
            raise
        if back is not None:
            last = tuple(s.index_select(1, back) for s in last)
        return PackedSequence(y, sizes, order, back), last if self._cell.has_c else last[0]


def _autocast_dtype(weight: Tensor) -> torch.dtype | None:
    """The dtype of results under autocast, None outside; float64 is left alone, as torch does."""
    kind = "cpu" if weight.is_cpu else weight.device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind) or weight.dtype == torch.float64:
        return None
    return torch.get_autocast_dtype(kind)


def _on_engine(layer: object) -> bool:
    return isinstance(layer, RecurrentLayer) and all(
        p.device.type in ("cpu", "meta") for p in layer.parameters()
    )


dynamo.allow(_on_engine)
