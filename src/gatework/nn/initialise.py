"""How the weights of a recurrent layer begin: orthogonal, identity, open forget gates, chrono biases."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from gatework.cells import CELLS, Cell
from gatework.errors import ConfigError

Layer = TypeVar("Layer", bound=nn.Module)
_TORCHS = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn", "RNN_RELU": "rnn_relu"}
# +1: an open gate keeps what is stored; -1: it overwrites.
_SIGNS = {"f": 1.0, "i": -1.0}


def keeping_gates(cell: Cell) -> dict[str, float]:
    """Gates that say how long a cell keeps what it stores: +1 where open is to keep, -1 where it is to write.

    The update gate z of a GRU keeps, that of the minGRU writes.

    >>> keeping_gates(CELLS["lstm"]), keeping_gates(CELLS["gru"]), keeping_gates(CELLS["mingru"])
    ({'i': -1.0, 'f': 1.0}, {'z': 1.0}, {'z': -1.0})
    """
    signs = _SIGNS | {"z": 1.0 if "r" in cell.x_gates else -1.0}
    return {gate: signs[gate] for gate in cell.x_gates if gate in signs}


def initialise(
    layer: Layer,
    *,
    forget_bias: float | None = None,
    chrono: float | None = None,
    orthogonal: bool = True,
) -> Layer:
    """The layer itself, its weights drawn anew by torch's generator; what is not named stays.

    .. code-block:: text

        orthogonal     each gate's block of W_hh: QᵀQ = 1 (Saxe et al. 2013, arXiv 1312.6120), so that h neither
                       explodes nor vanishes at the start; of rnn_relu W_hh = 1 and biases 0 (Le, Jaitly &
                       Hinton 2015, arXiv 1504.00941)
        forget_bias    b_f = forget_bias: 1 keeps (Gers, Schmidhuber & Cummins 2000; Jozefowicz et al. 2015)
        chrono         b_f = log u, b_i = -b_f, u ~ U(1, chrono - 1) of each unit: memories of up to `chrono`
                       steps (Tallec & Ollivier 2018, arXiv 1804.11188, section 3)

    The gate that keeps stands for f where a cell has no f: z of the GRU, and with the sign turned z of the
    minGRU, which writes; the gates of the mLSTM are one a head.  A cell that has f without i, or i without f,
    gets the one it has.  Biases of W_ih get the value, those of W_hh become 0 there, because only their sum
    counts.  All layers and directions.

    Args:
        layer: a recurrent layer of ``gatework.nn`` or ``torch.nn``.
        forget_bias: not with ``chrono``.
        chrono: steps, more than 2: the longest lag that is expected.
        orthogonal: False leaves W_hh as it is; cells without W_hh have nothing to leave.

    Raises:
        ConfigError: another module, both biases at once, too short a lag, a value that is not
            finite, a layer without such gates or biases.

    >>> from gatework.nn import GRU
    >>> gru = initialise(GRU(3, 4), chrono=100)
    >>> z = gru.bias_ih_l0.detach()[4:8]
    >>> bool((z >= 0).all() & (z.exp() <= 99.001).all()), gru.bias_hh_l0[4:8].tolist()
    (True, [0.0, 0.0, 0.0, 0.0])
    """
    name, cell = type(layer).__name__, _cell_of(layer)
    H = _size(layer)
    if chrono is not None and forget_bias is not None:
        raise ConfigError(
            f"initialise: `chrono` and `forget_bias` both set the forget gates of {name}. Leave one out."
        )
    if chrono is not None and not 2 < chrono < math.inf:
        raise ConfigError(
            f"initialise: `chrono` is the longest lag, in steps, and must be finite and more than 2; got "
            f"{chrono!r}."
        )
    if forget_bias is not None and not math.isfinite(forget_bias):
        raise ConfigError(
            f"initialise: `forget_bias` must be a finite number; got {forget_bias!r}. Of 6, a gate keeps "
            "0.998 of what is stored."
        )
    signs = dict(_SIGNS) if cell.name == "mlstm" else keeping_gates(cell)
    if forget_bias is not None and "f" in signs:
        signs.pop("i", None)
    biases = _bias_names(layer, cell)
    if chrono is not None or forget_bias is not None:
        option = "chrono" if chrono is not None else "forget_bias"
        usable = bool(signs) if chrono is not None else bool(signs.keys() & {"f", "z"})
        if not usable or not biases:
            why = "has no biases" if usable else "has no gate for it"
            raise ConfigError(f"initialise: `{option}` was given, {name} ({cell.name}) {why}.")
    with torch.no_grad():
        if orthogonal:
            _orthogonal(layer, cell, H)
        for bias in biases:
            if chrono is not None:
                like = layer.get_parameter(bias)
                rows = int(layer.num_heads) if cell.name == "mlstm" else H  # type: ignore[arg-type]  # MLSTM has a number
                value: Tensor | float = like.new_empty(rows).uniform_(1.0, chrono - 1.0).log()
            elif forget_bias is not None:
                value = float(forget_bias)
            else:
                continue
            _set_biases(layer, cell, bias, signs, value, H)
    return layer


def _bias_names(layer: nn.Module, cell: Cell) -> list[str]:
    """The parameters that biases are in: of normalised sums, which have theirs behind, ``weight_p``."""
    behind = any(row.startswith("bias_") for row in cell.parameters)
    if behind and not getattr(layer, "bias", True):
        return []
    kind = "weight_p" if behind else "bias_gates" if cell.name == "mlstm" else "bias_ih"
    return [n for n, _ in layer.named_parameters(recurse=False) if n.startswith(kind)]


def _set_biases(
    layer: nn.Module,
    cell: Cell,
    name: str,
    signs: dict[str, float],
    value: Tensor | float,
    H: int,
) -> None:
    """One direction's: ``sign * value`` in bias_ih, 0 in bias_hh."""
    own = layer.get_parameter(name)
    if name.startswith("weight_p"):
        for gate, sign in signs.items():
            own[cell.parameters.index(f"bias_{gate}")] = sign * value
        return
    if name.startswith("bias_gates"):  # mLSTM: of each head, i then f
        N = len(own) // 2
        for gate, sign in signs.items():
            own["if".index(gate) * N :][:N] = sign * value
        return
    other = getattr(layer, name.replace("bias_ih", "bias_hh"), None)
    for gate, sign in signs.items():
        at = cell.x_gates.index(gate) * H
        own[at : at + H] = sign * value
        if other is not None:
            at = cell.h_gates.index(gate) * H
            other[at : at + H] = 0.0


