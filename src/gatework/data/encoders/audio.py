"""Sound as frames: logarithms of the energy in mel bands, the same in a recording and in a stream."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch

from gatework.data.augment import augment_sound
from gatework.data.encoders.base import Encoded, Encoder, EncoderStream, SequenceBatch, no_tokens
from gatework.data.sequences import SequenceSet, Sound
from gatework.data.sources.audio import as_sound
from gatework.errors import MissingDependencyError

Array = npt.NDArray[np.float32]

WINDOW_MS, HOP_MS = 25, 10
LOWEST_HZ = 40.0  # below lie hum and rumble
MAX_RATE = 16_000  # unless asked for: speech has little above 8 kHz
QUIET = 6.0  # nats below the loudest frames, 26 dB: what is quieter at an end is cut off
FULL_SCALE, FLOOR = 32768.0, 0.0  # frames are of 16-bit samples; less than log energy 0 is rounding
EDGE = 3  # quiet frames that are left at an end
MOST_FITTED = {"item": 500, "set": 3_000}  # recordings whose scales are looked at


class AudioEncoder(Encoder):
    """``bands`` log-mel energies of 25 ms every 10 ms, by Kaldi's recipe without dither, standardised.

    ``normalize`` is ``"item"``, by each recording's own mean and deviation of a band, or ``"set"``, by the
    training part's: then a stream gives the same frames.  Where groups such as speakers are kept apart it is
    ``"item"``, else ``"set"``: how it was recorded is then a help, and not what differs.  ``trim`` cuts off
    what is quiet at both ends; only with ``"item"``, as a stream does not know what will come.
    """

    kind = "audio"
    cardinalities = ()

    def __init__(
        self,
        rate: int,
        bands: int,
        normalize: Literal["item", "set"],
        trim: bool,
        mean: Array,
        deviation: Array,
    ) -> None:
        self.rate, self.size, self.normalize = rate, bands, normalize
        self.trim = trim and normalize == "item"
        self.mean, self.deviation = mean, deviation  # (bands,) of the training part
        self._options = _options(rate, bands)

    @classmethod
    def fit(cls, sequences: SequenceSet, settings: Any) -> Self:
        bands = int(getattr(settings, "bands", None) or 40)
        causal = bool(getattr(settings, "causal", False))
        normalize: Literal["item", "set"] = getattr(settings, "normalize", None) or (
            "item" if sequences.groups is not None and not causal else "set"
        )
        n = len(sequences)
        numbers = np.unique(np.linspace(0, n - 1, min(n, MOST_FITTED[normalize])).astype(int))
        rate = getattr(settings, "rate", None)
        if not rate:
            rate = _common_rate(Counter(sequences.items[i].rate for i in numbers.tolist()))
        bare = cls(
            int(rate),
            bands,
            normalize,
            bool(getattr(settings, "trim", True)),
            np.zeros(bands, np.float32),
            np.ones(bands, np.float32),
        )
        count, total, squares = 0, np.zeros(bands), np.zeros(bands)
        for i in numbers.tolist():
            try:
                frames = bare.frames(sequences.items[i]).astype(float)
            except ValueError as fact:
                if type(fact) is not ValueError:
                    raise
                raise sequences.refuse(i, f"{fact}.") from None
            if normalize == "item":  # the spread within recordings is what a scale is of
                frames = frames - frames.mean(axis=0)
            count += len(frames)
            total += frames.sum(axis=0)
            squares += (frames**2).sum(axis=0)
        mean = total / max(count, 1)
        deviation = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        return cls(
            bare.rate,
            bands,
            normalize,
            bare.trim,
            mean.astype(np.float32),
            np.maximum(deviation, 0.1).astype(np.float32),
        )

    def frames(self, item: Sound) -> Array:
        """``(T, bands)`` log-mel energies as they are, T at least 1.

        Raises ValueError, the bare fact: no samples, or a rate too low for what the model hears.
        """
        samples = np.asarray(item.samples, np.float32)
        if not len(samples):
            raise ValueError("holds no samples")
        if item.rate != self.rate:
            _check_rate(item.rate, self.rate)
            samples = _soxr().resample(samples, item.rate, self.rate)
        window = self.rate * WINDOW_MS // 1000
        if len(samples) < window:  # shorter than one frame: silence behind it
            samples = np.pad(samples, (0, window - len(samples)))
        online = _fbank().OnlineFbank(self._options)
        online.accept_waveform(self.rate, (samples * np.float32(FULL_SCALE)).tolist())
        found = _floored([online.get_frame(i) for i in range(online.num_frames_ready)])
        return _loud_part(found) if self.trim else found

    def encode(self, item: Any) -> Encoded:
        frames = self.frames(as_sound(item, self.rate))
        if self.normalize == "item":
            mean, deviation = frames.mean(axis=0), frames.std(axis=0)
            # Of a few frames the deviation says little: it is held near what is usual.
            weight = np.float32(10 / (10 + len(frames)))
            scale = (1 - weight) * deviation + weight * self.deviation
            return Encoded((frames - mean) / np.maximum(scale, 0.1), no_tokens(len(frames)))
        return Encoded((frames - self.mean) / self.deviation, no_tokens(len(frames)))

    def augment(
        self, batch: SequenceBatch, generator: torch.Generator, strength: float
    ) -> SequenceBatch:
        return augment_sound(
            batch,
            generator,
            strength,
            nats=float(self.deviation.mean()),
            gain=self.normalize == "set",
        )

    def stream(self) -> EncoderStream:
        if self.normalize == "item":
            raise ValueError(
                "sound was scaled recording by recording (normalize='item'), which needs all of it: train with "
                "normalize='set'"
            )
        return _AudioStream(self)

    def describe(self) -> str:
        of = "each recording" if self.normalize == "item" else "the training part"
        cut = ", quiet ends cut off" if self.trim else ""
        what = f"{self.size} log-mel bands, every {HOP_MS} ms of {self.rate:,} Hz sound"
        return f"a step is {what}, scaled by {of}{cut}"

    def to_json(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "bands": self.size,
            "normalize": self.normalize,
            "trim": self.trim,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        rate, bands = int(kept["rate"]), int(kept["bands"])
        mean = np.array(kept["mean"], np.float32)
        deviation = np.array(kept["deviation"], np.float32)
        if mean.shape != (bands,) or deviation.shape != (bands,):
            raise ValueError("bands and their scales differ in number")
        if not (np.isfinite(mean).all() and (deviation > 0).all() and np.isfinite(deviation).all()):
            raise ValueError("scales are not finite and positive")
        if kept["normalize"] not in ("item", "set") or not 1000 <= rate <= 384_000:
            raise ValueError("the way of scaling or the rate is unknown")
        return cls(rate, bands, kept["normalize"], bool(kept["trim"]), mean, deviation)


class _AudioStream(EncoderStream):
    """Frames as their samples come; what is kept is less than one frame."""

    def __init__(self, encoder: AudioEncoder) -> None:
        self._encoder = encoder
        self._online = _fbank().OnlineFbank(encoder._options)
        self._rate: int | None = None
        self._resample: Any = None
        self._done = 0

    def push(self, observation: Any) -> Encoded:
        encoder = self._encoder
        sound = as_sound(observation, self._rate or encoder.rate)
        if self._rate is None:
            _check_rate(sound.rate, encoder.rate)
            self._rate = sound.rate
            if sound.rate != encoder.rate:
                self._resample = _soxr().ResampleStream(
                    sound.rate, encoder.rate, 1, dtype="float32"
                )
        if sound.rate != self._rate:
            raise ValueError(f"has {sound.rate:,} Hz, and what came before had {self._rate:,} Hz")
        samples = sound.samples
        if self._resample is not None and len(samples):
            samples = self._resample.resample_chunk(samples)
        if len(samples):
            self._online.accept_waveform(encoder.rate, (samples * np.float32(FULL_SCALE)).tolist())
        ready = self._online.num_frames_ready
        found = [self._online.get_frame(i).copy() for i in range(self._done, ready)]
        self._online.pop(ready - self._done)
        self._done = ready
        if not found:
            return Encoded(np.zeros((0, encoder.size), np.float32), no_tokens(0))
        values = (_floored(found) - encoder.mean) / encoder.deviation
        return Encoded(values, no_tokens(len(values)))


def _floored(frames: list[Array]) -> Array:
    """Frames side by side; what is digital silence, whose logarithm is far off, is as quiet as rounding."""
    found: Array = np.maximum(np.stack(frames), np.float32(FLOOR))
    return found


def _loud_part(frames: Array) -> Array:
    """Frames from the first to the last that is less than 26 dB below the loudest, and a few around them."""
    energy = frames.mean(axis=1)  # of logarithms: a single loud band, such as hum, does not decide
    loud = np.flatnonzero(energy > np.quantile(energy, 0.95) - QUIET)
    return frames[max(int(loud[0]) - EDGE, 0) : int(loud[-1]) + 1 + EDGE]


def _common_rate(rates: Counter[int]) -> int:
    """The lowest rate that a twentieth of the recordings have, so that hardly one lacks what is looked at."""
    least = 0.05 * rates.total()
    return min(min(r for r, n in rates.items() if n >= least), MAX_RATE)


def _check_rate(rate: int, wanted: int) -> None:
    if 2 * rate < wanted:
        raise ValueError(
            f"has {rate:,} Hz, and the model hears {wanted:,} Hz: more than half of what it listens to is not "
            "there. Give recordings of a higher rate, or train with rate= (--rate) as low as these"
        )


def _options(rate: int, bands: int) -> Any:
    """Kaldi's settings.

    Raises ValueError, the bare fact: more bands than the rate can fill.
    """
    options = _fbank().FbankOptions()
    options.frame_opts.samp_freq = rate
    options.frame_opts.frame_length_ms = WINDOW_MS
    options.frame_opts.frame_shift_ms = HOP_MS
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = bands
    options.mel_opts.low_freq = LOWEST_HZ
    options.mel_opts.high_freq = 0.95 * rate / 2  # where a resampler's filter has begun to fall
    try:
        _fbank().OnlineFbank(options)
    except (ValueError, RuntimeError):
        raise ValueError(
            f"{bands} mel bands are too many for {rate:,} Hz: some would hold no frequency. Set "
            "bands= (--bands) lower"
        ) from None
    return options


def _fbank() -> Any:
    try:
        import kaldi_native_fbank
    except ImportError:
        raise MissingDependencyError(
            "sound needs kaldi-native-fbank, which is not installed: pip install 'gatework[audio]'"
        ) from None
    return kaldi_native_fbank


def _soxr() -> Any:
    try:
        import soxr
    except ImportError:
        raise MissingDependencyError(
            "resampling needs soxr, which is not installed: pip install 'gatework[audio]'"
        ) from None
    return soxr
