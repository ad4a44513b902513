"""The dozen rows of `gatework bench`: one of each kind of work, of sizes that people use."""

from __future__ import annotations

from gatework.bench.work import Work

ROWS = (
    Work("step", I=64, H=128),
    Work("step", I=128, H=512),
    Work("inference", B=1, T=100, I=64, H=128),
    Work("inference", B=32, T=50, I=256, H=256),
    Work("training", B=32, T=50, I=128, H=128),
    Work("training", B=64, T=50, I=512, H=512),
    Work("training", B=32, T=50, I=128, H=128, lengths="ragged"),
    Work("training", B=32, T=50, I=128, H=128, D=2, lengths="ragged"),
    Work("inference", cell="gru", B=32, T=50, I=256, H=256),
    Work("training", cell="gru", B=32, T=50, I=256, H=256),
    Work("training", cell="rnn", B=32, T=50, I=256, H=256),
    Work("training", B=32, T=50, I=256, H=256, P=128),
    Work("training", B=32, T=50, I=128, H=128, Z=2),
)
