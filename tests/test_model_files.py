"""Folders of models: whole or not at all, and read without trust."""

from __future__ import annotations

import errno
import json
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from gatework.errors import ModelFileError, OutputError
from gatework.files import check_can_create, check_writable, replace_folder, write_atomically
from gatework.model_files import (
    CHECKPOINT,
    FORMAT_VERSION,
    ModelFolder,
    check_output_folder,
    read_model,
    write_model,
)


def example(value: float = 1.0, **changes: Any) -> ModelFolder:
    content: dict[str, Any] = {
        "task": "forecast",
        "settings": {"horizon": 4},
        "network": {"hidden_size": 8},
        "preprocessing": {"mean": [0.5], "name": "Größe"},
        "tensors": {"network.w": torch.full((2, 3), value), "calibration": torch.arange(3.0)},
        "metrics": {"verdict": "fine"},
        "card": "# A model\n",
        "report": "<p>fine</p>",
    }
    return ModelFolder(**{**content, **changes})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_model(tmp_path / "model", example())
    return tmp_path / "model"


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ---- writing ------------------------------------------------------------------------------------------


def test_what_is_written_is_read(place: Path) -> None:
    model, original = read_model(place), example()
    for name in ("task", "settings", "network", "preprocessing", "metrics"):
        assert getattr(model, name) == getattr(original, name)
    assert model.tensors.keys() == original.tensors.keys()
    for name, tensor in original.tensors.items():
        torch.testing.assert_close(model.tensors[name], tensor, rtol=0, atol=0)
    assert (place / "README.md").read_text() == "# A model\n"
    assert (place / "report.html").read_text() == "<p>fine</p>"
    assert [p.name for p in place.parent.iterdir()] == ["model"]


def test_folders_above_are_made(tmp_path: Path) -> None:
    write_model(tmp_path / "a" / "b" / "model", example(report=None))
    assert "report.html" not in content(tmp_path / "a" / "b" / "model")


def test_a_new_model_replaces_all_of_the_old_one(place: Path) -> None:
    write_model(place, example(2.0, report=None))
    assert "report.html" not in content(place)
    assert read_model(place).tensors["network.w"][0, 0] == 2
    assert [p.name for p in place.parent.iterdir()] == ["model"]


