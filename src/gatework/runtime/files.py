"""Arrays out of a safetensors file, without torch and without reading what is not asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from gatework.errors import MissingDependencyError, ModelFileError


def read_arrays(path: Path, wanted: Callable[[str], bool]) -> dict[str, npt.NDArray[Any] | None]:
    """Every name in the file, with its array where it is wanted and None where not.

    Raises:
        ModelFileError: the file is absent or damaged, or a wanted array has a dtype that NumPy has not.
        MissingDependencyError: safetensors is not installed.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MissingDependencyError(
            "Reading weights from a file needs safetensors: pip install safetensors. Without it, pass "
            "arrays to Recurrent.from_state_dict."
        ) from None
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        inside = path / "model.safetensors"  # as Gatework's models and many others have it
        give = inside if inside.is_file() else "a .safetensors file"
        raise ModelFileError(f"{path} {what}; give {give}.")
    arrays: dict[str, npt.NDArray[Any] | None] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  # no mapping
                arrays[name] = None
                if not wanted(name):
                    continue
                dtype = file.get_slice(name).get_dtype()
                if dtype not in ("F16", "F32", "F64"):
                    raise ModelFileError(
                        f"{path}: {name!r} has dtype {dtype}; weights are float16, float32 or float64. "
                        "Save the file again as float32."
                    )
                arrays[name] = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path}: the weights cannot be read ({error}).") from None
    return arrays
