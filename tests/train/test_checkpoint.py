"""The file of a training run: all of it back, or a refusal that says why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from gatework.errors import ModelFileError, OutputError
from gatework.train.checkpoint import FORMAT, Checkpoint

FACTS = {"result": {"history": [{"epoch": 1, "loss": 0.1}]}, "damping": 0.5, "running_loss": None}


def tensors() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "parameter.0": torch.randn(3, 4),
        "parameter.1": torch.randn(5, 2).T,  # not contiguous
        "rng.torch": torch.get_rng_state(),
        "step": torch.tensor(7.0),
        "double": torch.randn(2, dtype=torch.float64),
    }


def test_what_was_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "a" / "b" / "c", "f")
    assert not keeper.exists()
    keeper.save((tensors(), FACTS))
    assert keeper.exists()
    found, facts = keeper.load({"parameter.0": torch.empty(3, 4)})
    assert facts == FACTS
    assert found.keys() == tensors().keys()
    for name, value in tensors().items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
    assert os.listdir(keeper.path.parent) == ["c"]


def test_a_later_save_takes_the_place_and_remove_removes(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    keeper.save(({"a": torch.ones(2)}, {"n": 1}))
    keeper.save(({"a": torch.zeros(2)}, {"n": 2}))
    assert keeper.load({})[1] == {"n": 2}
    keeper.remove()
    keeper.remove()
    assert not keeper.exists()
    assert list(tmp_path.iterdir()) == []


def refused(keeper: Checkpoint, expected: dict[str, Tensor] | None = None) -> str:
    with pytest.raises(ModelFileError) as error:
        keeper.load(expected or {})
    assert str(keeper.path) in str(error.value)
    assert "tart again without --resume." in str(error.value)
    return str(error.value)


def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    assert "cannot be read" in refused(keeper)  # absent
    for content in (b"", b"no safetensors", bytes(1000)):
        keeper.path.write_bytes(content)
        assert "cannot be read" in refused(keeper)
    metadata: dict[str, Any]
    for metadata in ({}, {"format": FORMAT + "0", "fingerprint": "f", "facts": "{}"}):
        keeper.path.write_bytes(save({"a": torch.ones(1)}, metadata))
        assert "not a checkpoint that this version understands" in refused(keeper)


def test_other_data_and_other_networks_are_refused(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    keeper.save((tensors(), FACTS))
    assert "other data or settings" in refused(Checkpoint(keeper.path, "g"))
    for expected in ({"parameter.0": torch.empty(4, 3)}, {"parameter.9": torch.empty(1)}):
        assert "another network" in refused(keeper, expected)


def test_a_save_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    keeper.save((tensors(), FACTS))
    before = keeper.path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space left"):
        keeper.save(({"a": torch.zeros(2)}, {}))
    assert keeper.path.read_bytes() == before
    assert os.listdir(tmp_path) == ["c"]


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        Checkpoint(tmp_path / "file" / "run" / "c", "f").save(({"a": torch.zeros(2)}, {}))
