"""Reports: one self-contained HTML file per model, made from its ``metrics.json`` alone.

page.py               the frame: escaping, tables, figures, style, plotly.js inlined once
words.py              numbers, spans and times as a person says them
facts.py              ``metrics.json`` read with mistrust: every key may be missing or odd
forecast.py           ``render``: the report of a forecaster, section by section
forecast_verdict.py   what the scores support, in plain words
forecast_figures.py   its figures, as plotly specifications
forecast_scores.py    its sections about the forecasts; forecast_run.py: about data, training and use
labelled.py           ``render``: the report of a classifier, regressor or tagger
labelled_*.py         its facts, verdict, scores, confusion, mistakes, data and use, one file each
detect.py             ``render``: the report of an anomaly detector
detect_*.py           its facts, verdict, scores, figures, alarms, lines of a log, data and use, one file each
sequence_pictures.py  sequences drawn as what they are: curves, words, strokes; sequence_media.py: sound, images
"""
