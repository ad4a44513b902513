"""The family: LSTM of 1997, peepholes, coupled gates, the ablations of Greff et al., sLSTM, minLSTM and minGRU.

Each class is a row of the table in ``gatework.cells`` with its equations.  They are called and return as
:class:`~gatework.nn.LSTM` and :class:`~gatework.nn.GRU` do, and take the same options; weights have torch's
names (``weight_ih_l0`` …) and, where a cell has vectors of its own, ``weight_p_l0``.  One alphabet:
x ``(B, I)``, h and c ``(B, H)``; gates in one order, i f g o, of which some cells have only a part.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gatework.cells import CELLS
from gatework.errors import nearest
from gatework.nn.engine import shapes_of
from gatework.nn.layer import RecurrentLayer
from gatework.nn.options import take_options

_KNOWN = (
    *("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"),
    *(
        "device",
        "dtype",
        "recurrent_dropout",
        "zoneout",
        "weight_drop",
        "residual",
        "learned_state",
    ),
    "forget_bias",
)


class Variant(RecurrentLayer):
    """A recurrent layer that torch has not; abstract.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Z, layers on top of each other.
        bias: whether the sums have biases.
        batch_first: input and output are ``(B, T, ·)``.
        dropout: between the layers.
        bidirectional: a second direction, from each sequence's own end.
        device, dtype: of the parameters.
        recurrent_dropout, zoneout, weight_drop, residual, learned_state: see :class:`~gatework.nn.LSTM`.
        forget_bias: of cells with a forget gate; 1 unless given (Gers, Schmidhuber & Cummins 2000, section 4:
            a forget gate that begins open).

    Raises:
        ValueError: a size below 1, a rate outside 0 to 1, an option that makes no sense for the cell.
    """

    cell: ClassVar[str]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        own = take_options(options)
        super().__init__()
        self._check_sizes(input_size, hidden_size, num_layers, dropout, options)
        self.mode = self.cell
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, 0
        self._all_weights = self._make_weights({"device": device, "dtype": dtype})
        self.reset_parameters()
        if "f" in self._cell.x_gates and bias:
            own.setdefault("forget_bias", 1.0)
        self._set_options(**own)

    def _check_sizes(
        self,
        I: int,  # noqa: E741
        H: int,
        Z: int,
        dropout: float,
        unknown: dict[str, Any],
    ) -> None:
        name = type(self).__name__
        if unknown:
            first = next(iter(unknown))
            why = "This cell has no projection." if first == "proj_size" else nearest(first, _KNOWN)
            raise TypeError(f"{name}: unknown option {first!r}. {why}")
        for argument, size in (("input_size", I), ("hidden_size", H), ("num_layers", Z)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(
                    f"{name}: `{argument}` must be an integer of 1 or more; got {size!r}."
                )
        if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
            raise ValueError(
                f"{name}: `dropout` must be a rate from 0 to below 1; got {dropout!r}."
            )

    def _make_weights(self, factory: dict[str, Any]) -> list[list[str]]:
        """Parameters of every layer and direction; their names, as torch's layers keep them."""
        code, H = self._cell.code, self.hidden_size
        assert code is not None
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "", "weight_p")
        names, D = [], 2 if self.bidirectional else 1
        for z in range(self.num_layers):
            shapes = self._shapes(shapes_of(code, D * H if z else self.input_size, H, 0))
            for suffix in ("", "_reverse")[:D]:
                own = []
                for kind, shape in zip(kinds, shapes, strict=True):
                    if not kind or 0 in shape or (kind.startswith("bias") and not self.bias):
                        continue
                    own.append(f"{kind}_l{z}{suffix}")
                    self.register_parameter(own[-1], nn.Parameter(torch.empty(shape, **factory)))
                names.append(own)
        return names

    def _shapes(self, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        """The parameters' shapes from those that the engine takes."""
        return shapes

    def reset_parameters(self) -> None:
        """Uniform within ±1/√H, as torch initialises its layers."""
        limit = 1 / math.sqrt(self.hidden_size)
        for names in self._all_weights:
            for name in names:
                nn.init.uniform_(getattr(self, name), -limit, limit)

    def extra_repr(self) -> str:
        """Sizes, then what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        for option, default in defaults.items():
            if getattr(self, option) != default:
                text += f", {option}={getattr(self, option)}"
        return text + self._options_repr()


class _WithPeepholes(Variant):
    """Cells whose gates can see c: ``weight_p_l0 (K, H)``, a row for each gate that sees."""

    peepholes: bool

    def __init__(self, *args: Any, peepholes: bool = False, **options: Any) -> None:
        self.__dict__["peepholes"] = bool(peepholes)  # before nn.Module is ready
        super().__init__(*args, **options)

    def _shapes(self, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        return shapes if self.peepholes else (*shapes[:5], (0,))

    def _options_repr(self) -> str:
        own = ", peepholes=True" if self.peepholes and self.cell != "peephole" else ""
        return own + super()._options_repr()


class PeepholeLSTM(_WithPeepholes):
    """LSTM whose gates see the cell state (Gers, Schraudolph & Schmidhuber 2002, equations 5 to 9).

    .. code-block:: text

        i = σ(W_ii x + W_hi h + p_i * c + b_i)     f = σ(W_if x + W_hf h + p_f * c + b_f)
        g = tanh(W_ig x + W_hg h + b_g)            c' = f * c + i * g
        o = σ(W_io x + W_ho h + p_o * c' + b_o)    h' = o * tanh(c')

    The input and the forget gate see c before the step, the output gate after it.  ``weight_p_l0 (3, H)`` has
    p_i, p_f and p_o.  torch, Keras and cuDNN have no such layer; ONNX's LSTM takes the same P, in the order
    i o f.

    >>> y, (h, c) = PeepholeLSTM(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape
    torch.Size([2, 5, 8])
    """

    cell = "peephole"

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.pop("peepholes", True) is not True:
            raise ValueError("PeepholeLSTM: without peepholes this is gatework.nn.LSTM.")
        super().__init__(*args, peepholes=True, **options)


class LSTM1997(_WithPeepholes):
    """The LSTM as it was first (Hochreiter & Schmidhuber 1997), without forget gate: ``c' = c + i * g``.

    What was written stays, so c can only be cleared by writing its opposite: fine for one long lag, not for a
    stream without marked ends (Gers, Schmidhuber & Cummins 2000).  The paper truncates gradients and squashes
    with other ranges; here gradients flow in full and the activations are torch's.  With ``peepholes``,
    ``weight_p_l0`` has p_i and p_o.

    >>> LSTM1997(3, 8).weight_ih_l0.shape  # i g o
    torch.Size([24, 3])
    """

    cell = "lstm1997"


class CoupledLSTM(_WithPeepholes):
    """Coupled input and forget gate (CIFG; Greff et al. 2015, section 3): ``c' = f * c + (1 - f) * g``.

    A quarter fewer weights.  Greff et al. keep the input gate, ``f = 1 - i``; here the forget gate is kept,
    so that ``forget_bias`` means what it means elsewhere: the same family with the sign of that gate turned.
    With ``peepholes`` (as there), ``weight_p_l0`` has p_f and p_o.

    >>> CoupledLSTM(3, 8).weight_ih_l0.shape  # f g o
    torch.Size([24, 3])
    """

    cell = "cifg"


class LSTMWithoutInputGate(_WithPeepholes):
    """No input gate (NIG; Greff et al. 2015, section 3): ``c' = f * c + g``."""

    cell = "no_input_gate"


class LSTMWithoutOutputGate(_WithPeepholes):
    """No output gate (NOG; Greff et al. 2015, section 3): ``h' = tanh(c')``."""

    cell = "no_output_gate"


class LSTMWithoutInputActivation(_WithPeepholes):
    """No input activation (NIAF; Greff et al. 2015, section 3): ``g = W_ig x + W_hg h + b_g``."""

    cell = "no_input_activation"


class LSTMWithoutOutputActivation(_WithPeepholes):
    """No output activation (NOAF; Greff et al. 2015, section 3): ``h' = o * c'``."""

    cell = "no_output_activation"


class SLSTM(Variant):
    """sLSTM (Beck et al. 2024, xLSTM, arXiv 2405.04517, equations 8 to 17): exponential gating.

    .. code-block:: text

        l = log σ(W_if x + W_hf h + b_f) + m      a = W_ii x + W_hi h + b_i
        m' = max(l, a)     i = exp(a - m')        f = exp(l - m')
        c' = f * c + i * tanh(W_ig x + W_hg h + b_g)        n' = f * n + i
        h' = σ(W_io x + W_ho h + b_o) * c' / n'

    The forget gate is a sigmoid (the paper allows both), computed as a logarithm; m keeps the exponentials
    finite and cancels out of h.  ``num_heads`` splits the units into groups that do not see each other through
    W_hh, as the paper has it: ``weight_hh_l0`` is then ``(4*H, H/num_heads)``.  The ``xlstm`` package orders
    gates i f z o as well, and wraps the cell into a block with a convolution and norms; this is the cell.

    State: ``(h, c, n, m)``.

    >>> y, state = SLSTM(3, 8, num_heads=2, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape, len(state)
    (torch.Size([2, 5, 8]), 4)
    """

    cell = "slstm"
    num_heads: int

    def __init__(self, *args: Any, num_heads: int = 1, **options: Any) -> None:
        self.__dict__["num_heads"] = num_heads  # before nn.Module is ready
        super().__init__(*args, **options)

    def _shapes(self, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        heads, H = self.num_heads, self.hidden_size
        if not isinstance(heads, int) or heads < 1 or H % heads:
            raise ValueError(
                f"SLSTM: `num_heads` must divide hidden_size={H}; got {heads!r}. "
                f"Choose one of {[n for n in range(1, min(H, 64) + 1) if H % n == 0]}."
            )
        return (shapes[0], (4 * H, H // heads), *shapes[2:])

    def _weights(self, name: str) -> list[list[Tensor]]:
        found = super()._weights(name)
        if self.num_heads == 1:
            return found
        each = len(found[0]) // (2 if self.bidirectional else 1)
        return [
            [self._dense(w) if i % each == 1 else w for i, w in enumerate(weights)]
            for weights in found
        ]

    def _dense(self, w: Tensor) -> Tensor:
        """``(4*H, H)`` from ``(4*H, H/heads)``: zeros where a head would see another."""
        H, n = self.hidden_size, self.num_heads
        blocks = w.view(4, n, H // n, H // n)
        eye = torch.eye(n, dtype=w.dtype, device=w.device)
        return (blocks.unsqueeze(3) * eye.view(1, n, 1, n, 1)).reshape(4 * H, H)

    def _options_repr(self) -> str:
        own = f", num_heads={self.num_heads}" if self.num_heads > 1 else ""
        return own + super()._options_repr()


class MinLSTM(Variant):
    """minLSTM (Feng et al. 2024, arXiv 2410.01201, section 3.2): gates that see the input alone.

    .. code-block:: text

        i = σ(W_ii x + b_i)      f = σ(W_if x + b_f)      g = W_ig x + b_g
        h' = (f * h + i * g) / (f + i)

    No product with h remains, so all products are made at once, for all steps.  The paper trains with a
    parallel scan; on a processor the scan over time is one multiplication and one addition a unit, done in
    order in the same pass as the gates.  The candidate is linear, as in the paper's section 3; its appendix B
    makes it positive to work with logarithms, which nothing here needs.

    >>> list(MinLSTM(3, 8).state_dict())
    ['weight_ih_l0', 'bias_ih_l0']
    """

    cell = "minlstm"


class MinGRU(Variant):
    """minGRU (Feng et al. 2024, arXiv 2410.01201, section 3.1): one gate that sees the input alone.

    .. code-block:: text

        z = σ(W_iz x + b_z)      n = W_in x + b_n      h' = (1 - z) * h + z * n

    Note that z is the share of the new, in torch's GRU that of the old.  See :class:`MinLSTM` for how it
    is trained.

    >>> y, h = MinGRU(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape, h.shape
    (torch.Size([2, 5, 8]), torch.Size([1, 2, 8]))
    """

    cell = "mingru"


VARIANTS: dict[str, type[Variant]] = {
    CELLS[layer.cell].layer: layer
    for layer in (
        PeepholeLSTM,
        LSTM1997,
        CoupledLSTM,
        LSTMWithoutInputGate,
        LSTMWithoutOutputGate,
        LSTMWithoutInputActivation,
        LSTMWithoutOutputActivation,
        SLSTM,
        MinLSTM,
        MinGRU,
    )
}
