"""The experiments, in the order of the tables."""

from __future__ import annotations

from task import Task

from tasks.adding import Adding, Multiplication
from tasks.copying import Copying
from tasks.digits import Digits, PermutedDigits
from tasks.lags import LongLag, NoiseFree
from tasks.languages import AnBn, AnBnCn
from tasks.noise import Noisy
from tasks.order import TemporalOrder2, TemporalOrder3
from tasks.reber import ContinualReber, EmbeddedReber
from tasks.spikes import MeasuredSpikes, TimedSpikes

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Adding(),
        Multiplication(),
        TemporalOrder2(),
        TemporalOrder3(),
        NoiseFree(),
        LongLag(),
        Noisy(),
        EmbeddedReber(),
        ContinualReber(),
        AnBn(),
        AnBnCn(),
        MeasuredSpikes(),
        TimedSpikes(),
        Copying(),
        Digits(),
        PermutedDigits(),
    )
}