def test_permissions_are_those_of_any_new_file(place: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(place.stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((place / "config.json").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("keep", [False, True])
def test_the_checkpoint_is_kept_where_asked(place: Path, keep: bool) -> None:
    (place / CHECKPOINT).write_bytes(b"state")
    write_model(place, example(), keep_checkpoint=keep)
    assert (place / CHECKPOINT).is_file() == keep
    if keep:
        assert (place / CHECKPOINT).read_bytes() == b"state"


def test_a_link_stays_a_link(place: Path) -> None:
    link = place.with_name("latest")
    link.symlink_to("model")
    write_model(link, example(5.0))
    assert link.is_symlink()
    assert read_model(place).tensors["network.w"][0, 0] == 5


def fail_with(number: int) -> Callable[..., Any]:
    def fail(*args: object, **kwargs: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EFBIG, "the file would be larger than allowed"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize(
    "where",
    ["model_files.tensors_to_bytes", "files._sync", "files._swap", "files.tempfile.mkdtemp"],
)
def test_a_failed_write_leaves_the_old_model(
    place: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int, says: str
) -> None:
    before = content(place.parent)
    monkeypatch.setattr(f"gatework.{where}", fail_with(number))
    with pytest.raises(OutputError, match=f"cannot write .*model: {says}") as raised:
        write_model(place, example(2.0))
    assert "What was there before is unchanged" in str(raised.value)
    assert content(place.parent) == before
    assert [p.name for p in place.parent.iterdir()] == ["model"]


def test_ctrl_c_while_writing_leaves_the_old_model(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*args: object) -> None:
        raise KeyboardInterrupt

    before = content(place.parent)
    monkeypatch.setattr("gatework.model_files.tensors_to_bytes", pressed)
    with pytest.raises(KeyboardInterrupt):
        write_model(place, example(2.0))
    assert content(place.parent) == before
    assert [p.name for p in place.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("exchange", [False, True])
def test_names_are_exchanged_or_moved_aside(
    place: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr("gatework.files._exchange", lambda a, b: False)
    write_model(place, example(2.0))
    assert read_model(place).tensors["network.w"][0, 0] == 2
    assert [p.name for p in place.parent.iterdir()] == ["model"]


def test_a_failed_rename_puts_the_old_model_back(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = content(place), os.rename
    calls = []

    def second_fails(a: Any, b: Any) -> None:
        calls.append(a)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        rename(a, b)

    monkeypatch.setattr("gatework.files._exchange", lambda a, b: False)
    monkeypatch.setattr("gatework.files.os.rename", second_fails)
    with pytest.raises(OutputError, match="Input/output error"):
        write_model(place, example(2.0))
    assert content(place) == before
    assert [p.name for p in place.parent.iterdir()] == ["model"]


def test_scores_that_json_does_not_know_are_null(place: Path) -> None:
    write_model(place, example(metrics={"MAE": float("nan"), "by step": [float("inf"), 1.0]}))
    assert json.loads((place / "metrics.json").read_text()) == {"MAE": None, "by step": [None, 1.0]}
    assert [p.name for p in place.parent.iterdir()] == ["model"]


# ---- where it may be written --------------------------------------------------------------------------


def test_good_places(place: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / CHECKPOINT).touch()
    (tmp_path / "half" / f".{CHECKPOINT}.x1y2.tmp").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    (tmp_path / "damaged" / "preprocessing.json").write_text("{")
    for name in ("model", "empty", "half", "damaged", "new", "new/er/model"):
        check_output_folder(tmp_path / name)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "names", [["notes.txt"], ["README.md"], ["config.json", "model.safetensors"]]
)
def test_places_of_others(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(OutputError, match=f"not a model's \\({names[0]}"):
        check_output_folder(tmp_path)


def test_a_mounted_file_system_cannot_be_replaced(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: True)
    with pytest.raises(OutputError, match="is a mounted file system"):
        check_output_folder(place)


# ---- reading ------------------------------------------------------------------------------------------


def edit(place: Path, **changes: Any) -> None:
    config = json.loads((place / "config.json").read_text())
    config.update(changes)
    kept = {k: v for k, v in config.items() if v is not ...}
    (place / "config.json").write_text(json.dumps(kept))


def refusal(place: Path) -> str:
    before = content(place) if place.is_dir() else {}
    with pytest.raises(ModelFileError) as raised:
        read_model(place)
    assert (content(place) if place.is_dir() else {}) == before
    assert "\n" not in str(raised.value)
    assert str(place) in str(raised.value)
    return str(raised.value)


def test_no_model(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "none")
    (tmp_path / "file").touch()
    assert "is a file; a model is the folder" in refusal(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "is no Gatework model: it has no config.json" in refusal(tmp_path / "empty")
    (tmp_path / "empty" / CHECKPOINT).touch()
    assert "has not ended" in refusal(tmp_path / "empty")


@pytest.mark.parametrize("name", ["config.json", "preprocessing.json", "metrics.json"])
@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[1]", b"null", b"\xff\xfe\x00", b"[" * 200_000, b'{"a": 1'],
    ids=range(7),
)
def test_json_that_is_damaged(place: Path, name: str, damage: bytes) -> None:
    (place / name).write_bytes(damage)
    message = refusal(place)
    assert name in message
    assert "damaged" in message
    assert len(message) < 400


@pytest.mark.parametrize("name", ["preprocessing.json", "model.safetensors"])
def test_file_that_is_missing(place: Path, name: str) -> None:
    (place / name).unlink()
    assert f"{name} is missing" in refusal(place)


def test_metrics_may_be_missing(place: Path) -> None:
    (place / "metrics.json").unlink()
    assert read_model(place).metrics == {}


def test_json_that_is_far_too_large_is_not_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatework.model_files._MAX_JSON_BYTES", 10)
    assert "larger than any model's" in refusal(place)


@pytest.mark.parametrize("cut", [0, 4, 8, 20, 100, -1])
def test_weights_that_are_truncated(place: Path, cut: int) -> None:
    data = (place / "model.safetensors").read_bytes()
    (place / "model.safetensors").write_bytes(data[:cut])
    assert "the weights cannot be read" in refusal(place)


def test_nothing_of_the_folder_is_executed(place: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(place.parent / "sprung"),)

    (place / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    assert "the weights cannot be read" in refusal(place)
    assert not (place.parent / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network.w": torch.zeros(3, 2)}, "'network.w' has shape [3, 2], config.json says [2, 3]"),
        ({"more": torch.zeros(1)}, "not those of config.json (for instance 'more')"),
        ({"calibration": None}, "not those of config.json (for instance 'calibration')"),
    ],
)
def test_weights_of_other_shapes(place: Path, change: dict[str, Any], says: str) -> None:
    tensors = {**load_file(place / "model.safetensors"), **change}
    save_file({k: v for k, v in tensors.items() if v is not None}, place / "model.safetensors")
    assert says in refusal(place)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "other"}, "another program's"),
        ({"format": ...}, "another program's"),
        (
            {"format_version": FORMAT_VERSION + 1, "gatework_version": "9.9"},
            "written by Gatework 9.9",
        ),
        ({"format_version": 0}, "format version 0"),
        ({"format_version": "1"}, "format version '1'"),
        ({"format_version": ...}, "format version None"),
        ({"format_version": True}, "format version True"),
        ({"task": ...}, "lacks 'task'"),
        ({"settings": []}, "lacks 'settings'"),
        ({"network": "x"}, "lacks 'network'"),
        ({"tensors": ...}, "lacks 'tensors'"),
    ],
)
def test_config_of_another_kind(place: Path, changes: dict[str, Any], says: str) -> None:
    edit(place, **changes)
    assert says in refusal(place)


# ---- the files below ----------------------------------------------------------------------------------


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f.csv"
    write_atomically(file, b"one")
    file.chmod(0o640)
    write_atomically(file, b"two")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"two", 0o640)
    monkeypatch.setattr("gatework.files.os.fsync", fail_with(errno.ENOSPC))
    with pytest.raises(OutputError, match=r"f.csv: cannot be written: no space left .*Free some"):
        write_atomically(file, b"three")
    assert content(tmp_path) == {"f.csv": b"two"}


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "f.csv")
    check_can_create(tmp_path / "a" / "b" / "model")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="does not exist"):
        check_writable(tmp_path / "no" / "f.csv")
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)


def test_an_error_inside_leaves_the_folder_as_it_was(place: Path) -> None:
    before = content(place.parent)
    with pytest.raises(RuntimeError, match="half"), replace_folder(place) as folder:  # noqa: PT012
        (folder / "half").touch()
        raise RuntimeError("half")
    assert content(place.parent) == before
