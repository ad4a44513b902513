"""The one training loop, and how results are judged."""
