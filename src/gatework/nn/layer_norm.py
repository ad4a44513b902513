"""LSTM and GRU with layer normalisation (Ba, Kiros & Hinton 2016, arXiv 1607.06450), on the compiled engine.

One alphabet: x ``(B, I)``, h and c ``(B, H)``; gates i f g o, of the GRU r z n; K gains and biases of H values.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from gatework.nn.variants import Variant


class LayerNormLayer(Variant):
    """Gains and biases of normalised sums, the rows of ``weight_p_l0 (K, H)``; abstract.

    Gains begin at 1 and biases at 0, a forget gate's at ``forget_bias``.  With ``bias=False`` the rows of
    biases are 0 and stay so: they get no gradient, and a state with others is refused.
    """

    gains: ClassVar[tuple[int, ...]]  # the rows of gains; all others are biases

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.bias:
            self._has_options = True  # the quick way of inference reads weights past `_weights`

    def _shapes(self, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        return (*shapes[:2], (0,), (0,), *shapes[4:])  # a bias before a normalisation has no effect

    @property
    def _names(self) -> list[str]:
        return [n for names in self._all_weights for n in names if n.startswith("weight_p")]

    def _is_gain(self, like: Tensor) -> Tensor:
        """``(K, 1)``: 1 where a row of weight_p is a gain, 0 where it is a bias."""
        mask = like.new_zeros(like.shape[0], 1)
        mask[list(self.gains)] = 1.0
        return mask

    def reset_parameters(self) -> None:
        """Matrices uniform within ±1/√H, gains 1, biases 0."""
        super().reset_parameters()
        with torch.no_grad():
            for name in self._names:
                p = getattr(self, name)
                p.copy_(self._is_gain(p).expand_as(p))

    def _set_forget_bias(self, name: str, value: float) -> None:
        rows = self._cell.parameters
        if "bias_f" not in rows or not self.bias:
            why = "has no biases" if "bias_f" in rows else "has no forget gate"
            raise ValueError(f"{name}: `forget_bias` was given, this layer {why}.")
        with torch.no_grad():
            for weight in self._names:
                getattr(self, weight)[rows.index("bias_f")] = value

    def _weights(self, name: str) -> list[list[Tensor]]:
        found = super()._weights(name)
        if self.bias:
            return found
        K = len(self._cell.parameters)
        each = len(found[0]) // (2 if self.bidirectional else 1)
        return [
            [
                w * self._is_gain(w) if n % each == each - 1 and len(w) == K else w
                for n, w in enumerate(ws)
            ]
            for ws in found
        ]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *others: Any, **named: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *others, **named)
        errors: list[str] = named.get("error_msgs", others[-1] if others else [])
        for name in self._names if not self.bias else ():
            p = getattr(self, name)
            with torch.no_grad():
                if p.is_meta or not bool((p * (1 - self._is_gain(p))).any()):
                    continue
                p.mul_(self._is_gain(p))
            errors.append(
                f"{prefix}{name} has biases, this {type(self).__name__} was built with bias=False"
            )


class LayerNormLSTM(LayerNormLayer):
    """LSTM whose sums and cell state are normalised (Ba, Kiros & Hinton 2016, equations 20 to 22).

    .. code-block:: text

        i, f, g, o = g_x * n(W_ih x) + g_h * n(W_hh h) + b        n over all 4H sums together
        c' = σ(f) * c + σ(i) * tanh(g)      h' = σ(o) * tanh(g_c * n(c') + b_c)
        n(a) = (a - mean a) / √(variance a + 1e-5)

    g are gains; the paper's two biases of the sums add up to b.  ``weight_p_l0 (14, H)`` has g_x, g_h and b,
    each by gate, then g_c and b_c; there is no ``bias_ih``.  c itself is carried as it is; only what is read
    of it is normalised.  What x is scaled by hardly matters: n(W_ih x) is the same for 2x.

    torch and Keras have no such layer, and cuDNN neither.  haste's LayerNormLSTM computes the same, with gates
    i g f o, on CUDA alone; TensorFlow 1's LayerNormBasicLSTMCell normalises each gate by itself, after adding
    the sums of x and h.

    Args:
        bias: False: b and b_c are 0 and are not trained.
        forget_bias: what b begins with in the forget gate, 1 unless given.

    All others as :class:`~gatework.nn.variants.Variant` takes them.

    >>> y, (h, c) = LayerNormLSTM(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape, c.shape
    (torch.Size([2, 5, 8]), torch.Size([1, 2, 8]))
    """

    cell = "layernorm"
    gains = (*range(8), 12)


class LayerNormGRU(LayerNormLayer):
    """GRU whose sums are normalised (Ba, Kiros & Hinton 2016, supplementary material).

    .. code-block:: text

        r, z = σ(g_x * n(W_ih x) + g_h * n(W_hh h) + b)           n over the 2H sums of both gates
        n' = tanh(g_nx * n(W_in x) + b_n + r * (g_nh * n(W_hn h) + b_hn))     each n over H sums
        h' = (1 - z) * n' + z * h            n(a) = (a - mean a) / √(variance a + 1e-5)

    ``weight_p_l0 (10, H)`` has g_x by gate r z n, g_h by gate, b by gate and b_hn; there is no ``bias_ih``.
    z is the share of the old, as in torch's GRU; in the paper it is that of the new.  haste's LayerNormGRU
    normalises the candidate together with the gates, over 3H.

    Args:
        bias: False: all biases are 0 and are not trained.

    All others as :class:`~gatework.nn.variants.Variant` takes them.

    >>> y, h = LayerNormGRU(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape, h.shape
    (torch.Size([2, 5, 8]), torch.Size([1, 2, 8]))
    """

    cell = "layernorm_gru"
    gains = tuple(range(6))
