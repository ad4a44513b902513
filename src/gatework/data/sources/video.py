"""Videos: what a file's header says, and its frames, decoded one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.sources.images import resized
from gatework.errors import DataError, MissingDependencyError

Pixels = npt.NDArray[np.uint8]
SHOWN_FRAMES, SHOWN_SIDE = 64, 128  # of a clip as a plain array


class Clip:
    """A video file as an item: nothing is decoded before it is asked for, and one frame is held at a time.

    ``numpy.asarray(clip)`` is (frames, height, width, 3) of uint8, of at most 64 frames, each at most 128 high
    and wide: enough to look at.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return count_frames(self.path)

    def frames(self, step: int = 1) -> Iterator[Pixels]:
        """Every ``step``-th frame, (height, width, 3).

        Raises DataError, which names the file, when it cannot be decoded.
        """
        try:
            for number, frame in enumerate(_decoded(self.path)):
                if number % step == 0:
                    yield frame.to_ndarray(format="rgb24")
        except ValueError as fact:
            if isinstance(fact, DataError):
                raise
            raise DataError(
                f"{self.path}: {fact}. Repair or remove it, or pass over such files with skip_bad=True "
                "(--skip-bad)."
            ) from None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        step = max(1, -(-len(self) // SHOWN_FRAMES))
        found = []
        for pixels in self.frames(step):
            height, width = pixels.shape[:2]
            scale = min(1.0, SHOWN_SIDE / max(height, width))
            found.append(
                resized(pixels, max(round(height * scale), 1), max(round(width * scale), 1))
            )
        array = np.stack(found)
        return array if dtype is None else array.astype(dtype)


def check_video(path: Path) -> dict[str, float]:
    """Height, width and rate of a video, by its header; that there is a frame, by its first.

    Raises:
        ValueError: it is no video; the bare fact.
    """
    for frame in _decoded(path):
        rate = frame.rate if hasattr(frame, "rate") else None
        return {"height": frame.height, "width": frame.width, "rate": float(rate or 0)}
    raise ValueError("holds no frames")


def read_video(path: Path) -> Clip:
    """The video as an item; nothing is decoded."""
    return Clip(path)


def decode_video(path: Path) -> None:
    """Decode all of it, to see whether it can be.

    Raises:
        ValueError: it cannot; the bare fact.
    """
    for _ in _decoded(path):
        pass


def count_frames(path: Path) -> int:
    """Frames of a video: what is packed is counted, not decoded."""
    av = _av()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if stream.frames:
                return int(stream.frames)
            return sum(1 for packet in container.demux(stream) if packet.size)
    except (av.error.FFmpegError, OSError, IndexError, ValueError) as error:
        raise ValueError(f"cannot be decoded as a video ({_reason(error)})") from None


def tell_videos(
    facts: Sequence[dict[str, float]], trained: Any = None
) -> tuple[list[str], dict[str, Any]]:
    """What a user should know of these videos, and what to keep for the next reading."""
    sizes = {(int(f["height"]), int(f["width"])) for f in facts}
    if len(sizes) == 1:
        height, width = next(iter(sizes))
        return [f"videos: {height} x {width} pixels"], {}
    return [f"videos differ in size ({len(sizes):,} sizes) and are brought to one"], {}


def _decoded(path: Path) -> Iterator[Any]:
    """Frames as the library has them.

    Raises ValueError, the bare fact.
    """
    av = _av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError("holds no video, only other tracks")
            stream = container.streams.video[0]
            yield from container.decode(stream)
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"cannot be decoded as a video ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".") or type(error).__name__


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingDependencyError(
            "videos need av, which is not installed: pip install 'gatework[video]'"
        ) from None
    return av
