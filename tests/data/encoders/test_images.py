"""Pictures and videos as steps; streams of rows and frames."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from gatework.data.encoders.images import ImagesEncoder
from gatework.data.encoders.video import VideoEncoder
from gatework.data.sequences import SequenceSet
from gatework.data.sources.video import Clip
from gatework.errors import DataError

rng = np.random.default_rng(0)


def pictures(*shapes: tuple[int, ...]) -> list[Any]:
    return [np.random.default_rng(i).integers(0, 255, s, np.uint8) for i, s in enumerate(shapes)]


def sequences(kind: str, items: list[Any]) -> SequenceSet:
    return SequenceSet(kind, items, [f"{i}.png" for i in range(len(items))], "pictures")


def fitted(items: list[Any], **settings: Any) -> ImagesEncoder:
    return ImagesEncoder.fit(sequences("images", items), SimpleNamespace(**settings))


@pytest.mark.parametrize("read_by", ["rows", "columns"])
@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3)])
def test_rows_and_columns(read_by: str, shape: tuple[int, ...]) -> None:
    items = pictures(shape, shape, shape)
    encoder = fitted(items, read_by=read_by)
    found = encoder.encode(items[1]).values
    channels = shape[2] if len(shape) == 3 else 1
    assert found.shape == ((6, 8 * channels) if read_by == "rows" else (8, 6 * channels))
    whole = np.stack([encoder.encode(i).values for i in items])
    assert abs(float(whole.mean())) < 1e-4
    assert float(whole.std()) == pytest.approx(1, abs=1e-3)
    stream = encoder.stream()
    lines = items[1] if read_by == "rows" else items[1].swapaxes(0, 1)
    assert np.array_equal(np.concatenate([stream.push(x).values for x in lines]), found)
    again = type(encoder).from_json(json.loads(json.dumps(encoder.to_json())))
    assert np.array_equal(again.encode(items[1]).values, found)


def test_sizes() -> None:
    items = pictures((6, 8), (12, 16), (12, 16), (13, 16))
    encoder = fitted(items)
    assert (encoder.height, encoder.width) == (12, 16)
    assert [encoder.encode(i).values.shape for i in items] == [(12, 16)] * 4
    with pytest.raises(
        ValueError, match=r"is 40 x 16 pixels \(height x width\), .* it would be distorted"
    ):
        encoder.encode(np.zeros((40, 16), np.uint8))
    assert fitted(pictures((2000, 1000))).describe() == (
        "a step is a row of a grey picture of 512 x 256 pixels"
    )


def test_colours() -> None:
    grey, colour = pictures((6, 8), (6, 8, 3))
    assert fitted([grey, colour]).channels == 3
    assert fitted([grey, colour]).encode(grey).values.shape == (6, 24)
    assert fitted([grey]).encode(colour).values.shape == (6, 8)


def test_wrong_pictures() -> None:
    encoder = fitted(pictures((6, 8)))
    with pytest.raises(ValueError, match=r"uint8"):
        encoder.encode(np.zeros((6, 8)))
    with pytest.raises(DataError, match=r"0\.png: has the shape \(6, 8, 2\)"):
        fitted([np.zeros((6, 8, 2), np.uint8)])
    with pytest.raises(ValueError, match=r"a row of the trained pictures has 8 pixels"):
        encoder.stream().push(np.zeros(7, np.uint8))
    kept = encoder.to_json()
    for wrong in ({"height": 0}, {"deviation": 0.0}, {"read_by": "x"}):
        with pytest.raises(ValueError, match=r"impossible|positive|unknown"):
            ImagesEncoder.from_json(kept | wrong)


# ------------------------------------------------------------------------------------ videos
def videos(items: list[Any], **settings: Any) -> VideoEncoder:
    return VideoEncoder.fit(sequences("video", items), SimpleNamespace(**settings))


@pytest.mark.parametrize("most", [64, 4])
def test_a_stream_of_frames_gives_the_steps_of_the_video(most: int) -> None:
    items = pictures((10, 20, 24, 3), (7, 20, 24, 3))
    encoder = videos(items, frame_size=8, max_frames=most)
    assert encoder.frame == (1, 8, 8)
    assert encoder.step == (1 if most == 64 else 3)
    found = encoder.encode(items[0]).values
    assert found.shape == (10 if most == 64 else 4, 64)
    stream = encoder.stream()
    assert np.array_equal(np.concatenate([stream.push(f).values for f in items[0]]), found)
    again = VideoEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert np.array_equal(again.encode(items[0]).values, found)


def test_files_and_arrays_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "gray"
        for k in range(5):
            pixels = np.full((16, 32), 40 * k, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")):
                container.mux(packet)
    clip = Clip(path)
    encoder = videos([clip], frame_size=8)
    array = np.stack(list(clip.frames()))
    assert array[3].mean() == pytest.approx(120, abs=2)
    assert np.array_equal(encoder.encode(clip).values, encoder.encode(array).values)


def test_wrong_videos() -> None:
    encoder = videos(pictures((4, 8, 8)), frame_size=8)
    with pytest.raises(ValueError, match=r"holds no frames"):
        encoder.encode(np.zeros((0, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"a video is"):
        encoder.encode(np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"uint8"):
        encoder.stream().push(np.zeros((8, 8)))
    with pytest.raises(DataError, match=r"1\.png: holds no frames"):
        videos([np.zeros((2, 8, 8), np.uint8), np.zeros((0, 8, 8), np.uint8)])
    for wrong in ({"frame": [2, 8, 8]}, {"step": 0}, {"deviation": -1.0}):
        with pytest.raises(ValueError, match=r"impossible|positive"):
            VideoEncoder.from_json(encoder.to_json() | wrong)
