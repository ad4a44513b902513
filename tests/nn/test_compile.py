"""torch.compile, torch.export, operators' checks, tracing, fake tensors, copies."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent))
from layers import KINDS, Kind, additions, close

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
NONE = (None, None, None, False)  # no modifiers
pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
]


@pytest.fixture(autouse=True)
def fresh() -> None:
    """No graph of another test; dynamo stops after eight of one function."""
    torch._dynamo.reset()


def same(found: Any, wanted: Any, terms: int) -> None:
    for a, b in zip(tree_leaves(found), tree_leaves(wanted), strict=True):
        close(a, b, terms)


@pytest.mark.parametrize(
    ("kind", "case"),
    [*((k, "full") for k in KINDS), (KINDS[0], "lengths"), (KINDS[2], "resets")],
    ids=lambda x: x if isinstance(x, str) else x.name,
)
def test_one_graph_without_a_break(kind: Kind, case: str) -> None:
    layer = kind.make(3, 5, num_layers=2, bidirectional=True)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 4, 3, requires_grad=True)
    options: dict[str, Any] = {}
    if case != "full":
        options["lengths"] = torch.tensor([4, 0])
    if case == "resets":
        options["resets"] = torch.tensor([[0, 0, 1, 0], [0, 1, 0, 0]], dtype=torch.bool)
    leaves = [x, *layer.parameters()]
    found, wanted = compiled(x, **options), layer(x, **options)
    same(found, wanted, additions(layer, 4))
    same(
        torch.autograd.grad(found[0].sum(), leaves),
        torch.autograd.grad(wanted[0].sum(), leaves),
        additions(layer, 4),
    )
    layer.eval()
    with torch.no_grad():
        same(compiled(x, **options), layer(x, **options), additions(layer, 4))


def test_a_model_with_torchs_layer_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting that lets dynamo into our layers is not left on for torch's."""
    ours, theirs = KINDS[0].make(3, 5), nn.LSTM(3, 5, batch_first=True)
    x = torch.randn(2, 4, 3)
    torch.compile(lambda x: ours(x)[0], fullgraph=True, backend="eager")(x)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="LSTM"):
        torch.compile(lambda x: theirs(x)[0], fullgraph=True, backend="eager")(x)
    assert torch._dynamo.config.allow_rnn is False
    # Nor for ours where torch's kernels run: there a graph of thousands of steps would be unrolled.
    builder, elsewhere = torch._dynamo.variables.builder, copy.deepcopy(ours)
    monkeypatch.setattr(nn.Parameter, "device", torch.device("cuda"), raising=False)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="LSTM"):
        builder.VariableBuilder.wrap_module(None, elsewhere)


def test_compile_when_dynamo_is_imported_first() -> None:
    """Here it is imported last, by the first test above."""
    code = (
        "import torch._dynamo\nimport torch\nimport gatework.nn\n"
        "layer = gatework.nn.GRU(3, 5)\n"
        "torch.compile(layer, fullgraph=True, backend='eager')(torch.zeros(2, 1, 3))\n"
        "print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr


def test_importing_the_layers_does_not_import_dynamo() -> None:
    code = "import sys, gatework.nn\nprint('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


@every_kind
def test_one_graph_for_every_length(kind: Kind) -> None:
    layer = kind.make(3, 5)
    graphs = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(layer, fullgraph=True, backend=backend, dynamic=True)
    for B, T in ((2, 4), (3, 5), (4, 9)):
        x = torch.randn(B, T, 3)
        same(compiled(x)[0], layer(x)[0], additions(layer, T))
    assert len(graphs) == 1


@every_kind
def test_export(kind: Kind) -> None:
    layer = kind.make(3, 5, num_layers=2).eval()
    batch, time = torch.export.Dim("B", min=1), torch.export.Dim("T", min=1)
    program = torch.export.export(
        layer, (torch.randn(2, 4, 3),), dynamic_shapes=({0: batch, 1: time},)
    )
    assert "gatework.recurrent" in str(program.graph)
    x = torch.randn(7, 9, 3)
    same(program.module()(x), layer(x), additions(layer, 9))


@pytest.mark.parametrize(
    ("kind", "case"),
    [*((k, "full") for k in KINDS), *((KINDS[1], c) for c in ("lengths", "resets", "packed"))],
    ids=lambda x: x if isinstance(x, str) else x.name,
)
def test_operator(kind: Kind, case: str) -> None:
    """torch's own checks: schema, shapes, autograd, and the graph with symbolic sizes."""
    layer = kind.make(3, 4, bidirectional=True, dtype=torch.float64)
    cell = layer._cell.code
    weights = [w.detach().requires_grad_() for w in layer.parameters()]
    shapes = layer._state_shapes(2)
    h0, c0 = ([torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes] + [None])[
        :2
    ]
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 3]) if case in ("lengths", "packed") else None
    resets = torch.rand(2, 5) > 0.5 if case == "resets" else None
    offsets = None
    if case == "packed":
        offsets = torch.tensor([0, 2, 4, 6, 7])
        x = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(
        torch.ops.gatework.recurrent.default,
        (x, h0, c0, weights, lengths, offsets, resets, cell, 2, True, False, *NONE),
    )


