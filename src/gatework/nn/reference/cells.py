"""What each cell does with its sums, readable against the paper.

``x = W_ih x_t + b_ih (…, X*H)`` and ``h = W_hh h' + b_hh (…, G*H)`` are the sums, ``state`` is what was
before, the output first, ``p (K, H)`` the cell's own vectors or None for zeros.  Each function returns the
new state; a projection is applied to its first part later.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

State = tuple[Tensor, ...]
Pointwise = Callable[[Tensor, Tensor, State, Tensor | None], State]


def lstm(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """Gers, Schmidhuber & Cummins 2000, without peepholes: torch's LSTM."""
    i, f, g, o = (x + h).chunk(4, dim=-1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _family(
    gates: str, coupled: bool = False, squash_in: bool = True, squash_out: bool = True
) -> Pointwise:
    """The LSTM with peepholes (Gers, Schraudolph & Schmidhuber 2002) and what Greff et al. 2015 take away.

    A gate that is not among ``gates`` is 1.  i and f see c(t-1), o sees c(t).
    """

    def cell(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
        sums = dict(zip(gates, (x + h).chunk(len(gates), dim=-1), strict=True))
        before = state[1]
        peeking = [gate for gate in "ifo" if gate in gates]
        peepholes = dict(zip(peeking, p if p is not None else [0.0] * len(peeking), strict=True))
        one = torch.ones_like(before)
        f = (sums["f"] + peepholes["f"] * before).sigmoid() if "f" in gates else one
        i = (sums["i"] + peepholes["i"] * before).sigmoid() if "i" in gates else one
        if coupled:
            i = 1 - f
        g = sums["g"].tanh() if squash_in else sums["g"]
        c = f * before + i * g
        o = (sums["o"] + peepholes["o"] * c).sigmoid() if "o" in gates else one
        return o * (c.tanh() if squash_out else c), c

    return cell


def gru(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """Cho et al. 2014, the reset gate after the product (as torch and cuDNN have it)."""
    (r_x, z_x, n_x), (r_h, z_h, n_h) = x.chunk(3, dim=-1), h.chunk(3, dim=-1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + r * n_h).tanh()
    return ((1 - z) * n + z * state[0],)


def rnn(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """Elman 1990."""
    return ((x + h).tanh(),)


def rnn_relu(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """The same with max(0, .)."""
    return ((x + h).relu(),)


def slstm(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """Beck et al. 2024, equations 8 to 17, the forget gate a sigmoid; state h, c, n, m."""
    i_sum, f_sum, g, o = (x + h).chunk(4, dim=-1)
    _, c, n, m = state
    kept = F.logsigmoid(f_sum) + m
    # where nothing has been seen, n = 0, the stabiliser is the input gate's alone
    m = torch.where(n != 0, torch.maximum(kept, i_sum), i_sum)
    i, f = (i_sum - m).exp(), (kept - m).clamp(max=0).exp()
    c = f * c + i * g.tanh()
    n = f * n + i
    return o.sigmoid() * c / n, c, n, m


def minlstm(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """Feng et al. 2024, section 3.2, with the gates normalised to sum to 1 (algorithm 4)."""
    i, f, g = x.chunk(3, dim=-1)
    i, f = i.sigmoid(), f.sigmoid()
    both = (i + f).clamp(min=torch.finfo(x.dtype).tiny)
    share = i / both
    return ((1 - share) * state[0] + share * g,)


def mingru(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """Feng et al. 2024, section 3.1 (algorithm 2)."""
    z, n = x.chunk(2, dim=-1)
    z = z.sigmoid()
    return ((1 - z) * state[0] + z * n,)


def _normal(sums: Tensor, gain: Tensor) -> Tensor:
    """``gain * (a - mean) / sqrt(variance + 1e-5)``, Ba, Kiros & Hinton 2016, equation 4; gain ``(n, H)``."""
    gain = gain.flatten()
    return F.layer_norm(sums, gain.shape, gain, eps=1e-5)


def layernorm(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """Ba, Kiros & Hinton 2016, equations 20 to 22; p: gains of x, of h, biases, gain and bias of c."""
    p = x.new_zeros(14, x.shape[-1] // 4) if p is None else p
    sums = _normal(x, p[:4]) + _normal(h, p[4:8]) + p[8:12].flatten()
    i, f, g, o = sums.chunk(4, dim=-1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * (_normal(c, p[12:13]) + p[13]).tanh(), c


def layernorm_gru(x: Tensor, h: Tensor, state: State, p: Tensor | None) -> State:
    """Ba, Kiros & Hinton 2016, supplementary material; p: gains of x, of h, biases, h's bias of n."""
    H = x.shape[-1] // 3
    p = x.new_zeros(10, H) if p is None else p
    gates = _normal(x[..., : 2 * H], p[:2]) + _normal(h[..., : 2 * H], p[3:5]) + p[6:8].flatten()
    r, z = gates.sigmoid().chunk(2, dim=-1)
    n_x = _normal(x[..., 2 * H :], p[2:3]) + p[8]
    n = (n_x + r * (_normal(h[..., 2 * H :], p[5:6]) + p[9])).tanh()
    return ((1 - z) * n + z * state[0],)


POINTWISE: dict[str, Pointwise] = {
    "lstm": lstm,
    "gru": gru,
    "rnn": rnn,
    "rnn_relu": rnn_relu,
    "lstm1997": _family("igo"),
    "peephole": _family("ifgo"),
    "cifg": _family("fgo", coupled=True),
    "no_input_gate": _family("fgo"),
    "no_output_gate": _family("ifg"),
    "no_input_activation": _family("ifgo", squash_in=False),
    "no_output_activation": _family("ifgo", squash_out=False),
    "slstm": slstm,
    "minlstm": minlstm,
    "mingru": mingru,
    "layernorm": layernorm,
    "layernorm_gru": layernorm_gru,
}
