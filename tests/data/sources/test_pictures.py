"""Picture files, IDX arrays, and pictures for a page."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gatework.data.sequences import Sound
from gatework.data.sources.find import read_sequences
from gatework.data.sources.idx import is_idx
from gatework.data.sources.images import check_image, read_image, resized, with_channels
from gatework.data.sources.media import png_base64, wav_base64
from gatework.errors import ConfigError, DataError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".webp", ".pgm", ".jpg"])
def test_formats(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    options = {"lossless": True} if ending == ".webp" else {}
    Image.fromarray(GREY).save(path, **options)
    assert check_image(path) == {"height": 6, "width": 8}
    found = read_image(path)
    grey = found if found.ndim == 2 else found.mean(axis=-1)
    assert grey.shape == (6, 8)
    assert np.abs(grey - GREY.astype(float)).max() <= (12 if ending == ".jpg" else 0)


def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    colour = np.stack([GREY, GREY // 2, 255 - GREY], axis=-1)
    Image.fromarray(colour).save(path)
    assert np.array_equal(read_image(path), colour)
    clear = np.dstack([colour, np.zeros((6, 8), np.uint8)])
    Image.fromarray(clear).save(path)
    assert (read_image(path) == 255).all()
    Image.fromarray(colour).quantize(256).save(path)
    assert read_image(path).shape == (6, 8, 3)
    Image.fromarray(GREY.astype(np.uint16) * 257).save(path)
    assert np.array_equal(read_image(path), GREY)
    Image.fromarray(GREY > 100).save(path)
    assert set(np.unique(read_image(path))) == {0, 255}
    turned = Image.fromarray(GREY)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (8, 6)


def test_bad_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"is no picture that can be read"):
        check_image(path)
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (50, 50), np.uint8)).save(buffer, "png")
    path.write_bytes(buffer.getvalue()[:1500])
    check_image(path)
    with pytest.raises(ValueError, match=r"cannot be decoded as a picture"):
        read_image(path)
    end = buffer.getvalue()[-12:]
    for side, fact in (
        (12_000, "has 144,000,000 pixels, and 100,000,000 are"),
        (60_000, "exceeds"),
    ):
        head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + end)
        with pytest.raises(ValueError, match=fact):
            check_image(path)


def test_folders_of_pictures(tmp_path: Path) -> None:
    for name, side in (("a/1.png", 6), ("a/2.png", 6), ("b/1.png", 7)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((side, 6), np.uint8)).save(tmp_path / name)
    found = read_sequences(tmp_path, task="classify")
    assert (found.kind, found.labels) == ("images", ["a", "a", "b"])
    assert found.notes[1] == "pictures differ in size (2 sizes, most often 6 x 6 pixels)"


def test_sizes_and_channels() -> None:
    assert resized(GREY, 3, 4).shape == (3, 4)
    assert resized(GREY, 6, 8) is GREY
    assert with_channels(GREY, 3).shape == (6, 8, 3)
    assert with_channels(np.full((2, 2, 3), 100, np.uint8), 1).tolist() == [[[100]] * 2] * 2
    for wrong, fact in (
        (np.zeros((2, 2, 4), np.uint8), "has the shape"),
        (np.zeros((2, 2)), "uint8"),
        (np.zeros((0, 2), np.uint8), "has the shape"),
    ):
        with pytest.raises(ValueError, match=fact):
            with_channels(wrong, 1)


# -------------------------------------------------------------------------------------- IDX
def idx(path: Path, array: np.ndarray, kind: int = 0x08) -> Path:
    head = struct.pack(f">4B{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    data = head + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    pixels = np.arange(4 * 6, dtype=np.uint8).reshape(4, 2, 3)
    idx(tmp_path / "train-labels-idx1-ubyte.gz", np.array([7, 1, 7, 1], np.uint8))
    return idx(tmp_path / "train-images-idx3-ubyte.gz", pixels)


def read(path: Any, **roles: Any) -> Any:
    return read_sequences(path, task=roles.pop("task", "classify"), **roles)


def test_idx_with_labels_beside(pair: Path) -> None:
    found = read(pair)
    assert found.kind == "images"
    assert found.labels == ["7", "1", "7", "1"]
    assert found.items[1].tolist() == [[6, 7, 8], [9, 10, 11]]
    assert found.names[2] == "train-images-idx3-ubyte.gz, image 2 (counting from 0)"
    assert read(pair, task="regress").labels == [7.0, 1.0, 7.0, 1.0]
    assert read(pair, labels=list("abab")).labels == list("abab")
    later = read(pair, need_labels=False, layout=found.layout)
    assert later.labels == found.labels
    assert is_idx("x.idx3-ubyte")


def test_idx_that_is_wrong(pair: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"group"):
        read(pair, group="writer")
    with pytest.raises(DataError, match=r"one label each"):
        read(pair, task="tag")
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    idx(labels, np.array([7, 1], np.uint8))
    with pytest.raises(DataError, match=r"holds 2 labels, and .* holds 4 pictures"):
        read(pair)
    idx(labels, np.zeros((4, 2), np.uint8))
    with pytest.raises(DataError, match=r"not one label a picture"):
        read(pair)
    labels.unlink()
    with pytest.raises(
        DataError, match=r"labels are missing: train-labels-idx1-ubyte\.gz is not there"
    ):
        read(pair)
    assert read(pair, need_labels=False).labels is None
    data = gzip.decompress(pair.read_bytes())
    plain = tmp_path / "images-idx3-ubyte"
    for content, fact in (
        (data[:-1], "its header tells of 24 bytes .*4 x 2 x 3.* and 23 follow"),
        (data[:9], "ends within its header"),
        (b"\x89PNG" + data, "is no IDX file: its first bytes are 89 50 4e 47"),
        (b"", "is no IDX file"),
    ):
        plain.write_bytes(content)
        with pytest.raises(DataError, match=fact):
            read(plain, need_labels=False)
    pair.write_bytes(pair.read_bytes()[:30])
    with pytest.raises(DataError, match=r"no readable gzip file"):
        read(pair, need_labels=False)
    with pytest.raises(DataError, match=r"pictures are bytes"):
        read(idx(plain, np.zeros((2, 2, 2), ">f4"), 0x0D), need_labels=False)


# -------------------------------------------------------------------------------- for a page
@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3), (1, 1)])
def test_png(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    found = Image.open(io.BytesIO(base64.b64decode(png_base64(pixels))))
    assert np.array_equal(np.asarray(found), pixels)


def test_png_of_large_and_wrong_arrays() -> None:
    found = Image.open(io.BytesIO(base64.b64decode(png_base64(np.zeros((700, 300), np.uint8)))))
    assert found.size == (100, 234)
    with pytest.raises(ValueError, match=r"float64 of the shape"):
        png_base64(np.zeros((2, 2)))


def test_wav() -> None:
    import soundfile

    wave = np.sin(np.arange(48000 * 4) / 20).astype(np.float32) / 7
    data = base64.b64decode(wav_base64(Sound(wave, 48000), 2.0))
    samples, rate = soundfile.read(io.BytesIO(data))
    assert rate == 24000
    assert len(samples) == 48000
    assert np.abs(samples).max() == pytest.approx(0.9, abs=0.01)
    assert len(base64.b64decode(wav_base64(Sound(np.zeros(0, np.float32), 8000)))) == 44