@every_kind
def test_operator_checks_what_it_is_given(kind: Kind) -> None:
    """Called by hand it must not read beside an array."""
    layer = kind.make(3, 4)
    weights, cell = list(layer.parameters()), layer._cell.code
    x = torch.randn(2, 5, 3)

    def call(
        x: Tensor = x,
        h0: Tensor | None = None,
        weights: list[Tensor] = weights,
        lengths: Tensor | None = None,
        offsets: Tensor | None = None,
        resets: Tensor | None = None,
    ) -> None:
        torch.ops.gatework.recurrent(
            x, h0, None, weights, lengths, offsets, resets, cell, 1, True, False, *NONE
        )

    call()
    with torch.no_grad():
        for wrong in (
            {"x": x.double()},
            {"x": torch.randn(2, 5, 4)},
            {"h0": torch.zeros(1, 1, 4)},
            {"weights": [weights[0], weights[1][:, :1], *weights[2:]]},
            {"weights": weights[:1]},
            {"lengths": torch.tensor([5, 6])},
            {"lengths": torch.tensor([5, -1])},
            {"lengths": torch.tensor([5])},
            {"resets": torch.zeros(2, 4, dtype=torch.bool)},
            {"x": x[0], "lengths": torch.tensor([3, 3]), "offsets": torch.tensor([0, 2, 4])},
            {"x": x[0], "lengths": torch.tensor([3, 2]), "offsets": torch.tensor([0, 2, 5])},
            {"x": x[0], "lengths": torch.tensor([2, 3]), "offsets": torch.tensor([0, 2, 4])},
        ):
            with pytest.raises((ValueError, IndexError)):
                call(**wrong)  # type: ignore[arg-type]


@every_kind
def test_backward_without_what_forward_kept(kind: Kind) -> None:
    """A graph that was made without gradients in mind computes forward again."""
    layer = kind.make(3, 4)
    weights, cell = list(layer.parameters()), layer._cell.code
    x = torch.randn(2, 5, 3)
    layer(x)[0].sum().backward()
    y = torch.ops.gatework.recurrent(
        x, None, None, weights, None, None, None, cell, 1, True, False, *NONE
    )[0]
    found = torch.autograd.grad(y.sum(), weights)
    for a, p in zip(found, layer.parameters(), strict=True):
        assert torch.equal(a, p.grad)


@every_kind
def test_second_derivatives_of_the_operator_are_refused(kind: Kind) -> None:
    layer = kind.make(3, 4)
    weights, cell = list(layer.parameters()), layer._cell.code
    x = torch.randn(2, 5, 3, requires_grad=True)
    y = torch.ops.gatework.recurrent(
        x, None, None, weights, None, None, None, cell, 1, True, True, *NONE
    )[0]
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        g.sum().backward()


@every_kind
def test_fake_and_meta_tensors(kind: Kind) -> None:
    R = kind.make(3, 6).proj_size or 6
    with FakeTensorMode():
        layer = kind.make(3, 6, num_layers=2)
        y, _ = layer(torch.randn(2, 4, 3), lengths=[4, 1])
        y.sum().backward()
        assert layer.weight_hh_l1.grad.shape == layer.weight_hh_l1.shape
    meta = kind.make(3, 6, device="meta")
    y, _ = meta(torch.empty(2, 4, 3, device="meta"))
    assert y.is_meta
    assert y.shape == (2, 4, R)


@every_kind
def test_modes_that_watch_operators_see_it(kind: Kind) -> None:
    layer, x = kind.make(3, 5), torch.randn(2, 4, 3)
    assert "gatework.recurrent" in make_fx(lambda x: layer(x)[0])(x).code
    with FlopCounterMode(display=False):
        layer(x)[0].sum().backward()


@every_kind
@pytest.mark.filterwarnings("ignore:Converting a tensor to a Python:torch.jit.TracerWarning")
def test_tracing_keeps_torchs_own_layer(kind: Kind) -> None:
    """A traced model runs where gatework is not installed."""
    layer, x = kind.make(3, 5).eval(), torch.randn(2, 4, 3)
    traced = torch.jit.trace(layer, (x,))
    assert "gatework::" not in str(traced.inlined_graph)
    assert f"aten::{layer.mode.lower()}" in str(traced.inlined_graph)
    same(traced(x), layer(x), additions(layer, 4))


@every_kind
def test_copies_and_pickles(kind: Kind) -> None:
    layer, x = kind.make(3, 5, num_layers=2), torch.randn(2, 4, 3)
    wanted = layer(x)[0]
    kept = io.BytesIO()
    torch.save(layer, kept)
    kept.seek(0)
    again = torch.load(kept, weights_only=False)  # a whole module, written two lines above
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), again):
        assert type(other) is kind.ours
        assert torch.equal(other(x)[0], wanted)
        other(x)[0].sum().backward()
        assert layer.weight_ih_l0.grad is None


@every_kind
def test_state_dict_both_ways(kind: Kind) -> None:
    layer = kind.make(3, 5, num_layers=2, bidirectional=True)
    twin = kind.torch_twin(layer)
    assert list(layer.state_dict()) == list(twin.state_dict())
    again = kind.make(3, 5, seed=9, num_layers=2, bidirectional=True)
    again.load_state_dict(twin.state_dict(), strict=True)
    x = torch.randn(2, 4, 3)
    assert torch.equal(again(x)[0], layer(x)[0])
    assert repr(layer) == repr(twin)
    assert isinstance(layer, kind.theirs)
    layer.flatten_parameters()
    assert [len(w) for w in layer.all_weights] == [len(w) for w in twin.all_weights]
