"""gatework.accelerate: what it replaces, what it leaves and why, and that nothing else changes."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

import gatework
from gatework.nn import GRU, LSTM, RNN

sys.path.insert(0, str(Path(__file__).parent))
from layers import KINDS, Kind, additions, close, initial

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")


class Model(nn.Module):
    """Layers in several places, one of them twice, and things that stay."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.blocks = nn.ModuleList([nn.GRU(8, 8, batch_first=True), nn.RNN(8, 8)])
        self.shared = self.blocks[0]
        self.cell = nn.GRUCell(8, 2)
        self.head = nn.Linear(2, 1)

    def forward(self, x: Any) -> Any:
        y = self.shared(self.encoder(x)[0])[0]
        y = self.blocks[1](y.transpose(0, 1))[0]
        return self.head(self.cell(y[-1]))


def test_a_model_goes_on_as_before() -> None:
    torch.manual_seed(0)
    model = Model()
    x = torch.randn(2, 6, 3)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    model.encoder.register_forward_hook(lambda *_: seen.append(1))
    wanted, keys = model(x), list(model.state_dict())
    parameters = list(model.parameters())
    other = copy.deepcopy(model)

    report = gatework.accelerate(model)
    assert [(r.name, r.kind) for r in report.replaced] == [
        ("encoder", "LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)"),
        ("blocks.0", "GRU(8, 8, batch_first=True)"),
        ("blocks.1", "RNN(8, 8)"),
    ]
    assert [type(m) for m in (model.encoder, *model.blocks)] == [LSTM, GRU, RNN]
    assert model.shared is model.blocks[0]
    close(model(x), wanted, additions(model.encoder, 6) * 3)
    assert len(seen) == 2
    assert list(model.state_dict()) == keys
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    for each in (model, other):
        each(x).sum().backward()
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        close(a.grad, b.grad, additions(model.encoder, 6) * 6)
    optimiser.step()
    assert not torch.equal(model(x), wanted)


def test_undo_puts_back_what_was_swapped_and_only_that() -> None:
    model = Model()
    model.own = LSTM(2, 2)
    gatework.accelerate(model)
    again = gatework.accelerate(model)
    assert len(again) == 0
    assert {x.reason for x in again.left} >= {"already Gatework's"}
    for each in (copy.deepcopy(model), model):
        report = gatework.accelerate(each, undo=True)
        assert len(report) == 3
        assert [(x.name, x.reason) for x in report.left] == [("own", "built as Gatework's")]
        assert [type(m) for m in (each.encoder, *each.blocks)] == [nn.LSTM, nn.GRU, nn.RNN]
        assert type(each.own) is LSTM
        assert vars(each.encoder).keys() == vars(nn.LSTM(1, 1)).keys()
    assert len(gatework.accelerate(model, undo=True)) == 0


@every_kind
def test_a_layer_itself(kind: Kind) -> None:
    layer = kind.torch_twin(kind.make(3, 4, num_layers=2))
    x = torch.randn(2, 5, 3)
    wanted = layer(x)[0]
    report = gatework.accelerate(layer)
    assert [r.name for r in report.replaced] == ["(the model)"]
    assert type(layer) is kind.ours
    close(layer(x)[0], wanted, additions(layer, 5))
    close(layer(x, lengths=[5, 5])[0], wanted, additions(layer, 5))


def test_undo_leaves_what_changed_meanwhile() -> None:
    model = nn.Sequential(nn.GRU(2, 2), nn.GRU(2, 2))
    assert len(gatework.accelerate(model)) == 2
    parametrizations.weight_norm(model[0], "weight_hh_l0")
    model[1].forward = lambda x: x  # type: ignore[method-assign]
    for _ in range(2):
        report = gatework.accelerate(model, undo=True)
        assert [x.reason for x in report.left] == [
            "parametrized; remove the parametrization first",
            "its forward was replaced on the instance",
        ]
    parametrize.remove_parametrizations(model[0], "weight_hh_l0")
    del model[1].forward
    assert len(gatework.accelerate(model, undo=True)) == 2
    assert [type(m) for m in model] == [nn.GRU, nn.GRU]


