"""Inks as steps: size, place, slant and speed of the pen do not matter."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from gatework.data.encoders.strokes import StrokesEncoder, slant
from gatework.data.sequences import Ink, SequenceSet


def arc(points: int, power: float = 1.0) -> np.ndarray:
    """Half a circle; ``power`` is how the pen speeds up."""
    angle = np.pi * np.linspace(0, 1, points) ** power
    return np.stack([np.sin(angle), -np.cos(angle)], axis=1)


def ink(points: int = 200, power: float = 1.0) -> Ink:
    return Ink((arc(points, power), np.array([[0.0, 0.0], [0.5, 0.1]])))


def values(item: Ink, upright: bool = True) -> np.ndarray:
    return StrokesEncoder(upright=upright).encode(item).values


def test_size_place_and_speed_do_not_matter() -> None:
    plain = values(ink())
    moved = values(Ink(tuple(s * 37 + [1000, -50] for s in ink().strokes)))
    assert np.allclose(plain, moved, atol=1e-4)
    assert np.allclose(plain, values(ink(400, 2.0)), atol=0.02)
    assert np.allclose(
        plain, values(Ink(tuple(np.repeat(s, 3, axis=0) for s in ink().strokes))), atol=1e-4
    )


def test_slant_does_not_matter() -> None:
    bars = Ink(tuple(np.array([[x, 0.0], [x, 1.0]]) for x in (0.0, 0.3, 0.6)))
    leaning = Ink(tuple(s @ np.array([[1, 0], [-0.4, 1]]) for s in bars.strokes))
    assert slant(list(leaning.strokes)) == pytest.approx(0.4)
    assert slant(list(bars.strokes)) == 0
    assert slant([np.array([[0.0, 0.0], [5.0, 0.1]])]) == 0
    assert np.allclose(values(bars), values(leaning), atol=1e-4)
    as_it_is = values(leaning, upright=False)
    assert abs(as_it_is[12, 0]) > 0.3
    assert abs(values(leaning)[12, 0]) < 1e-4


def test_steps_are_even_and_begin_where_the_pen_came_down() -> None:
    found = values(ink())
    up = found[:, 2].astype(bool)
    assert up.sum() == 1  # the second stroke; the first step says nothing
    way = np.hypot(found[1:, 0], found[1:, 1])[~up[1:]]
    assert way.min() > 0.8
    assert way.max() < 1.2
    moves = np.diff(found[:, 3:], axis=0) / StrokesEncoder().spacing
    assert np.allclose(found[1:, :2], moves, atol=1e-4)
    assert not found[0, :3].any()
    assert np.abs(found[:, 4]).max() == pytest.approx(0.5)


def test_single_points_and_flat_inks() -> None:
    assert values(Ink((np.array([[3.0, 4.0]]),))).tolist() == [[0, 0, 0, 0, 0]]
    two = values(Ink((np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]]))))
    assert two[:, 2].tolist() == [0, 1]
    dash = values(Ink((np.array([[0.0, 0.0], [10.0, 0.0]]),)))
    assert dash[-1, 3] == pytest.approx(2.5)


def test_what_is_no_ink() -> None:
    encoder = StrokesEncoder()
    with pytest.raises(ValueError, match="has no points"):
        encoder.encode(Ink(()))
    with pytest.raises(ValueError, match="not finite"):
        encoder.encode(Ink((np.array([[0.0, np.nan]]),)))
    with pytest.raises(ValueError, match="no list of points"):
        encoder.encode([[1.0, 2.0]])
    scribble = np.random.default_rng(0).uniform(0, 1, (2000, 2))
    with pytest.raises(ValueError, match="an ink has 4,000 at most"):
        encoder.encode(Ink((scribble,)))
    with pytest.raises(ValueError, match="only be read whole"):
        encoder.stream()


def test_kept_as_json() -> None:
    given = SequenceSet("strokes", [ink()], ["a"], "a")
    encoder = StrokesEncoder.fit(given, SimpleNamespace())
    again = StrokesEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert np.array_equal(again.encode(ink()).values, encoder.encode(ink()).values)
    assert "made upright" in encoder.describe()
    with pytest.raises(ValueError, match="spacing"):
        StrokesEncoder.from_json({"spacing": 0, "upright": True})
