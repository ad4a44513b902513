"""Log-mel frames: equal in recording and stream, scaled, trimmed; what does not fit is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gatework.data.encoders.audio import AudioEncoder
from gatework.data.sequences import SequenceSet, Sound
from gatework.errors import DataError


def sound(seed: int, seconds: float = 0.5, rate: int = 8000) -> Sound:
    rng = np.random.default_rng(seed)
    t = np.arange(int(rate * seconds)) / rate
    wave = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 1000) * t) + rng.normal(0, 0.01, len(t))
    return Sound(wave.astype(np.float32), rate)


def sounds(items: list[Sound]) -> SequenceSet:
    return SequenceSet("audio", items, [f"{i}.wav" for i in range(len(items))], "sounds")


def fitted(items: list[Sound] | None = None, **settings: Any) -> AudioEncoder:
    items = items or [sound(i) for i in range(6)]
    return AudioEncoder.fit(sounds(items), SimpleNamespace(**{"normalize": "item"} | settings))


@pytest.mark.parametrize("piece", [1, 37, 80, 200, 1000, 100_000])
def test_a_stream_gives_the_frames_of_the_recording(piece: int) -> None:
    encoder = fitted(normalize="set")
    item = sound(9, 0.2 if piece == 1 else 1.0)
    stream, found = encoder.stream(), []
    for k in range(0, len(item), piece):
        found.append(stream.push(item.samples[k : k + piece]).values)
    assert np.array_equal(np.concatenate(found), encoder.encode(item).values)


def test_a_stream_of_another_rate() -> None:
    encoder = fitted(normalize="set")
    item = sound(9, 1.0, 16000)
    stream = encoder.stream()
    found = np.concatenate(
        [stream.push(Sound(item.samples[k : k + 777], 16000)).values for k in range(0, 16000, 777)]
    )
    whole = encoder.encode(item).values
    assert 0.8 * len(whole) < len(found) <= len(whole)  # the resampler holds some samples back
    assert np.allclose(found, whole[: len(found)], atol=1e-4)
    with pytest.raises(ValueError, match=r"has 8,000 Hz, and what came before had 16,000 Hz"):
        stream.push(Sound(item.samples, 8000))


def test_shapes_and_scales() -> None:
    encoder = fitted()
    assert (encoder.rate, encoder.size, encoder.normalize, encoder.trim) == (8000, 40, "item", True)
    found = encoder.encode(sound(3, 1.0))
    assert found.values.dtype == np.float32
    assert found.values.shape == (98, 40)  # 1 + (8000 - 200) / 80, nothing quiet
    assert found.tokens.shape == (98, 0)
    assert np.abs(found.values.mean(axis=0)).max() < 1e-4
    assert 0.5 < found.values.std() < 1.5
    whole = fitted(normalize="set", bands=23)
    values = np.concatenate([whole.encode(sound(i)).values for i in range(6)])
    assert np.abs(values.mean(axis=0)).max() < 1e-3
    assert np.abs(values.std(axis=0) - 1).max() < 1e-3


def test_loudness_does_not_matter_to_a_recording_by_itself() -> None:
    encoder = fitted()
    item = sound(2)
    quiet = Sound(item.samples / 8, item.rate)
    assert np.allclose(encoder.encode(item).values, encoder.encode(quiet).values, atol=1e-3)


def test_silence_at_the_ends_is_cut() -> None:
    item = sound(1, 0.5)
    noise = np.random.default_rng(0).normal(0, 1e-4, 4000).astype(np.float32)
    padded = Sound(np.concatenate([noise, item.samples, noise]), 8000)
    assert abs(len(fitted().encode(padded)) - 48) <= 10
    assert len(fitted(trim=False).encode(padded)) == 148
    assert len(fitted(normalize="set").encode(padded)) == 148
    silent = Sound(np.zeros(8000, np.float32), 8000)
    assert np.isfinite(fitted().encode(silent).values).all()


def test_scales_are_of_the_frames_that_are_encoded() -> None:
    silence = np.zeros(4000, np.float32)
    items = [Sound(np.concatenate([silence, sound(i).samples]), 8000) for i in range(4)]
    encoder = fitted(items, normalize="set")
    values = np.concatenate([encoder.encode(i).values for i in items])
    assert np.abs(values.mean(axis=0)).max() < 1e-3


def test_rates() -> None:
    mixed = [sound(i, rate=8000) for i in range(3)] + [sound(i, rate=16000) for i in range(3)]
    assert fitted(mixed).rate == 8000
    assert fitted([sound(0, rate=44100)]).rate == 16000
    assert (
        fitted([sound(i, rate=16000) for i in range(40)] + [sound(1, rate=4000)] * 0).rate == 16000
    )
    assert fitted(rate=8000, items=[sound(0, rate=22050)]).rate == 8000
    encoder = fitted([sound(0, rate=16000)])
    assert len(encoder.encode(sound(0, 1.0, 44100))) == 98
    assert len(encoder.encode(sound(0, 1.0, 8000))) == 98
    with pytest.raises(ValueError, match=r"has 4,000 Hz, and the model hears 16,000 Hz"):
        encoder.encode(sound(0, 1.0, 4000))


def test_short_and_empty() -> None:
    assert len(fitted().encode(Sound(np.ones(5, np.float32), 8000))) == 1
    with pytest.raises(ValueError, match=r"holds no samples"):
        fitted().encode(Sound(np.zeros(0, np.float32), 8000))
    with pytest.raises(ValueError, match=r"finite"):
        fitted().encode(Sound(np.array([np.nan], np.float32), 8000))
    with pytest.raises(DataError, match=r"1\.wav: holds no samples"):
        fitted([sound(0), Sound(np.zeros(0, np.float32), 8000)])


def test_too_many_bands() -> None:
    with pytest.raises(ValueError, match=r"256 mel bands are too many for 8,000 Hz"):
        fitted(bands=256)


def test_item_cannot_stream() -> None:
    with pytest.raises(ValueError, match=r"normalize='set'"):
        fitted().stream()


def test_scales_where_none_are_named() -> None:
    given = sounds([sound(i) for i in range(4)])
    grouped = replace(given, groups=["ann", "ann", "bob", "bob"])
    for sequences, causal, expected in (
        (given, False, "set"),
        (grouped, False, "item"),
        (grouped, True, "set"),
    ):
        settings = SimpleNamespace(normalize=None, causal=causal)
        assert AudioEncoder.fit(sequences, settings).normalize == expected


def test_kept_as_json() -> None:
    for normalize in ("item", "set"):
        encoder = fitted(normalize=normalize)
        again = AudioEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
        assert np.array_equal(again.encode(sound(7)).values, encoder.encode(sound(7)).values)
    kept = encoder.to_json()
    for wrong in ({"bands": 3}, {"normalize": "x"}, {"deviation": [0.0] * 40}, {"rate": 5}):
        with pytest.raises(ValueError, match=r"differ|unknown|positive"):
            AudioEncoder.from_json(kept | wrong)


def test_described() -> None:
    assert fitted().describe() == (
        "a step is 40 log-mel bands, every 10 ms of 8,000 Hz sound, scaled by each recording, "
        "quiet ends cut off"
    )
