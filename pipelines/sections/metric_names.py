"""Names of metrics in words, and which of them lead."""

import re

# the first one that was computed leads; the order was fixed before any value was seen
HEADLINES: dict[str, tuple[str, ...]] = {
    "encode": ("r_median",),
    "geometry": ("rsa_spearman", "rsa_kendall_a", "rsa_pearson", "rsa_cosine"),
    "decode": (
        "brain_to_image_top1_centred",
        "brain_to_image_top1_raw",
        "accuracy",
    ),
    "reconstruct": (
        "two_way_identification_judge",
        "category_agreement_judge",
        "colour_agreement_judge",
        "pixcorr",
        "ssim_2d",
    ),
}

WORDS: dict[str, str] = {
    "r_median": "median correlation of predicted with measured responses",
    "r_over_ceiling_median": "median correlation as a share of the noise ceiling",
    "r2_median": "median share of response variance explained",
    "rsa_spearman": "rank correlation of dissimilarities (Spearman)",
    "rsa_pearson": "correlation of dissimilarities (Pearson)",
    "rsa_kendall_a": "rank correlation of dissimilarities (Kendall's τ-a)",
    "rsa_cosine": "cosine of dissimilarities",
    "rsa_spearman_topological": "rank correlation of dissimilarities after the geo-topological "
    "transform",
    "rsa_pearson_of_mean_rdm": "correlation with the mean of all subjects' dissimilarities",
    "kernel_peak_s_median": "delay after a frame at which a unit's weight is largest, in seconds "
    "(median)",
    "kernel_r_median": "correlation of the response's time course with the planted one (median)",
    "r2_mean": "mean share of response variance explained",
    "accuracy": "share of items whose category was decoded",
    "auc": "area under the ROC curve, one category against the others (chance 0.5)",
    "balanced_accuracy": "mean over categories of the share of items that were decoded",
    "brain_to_image_gallery_size": "pictures that each brain response is compared with",
    "two_way_identification_judge": "share of comparisons that the right picture wins in the "
    "judge's space (two-way identification)",
    "contrast_separated_judge": "of two pictures of one seed, drawn for a patch against its "
    "neighbour and the reverse, the share in which the judge finds the right one",
    "spearman_over_ceiling_median": "what captions lead one to expect of unseen stimuli with "
    "measured responses, Spearman's ρ over the noise ceiling",
    "spearman_given_cooccurring_median": "the same ρ, not over the ceiling, when terms that come "
    "along with a caption's words are taken out",
    "caption_agreement_median": "how alike captions of a unit are under resampled training data",
    "weight_cosine_median": "how alike weights of a unit are under resampled training data",
    "share_reliable": "share of captions that agree under resampling",
    "share_shown": "share of captions that are findings",
    "r_with_parcel_median": "measured responses of a unit with the mean of its parcel's others",
    "category_agreement_judge": "share of pictures whose category the judge reads alike in target "
    "and reconstruction",
    "colour_agreement_judge": "share of pictures whose colour the judge reads alike in target "
    "and reconstruction",
    "peak_latency_s": "time after onset at which the score is highest, in seconds",
    "onset_latency_s": "time of the first of two windows in a row above chance, in seconds",
    "share_above_chance_before_onset": "share of windows before onset that lie above chance",
    "share_above_chance_before_onset_corrected": "the same, corrected for the number of windows",
    "pixcorr": "correlation of pixels",
    "ssim_2d": "structural similarity (two-dimensional window)",
    "ssim_1d_columns": "structural similarity (columns as channels, as older code computed it)",
}


_RANKED = {
    "brain_to_image": ("brain responses", "picture"),
    "image_to_brain": ("pictures", "brain response"),
}
_COSINES = {"centred": "cosine, centred by the training mean", "raw": "cosine"}


def in_words(metric: str) -> str:
    """Describe a metric; an unknown one is spelled with spaces.

    Examples
    --------
    >>> in_words("image_to_brain_top5_raw")
    'share of pictures whose own brain response ranks among the first 5 (cosine)'
    >>> in_words("colour_agreement")
    'colour agreement'
    """
    pattern = r"(brain_to_image|image_to_brain)_(top\d+|median_rank|dprime)_(centred|raw)"
    band = re.fullmatch(r"r2_part_(.+)_mean", metric)
    if band is not None:
        return f"mean share of response variance that {band[1]} explains, as part of the whole"
    found = re.fullmatch(pattern, metric)
    if found is None:
        return WORDS.get(metric, metric.replace("_", " "))
    (seekers, sought), measure = _RANKED[found[1]], found[2]
    cosine = _COSINES[found[3]]
    if measure == "median_rank":
        return f"median relative rank of each one's own {sought} among all (0 is best; {cosine})"
    if measure == "dprime":
        return f"distance d′ of each one's own {sought} from the others ({cosine})"
    n_first = measure.removeprefix("top")
    place = "first" if n_first == "1" else f"among the first {n_first}"
    return f"share of {seekers} whose own {sought} ranks {place} ({cosine})"
