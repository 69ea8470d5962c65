"""Scores of synthesised pictures by a judge that neither drew nor guided them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from calcarine.data.captions import Captions
from calcarine.data.digests import read_picture
from calcarine.data.phantom.regions import REGIONS
from calcarine.data.scores import Score, bootstrap_interval, share_interval
from calcarine.data.seeds import derive_seed
from calcarine.data.stimuli import NO_PICTURE, read_stimuli
from calcarine.encoders.embedding_models import EmbeddingModel, load_embedding_model
from calcarine.encoders.factor_probes import read_probes
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.evaluate_contrasts import contrast_scores
from calcarine.pipelines.evaluate_reconstructions import probe_folder

N_PREFERRED = 12


def synthesis_scores(
    config: Config, subject: str, name: str, captions: Captions, split: str
) -> list[Score]:
    """Judge the pictures of every region beside pictures without a push.

    `synthesised` are pushed; `projected` begin with the same projection and are not; `unguided`
    have neither.

    `similarity_to_preferred_judge`: mean cosine, in the judge's space, of a region's pictures with
    the natural pictures that its encoder prefers, centred on those of all regions. On the phantom
    also `category_agreement_judge`: the share of pictures of category patches in which the judge
    sees the patch's category; natural preferred pictures show how well the judge itself does; and
    `contrast_separated_judge`, see `contrast_scores`.
    """
    section = config.caption[name]
    told = captions.sidecar["synthesised"]
    if not told or section.picture_judge is None:
        return []
    judge = config.embeddings[section.picture_judge]
    model = load_embedding_model(judge.model, judge.layer, judge.pooling)
    sets = captions.units.set_index("unit")
    regions = [t for t in told["targets"][1:] if sets.loc[t, "kind"] == "region"]
    places = [told["targets"].index(t) for t in regions]
    made = np.asarray(captions.arrays["synthesised"])
    preferred = _preferred(config, [sets.loc[t, "evidence"] for t in regions])
    drawn = {"synthesised": [made[i] for i in places], "unguided": [made[0]] * len(regions)}
    if "projected" in captions.arrays:
        without_push = np.asarray(captions.arrays["projected"])
        drawn["projected"] = [without_push[i - 1] for i in places]
    template = Score(
        subject, "caption", name, "regions", "", "calcarine", split, 0, 1, np.nan,
        note=f"judge {judge.model}",
    )  # fmt: skip
    seed = derive_seed(config.seed, subject, "evaluate", "synthesis", name)
    draws = (seed, config.evaluate.n_bootstrap)
    rows = _similarities(model, drawn, preferred, template, draws)
    if isinstance(config.source, PhantomSource):
        read = read_probes(probe_folder(judge)).get("category")
        if read is not None:
            shown = {**drawn, "preferred-pictures": preferred}
            rows += _categories(model, read, shown, regions, template, draws)
        rows += _contrasts(config, subject, captions, model, template)
    return rows


def _contrasts(
    config: Config, subject: str, captions: Captions, model: EmbeddingModel, template: Score
) -> list[Score]:
    """Embed what was drawn for contrasts, and what natural pictures they prefer, by the judge."""
    targets = captions.sidecar["synthesised"]["targets"]
    contrasts = [t for t in targets if " > " in t]
    evidence = captions.units.set_index("unit")["evidence"]
    natural = _preferred(config, [evidence[t] for t in contrasts])
    made = captions.arrays["synthesised"]
    shown = {
        "synthesised": {t: _embed(model, made[targets.index(t)]) for t in contrasts},
        "preferred-pictures": {
            t: _embed(model, p) for t, p in zip(contrasts, natural, strict=True) if len(p)
        },
    }
    whole = {kind: own for kind, own in shown.items() if len(own) == len(contrasts)}
    return contrast_scores(config, subject, captions, whole, template)


def _preferred(config: Config, evidence: list[list[str]]) -> list[np.ndarray]:
    """Read the natural pictures that each region prefers; none where the bank is elsewhere."""
    stimuli = read_stimuli(config.stimuli).set_index("stimulus_id")["file"]
    folder = config.stimuli.parent
    out = []
    for entries in evidence:
        files = [stimuli[e] for e in entries[:N_PREFERRED] if e in stimuli.index]
        read = [np.asarray(read_picture(folder / f)) for f in files if f != NO_PICTURE]
        out.append(np.stack(read) if read else np.empty((0, 1, 1, 3), dtype=np.uint8))
    return out


def _embed(model: EmbeddingModel, pictures: np.ndarray) -> np.ndarray:
    images = [Image.fromarray(np.asarray(p)) for p in pictures]
    return model.embed_pictures(images).reshape(len(images), -1)


def _similarities(
    model: EmbeddingModel,
    drawn: dict[str, list[np.ndarray]],
    preferred: list[np.ndarray],
    template: Score,
    draws: tuple[int, int],
) -> list[Score]:
    if not all(len(p) for p in preferred):
        return []
    natural = [_embed(model, p) for p in preferred]
    centre = np.concatenate(natural).mean(axis=0)
    goals = [_unit(e - centre).mean(axis=0) for e in natural]
    rows = []
    for kind, pictures in drawn.items():
        values = np.array(
            [
                float((_unit(_embed(model, p) - centre) @ (g / np.linalg.norm(g))).mean())
                for p, g in zip(pictures, goals, strict=True)
            ]
        )
        low, high = bootstrap_interval(values, derive_seed(draws[0], kind), draws[1])
        rows.append(
            replace(
                template,
                model=f"{template.model}/{kind}",
                metric="similarity_to_preferred_judge",
                n_items=len(values),
                value=float(values.mean()),
                ci_low=low,
                ci_high=high,
                chance=0.0,
            )
        )
    return rows


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def _categories(
    model: EmbeddingModel,
    read: Callable[[np.ndarray], np.ndarray],
    shown: dict[str, list[np.ndarray]],
    regions: list[str],
    template: Score,
    draws: tuple[int, int],
) -> list[Score]:
    planted = {r.name: r.preferred for r in REGIONS if r.tuned_to == "category"}
    rows = []
    for kind, pictures in shown.items():
        hits = [
            read(_embed(model, own)) == planted[region]
            for region, own in zip(regions, pictures, strict=True)
            if region in planted and len(own)
        ]
        if not hits:
            continue
        values = np.concatenate(hits).astype(np.float64)
        low, high = share_interval(values, derive_seed(draws[0], kind, "category"), draws[1])
        rows.append(
            replace(
                template,
                model=f"{template.model}/{kind}",
                target="category-regions",
                metric="category_agreement_judge",
                protocol="phantom",
                n_items=len(values),
                value=float(values.mean()),
                ci_low=low,
                ci_high=high,
                chance=1 / len(set(planted.values())),
            )
        )
    return rows
