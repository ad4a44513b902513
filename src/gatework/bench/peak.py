"""The most that one core can multiply and add: what a product is measured against."""

from __future__ import annotations

from dataclasses import dataclass

from gatework.engine_module import engine


@dataclass(frozen=True)
class Peak:
    """GFLOP/s of one core in float32, and how they were measured."""

    gflops: float
    how: str


def measure_peak(seconds: float = 0.5) -> Peak:
    """Multiply-adds in registers, on the path that the engine runs on."""
    return Peak(float(engine.peak(False, seconds)), "multiply-adds in registers")
