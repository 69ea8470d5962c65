"""What there is to load, and what a folder holds."""

import json
from pathlib import Path

from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import read_model
from calcarine.data.predictions import read_predictions
from calcarine.decoders.generator import SHIPPED as GENERATORS
from calcarine.encoders.embedding_models import FAMILIES, shipped_models
from calcarine.encoders.pretrained import list_pretrained


def models_text() -> str:
    """List the embedding models and generators that a configuration can name."""
    lines = ["Embedding models:"]
    lines += [f"  {family.form:24s} {family.text}" for family in FAMILIES.values()]
    lines += ["", "Shipped with the package:"]
    lines += [f"  calcarine:{name}" for name in (*shipped_models(), *GENERATORS)]
    lines += ["", "Encoders, for calcarine.encoders.load_pretrained:"]
    lines += [f"  {name}" for name in list_pretrained()]
    lines += ["  local-dir:PATH            a model folder, for instance one that `export` wrote"]
    lines += ["  hf-hub:ORG/NAME           a repository of the hub"]
    return "\n".join(lines)


def info_text(path: Path) -> str:
    """Describe a model, embedding, prediction or output folder.

    Raises
    ------
    CalcarineError
        It is none of these.
    """
    for file, describe in _KINDS.items():
        if (path / file).is_file():
            return describe(path)
    raise CalcarineError(
        f"{path} is no folder that calcarine writes; expected one that holds one of {list(_KINDS)}."
    )


def _model(path: Path) -> str:
    card = path / "README.md"
    config = read_model(path)[0]
    title = f"Model of kind {config.get('kind', 'unknown')}\n"
    return title + (card.read_text(encoding="utf-8") if card.is_file() else "(no card)")


def _embedding(path: Path) -> str:
    embeddings = read_embeddings(path)
    facts = json.dumps(embeddings.sidecar, indent=2, sort_keys=True)
    return f"Embeddings of {len(embeddings.stimuli)} stimuli, {embeddings.values.shape}\n{facts}"


def _predictions(path: Path) -> str:
    predictions = read_predictions(path)
    kinds = predictions.items.groupby(["brain", "averaging", "n_repeats"]).size()
    return f"Predictions {predictions.values.shape}\n{kinds.to_string()}"


def _tree(path: Path) -> str:
    pages = sorted(p.name for p in path.glob("sub-*.html"))
    return f"Output tree with {len(pages)} reports: {', '.join(pages)}"


_KINDS = {
    "model.safetensors": _model,
    "embeddings.json": _embedding,
    "predictions.json": _predictions,
    "config.yaml": _tree,
}
