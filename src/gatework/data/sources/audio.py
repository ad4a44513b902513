"""Recordings: what a file's header says, and its samples as one channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.sequences import Sound
from gatework.errors import MissingDependencyError

ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64", ".caf")


def check_sound(path: Path) -> dict[str, float]:
    """Rate, channels and seconds of a recording, by its header alone.

    Raises:
        ValueError: it is no recording or an empty one; the bare fact.
    """
    soundfile = _soundfile()
    try:
        found = soundfile.info(str(path))
    except (RuntimeError, OSError) as error:
        raise ValueError(f"is no sound file that can be read ({_reason(error)})") from None
    if found.frames <= 0:
        raise ValueError("holds no samples")
    seconds = found.frames / found.samplerate
    return {"rate": found.samplerate, "channels": found.channels, "seconds": seconds}


def read_sound(path: Path) -> Sound:
    """All samples of a recording; of several channels their mean.

    Raises:
        ValueError: it cannot be read, is empty, or holds samples that are no numbers; the bare fact.
    """
    soundfile = _soundfile()
    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (RuntimeError, OSError) as error:
        raise ValueError(f"cannot be decoded as sound ({_reason(error)})") from None
    if not len(samples):
        raise ValueError("holds no samples")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        where = int(np.flatnonzero(~np.isfinite(mono))[0]) / rate
        raise ValueError(f"holds a sample that is no finite number, at {where:.3f} s")
    return Sound(np.ascontiguousarray(mono), int(rate))


def tell_sounds(
    facts: Sequence[dict[str, float]], trained: Any = None
) -> tuple[list[str], dict[str, Any]]:
    """What a user should know of these recordings, and what to keep for the next reading.

    trained: what was kept at the training; recordings that differ from it are told.
    """
    rates = Counter(int(f["rate"]) for f in facts)
    channels = Counter(int(f["channels"]) for f in facts)
    seconds = np.array([f["seconds"] for f in facts])
    spread = (
        f"{seconds.min():.3g} to {seconds.max():.3g} s" if len(facts) > 1 else f"{seconds[0]:.3g} s"
    )
    shown = ", ".join(f"{r:,} Hz" for r, _ in rates.most_common(3)) + (
        " ..." if len(rates) > 3 else ""
    )
    notes = [f"sound: {shown}; {spread} long, {_duration(float(seconds.sum()))} in all"]
    if len(rates) > 1:
        told = ", ".join(f"{n:,} of {r:,} Hz" for r, n in rates.most_common(6))
        notes.append(f"recordings differ in rate ({told}) and are resampled to one")
    several = sum(n for c, n in channels.items() if c > 1)
    if several:
        notes.append(
            f"{several:,} recording{'s have' if several != 1 else ' has'} several channels: their mean is taken"
        )
    known = (trained or {}).get("rates")
    if known:
        new = [r for r in rates if r not in known]
        if new:
            told = ", ".join(f"{rates[r]:,} of {r:,} Hz" for r in new[:6])
            of = " or ".join(f"{r:,} Hz" for r in known)
            notes.append(
                f"recordings of another rate than the training's {of} are resampled: {told}"
            )
    return notes, {"rates": sorted(rates), "channels": sorted(channels)}


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _reason(error: Exception) -> str:
    """The library's own words, without the path that it puts before them."""
    return (
        str(getattr(error, "error_string", None) or error).strip().rstrip(".")
        or type(error).__name__
    )


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: its library is not for this machine
        raise MissingDependencyError(
            "sound files need soundfile, which is not installed: pip install 'gatework[audio]'"
        ) from None
    return soundfile


def as_sound(observation: Any, rate: int) -> Sound:
    """Samples as they come in a stream: a Sound, or numbers of the rate; of integers the full scale is 1.

    Raises:
        ValueError: they are no samples of one channel, or not finite.
    """
    if isinstance(observation, Sound):
        rate = observation.rate
    samples: npt.NDArray[Any] = np.asarray(
        observation.samples if isinstance(observation, Sound) else observation
    )
    if samples.dtype == np.int16 or samples.dtype == np.int32:
        samples = samples / np.float32(-float(np.iinfo(samples.dtype).min))
    elif samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / np.float32(128)
    elif samples.dtype.kind not in "fi":
        raise ValueError(f"is {samples.dtype}, not samples of sound")
    samples = np.atleast_1d(samples).astype(np.float32, copy=False)
    if samples.ndim == 2:
        samples = samples.mean(axis=1, dtype=np.float32)
    if samples.ndim != 1:
        raise ValueError(f"has the shape {samples.shape}: pass samples (N,) or (N, channels)")
    if not np.isfinite(samples).all():
        raise ValueError("holds a sample that is no finite number")
    return Sound(samples, int(rate))
