"""Kinds whose packages are not installed: one sentence says what to install."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gatework.data.encoders.audio import AudioEncoder
from gatework.data.sequences import SequenceSet, Sound
from gatework.data.sources.audio import check_sound
from gatework.data.sources.images import check_image
from gatework.data.sources.video import check_video
from gatework.errors import MissingDependencyError


def encoded(rate: int) -> Callable[[Path], Any]:
    item = Sound(np.zeros(8000, np.float32), rate)
    given = SequenceSet("audio", [item], ["a"], "a")
    return lambda _: AudioEncoder.fit(given, SimpleNamespace(rate=8000))


@pytest.mark.parametrize(
    ("package", "call", "extra"),
    [
        ("soundfile", check_sound, "audio"),
        ("kaldi_native_fbank", encoded(8000), "audio"),
        ("soxr", encoded(16000), "audio"),
        ("PIL", check_image, "images"),
        ("av", check_video, "video"),
    ],
)
def test_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    package: str,
    call: Callable[[Path], Any],
    extra: str,
) -> None:
    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingDependencyError, match=rf"which is not installed: pip install 'gatework\[{extra}\]'"
    ):
        call(tmp_path / "a")
