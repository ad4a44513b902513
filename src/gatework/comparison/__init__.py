"""Cells compared on a user's own data, for every task: same split, same budget, several seeds.

plan.py        which cells, seeds, contexts and what budget, checked before anything is trained
sizes.py       hidden sizes that give every cell the same number of parameters
loop.py        ``compare``: the runs, interleaved, kept in a folder, gone on with
measure.py     peak memory of a training, time of a step of a stream
store.py       a run on disk
statistics.py  whether two cells differ, over seeds and test items
result.py      ``Comparison``: table, verdict, page
verdict.py     the sentences that the numbers support; told.py: what people are told, and what is here
"""