def _orthogonal(layer: nn.Module, cell: Cell, H: int) -> None:
    """W_hh gate by gate, of sLSTM head by head, and the gates' own matrices of full gate recurrence."""
    for name, w in layer.named_parameters(recurse=False):
        if name.startswith("weight_hh") and cell.name == "rnn_relu":
            nn.init.eye_(w)
        elif name.startswith("bias_") and cell.name == "rnn_relu":
            nn.init.zeros_(w)
        elif name.startswith("weight_hh"):
            rows = H // int(getattr(layer, "num_heads", 1))
            for block in torch.split(w, rows):
                nn.init.orthogonal_(block)
        elif name.startswith("weight_gates") and cell.h_gates:
            for block in (b for row in torch.split(w, H) for b in torch.split(row, H, 1)):
                nn.init.orthogonal_(block)


def _cell_of(layer: nn.Module) -> Cell:
    own = getattr(layer, "_cell", None)
    if isinstance(own, Cell):
        return own
    if isinstance(layer, nn.RNNBase):
        return CELLS[_TORCHS[layer.mode]]
    rows = [
        c for c in CELLS.values() if c.layer == type(layer).__name__ and c.name != "feedforward"
    ]
    if rows:
        return rows[0]
    raise ConfigError(
        f"initialise: `layer` must be a recurrent layer of gatework.nn or torch.nn; got "
        f"{type(layer).__name__}. Call it for each such layer inside: "
        "for part in model.modules(): if isinstance(part, torch.nn.LSTM): initialise(part)."
    )


def _size(layer: nn.Module) -> int:
    size = layer.hidden_size
    assert isinstance(size, int)
    return size
