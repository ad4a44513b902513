"""Contestants of the streaming step that the installed package does not bring, each imported when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from gatework.bench.contestants import Contestant, RuntimeStream, twins
from gatework.bench.work import Inputs, Work


def extra(work: Work, inputs: Inputs) -> Iterator[Contestant]:
    """Half-width weights and, where it is installed, ONNX Runtime."""
    if work.kind != "step":
        return
    theirs, _ = twins(work)
    yield RuntimeStream(theirs, work, inputs, half=True)
    if find_spec("onnxruntime") and find_spec("onnx"):
        from contestants.onnxruntime_step import BoundOnnxStream, OnnxStream

        yield OnnxStream(theirs, work, inputs)
        yield BoundOnnxStream(theirs, work, inputs)
