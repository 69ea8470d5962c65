"""Whether parcels that were made of an encoder hold in measured responses."""

from dataclasses import replace

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

from calcarine.data.captions import Captions
from calcarine.data.phantom.truth import read_truth
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import read_responses
from calcarine.data.scores import Score, bootstrap_interval
from calcarine.data.seeds import derive_seed
from calcarine.pipelines.caption_sensors import responses_at
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.parcels import parcel_fit
from calcarine.pipelines.phantom_truth import planted_truth


def parcel_scores(config: Config, subject: str, captions: Captions, template: Score) -> list[Score]:
    """Score a parcellation on held-out measured responses, and against planted patches.

    Returns
    -------
    list of Score
        `r_with_parcel_median`: a unit's measured responses to test stimuli with the mean of its
        parcel's other units, and as a control (`/other-parcels`) with those of other parcels. On
        the phantom `adjusted_mutual_information` of parcels with what units are tuned to (kind and
        preference), 0 for random parcels.
    """
    if not captions.sidecar.get("parcels"):
        return []
    labels = np.asarray(captions.arrays["parcels"], dtype=int)
    encoder = captions.sidecar["encoder"]
    predictions = read_predictions(config.layout.prediction(subject, f"encoder-{encoder}"))
    chosen = predictions.most_repeats()
    row = replace(template, target="parcels", metric="r_with_parcel_median", chance=0.0)
    row = replace(row, n_items=int((labels >= 0).sum()))
    assert chosen.measured is not None
    measured = responses_at(chosen.measured, len(labels), captions.sidecar["sample"])
    own, others = parcel_fit(measured, labels)
    rows = []
    for suffix, values in (("", own), ("/other-parcels", others)):
        seed = derive_seed(config.seed, subject, "parcels", suffix)
        low, high = bootstrap_interval(values, seed, config.evaluate.n_bootstrap, median=True)
        value = float(np.nanmedian(values))
        named = replace(row, model=row.model + suffix)
        rows.append(replace(named, value=value, ci_low=low, ci_high=high))
    if isinstance(config.source, PhantomSource):
        units = read_responses(config.layout, subject).units
        truth = planted_truth(units, read_truth(config.bids, subject))
        planted = (truth["tuned_to"].astype(str) + " " + truth["preferred"].astype(str)).to_numpy()
        kept = labels >= 0
        value = float(adjusted_mutual_info_score(planted[kept], labels[kept]))
        found = replace(row, metric="adjusted_mutual_information", protocol="phantom")
        rows.append(replace(found, value=value))
    return rows
