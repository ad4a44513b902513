"""Video files: their frames one at a time, and what is no video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from gatework.data.sources.find import read_sequences
from gatework.data.sources.video import Clip, check_video, count_frames
from gatework.errors import DataError


def video(
    path: Path, frames: int = 12, height: int = 48, width: int = 64, codec: str = "mpeg4"
) -> Path:
    """A bright square that moves to the right over a dark ground."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for k in range(frames):
            pixels = np.full((height, width, 3), 20, np.uint8)
            pixels[16:32, 2 * k : 2 * k + 16] = 230
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("ending", "codec"), [(".mp4", "mpeg4"), (".avi", "mpeg4"), (".mkv", "mpeg4")]
)
def test_frames(tmp_path: Path, ending: str, codec: str) -> None:
    path = video(tmp_path / f"a{ending}", codec=codec)
    assert count_frames(path) == 12
    clip = Clip(path)
    frames = list(clip.frames())
    assert len(clip) == len(frames) == 12
    assert frames[0].shape == (48, 64, 3)
    middle = [np.argmax(f[24, :, 0] > 120) for f in frames]
    assert middle == [pytest.approx(2 * k, abs=2) for k in range(12)]
    every = list(clip.frames(5))
    assert len(every) == 3
    assert np.array_equal(every[1], frames[5])
    assert np.asarray(clip).shape == (12, 48, 64, 3)


def test_a_large_clip_as_an_array_is_small(tmp_path: Path) -> None:
    clip = Clip(video(tmp_path / "a.mp4", 100, 64, 320))
    assert np.asarray(clip).shape == (50, 26, 128, 3)


def test_bad_videos(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video at all, only words" * 10)
    with pytest.raises(ValueError, match="cannot be decoded as a video"):
        check_video(path)
    with pytest.raises(ValueError, match="cannot be decoded as a video"):
        count_frames(path)
    with pytest.raises(DataError, match=r"a\.mp4: cannot be decoded as a video"):
        list(Clip(path).frames())
    sound = tmp_path / "s.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    with pytest.raises(ValueError, match="holds no video, only other tracks"):
        check_video(sound)


def test_folders_of_videos(tmp_path: Path) -> None:
    for name in ("left/1.mp4", "right/1.mp4", "right/2.mp4"):
        video(tmp_path / name, 4)
    found = read_sequences(tmp_path, task="classify")
    assert (found.kind, found.labels) == ("video", ["left", "right", "right"])
    assert found.notes[1] == "videos: 48 x 64 pixels"
    (tmp_path / "left" / "2.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"left/2\.mp4: the file is empty"):
        read_sequences(tmp_path, task="classify")
    assert len(read_sequences(tmp_path, task="classify", skip_bad=True)) == 3
