# Targets and parameters that several rules use; no science.

def version(step):
    """Name what a step is made of; its outputs are made again when this changes."""

    def of_job(wildcards):
        name = getattr(wildcards, "name", None)
        return f"{settings_digest(step, CONFIG, name)} {code_digest(step)}"

    return of_job


def growing(amount):
    """Ask for twice the memory (MB) or the time (minutes) at each attempt."""

    def of_attempt(wildcards, attempt):
        return amount * 2 ** (attempt - 1)

    return of_attempt


def gpus(sections):
    """Ask for a GPU where a section trains a network; all jobs of a rule alike, as in an array."""
    return int(any(section.kind not in CLOSED_FORM for section in sections.values()))


def bids_subject(wildcards):
    """Name what stands for a subject's raw data: its folder, or the job that makes it."""
    if CONFIG.source.kind == "bids":
        return CONFIG.bids / f"sub-{wildcards.subject}"
    return TREE.log("source", wildcards.subject).with_suffix(".done")


def recording(subject):
    """List a subject's prepared files."""
    responses = TREE.responses(subject)
    return [
        TREE.trials(subject),
        responses,
        responses.with_suffix(".json"),
        TREE.units(subject),
        TREE.quality(subject),
        TREE.inputs(subject),
    ]


def embedding(name):
    """List the files of an embedding."""
    folder = TREE.embedding(name)
    return [folder / f for f in ("embeddings.npy", "embeddings.json", "stimuli.tsv")]


def decoders(subjects):
    """List the decoders that are trained on `each` subject or on `all`."""
    return [name for name, d in CONFIG.decode.items() if d.subjects == subjects]


def encoders():
    """List the names of the encoders."""
    return [f"encoder-{name}" for name in CONFIG.encode]


def encoder_embeddings(wildcards):
    """List the files of the embeddings that an encoder predicts from."""
    return [file for name in CONFIG.encode[wildcards.name].reads for file in embedding(name)]


def choice(names):
    """Constrain a wildcard to some names (to none where there are none)."""
    return "|".join(names) or "(?!)"


def all_predictions(wildcards):
    """List everything that a subject's evaluation reads."""
    names = encoders() + [f"decoder-{name}" for name in CONFIG.decode]
    models = [TREE.model(wildcards.subject, name) for name in encoders()]
    models += [TREE.model(wildcards.subject, f"decoder-{name}") for name in decoders("each")]
    models += [TREE.group_model(f"decoder-{name}") for name in decoders("all")]
    predictions = [TREE.prediction(wildcards.subject, name) for name in names]
    names = [f"over-time-{name}" for name in CONFIG.over_time]
    predictions += [TREE.prediction(wildcards.subject, name) for name in names]
    pictures = [TREE.reconstruction(wildcards.subject, name) for name in CONFIG.reconstruct]
    names = [f"few-pictures-{name}" for name in CONFIG.few_pictures]
    predictions += [TREE.prediction(wildcards.subject, name) for name in names]
    captions = [TREE.captions(wildcards.subject, name) for name in CONFIG.caption]
    return models + predictions + pictures + captions


def caption_sources(wildcards):
    """List what captions are made of: the encoder, its embeddings, predictions of decoders."""
    section = CONFIG.caption[wildcards.name]
    encoder = f"encoder-{section.encoder}"
    names = [n for n in (section.trials, section.nearest) if n is not None]
    embeddings = [*CONFIG.encode[section.encoder].reads, *([section.texts] if section.texts else [])]
    folders = [TREE.model(wildcards.subject, encoder)]
    folders += [TREE.prediction(wildcards.subject, f"decoder-{n}") for n in names]
    folders += [section.bank] if section.bank is not None else []
    return folders + [f for n in embeddings for f in embedding(n)]


def few_pictures_inputs(wildcards):
    """List the embedding and the recordings of those whose voxels teach."""
    section = CONFIG.few_pictures[wildcards.name]
    teachers = section.teachers(wildcards.subject, CONFIG.subjects)
    return embedding(section.embedding) + [f for s in teachers for f in recording(s)]


def geometry_inputs(wildcards):
    """List the embeddings that one geometry compares with."""
    return [f for name in CONFIG.geometry[wildcards.name].embeddings for f in embedding(name)]


def all_geometry():
    """List the dissimilarities of all subjects: ceilings compare them with each other."""
    return [TREE.geometry(subject, name) for subject in CONFIG.subjects for name in CONFIG.geometry]


def group_scores():
    """List the scores of all subjects together, where there are any."""
    return [TREE.group_metrics] if CONFIG.geometry else []


def drivers(wildcards):
    """List the predictions and the embeddings that drive a generator."""
    section = CONFIG.reconstruct[wildcards.name]
    names = [n for n in (section.semantic, section.low_level) if n is not None]
    folders = [TREE.prediction(wildcards.subject, f"decoder-{n}") for n in names]
    return folders + [f for n in names for f in embedding(CONFIG.decode[n].target)]
