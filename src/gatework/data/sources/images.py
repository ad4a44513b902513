"""Pictures: what a file's header says, and its pixels; their size made another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import MissingDependencyError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm")
MAX_PIXELS = 100_000_000
GREY = np.array(
    [0.299, 0.587, 0.114], np.float32
)  # ITU-R BT.601, as the common image formats have it

Pixels = npt.NDArray[np.uint8]


def check_image(path: Path) -> dict[str, float]:
    """Height and width of a picture, by its header alone.

    Raises:
        ValueError: it is no picture, or a huge one; the bare fact.
    """
    with _open(path) as image:
        width, height = image.size
    if not width or not height:
        raise ValueError("holds no pixels")
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"has {width * height:,} pixels, and {MAX_PIXELS:,} are the most that is read"
        )
    return {"height": height, "width": width}


def read_image(path: Path) -> Pixels:
    """Pixels ``(height, width)`` of a grey picture, ``(height, width, 3)`` of any other, as it is to be seen.

    What is transparent is white.

    Raises:
        ValueError: it cannot be decoded; the bare fact.
    """
    from PIL import Image, ImageOps

    with _open(path) as opened:
        if opened.size[0] * opened.size[1] > MAX_PIXELS:
            raise ValueError(f"has more than {MAX_PIXELS:,} pixels")
        try:
            image = ImageOps.exif_transpose(opened)
            if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
                return _to_bytes(np.asarray(image))
            if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, (255, 255, 255, 255))
                grey = opened.mode in ("LA", "La")
                image = Image.alpha_composite(white, image).convert("L" if grey else "RGB")
            elif image.mode in ("1", "L"):
                image = image.convert("L")
            else:
                image = image.convert("RGB")
            return np.array(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"cannot be decoded as a picture ({error})") from None


def tell_images(
    facts: Sequence[dict[str, float]], trained: Any = None
) -> tuple[list[str], dict[str, Any]]:
    """What a user should know of these pictures, and what to keep for the next reading."""
    sizes = Counter((int(f["height"]), int(f["width"])) for f in facts)
    (height, width), _ = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return [f"pictures: {height} x {width} pixels"], {}
    return [
        f"pictures differ in size ({len(sizes):,} sizes, most often {height} x {width} pixels)"
    ], {}


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """The same picture in another size; each new pixel is the mean of what it covers."""
    if pixels.shape[:2] == (height, width):
        return pixels
    _need_pillow()
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """``(height, width, channels)``: grey out of colours, or grey in three colours.

    Raises:
        ValueError: the array is no picture of bytes.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        raise ValueError(
            f"has the shape {pixels.shape}: a picture is (height, width) or (height, width, 3)"
        )
    if pixels.dtype != np.uint8:
        raise ValueError(f"holds {pixels.dtype}: the pixels of a picture are uint8, from 0 to 255")
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    grey: Pixels = (pixels @ GREY).round().astype(np.uint8)[..., None]
    return grey


def _to_bytes(values: npt.NDArray[Any]) -> Pixels:
    """Of pixels of 16 bits and more, and of fractions: the range that the type or the values have, as bytes."""
    if values.dtype.kind == "f":
        top = 1.0 if values.max(initial=0) <= 1 else 255.0
    else:
        top = 255.0 if values.max(initial=0) <= 255 else 65535.0
    scaled: Pixels = np.clip(values.astype(float) * (255 / top), 0, 255).round().astype(np.uint8)
    return scaled


def _open(path: Path) -> Any:
    _need_pillow()
    import warnings

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", Image.DecompressionBombWarning
            )  # the size is checked here
            return Image.open(path)
    except UnidentifiedImageError:
        raise ValueError("is no picture that can be read") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"is no picture that can be read ({error})") from None


def _need_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise MissingDependencyError(
            "pictures need pillow, which is not installed: pip install 'gatework[images]'"
        ) from None
