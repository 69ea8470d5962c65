"""Step `caption`: what the units of an encoder respond to, and what a brain saw, in words."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.banks import Bank
from calcarine.data.captions import Captions, write_captions
from calcarine.data.errors import CalcarineError
from calcarine.data.responses import read_responses
from calcarine.data.seeds import derive_seed
from calcarine.decoders.selectivity.caption_chain import (
    CaptionedBank,
    Chain,
    caption_reliability,
    caption_units,
    prepare_bank,
)
from calcarine.decoders.selectivity.keywords import Mining
from calcarine.decoders.selectivity.unit_sets import UnitSets, unit_sets
from calcarine.decoders.selectivity.validation import cooccurring_terms
from calcarine.decoders.text_judges import TextJudge, load_text_judge
from calcarine.encoders.ridge.resampling import block_draws
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.caption_banks import bank_of, write_missing_captions
from calcarine.pipelines.caption_folds import data_of, fold_banks, fold_captions
from calcarine.pipelines.caption_sensors import at_sample, clustered, peak_sample
from calcarine.pipelines.caption_training import (
    TrainingTrials,
    evidence_of,
    kept_rows,
    refits,
    training_trials,
)
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_captions import CaptionSection
from calcarine.pipelines.encoding_data import EncodingData
from calcarine.pipelines.looked_at import looked_at
from calcarine.pipelines.parcels import parcel_image, parcels
from calcarine.pipelines.synthesise import synthesised
from calcarine.pipelines.trial_captions import trial_captions

N_EVIDENCE = 12


def run(config: Config, subject: str, name: str) -> None:
    """Caption the units of one encoder, and the trials of the decoders that the section names.

    Everything here is made from training trials and from predictions: what a caption is worth is
    said by `evaluate`. Writes `captions/<name>/`.

    Parameters
    ----------
    config, subject
        Whose.
    name
        Name in the section `caption`.

    Raises
    ------
    CalcarineError
        The encoder is no ridge on one vector a picture, the bank is of another embedding, or no
        trial is tested.
    """
    section = config.caption[name]
    whole = _encoder(config, subject, section)
    sample = peak_sample(whole)
    encoder = at_sample(whole, sample)
    regions = clustered(encoder.units, section.clusters)
    written = write_missing_captions(config, subject, section)
    bank = bank_of(config, subject, section, written=written)
    bank.check_embedding(encoder.embedding)
    captioned, chain = prepare_bank(bank), chain_of(section)
    sets = unit_sets(regions, section.min_units, pairs=section.pairs)
    banks = fold_banks(config, subject, section, bank, written)
    data = data_of(config, subject, section)
    fitted = training_trials(
        config, section, data, kept_rows(data.trials), encoder, sample, written
    )
    units = caption_table(
        config, subject, section, data, fitted, encoder, captioned, chain, sets, banks, written,
        sample,
    )  # fmt: skip
    seed = derive_seed(config.seed, subject, "caption", name)
    n_units = len(encoder.units)
    arrays = {"mixing": np.concatenate([sets.mixing, np.eye(n_units, dtype=np.float32)])}
    told: dict[str, dict[str, object]] = {}
    single = units[units["kind"] == "unit"]
    reliable = (single["agreement"] >= section.min_reliability).to_numpy()
    made, told["parcels"] = parcels(
        encoder, reliable, captioned, chain, section.n_parcels, section.min_units,
        derive_seed(seed, "parcels"), fitted,
    )  # fmt: skip
    arrays |= made
    space = read_responses(config.layout, subject).sidecar
    images = parcel_image(made["parcels"], encoder.units, space) if made else {}
    if section.n_relevance:
        evidence = units["evidence"].tolist()
        made, told["relevance"] = looked_at(encoder, bank, sets, evidence, section.n_relevance)
        arrays |= made
    if section.synthesise is not None:
        made, told["synthesised"] = synthesised(section, encoder, bank, sets, seed)
        arrays |= made
    sidecar = {
        "encoder": section.encoder,
        "embedding_model": encoder.embedding["model"],
        "embedding_revision": encoder.embedding["revision"],
        "bank": "training stimuli" if section.bank is None else str(section.bank),
        "n_bank": len(bank.entries),
        "n_top": section.n_top,
        "penalty": section.penalty,
        "words": _rule(section, fitted.shares(captioned.terms).nnz > 0),
        "resample": section.resample,
        "n_resamples": section.n_resamples,
        "families": bank.families or {},
        "folds": list(banks),
        "captioner": section.captioner,
        "sample": sample,
        "written": written,
        **{part: told.get(part, {}) for part in ("synthesised", "relevance", "parcels")},
    }
    trials = trial_captions(config, subject, section, banks)
    folder = config.layout.captions(subject, name)
    write_captions(folder, Captions(units, trials, sidecar, arrays, images))


def chain_of(section: CaptionSection) -> Chain:
    """Put the parts of the chain together as a section says."""
    mining = Mining(section.penalty, section.max_keywords, min_effect=section.min_effect)
    if section.borne_out is not None:
        mining = replace(mining, level=section.borne_out)
    chain = Chain(section.n_top, section.temperature, mining=mining)
    if section.language_model is None:
        return chain
    # a language model takes seconds to load, and most runs have none
    from calcarine.decoders.selectivity.language_model import LanguageModel

    model = LanguageModel(section.language_model)
    return replace(chain, proposer=model.keywords, composer=model.compose)


def _rule(section: CaptionSection, measured: bool) -> str:
    """Say which words became part of a caption."""
    if measured:
        return f"borne out by responses of training trials at level {section.borne_out:g}"
    return f"weighed against how common they are (λ {section.penalty:g})"


def _encoder(config: Config, subject: str, section: CaptionSection) -> VoxelEncoder:
    if config.split.scheme == "none":
        raise CalcarineError(
            "captions are tested on trials that the encoder has not seen; `split: {scheme: none}` "
            "leaves none. Use holdout or leave-one-out."
        )
    return VoxelEncoder.load(config.layout.model(subject, f"encoder-{section.encoder}"))


def caption_table(
    config: Config,
    subject: str,
    section: CaptionSection,
    data: EncodingData,
    fitted: TrainingTrials,
    encoder: VoxelEncoder,
    captioned: CaptionedBank,
    chain: Chain,
    sets: UnitSets,
    banks: dict[str, Bank],
    written: Mapping[str, list[str]],
    sample: int | None = None,
) -> pd.DataFrame:
    """Caption every set, and again under resampling of the training trials."""
    weights = sets.mixing @ encoder.coef_.T
    words = fitted.words(captioned.terms, sets.mixing)
    captions = caption_units(weights, captioned, chain, evidence_of(words))
    corpus = [s for own in captioned.bank.entries["captions"] for s in own]
    judge = load_text_judge(section.text_judge, corpus)
    seed = derive_seed(config.seed, subject, "caption", section.encoder)
    n_blocks = len(np.unique(fitted.blocks))
    draws = block_draws(n_blocks, section.n_resamples, derive_seed(seed, "resample"))
    again = refits(fitted, encoder.alpha_, draws, sets.mixing, words)
    reliability = caption_reliability(weights, captions, again, captioned, chain, judge)
    names = captioned.bank.entries["entry"].to_numpy()
    table = sets.table.copy()
    table["text"] = [c.text for c in captions]
    table["keywords"] = [c.terms for c in captions]
    table["score"] = [c.score for c in captions]
    table["agreement"] = reliability.agreement
    table["weight_cosine"] = reliability.weight_cosine
    table["evidence"] = [names[c.entries[c.entries >= 0][:N_EVIDENCE]].tolist() for c in captions]
    known: dict[tuple[str, ...], list[str]] = {}
    for c in captions:
        known.setdefault(tuple(c.terms), cooccurring_terms(c.terms, captioned.terms))
    table["cooccurring"] = [known[tuple(c.terms)] for c in captions]
    control = _scrambled(
        table, fitted, encoder, draws, captioned, chain, judge, derive_seed(seed, "scrambled")
    )
    whole = pd.concat([table, control], ignore_index=True)
    by_fold = fold_captions(
        config, subject, section, data, banks, sets.mixing, chain, judge, written, sample
    )
    whole["fold_texts"], whole["fold_agreement"] = by_fold.texts, by_fold.agreement
    return whole


def _scrambled(
    table: pd.DataFrame,
    fitted: TrainingTrials,
    encoder: VoxelEncoder,
    draws: np.ndarray,
    captioned: CaptionedBank,
    chain: Chain,
    judge: TextJudge,
    seed: int,
) -> pd.DataFrame:
    """Caption an encoder of the same trials in random order: no caption of it may pass.

    It goes through all that a real one goes through, resampling included. The test alone could not
    withhold it: neighbours share a random caption, and where that happens to be true of their
    patch it does predict what they respond to.
    """
    order = np.random.default_rng(seed).permutation(len(fitted.responses))
    mixed = fitted.permuted(order)
    words = mixed.words(captioned.terms)
    once = np.ones((1, draws.shape[1]), dtype=np.int64)
    ((weights, evidence),) = refits(mixed, encoder.alpha_, once, None, words)
    captions = caption_units(weights, captioned, chain, evidence)
    again = refits(mixed, encoder.alpha_, draws, None, words)
    reliability = caption_reliability(weights, captions, again, captioned, chain, judge)
    out = table[table["kind"] == "unit"].copy()
    out["kind"], out["agreement"] = "scrambled", reliability.agreement
    out["weight_cosine"] = reliability.weight_cosine
    out["text"] = [c.text for c in captions]
    out["keywords"] = [c.terms for c in captions]
    out["score"] = [c.score for c in captions]
    out["evidence"] = out["cooccurring"] = [[] for _ in captions]
    return out
