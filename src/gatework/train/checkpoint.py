"""A training run on disk: one safetensors file, replaced as a whole after every pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gatework.errors import ModelFileError
from gatework.files import cannot_write, write_atomically

FORMAT = "gatework-checkpoint-1"


class Checkpoint:
    """The file ``path``, valid for one data set and one set of settings.

    Args:
        path: the file; its folder is made when the first checkpoint is written.
        fingerprint: text that names data and settings; a file with another one is refused.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint

    def exists(self) -> bool:
        """Whether there is something to resume from."""
        return self.path.is_file()

    def save(self, state: tuple[dict[str, Tensor], dict[str, Any]]) -> None:
        """Replace the file; OutputError when it cannot be written, the old one then stays."""
        tensors, facts = state
        metadata = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "facts": json.dumps(facts),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        write_atomically(self.path, save({k: v.contiguous() for k, v in tensors.items()}, metadata))

    def load(self, expected: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and facts that ``save`` wrote.

        Raises:
            ModelFileError: the file is damaged or belongs to other data, settings or shapes.
        """
        advice = "Start again without --resume."
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelFileError(
                f"{self.path}: the checkpoint cannot be read ({error}). {advice}"
            ) from None
        if metadata.get("format") != FORMAT:
            raise ModelFileError(
                f"{self.path}: not a checkpoint that this version understands. {advice}"
            )
        if metadata.get("fingerprint") != self.fingerprint:
            raise ModelFileError(
                f"{self.path}: the checkpoint was made with other data or settings, so training cannot "
                f"continue from it. Use the same ones. Or: {advice[0].lower()}{advice[1:]}"
            )
        for name, tensor in expected.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                raise ModelFileError(f"{self.path}: the checkpoint holds another network. {advice}")
        return tensors, json.loads(metadata["facts"])

    def remove(self) -> None:
        """Delete the file, if it is there."""
        self.path.unlink(missing_ok=True)
