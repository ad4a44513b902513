"""Recordings of every format, and samples as streams bring them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from gatework.data.sequences import Sound
from gatework.data.sources.audio import as_sound, check_sound, read_sound, tell_sounds


def tone(rate: int = 16000, seconds: float = 0.25) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg", ".mp3", ".aiff"])
def test_formats(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"tône{ending}"
    soundfile.write(path, tone(), 16000)
    facts = check_sound(path)
    assert (facts["rate"], facts["channels"]) == (16000, 1)
    found = read_sound(path)
    assert found.rate == 16000
    assert found.samples.dtype == np.float32
    assert abs(len(found) / 16000 - 0.25) < 0.1
    assert 0.3 < np.abs(found.samples).max() < 0.8


def test_channels_are_mixed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(), -tone()], axis=1), 16000)
    assert np.abs(read_sound(path).samples).max() < 1e-4
    assert check_sound(path)["channels"] == 2


def test_bad_recordings(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), 8000)
    with pytest.raises(ValueError, match="holds no samples"):
        check_sound(path)
    soundfile.write(path, np.array([0.0, np.nan] * 100), 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"no finite number, at 0\.000 s"):
        read_sound(path)
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).normal(0, 0.1, 20000), 8000)
    cut = (tmp_path / "a.flac").read_bytes()[:9000]
    (tmp_path / "a.flac").write_bytes(cut)
    check_sound(tmp_path / "a.flac")
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(ValueError, match="is no sound file that can be read"):
        check_sound(path)


def test_what_is_told() -> None:
    facts = [{"rate": 8000, "channels": 1, "seconds": 1.0}] * 3
    notes, kept = tell_sounds(facts)
    assert notes == ["sound: 8,000 Hz; 1 to 1 s long, 3 s in all"]
    assert kept == {"rates": [8000], "channels": [1]}
    other = {"rate": 16000, "channels": 2, "seconds": 500.0}
    notes, _ = tell_sounds([*facts, other], kept)
    assert any("3 of 8,000 Hz, 1 of 16,000 Hz" in n for n in notes)
    assert any("1 recording has several channels: their mean is taken" in n for n in notes)
    assert any(
        "another rate than the training's 8,000 Hz are resampled: 1 of 16,000 Hz" in n
        for n in notes
    )


def test_samples_of_a_stream() -> None:
    assert as_sound(np.array([-32768, 16384], np.int16), 8000).samples.tolist() == [-1, 0.5]
    assert as_sound([0.5, -0.5], 8000).samples.dtype == np.float32
    assert as_sound(np.array([128, 0], np.uint8), 8000).samples.tolist() == [0, -1]
    assert as_sound(np.ones((3, 2)), 8000).samples.tolist() == [1, 1, 1]
    assert as_sound(Sound(np.zeros(2, np.float32), 44100), 8000).rate == 44100
    with pytest.raises(ValueError, match="no finite number"):
        as_sound([0.0, np.inf], 8000)
    with pytest.raises(ValueError, match="not samples of sound"):
        as_sound(["a"], 8000)
    with pytest.raises(ValueError, match="has the shape"):
        as_sound(np.zeros((2, 2, 2)), 8000)
