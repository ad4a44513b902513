"""ONNX Runtime's LSTM, one step a call: as one calls it, and its fastest way, with buffers bound once."""

from __future__ import annotations

import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from gatework.bench.work import Inputs, Work

OPSET = 17


def gates(weights: Tensor) -> Tensor:
    """Rows in torch's order i f g o, in the standard's order i o f g."""
    i, f, g, o = weights.chunk(4)
    return torch.cat([i, o, f, g])


def model(layer: nn.Module, work: Work) -> bytes:
    """A graph of one LSTM node with the layer's weights."""
    weights = layer.state_dict()
    w_ih, w_hh, b_ih, b_hh = (
        gates(weights[f"{name}_l0"]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    constants = {"W": w_ih, "R": w_hh, "B": torch.cat([b_ih, b_hh])}
    shapes = {"X": (1, work.B, work.I)} | dict.fromkeys(
        ("h0", "c0", "h1", "c1"), (1, work.B, work.H)
    )
    info = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    inputs = ["X", "W", "R", "B", "", "h0", "c0"]
    node = helper.make_node("LSTM", inputs, ["", "h1", "c1"], hidden_size=work.H)
    graph = helper.make_graph(
        [node],
        "step",
        [info[name] for name in ("X", "h0", "c0")],
        [info[name] for name in ("h1", "c1")],
        [numpy_helper.from_array(v[None].numpy(), name) for name, v in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def session(layer: nn.Module, work: Work) -> ort.InferenceSession:
    """A session with as many threads as torch has."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    return ort.InferenceSession(model(layer, work), options, providers=["CPUExecutionProvider"])


class OnnxStream:
    """NumPy in, NumPy out; the state is fed back."""

    name, ours, rounding = "onnxruntime", False, 0.0

    def __init__(self, layer: nn.Module, work: Work, inputs: Inputs) -> None:
        self._session = session(layer, work)
        self._xs = inputs.x[:, None].numpy()
        self._zeros = torch.zeros(1, work.B, work.H).numpy()
        self._feeds = {"X": self._xs[0], "h0": self._zeros, "c0": self._zeros}

    def run(self) -> None:
        h, c = self._session.run(["h1", "c1"], self._feeds)
        self._feeds["h0"], self._feeds["c0"] = h, c

    def results(self) -> dict[str, Tensor]:
        """Outputs of some steps from the zero state."""
        self._feeds["h0"] = self._feeds["c0"] = self._zeros
        outputs = []
        for x in self._xs:
            self._feeds["X"] = x
            self.run()
            outputs.append(torch.from_numpy(self._feeds["h0"][0]))
        return {"y": torch.stack(outputs)}


class BoundOnnxStream:
    """Input and state in buffers that are bound before; two pairs of states take turns."""

    name, ours, rounding = "onnxruntime bound", False, 0.0

    def __init__(self, layer: nn.Module, work: Work, inputs: Inputs) -> None:
        self._session = session(layer, work)
        self._xs = inputs.x[:, None].numpy()
        self._x = ort.OrtValue.ortvalue_from_numpy(self._xs[0].copy())
        zeros = torch.zeros(1, work.B, work.H).numpy()
        # (h, c) of the last step and of the next, in turns
        self._states = [
            [ort.OrtValue.ortvalue_from_numpy(zeros.copy()) for _ in "hc"] for _ in range(2)
        ]
        self._bindings = [self._bind(*self._states), self._bind(*self._states[::-1])]
        self._turn = 0

    def _bind(self, before: list[ort.OrtValue], after: list[ort.OrtValue]) -> ort.IOBinding:
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("X", self._x)
        for name, old, new in zip("hc", before, after, strict=True):
            binding.bind_ortvalue_input(f"{name}0", old)
            binding.bind_ortvalue_output(f"{name}1", new)
        return binding

    def run(self) -> None:
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn ^= 1

    def results(self) -> dict[str, Tensor]:
        """Outputs of some steps from the zero state."""
        for value in (v for pair in self._states for v in pair):
            value.update_inplace(0 * value.numpy())
        self._turn, outputs = 0, []
        for x in self._xs:
            self._x.update_inplace(x)
            self.run()
            outputs.append(torch.from_numpy(self._states[self._turn][0].numpy()[0].copy()))
        return {"y": torch.stack(outputs)}
