"""IDX files: an array of pictures, and their labels in a file beside it."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.sequences import SequenceSet
from gatework.data.sources.labels import given_labels
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy
from gatework.data.vocabulary import as_text
from gatework.errors import DataError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_BYTES = 8 * 2**30


def is_idx(path: str | Path) -> bool:
    """Whether a file's name says that it is IDX: ``train-images-idx3-ubyte.gz``, ``x.idx3-ubyte``, ``x.idx``.

    >>> is_idx("t10k-images-idx3-ubyte.gz"), is_idx("idx.csv")
    (True, False)
    """
    name = Path(path).name.lower().removesuffix(".gz")
    return name.endswith((".idx", "-ubyte", ".idx1", ".idx3", ".idx4"))


def read_idx(
    path: str | Path,
    *,
    task: str,
    need_labels: bool = True,
    label: str | None = None,
    group: str | None = None,
    layout: dict[str, Any] | None = None,
    **other: Any,
) -> SequenceSet:
    """Pictures of an IDX file, with labels of the file whose name has "labels" in place of "images".

    Args:
        label: the path of the file of labels, where its name follows no rule.

    Raises:
        DataError: a file is no IDX file, is cut short, or the two differ in length.
        ConfigError: a group column is asked for.
    """
    path = Path(path)
    roles = Roles(task, need_labels=need_labels, label=label, group=group, layout=layout)
    roles.refuse_group(str(path), "an IDX file has none")
    if task == "tag":
        raise DataError(f"{path}: pictures have one label each; use classify or regress.")
    pixels = read_array(path)
    if pixels.ndim not in (3, 4) or pixels.dtype != np.uint8:
        raise DataError(
            f"{path}: holds {pixels.dtype} of the shape {pixels.shape}, and pictures are bytes (N, height, "
            "width). Give the file of the images."
        )
    if pixels.ndim == 4 and pixels.shape[-1] not in (1, 3):
        raise DataError(f"{path}: pictures have 1 or 3 colours, these have {pixels.shape[-1]}.")
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    beside = Path(label) if label else _labels_of(path)
    labels: list[Any] | None = None
    notes = [
        f"kind: images in {path}: {len(pixels):,} of {pixels.shape[1]} x {pixels.shape[2]} pixels"
    ]
    if other.get("labels") is not None:
        labels = given_labels(other["labels"], [1] * len(pixels), roles, str(path))
    elif beside is not None and beside.is_file():
        labels = _labels(beside, len(pixels), task, path)
        notes.append(f"labels: {beside.name}, beside it")
    elif label or need_labels:
        expected = beside.name if beside is not None else "a file of labels"
        raise DataError(
            f"{path}: its labels are missing: {expected} is not there. Put it beside the images, or name it "
            f"with {roles.option('label')}."
        )
    names = Lazy(len(pixels), lambda i: f"{path.name}, image {i} (counting from 0)")
    return SequenceSet(
        "images",
        Lazy(len(pixels), lambda i: pixels[i]),
        names,
        str(path),
        labels=labels,
        layout={"kind": "images", "form": "idx"},
        notes=tuple(notes),
    )


def read_array(path: Path) -> npt.NDArray[Any]:
    """The array of an IDX file, unpacked where it is gzip.

    Raises DataError when it is none or cut short.
    """
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is no readable gzip file ({error}). Pack it again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or not 1 <= data[3] <= 8:
        raise DataError(
            f"{path}: is no IDX file: its first bytes are {data[:4].hex(' ') or 'missing'}."
        )
    dims = data[3]
    begin = 4 + 4 * dims
    if len(data) < begin:
        raise DataError(f"{path}: ends within its header. Copy it again.")
    shape = struct.unpack(f">{dims}I", data[4:begin])
    dtype = np.dtype(_TYPES[data[2]])
    wanted = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(data) - begin != wanted:
        raise DataError(
            f"{path}: its header tells of {wanted:,} bytes (shape {' x '.join(map(str, shape))}), and "
            f"{len(data) - begin:,} follow. Copy it again."
        )
    if not shape[0]:
        raise DataError(f"{path}: holds nothing.")
    return np.frombuffer(data, dtype, offset=begin).reshape(shape)


def _labels_of(path: Path) -> Path | None:
    name = path.name
    if "images" not in name:
        return None
    for rest in (name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"),
                 name.replace("images", "labels")):  # fmt: skip
        for found in (rest, rest.removesuffix(".gz"), rest.removesuffix(".gz") + ".gz"):
            if (path.parent / found).is_file():
                return path.parent / found
    return path.parent / name.replace("images", "labels").replace("idx3", "idx1")


def _labels(path: Path, count: int, task: str, images: Path) -> list[Any]:
    values = read_array(path)
    if values.ndim != 1:
        raise DataError(
            f"{path}: holds an array of the shape {values.shape}, not one label a picture."
        )
    if len(values) != count:
        raise DataError(
            f"{path}: holds {len(values):,} labels, and {images} holds {count:,} pictures."
        )
    if task == "regress":
        return [float(v) for v in values]
    return [as_text(v) for v in values.tolist()]
