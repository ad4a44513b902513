"""Sounds and pictures as text for a page: base64 of a WAV or a PNG file."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np

from gatework.data.sequences import Sound

MAX_RATE = 24_000
MAX_SIDE = 256


def wav_base64(sound: Sound, seconds: float = 3.0) -> str:
    """A WAV file of 16 bits with the first ``seconds``, as loud as it can be without clipping.

    >>> text = wav_base64(Sound(np.zeros(8000, np.float32), 8000), 0.5)
    >>> len(base64.b64decode(text)), base64.b64decode(text)[:4]
    (8044, b'RIFF')
    """
    samples, rate = np.asarray(sound.samples, float)[: round(seconds * sound.rate)], sound.rate
    skip = max(1, -(-rate // MAX_RATE))
    if skip > 1:  # means of neighbours: it is to be heard, not measured
        samples = samples[: len(samples) // skip * skip].reshape(-1, skip).mean(axis=1)
        rate //= skip
    peak = float(np.abs(samples).max(initial=0.0))
    samples = samples / peak * 0.9 if peak > 0 else samples
    data = (samples * 32767).round().astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1,
                       rate, 2 * rate, 2, 16, b"data", len(data))  # fmt: skip
    return base64.b64encode(head + data).decode("ascii")


def png_base64(pixels: Any) -> str:
    """A PNG file of an array (height, width) or (height, width, 3) of uint8; a large one is thinned out.

    >>> base64.b64decode(png_base64(np.zeros((2, 3), np.uint8)))[1:4]
    b'PNG'
    """
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise ValueError(f"png_base64: pixels are {array.dtype} of the shape {array.shape}.")
    skip = max(1, -(-max(array.shape[:2]) // MAX_SIDE))
    array = array[::skip, ::skip]
    height, width = array.shape[:2]
    lines = array.reshape(height, -1)
    raw = np.concatenate(
        [np.zeros((height, 1), np.uint8), lines], axis=1
    ).tobytes()  # filter 0: none
    colour = 0 if array.ndim == 2 else 2
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = [_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(raw, 9)), _chunk(b"IEND", b"")]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode("ascii")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
