"""Torch and Gatework side by side: what `gatework bench` and `benchmarks/engine` share."""
