"""A small but complete output tree, made through the real writers; random but seeded."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_file, new_folder, write_json, write_text
from calcarine.data.embeddings import Embeddings, write_embeddings
from calcarine.data.model_folder import CARD_FIELDS, model_card, write_model
from calcarine.data.predictions import ITEM_COLUMNS, Predictions, write_predictions
from calcarine.data.responses import Responses, write_responses
from calcarine.data.scores import Score, write_scores
from calcarine.pipelines.config import Config, parse_config, write_config
from calcarine.pipelines.figures.surface_raster import load_hemisphere

CONCEPTS = ("face", "house", "body", "word", "food", "tool")
CONDITIONS = (
    "semantic",
    "low-level",
    "combined",
    "shuffled-brain",
    "noise-brain",
    "category-only",
    "nearest-training-picture",
    "ceiling",
)
N_ITEMS, N_REPEATS, N_TRAIN = 24, 3, 40


def phantom_config(out: Path, **changes: object) -> Config:
    """Make a configuration with an encoder, decoders and reconstructions."""
    raw = {
        "name": "fixture",
        "out": str(out),
        "subjects": ["01", "02"],
        "claim_limit": "This is a random fixture: no number in it means anything.",
        "source": {"kind": "phantom"},
        "recording": {"modality": "fmri", "task": "scenes"},
        "split": {"by": "declared", "column": "phase", "disjoint": ["stimulus", "run"]},
        "embeddings": {
            "clip": {"model": "calcarine:phantom-clip"},
            "judge": {"model": "calcarine:phantom-judge"},
            "category": {"model": "concept-codes", "input": "concepts"},
        },
        "encode": {"embeddings": ["clip", "judge", "category"]},
        "decode": {
            "ridge-clip": {"kind": "ridge", "target": "clip"},
            "contrastive-clip": {"kind": "contrastive", "target": "clip"},
            "lda-category": {"kind": "lda", "target": "category"},
        },
        "reconstruct": {"unclip": {"semantic": "contrastive-clip", "judge": "judge"}},
    }
    return parse_config({**raw, **changes}, "fixture")


def build_tree(config: Config, subject: str, seed: int = 7, concept: str = "face") -> None:
    """Write everything that the steps before `report` write for a subject.

    Parameters
    ----------
    config
        From `phantom_config`.
    subject
        Label.
    seed
        Of all numbers.
    concept
        Name of the first concept, so that a test can put markup there.
    """
    rng = np.random.default_rng([seed, int(subject)])
    concepts = (concept, *CONCEPTS[1:])
    write_config(config)
    stimuli = _stimuli(concepts)
    units = _units(rng)
    trials = _trials(stimuli, subject)
    _write_recording(config, subject, trials, units, rng)
    _write_embeddings(config, stimuli, concepts, rng)
    _write_predictions(config, subject, stimuli, concepts, units, rng)
    if config.encode is not None:
        _write_unit_scores(config, subject, units, rng)
    for name in config.reconstruct:
        _write_reconstruction(config, subject, name, stimuli, rng)
    write_scores(config.layout.metrics(subject), _scores(config, subject, rng))
    _write_item_scores(config, subject, stimuli, rng)
    _write_logs(config, subject)


def _stimuli(concepts: tuple[str, ...]) -> pd.DataFrame:
    n = N_TRAIN + N_ITEMS
    return pd.DataFrame(
        {
            "stimulus_id": [f"scene{i:03d}" for i in range(n)],
            "stimulus_sha": [f"{i:064x}" for i in range(n)],
            "concept": [concepts[i % len(concepts)] for i in range(n)],
        }
    )


def _units(rng: np.random.Generator) -> pd.DataFrame:
    middle = np.concatenate([load_hemisphere(side).middle for side in ("left", "right")])
    grid = np.unique(np.round(middle[(middle[:, 1] < -42) & (middle[:, 2] < 15)] / 5) * 5, axis=0)
    xyz = grid[np.sort(rng.permutation(len(grid))[:600])]
    early = np.exp(-(((xyz[:, 1] + 85) / 18) ** 2))
    ventral = np.exp(-(((xyz[:, 1] + 55) / 14) ** 2 + ((xyz[:, 2] + 16) / 14) ** 2))
    ceiling = np.clip(0.15 + 0.6 * np.maximum(early, ventral) + rng.normal(0, 0.08, len(xyz)), 0, 1)
    index = (xyz / 5 + 40).astype(int)
    roi = np.where(early > 0.6, "V1", np.where(ventral > 0.5, "FFA", "n/a"))
    return pd.DataFrame(
        {
            **{name: index[:, c] for c, name in enumerate("ijk")},
            **{name: xyz[:, c] for c, name in enumerate("xyz")},
            "roi": roi,
            "ncsnr": ceiling / np.sqrt(1.01 - ceiling**2),
            "noise_ceiling_1": 0.7 * ceiling,
            "noise_ceiling_n": ceiling,
        }
    )


def _trials(stimuli: pd.DataFrame, subject: str) -> pd.DataFrame:
    train = np.arange(N_TRAIN)
    test = np.tile(np.arange(N_TRAIN, N_TRAIN + N_ITEMS), N_REPEATS)
    rows = np.concatenate([train, test])
    n = len(rows)
    run = np.concatenate(
        [np.repeat(["01", "02"], N_TRAIN // 2), np.repeat(["03", "04", "05"], N_ITEMS)]
    )
    split = np.where(np.arange(n) < N_TRAIN, "train", "test").astype(object)
    split[:4] = "validation"
    repeat = np.concatenate([np.zeros(N_TRAIN, int), np.repeat(np.arange(N_REPEATS), N_ITEMS)])
    return pd.DataFrame(
        {
            "trial_id": [f"sub-{subject}_trial-{i:04d}" for i in range(n)],
            "subject": subject,
            "session": np.where(run < "04", "01", "02"),
            "run": run,
            "onset_s": 4.0 * np.arange(n),
            "duration_s": 2.0,
            **{c: stimuli[c].to_numpy()[rows] for c in stimuli.columns},
            "repeat": repeat,
            "split": split,
            "split_group": stimuli["stimulus_sha"].to_numpy()[rows],
            "phase": np.where(split == "test", "test", "train"),
        }
    )


def _write_recording(
    config: Config,
    subject: str,
    trials: pd.DataFrame,
    units: pd.DataFrame,
    rng: np.random.Generator,
) -> None:
    values = rng.normal(0, 1, (len(trials), len(units))).astype(np.float32)
    sidecar = {
        "space": "func",
        "unit": "percent signal change",
        "affine": np.diag([5.0, 5.0, 5.0, 1.0]).tolist(),
        "volume_shape": [60, 60, 60],
        "response_window_s": [0.0, 2.0],
        "noise_ceiling": {"n_stimuli": N_ITEMS, "n_repeats": float(N_REPEATS), "unit": "r"},
        "provenance": {"n_volumes": 1000},
    }
    write_responses(config.layout, subject, Responses(values, trials, units, sidecar))
    runs = [
        {
            "session": "01" if r < 4 else "02",
            "run": f"{r:02d}",
            "n_volumes": 200,
            "n_trials": int((trials["run"] == f"{r:02d}").sum()),
            "tsnr_median": float(60 + 4 * rng.normal()),
            "fd_mean_mm": float(0.1 + 0.03 * rng.random()),
        }
        for r in range(1, 6)
    ]
    quality = {
        "n_units": len(units),
        "n_units_in_mask": len(units) + 3,
        "units_dropped": ["voxel (1, 2, 3)"],
        "tr_s": 1.5,
        "fd_max_mm": None,
        "runs": runs,
        "warnings": ["3 of 603 units of the mask were left out"],
    }
    write_json(config.layout.quality(subject), quality)


def _codes(stimuli: pd.DataFrame, concepts: tuple[str, ...]) -> np.ndarray:
    return np.eye(len(concepts), dtype=np.float32)[[concepts.index(c) for c in stimuli["concept"]]]


def _write_embeddings(
    config: Config, stimuli: pd.DataFrame, concepts: tuple[str, ...], rng: np.random.Generator
) -> None:
    for name, section in config.embeddings.items():
        codes = section.input == "concepts"
        values = _codes(stimuli, concepts) if codes else rng.normal(0, 1, (len(stimuli), 8))
        sidecar = {
            "model": section.model,
            "revision": "0" * 12,
            "layer": None,
            "pooling": section.pooling,
            "input": section.input,
            "transform": "none",
            "transform_sha": "1" * 64,
            "key": f"{name:>064}",
        }
        write_embeddings(
            config.layout.embedding(name), Embeddings(values.astype(np.float32), stimuli, sidecar)
        )


def _items(stimuli: pd.DataFrame, brain: str, n_repeats: int, averaging: str) -> pd.DataFrame:
    test = stimuli.iloc[N_TRAIN:].reset_index(drop=True)
    table = test[["stimulus_id", "concept"]].assign(
        item=np.arange(len(test)),
        fold="holdout",
        brain=brain,
        n_repeats=n_repeats,
        averaging=averaging,
    )
    return table[list(ITEM_COLUMNS)]


def _write_predictions(
    config: Config,
    subject: str,
    stimuli: pd.DataFrame,
    concepts: tuple[str, ...],
    units: pd.DataFrame,
    rng: np.random.Generator,
) -> None:
    for name, decoder in config.decode.items():
        n_out = len(concepts) if decoder.target == "category" else 8
        tables = [_items(stimuli, "measured", r, "signal") for r in range(1, N_REPEATS + 1)]
        tables += [_items(stimuli, b, N_REPEATS, "signal") for b in ("shuffled", "noise")]
        items = pd.concat(tables, ignore_index=True)
        values = rng.normal(0, 1, (len(items), n_out)).astype(np.float32)
        if decoder.target == "category":
            truth = [concepts.index(c) for c in items["concept"]]
            hit = (items["brain"] == "measured").to_numpy()
            values += 1.6 * np.eye(n_out, dtype=np.float32)[truth] * hit[:, None]
        _write_model(config, subject, f"decoder-{name}", decoder.kind)
        write_predictions(
            config.layout.prediction(subject, f"decoder-{name}"),
            Predictions(
                values, items, {"model": name, "target": decoder.target, "kind": decoder.kind}
            ),
        )
    for name in config.encode.embeddings if config.encode else ():
        items = _items(stimuli, "measured", N_REPEATS, "signal")
        values = rng.normal(0, 1, (len(items), len(units))).astype(np.float32)
        _write_model(config, subject, f"encoder-{name}", "encoder")
        write_predictions(
            config.layout.prediction(subject, f"encoder-{name}"),
            Predictions(
                values, items, {"model": name, "target": "responses", "kind": "encoder"}, values
            ),
        )


def _write_model(config: Config, subject: str, name: str, kind: str) -> None:
    card = model_card(name, dict.fromkeys(CARD_FIELDS, "fixture"))
    tensors = {"coef": np.ones((2, 3), dtype=np.float32)}
    write_model(config.layout.model(subject, name), {"kind": kind}, tensors, card)


def _write_unit_scores(
    config: Config, subject: str, units: pd.DataFrame, rng: np.random.Generator
) -> None:
    table = units[["i", "j", "k", "x", "y", "z", "roi", "noise_ceiling_n"]].copy()
    assert config.encode is not None
    for name, share in zip(config.encode.embeddings, (0.85, 0.7, 0.5), strict=False):
        ceiling = table["noise_ceiling_n"].to_numpy()
        score = share * ceiling + rng.normal(0, 0.06, len(table))
        table[f"r_{name}"] = score
        floor = config.encode.ceiling_floor
        with np.errstate(divide="ignore"):
            table[f"r_over_ceiling_{name}"] = np.where(ceiling >= floor, score / ceiling, np.nan)
    with new_file(config.layout.unit_scores(subject)) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def _picture(rng: np.random.Generator, size: int = 64) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / size
    centre, radius = rng.uniform(0.3, 0.7, 2), rng.uniform(0.15, 0.3)
    disc = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
    back, front = rng.integers(0, 256, (2, 3))
    return np.where(disc[..., None], front, back).astype(np.uint8)


def _write_reconstruction(
    config: Config, subject: str, name: str, stimuli: pd.DataFrame, rng: np.random.Generator
) -> None:
    targets = np.stack([_picture(rng) for _ in range(N_ITEMS)])
    noise = rng.normal(0, 1, (len(CONDITIONS), *targets.shape))
    strength = np.array([20, 40, 25, 90, 90, 60, 50, 5])[:, None, None, None, None]
    pictures = np.clip(targets + strength * noise, 0, 255).astype(np.uint8)
    with new_folder(config.layout.reconstruction(subject, name)) as temporary:
        np.save(temporary / "pictures.npy", pictures)
        np.save(temporary / "targets.npy", targets)
        table = _items(stimuli, "measured", N_REPEATS, "signal")
        table = table.drop(columns=["brain", "averaging"]).assign(controls=1)
        table.to_csv(temporary / "items.tsv", sep="\t", index=False)
        sidecar = {
            "conditions": list(CONDITIONS),
            "controls": {name: name for name in CONDITIONS[3:]},
            "generator": "calcarine:phantom-unclip",
        }
        text = json.dumps(sidecar)
        (temporary / "pictures.json").write_text(text)


def _scores(config: Config, subject: str, rng: np.random.Generator) -> list[Score]:
    rows: list[Score] = []

    def add(stage: str, model: str, target: str, metric: str, value: float, **more: object) -> None:
        values = {
            "protocol": "calcarine",
            "split": "test",
            "n_items": N_ITEMS,
            "n_repeats": N_REPEATS,
        }
        interval = {"ci_low": value - 0.06, "ci_high": value + 0.06}
        rows.append(
            Score(
                subject,
                stage,
                model,
                target,
                metric,
                **{"value": value, **values, **interval, **more},
            )
        )

    for name in config.encode.embeddings if config.encode else ():
        add(
            "encode",
            f"encoder-{name}",
            "responses",
            "median_r",
            0.3 + 0.05 * rng.random(),
            chance=0.0,
        )
        add("encode", f"encoder-{name}", "responses", "median_r_over_ceiling", 0.7, ceiling=1.0)
        add("encode", f"encoder-{name}/mean-predictor", "responses", "median_r", 0.01, chance=0.0)
    for name, decoder in config.decode.items():
        metrics = ("brain_to_image_top1_centred", "image_to_brain_top1_centred")
        if decoder.target == "category":
            metrics = ("accuracy",)
        for metric in metrics:
            chance = 1 / 6 if decoder.target == "category" else 1 / N_ITEMS
            for repeats in range(1, N_REPEATS + 1):
                add(
                    "decode",
                    name,
                    decoder.target,
                    metric,
                    chance + 0.15 * repeats,
                    n_repeats=repeats,
                    chance=chance,
                )
            for control in ("shuffled-brain", "noise-brain"):
                add(
                    "decode",
                    f"{name}/{control}",
                    decoder.target,
                    metric,
                    chance + 0.01,
                    chance=chance,
                )
    for name in config.reconstruct:
        for i, condition in enumerate(CONDITIONS):
            value = (0.82, 0.6, 0.85, 0.5, 0.49, 0.7, 0.74, 0.96)[i]
            more = {"protocol": "phantom", "chance": 0.5}
            add(
                "reconstruct",
                f"{name}/{condition}",
                "judge",
                "two_way_identification_judge",
                value,
                **more,
            )
            add(
                "reconstruct",
                f"{name}/{condition}",
                "pixels",
                "ssim_2d",
                value / 2,
                protocol="phantom",
            )
        note = (
            "not computed: weights of alexnet not found (put them at <models>/alexnet.safetensors)"
        )
        add(
            "reconstruct",
            f"{name}/combined",
            "alexnet",
            "alexnet_2",
            np.nan,
            protocol="mindeye",
            note=note,
        )
    return rows


def _write_item_scores(
    config: Config, subject: str, stimuli: pd.DataFrame, rng: np.random.Generator
) -> None:
    tables = []
    for name in config.reconstruct:
        for condition in CONDITIONS:
            table = _items(stimuli, "measured", N_REPEATS, "signal")[["item", "stimulus_id"]]
            tables.append(
                table.assign(
                    stage="reconstruct",
                    model=f"{name}/{condition}",
                    target="judge",
                    metric="two_way_identification_judge",
                    protocol="phantom",
                    value=rng.random(len(table)),
                )
            )
    columns = ["stage", "model", "target", "metric", "protocol", "item", "stimulus_id", "value"]
    frame = pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)
    with new_file(config.layout.item_scores(subject)) as temporary:
        frame.to_csv(temporary, sep="\t", index=False, compression={"method": "gzip", "mtime": 0})


def _write_logs(config: Config, subject: str) -> None:
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    jobs = [("prepare", subject), ("encode", subject), ("embed", "clip"), ("evaluate", subject)]
    for i, (step, job) in enumerate(jobs):
        line = f"{10.5 + i}\t0:00:10\t{300 + i}.5\t900\t200\t250\t0\t0\t95.0\t{9 + i}.0\n"
        write_text(config.layout.benchmark(step, job), head + line)
        write_text(config.layout.log(step, job), "done\n")
