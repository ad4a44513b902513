"""The most confident mistakes as what they are: curves, words, strokes, sounds, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gatework.data.encoders.words import TokenEncoder
from gatework.data.sequences import Ink, Series, Sound, Words
from gatework.tasks.labelled_answers import Answers
from gatework.tasks.labelled_data import LabelledData, Part

MOST = 24
MAX_STEPS, MAX_CHANNELS = 400, 4
MAX_WORDS = 120


def examples(model: Any, data: LabelledData, part: Part, answers: Answers) -> list[dict[str, Any]]:
    """At most 24 mistakes, the surest first, each with what a page needs to show it."""
    if part.sequences.per_step:
        return _tagged(model, part, answers) if model.classes_ else []
    targets = part.targets.numpy()
    if model.classes_:
        sure = answers.values[np.arange(len(targets)), answers.chosen]
        wrong = np.flatnonzero((answers.chosen != targets) & (targets >= 0))
        order = wrong[np.argsort(-sure[wrong], kind="stable")]
    else:
        truth = targets * model.scale_ + model.location_
        order = np.argsort(-np.nan_to_num(np.abs(answers.chosen - truth)), kind="stable")
    found = []
    for i in order[:MOST].tolist():
        if model.classes_:
            told: dict[str, Any] = {
                "truth": model.classes_[targets[i]],
                "predicted": model.classes_[answers.chosen[i]],
                "confidence": float(sure[i]),
            }
        else:
            told = {
                "truth": float(truth[i]),
                "predicted": float(answers.chosen[i]),
                "confidence": None,
            }
        weights = attribution(model, part, i, int(answers.chosen[i]) if model.classes_ else 0)
        shown = shown_as(model, part.sequences.items[i], part, i, weights)
        found.append({"name": str(part.sequences.names[i]), "kind": data.kind, **told, **shown})
    return found


def attribution(model: Any, part: Part, i: int, output: int) -> list[float]:
    """``(T,)``: how much each step speaks for an output, gradient times input of the first network.

    After Shrikumar et al. 2017 (arXiv 1704.02685), section 3; divided by the largest, so from -1 to 1.
    """
    member = model.network_.members[0]
    batch = part.ragged.batch(np.array([i]))
    with torch.enable_grad():
        x = member.embed(batch).detach().requires_grad_(True)
        logits = member.judge(x, batch.lengths)
        logits.flatten(0, -2)[..., min(output, logits.shape[-1] - 1)].sum().backward()
    assert x.grad is not None
    weights = (x.grad * x).sum(-1)[0].detach().numpy()
    weights = weights / max(float(np.abs(weights).max()), 1e-12)
    return [round(float(w), 3) for w in weights]


def shown_as(model: Any, item: Any, part: Part, i: int, weights: list[float]) -> dict[str, Any]:
    """What a page draws of one item."""
    if isinstance(item, str):
        words = model.encoder_.split(item)
        return {"words": words[:MAX_WORDS], "attribution": weights[:MAX_WORDS]}
    if isinstance(item, Series):
        pick = np.unique(np.linspace(0, len(item) - 1, min(len(item), MAX_STEPS)).astype(int))
        values = item.values[pick][:, :MAX_CHANNELS].T
        return {
            "channels": list(part.sequences.features[:MAX_CHANNELS]),
            "values": [[None if np.isnan(v) else float(f"{v:.5g}") for v in row] for row in values],
            "attribution": [weights[k] for k in pick if k < len(weights)],
        }
    if isinstance(item, Ink):
        strokes = [np.round(s - item.strokes[0][:1], 3).tolist() for s in item.strokes]
        return {"strokes": strokes}
    from gatework.data.sources.media import png_base64, wav_base64

    if isinstance(item, Sound):
        pick = np.unique(np.linspace(0, part.ragged.lengths[i] - 1, 100).astype(int))
        picture = np.round(part.ragged[i].values[pick].T, 2)
        return {"wav": wav_base64(item), "values": picture.tolist()}
    array = np.asarray(item)
    if model.encoder_.kind == "video":
        pick = np.unique(np.linspace(0, len(array) - 1, min(len(array), 6)).astype(int))
        return {"png": [png_base64(array[k]) for k in pick]}
    return {"png": png_base64(array)}


def _tagged(model: Any, part: Part, answers: Answers) -> list[dict[str, Any]]:
    """Sequences with the surest wrong label, each with all its labels."""
    targets, offsets = part.targets.numpy(), part.ragged.offsets
    sure = answers.values[np.arange(len(targets)), answers.chosen]
    wrong = np.flatnonzero((answers.chosen != targets) & (targets >= 0))
    order = wrong[np.argsort(-sure[wrong], kind="stable")]
    seen: dict[int, int] = {}
    for place in order.tolist():
        i = int(np.searchsorted(offsets, place, side="right")) - 1
        seen.setdefault(i, place)
        if len(seen) == MOST:
            break
    found = []
    names = np.array([*model.classes_, *part.unseen, None], object)
    for i, place in seen.items():
        # A window with the mistake in its middle, where the sequence is longer than a page shows.
        steps, at = int(offsets[i + 1] - offsets[i]), int(place - offsets[i])
        first = max(0, min(at - MAX_WORDS // 2, steps - MAX_WORDS))
        window = slice(first, min(first + MAX_WORDS, steps))
        rows = slice(offsets[i] + window.start, offsets[i] + window.stop)
        item = part.sequences.items[i]
        told: dict[str, Any] = {
            "name": f"{part.sequences.names[i]}, step {place - offsets[i] + 1}",
            "kind": "words" if isinstance(item, Words) else part.sequences.kind,
            "truth": names[targets[place]],
            "predicted": model.classes_[answers.chosen[place]],
            "confidence": float(sure[place]),
            "truths": names[targets[rows]].tolist(),
            "predictions": names[answers.chosen[rows]].tolist(),
        }
        if isinstance(model.encoder_, TokenEncoder):
            told["words"] = model.encoder_.split(item)[window]
            told["attribution"] = None
        elif isinstance(item, Series):
            told |= shown_as(model, Series(item.values[window]), part, i, [])
            told["attribution"] = None
        found.append(told)
    return found
