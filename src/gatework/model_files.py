"""A saved model: one folder, written whole or not at all, read without running anything from it.

config.json          task, versions, settings, sizes of the network, shapes of the tensors
preprocessing.json   what was learned from the training data to encode a table
model.safetensors    weights and calibration
metrics.json         scores beside the baselines, course of the training
README.md            model card
report.html          the report, where plotly is installed
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from gatework._version import __version__
from gatework.errors import ModelFileError, OutputError
from gatework.files import cannot_write, check_can_create, json_numbers, replace_folder

FORMAT = "gatework-model"
FORMAT_VERSION = 1
CHECKPOINT = "checkpoint.safetensors"
_FILES = {
    "config.json",
    "preprocessing.json",
    "model.safetensors",
    "metrics.json",
    "README.md",
    "report.html",
    CHECKPOINT,
}
# No file of a model is legitimately larger; a bound keeps a damaged folder from eating the memory.
_MAX_JSON_BYTES = 256 * 2**20


@dataclass
class ModelFolder:
    """The content of a saved model."""

    task: str
    settings: dict[str, Any]
    network: dict[str, Any]
    preprocessing: dict[str, Any]
    tensors: dict[str, Tensor]
    metrics: dict[str, Any] = field(default_factory=dict)
    card: str = ""
    report: str | None = None


def check_output_folder(path: Path) -> None:
    """Raise early when a model cannot be saved at ``path``: not writable, or holding something else.

    An earlier model, an empty folder and a folder that does not exist yet are fine.
    """
    try:
        _refuse_foreign(path)
    except OSError as error:
        raise cannot_write(path, error) from None
    check_can_create(path)


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; a model is a folder. Choose another place with -o.")
    if not path.is_dir():
        return
    inside = sorted(p.name for p in path.iterdir())
    # a run that was killed while it wrote its checkpoint has left .checkpoint.safetensors.….tmp
    foreign = [
        name
        for name in inside
        if name not in _FILES and not (name.startswith(f".{CHECKPOINT}.") and name.endswith(".tmp"))
    ]
    # A README.md or a config.json alone is anybody's.
    if not foreign and inside and not _is_ours(path):
        foreign = inside
    if foreign:
        raise OutputError(
            f"{path} holds files that are not a model's ({', '.join(foreign[:3])}); saving would "
            "replace the folder. Choose a new or empty one with -o."
        )
    place = path.resolve()
    here = Path.cwd()
    if place == here or place in here.parents or place.is_mount():
        which = "a mounted file system" if place.is_mount() else "the folder you are in"
        raise OutputError(
            f"{path} is {which}, which cannot be replaced. Name a folder in it with -o, such as "
            f"-o {path / 'model'}."
        )


def _is_ours(path: Path) -> bool:
    """Whether a folder holds a model, whole or damaged, or the checkpoint of one."""
    if (path / CHECKPOINT).is_file() or (path / "preprocessing.json").is_file():
        return True  # others have a config.json and a model.safetensors too
    with suppress(OSError, ValueError, RecursionError):
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        return isinstance(config, dict) and config.get("format") == FORMAT
    return False


def write_model(path: Path, model: ModelFolder, *, keep_checkpoint: bool = False) -> None:
    """Save ``model`` as the folder ``path``, replacing an earlier model there.

    Raises:
        OutputError: it cannot be written; what was there is unchanged.
    """
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "gatework_version": __version__,
        "task": model.task,
        "settings": model.settings,
        "network": model.network,
        "tensors": {k: list(v.shape) for k, v in sorted(model.tensors.items())},
    }
    checkpoint = path / CHECKPOINT
    kept = checkpoint.read_bytes() if keep_checkpoint and checkpoint.is_file() else None
    with replace_folder(path) as folder:
        _write_json(folder / "config.json", config)
        _write_json(folder / "preprocessing.json", model.preprocessing)
        _write_json(folder / "metrics.json", json_numbers(model.metrics))
        tensors = {k: v.detach().contiguous() for k, v in model.tensors.items()}
        (folder / "model.safetensors").write_bytes(tensors_to_bytes(tensors))
        (folder / "README.md").write_text(model.card, encoding="utf-8")
        if model.report is not None:
            (folder / "report.html").write_text(model.report, encoding="utf-8")
        if kept is not None:
            (folder / CHECKPOINT).write_bytes(kept)


def read_model(path: Path) -> ModelFolder:
    """The model saved at ``path``.

    Raises:
        ModelFileError: no model there, damaged, or of a newer format; the message says which.
    """
    if not path.exists():
        raise ModelFileError(
            f"{path}: there is no such folder. `gatework fit … -o {path}` makes a model."
        )
    if not path.is_dir():
        raise ModelFileError(
            f"{path} is a file; a model is the folder that `gatework fit … -o` made."
        )
    if not (path / "config.json").is_file():
        if (path / CHECKPOINT).is_file():
            raise ModelFileError(
                f"{path}: the training of this model has not ended. Continue it with `gatework fit` and "
                "the same data and settings and --resume."
            )
        raise ModelFileError(f"{path} is no Gatework model: it has no config.json.")
    config = _read_json(path / "config.json")
    if config.get("format") != FORMAT:
        raise ModelFileError(f"{path} is no Gatework model: its config.json is another program's.")
    version = config.get("format_version")
    if type(version) is not int or version < 1:  # true is an int too
        raise ModelFileError(f"{path}: damaged, config.json names format version {version!r}.")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has model format {version}, written by Gatework {config.get('gatework_version')}; this "
            f"is Gatework {__version__}, which reads up to format {FORMAT_VERSION}. Upgrade: "
            "pip install -U gatework"
        )
    for key, kind in (("task", str), ("settings", dict), ("network", dict), ("tensors", dict)):
        if not isinstance(config.get(key), kind):
            raise ModelFileError(
                f"{path}: damaged, config.json lacks {key!r}. Fit or copy the model again."
            )
    tensors = _read_tensors(path / "model.safetensors", config["tensors"])
    metrics = path / "metrics.json"
    return ModelFolder(
        task=config["task"],
        settings=config["settings"],
        network=config["network"],
        preprocessing=_read_json(path / "preprocessing.json"),
        tensors=tensors,
        metrics=_read_json(metrics) if metrics.is_file() else {},
    )


def damaged(path: Path, reason: object) -> ModelFileError:
    """The error for a model whose parts do not fit together."""
    return ModelFileError(
        f"{path}: damaged, {reason}. Fit the model again, or copy it again from its origin."
    )


def _read_tensors(path: Path, shapes: dict[str, Any]) -> dict[str, Tensor]:
    if not path.is_file():
        raise damaged(path.parent, "model.safetensors is missing")
    try:
        tensors = tensors_from_bytes(path.read_bytes())
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise damaged(path, f"the weights cannot be read ({error})") from None
    if tensors.keys() != shapes.keys():
        odd = sorted(tensors.keys() ^ shapes.keys())
        raise damaged(path, f"its tensors are not those of config.json (for instance {odd[0]!r})")
    for name, tensor in tensors.items():
        if list(tensor.shape) != shapes[name]:
            raise damaged(
                path, f"{name!r} has shape {list(tensor.shape)}, config.json says {shapes[name]}"
            )
    return tensors


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise damaged(path.parent, f"{path.name} is missing")
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise damaged(path, "it is larger than any model's")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise damaged(path, "it is no JSON object")
    return content


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