@every_kind
def test_fx_records_a_leaf_as_of_torchs_layers(kind: Kind) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = kind.make(3, 4)

        def forward(self, x: Any, hx: Any) -> Any:
            y, last = self.layer(x, hx)
            return y.relu(), last

    net, x = Net(), torch.randn(2, 5, 3)
    graph = torch.fx.symbolic_trace(net)
    assert "call_module" in [node.op for node in graph.graph.nodes]
    hx = initial(net.layer, 2)
    assert torch.equal(graph(x, hx)[0], net(x, hx)[0])


class Derived(nn.LSTM):
    pass


def left(model: nn.Module) -> list[tuple[str, str]]:
    return [(x.name, x.reason) for x in gatework.accelerate(model).left]


def test_what_is_left_has_a_reason() -> None:
    ((name, reason),) = left(nn.Sequential(nn.LSTMCell(2, 2)))
    assert name == "0"
    assert "a cell, stepped by the model's own loop; gatework.nn.LSTM has step()" in reason
    model = nn.Sequential(Derived(2, 2))
    assert "subclass that may have its own forward; derive it from gatework.nn.LSTM" in str(
        gatework.accelerate(model)
    )
    assert type(model[0]) is Derived
    model = nn.Sequential(parametrizations.weight_norm(nn.GRU(2, 2), "weight_hh_l0"))
    assert left(model)[0][1].startswith("parametrized; accelerate before")
    model = nn.Sequential(nn.GRU(2, 2))
    model[0].forward = lambda x: x  # type: ignore[method-assign]
    assert left(model) == [("0", "its forward was replaced on the instance")]
    assert left(nn.Sequential(nn.Linear(2, 2))) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_quantized_and_scripted_layers_are_left() -> None:
    quantized = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(2, 2)), {nn.LSTM})
    assert left(quantized) == [("0", "quantized; accelerate a model of floats")]
    scripted = torch.jit.script(nn.Sequential(nn.GRU(2, 2)))
    assert left(scripted) == [("0", "a torch.jit module; accelerate the model before it")]


def test_the_report_prints_a_table() -> None:
    report = gatework.accelerate(Model())
    assert str(report).splitlines() == [
        "Recurrent layers: 3 replaced, 1 left",
        "  replaced  encoder   LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)",
        "  replaced  blocks.0  GRU(8, 8, batch_first=True)",
        "  replaced  blocks.1  RNN(8, 8)",
        "  left      cell      GRUCell(8, 2): a cell, stepped by the model's own loop; "
        "gatework.nn.GRU has step()",
    ]
    assert str(gatework.accelerate(nn.Identity())) == "Recurrent layers: 0 replaced, 0 left"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "must be a torch.nn.Module; got NoneType. Pass the module inside it."),
        (nn.LSTM, "got the class LSTM. Build it first."),
        ({"a": 1}, "got dict"),
    ],
)
def test_not_a_module(model: Any, message: str) -> None:
    with pytest.raises(TypeError) as error:
        gatework.accelerate(model)
    assert message in str(error.value)


def test_undo_must_be_a_bool() -> None:
    with pytest.raises(TypeError, match="`undo` must be True or False; got 'yes'"):
        gatework.accelerate(nn.Identity(), undo="yes")  # type: ignore[arg-type]


def test_accelerate_is_the_function_however_it_is_reached() -> None:
    """A module of the same name would take its place after the first import."""
    code = (
        "import gatework\n"
        "first = gatework.accelerate\n"
        "from gatework import accelerate\n"
        "from gatework.nn import accelerate as third\n"
        "assert first is accelerate is third is gatework.accelerate and callable(first)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
