"""What a layer says of input that does not fit: whose argument, what is allowed, what came, what to do."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from gatework.nn import GRU, LSTM, RNN

sys.path.insert(0, str(Path(__file__).parent))
from layers import KINDS, Kind

every_layer = pytest.mark.parametrize("Layer", [LSTM, GRU, RNN])
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
I, H = 3, 5  # noqa: E741
X = torch.zeros(2, 4, I)


def refused(
    layer: Any, error: type[Exception], *args: Any, owner: Any = None, **options: Any
) -> str:
    """The message of the error that the call raises, with and without gradients."""
    said, kind = [], type(layer if owner is None else owner).__name__
    for grad in (True, False):
        with (
            torch.set_grad_enabled(grad),
            pytest.raises(error, match=rf"^{kind}\.(forward|step|fan_out): ") as e,
        ):
            layer(*args, **options)
        said.append(str(e.value))
    assert said[0] == said[1]
    return said[0]


@every_layer
def test_input(Layer: Any) -> None:
    layer = Layer(I, H, batch_first=True)
    assert "must have 2 axes (T, I) or 3 axes" in refused(layer, ValueError, torch.zeros(3))
    assert "got shape (1, 2, 3, 4)" in refused(layer, ValueError, torch.zeros(1, 2, 3, 4))
    wide = refused(layer, ValueError, torch.zeros(2, 4, 7))
    for part in ("7 features", "input_size=3", "shape (2, 4, 7)", "rebuild with input_size=7"):
        assert part in wide
    assert "got ndarray" in refused(layer, TypeError, np.zeros((2, 4, I), dtype=np.float32))
    assert "got list" in refused(layer, TypeError, [[1.0]])
    double = refused(layer, ValueError, X.double())
    assert "`input` is torch.float64, this layer's weights are torch.float32" in double
    assert "input.to(torch.float32)" in double
    assert "layer.to(torch.float64)" in double
    assert "is torch.int64" in refused(layer, ValueError, X.long())
    elsewhere = refused(layer, ValueError, X.to("meta"))
    assert "is on meta, this layer's weights are on cpu" in elsewhere


@every_layer
def test_lengths(Layer: Any) -> None:
    layer = Layer(I, H, batch_first=True)
    assert "needs a batch" in refused(layer, ValueError, X[0], lengths=[4])
    assert "shape (2,); got shape (3,)" in refused(layer, ValueError, X, lengths=[1, 2, 3])
    assert "between 0 and T=4; got 1 to 5" in refused(layer, ValueError, X, lengths=[1, 5])
    assert "between 0 and T=4; got -1 to 2" in refused(layer, ValueError, X, lengths=[2, -1])
    floats = refused(layer, TypeError, X, lengths=torch.tensor([1.0, 2.0]))
    assert "integers; got torch.float32. Convert them: lengths.long()" in floats
    assert "mask.sum(1)" in refused(layer, TypeError, X, lengths=torch.ones(2, 4) > 0)
    assert "integers, a tensor or a list" in refused(layer, TypeError, X, lengths=["a", "b"])
    swapped = refused(Layer(I, H), ValueError, X, lengths=[4, 4])
    assert "shape (4,); got shape (2,)" in swapped
    assert "takes `input` as (T=2, B=4, I=3); did you mean batch_first=True?" in swapped


@every_layer
def test_lengths_in_any_integer_type(Layer: Any) -> None:
    layer = Layer(I, H, batch_first=True)
    wanted = layer(torch.ones(2, 4, I), lengths=[4, 2])[0]
    kinds = [torch.tensor([4, 2], dtype=t) for t in (torch.int32, torch.uint8, torch.int16)]
    for lengths in (*kinds, np.array([4, 2]), (4, 2)):
        assert torch.equal(layer(torch.ones(2, 4, I), lengths=lengths)[0], wanted)


@every_layer
def test_resets(Layer: Any) -> None:
    layer = Layer(I, H, batch_first=True)
    floats = refused(layer, TypeError, X, resets=torch.zeros(2, 4))
    assert "must be bool, True where the state is cleared" in floats
    shape = refused(layer, ValueError, X, resets=torch.zeros(4, 2, dtype=torch.bool))
    assert "shape (B=2, T=4), the batch first whatever batch_first is; got (4, 2)" in shape
    packed = pack_padded_sequence(X, [4, 4], True)
    message = refused(layer, ValueError, packed, resets=torch.zeros(2, 4, dtype=torch.bool))
    assert "do not go with a PackedSequence" in message
    assert "pad_packed_sequence" in message


@every_kind
def test_states(kind: Kind) -> None:
    layer = kind.make(I, H, num_layers=2)
    x = torch.zeros(3, 4, I)
    shapes = layer._state_shapes(3)
    good = [torch.zeros(s) for s in shapes]
    pair = len(shapes) == 2

    def hx(h: Any) -> Any:
        return (h, *good[1:]) if pair else h

    for wrong in (good[0][:1], good[0][:, :1], good[0].transpose(0, 1), good[0][..., :1]):
        said = refused(layer, ValueError, x, hx(wrong))
        assert f"initial h must have shape {shapes[0]}" in said
        assert f"got {tuple(wrong.shape)} with input (3, 4, 3)" in said
    assert "h is torch.float64" in refused(layer, ValueError, x, hx(good[0].double()))
    assert "hold tensors; h is int" in refused(layer, TypeError, x, hx(0))
    if pair:
        assert "must be a pair (h, c)" in refused(layer, TypeError, x, good[0])
        assert "got 3 values" in refused(layer, TypeError, x, (*good, good[0]))
        said = refused(layer, ValueError, x, (good[0], good[1][..., :1]))
        assert f"initial c must have shape {shapes[1]}" in said
    else:
        said = refused(layer, TypeError, x, (good[0], good[0]))
        assert "one tensor h" in said
        assert "Only cells such as the LSTM" in said
    flat = refused(layer, ValueError, x[0], hx(good[0]))
    assert f"initial h must have shape {(shapes[0][0], shapes[0][2])}" in flat


@every_layer
def test_packed_sequences(Layer: Any) -> None:
    layer = Layer(I, H)
    packed = pack_padded_sequence(X, [4, 4], True)
    assert "carries its own lengths" in refused(layer, ValueError, packed, lengths=[4, 4])
    for sizes in ([2, 3, 3], [2, 2, 2], [], [9, -1], [-1, 9], [-8]):
        damaged = PackedSequence(torch.zeros(8, I), torch.tensor(sizes, dtype=torch.int64))
        said = refused(layer, ValueError, damaged)
        assert f"must fall and sum to its 8 rows, none negative; got {sizes}" in said
    wide = PackedSequence(torch.zeros(8, 4), torch.tensor([4, 4]))
    assert "has 4 features" in refused(layer, ValueError, wide)
    three = PackedSequence(torch.zeros(8, I, 1), torch.tensor([4, 4]))
    assert "must have 2 axes (steps, I)" in refused(layer, ValueError, three)


@every_layer
def test_step_and_fan_out(Layer: Any) -> None:
    layer, both = Layer(I, H, batch_first=True), Layer(I, H, bidirectional=True)
    with pytest.raises(ValueError, match=rf"{Layer.__name__}\.step: `x` must be a tensor \(B, I\)"):
        layer.step(torch.zeros(2, 1, I))
    with pytest.raises(ValueError, match="got list"):
        layer.step([1.0])
    with pytest.raises(ValueError, match="bidirectional layer needs the whole sequence"):
        both.step(torch.zeros(2, I))
    with pytest.raises(ValueError, match=re.escape("fan_out: a bidirectional layer needs")):
        both.fan_out(torch.zeros(2, 1, I), torch.zeros(2, 2, H))
    with pytest.raises(ValueError, match="4 features"):
        layer.step(torch.zeros(2, 4))
    if Layer is LSTM:
        assert "must be a pair (h, c)" in refused(
            layer.fan_out, TypeError, X[:, :2], torch.zeros(1, 2, H), owner=layer
        )
    else:
        state = torch.zeros(1, 2, H)
        said = refused(layer.fan_out, TypeError, X[:, :2], (state, state), owner=layer)
        assert "must be one tensor h, as forward returned it; got 2 values" in said
    said = refused(layer.step, ValueError, X[:, 0].double(), owner=layer)
    assert said.startswith(f"{Layer.__name__}.step: ")
    wrong = torch.zeros(1, 3, H)
    state = (wrong, wrong) if Layer is LSTM else wrong
    said = refused(layer.step, ValueError, X[:, 0], state, owner=layer)
    assert said.startswith(f"{Layer.__name__}.step: `hx`: the initial h must have shape (1, 2, 5)")


@every_layer
def test_advice_fits_what_came(Layer: Any) -> None:
    layer = Layer(I, H, batch_first=True)
    assert "layer.to" not in refused(layer, ValueError, X.long())
    assert "view_as_real(input)" in refused(layer, ValueError, X + 0j)
    meta = refused(Layer(I, H, device="meta"), ValueError, X)
    assert "layer.to_empty(device='cpu')" in meta
    floats = refused(layer, TypeError, X, lengths=[1.0, 2.0])
    assert "[int(n) for n in lengths]" in floats
    huge = refused(layer, ValueError, X, lengths=[1, 2**70])
    assert f"between 0 and T=4; got 1 to {2**70}" in huge
    one = refused(layer, ValueError, X[0], resets=torch.zeros(1, 4, dtype=torch.bool))
    assert "shape (T=4,), as the input has no batch; got (1, 4)" in one
    assert "bool tensor (T,); got str" in refused(layer, TypeError, X[0], resets="abc")
    assert "got layout torch.sparse_coo" in refused(layer, TypeError, X.to_sparse())
    state = torch.zeros(1, H)[:, :2]
    one = refused(layer, ValueError, X[0], (state, state) if Layer is LSTM else state)
    assert "(layers*directions, size); got (1, 2)" in one
    assert "one sequence without a batch" in one


@every_layer
def test_a_missing_parameter_is_named(Layer: Any) -> None:
    layer = Layer(I, H)
    layer.bias_hh_l0 = None
    said = refused(layer, ValueError, X)
    assert "the parameter bias_hh_l0 is None" in said
    assert "tensor(" not in said
