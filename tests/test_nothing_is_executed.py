"""Nothing of a data set is executed: no pickle anywhere, no evaluation, markup escaped."""

import ast
import json
import pickle
from pathlib import Path

import mne
import numpy as np
import pytest
from safetensors import SafetensorError

from calcarine.data.banks import read_bank
from calcarine.data.bold import open_image
from calcarine.data.captions import read_captions
from calcarine.data.checkpoints import checkpoint_of, read_checkpoint
from calcarine.data.digests import read_picture
from calcarine.data.dissimilarities import read_dissimilarities
from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout
from calcarine.data.model_folder import read_model
from calcarine.data.predictions import read_predictions
from calcarine.data.reconstructions import read_reconstructions
from calcarine.data.responses import read_responses
from calcarine.data.surface_bold import read_gifti
from calcarine.decoders.generator import load_generator
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.encoders.pretrained import load_pretrained
from calcarine.encoders.torch_files import read_torch_weights
from calcarine.pipelines.config import load_config

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("data", "encoders", "decoders", "pipelines")
SOURCES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
UNPICKLER = ROOT / "data" / "restricted_unpickler.py"

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "to_pickle", "system", "popen"}
# what may be called only in a form that opens no pickle
FORMS = {
    ("np", "load"): ("allow_pickle", False),
    ("numpy", "load"): ("allow_pickle", False),
    ("torch", "load"): ("weights_only", True),
}


def name_of(call: ast.Call) -> tuple[str, str]:
    """Give what stands before and after the last dot of a call: (`np`, `load`)."""
    if isinstance(call.func, ast.Attribute):
        owner = call.func.value
        return (owner.id if isinstance(owner, ast.Name) else "?", call.func.attr)
    return ("", call.func.id if isinstance(call.func, ast.Name) else "")


def dangers(path: Path) -> list[str]:
    """List what could open a pickle or run a text."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module] if node.module.split(".")[0] in MODULES else []
        elif isinstance(node, ast.Call):
            owner, name = name_of(node)
            told = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            key, value = FORMS.get((owner, name), ("", None))
            if key and told.get(key) is not value:
                found.append(f"{owner}.{name} without {key}={value}")
            if told.get("shell") or told.get("allow_pickle") or told.get("trust_remote_code"):
                found.append(f"{owner}.{name}({told})")
            if name in CALLS and owner in ("", "os", "pd", "builtins"):
                found.append(f"{owner}.{name}")
            if (owner, name) == ("yaml", "load") and path.name != "config_files.py":
                found.append("yaml.load")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_source_opens_a_pickle_or_runs_a_text(path):
    assert dangers(path) == (["pickle"] if path == UNPICKLER else [])


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import numpy as np\nnp.load(p)",
        "import numpy as np\nnp.load(p, allow_pickle=True)",
        "import torch\ntorch.load(p)",
        "import torch\ntorch.load(p, weights_only=False)",
        "import pandas as pd\npd.read_pickle(p)",
        "import yaml\nyaml.load(t)",
        "import subprocess\nsubprocess.run(t, shell=True)",
        "eval(t)",
        "f(m, trust_remote_code=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(text, tmp_path):
    (tmp_path / "m.py").write_text(text)
    assert len(dangers(tmp_path / "m.py")) >= 1


def test_no_pickle_lies_in_the_tree():
    endings = {".pkl", ".pickle", ".p", ".joblib", ".dill", ".pt", ".pth", ".ckpt", ".bin"}
    found = [p for room in (*ROOMS, "snakemake", "tests") for p in (ROOT / room).rglob("*")]
    assert [p for p in found if p.suffix in endings] == []
    for path in found:
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False)


def test_templates_escape_everything():
    for path in (ROOT / "pipelines").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "autoescape=False" not in text
        if "jinja2.Environment(" in text or " Environment(" in text:
            assert "autoescape=True" in text
    raw = [
        (path.name, line.strip())
        for path in (ROOT / "pipelines" / "templates").iterdir()
        for line in path.read_text(encoding="utf-8").splitlines()
        if "|safe" in line.replace(" ", "")
    ]
    assert raw == []


class Spy:
    """A pickle that leaves a trace when anybody opens it."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def responses(folder):
    layout = Layout(folder, "func")
    layout.responses("01").parent.mkdir(parents=True)
    spy = (folder / "spy").read_bytes()
    layout.responses("01").write_bytes(spy)
    layout.responses("01").with_suffix(".json").write_text("{}")
    layout.units("01").write_text("i\n1\n")
    layout.trials("01").write_text("trial_id\na\n")
    return read_responses(layout, "01")


def described(folder, name, read, **files):
    """Write the text files of a folder beside the pickle, and read it."""
    for file, text in files.items():
        (folder / file.replace("__", ".")).write_text(text)
    (folder / name).write_bytes((folder / "spy").read_bytes())
    return read(folder)


BANK = '{"n_shards": 1, "families": {}, "pictures": null}'
READERS = {
    "embeddings.npy": lambda f: described(
        f, "embeddings.npy", read_embeddings, stimuli__tsv="stimulus_id\na\n", embeddings__json="{}"
    ),
    "predictions.npy": lambda f: described(
        f, "predictions.npy", read_predictions, items__tsv="item\n1\n", predictions__json="{}"
    ),
    "responses.npy": responses,
    "dissimilarities.npy": lambda f: described(
        f,
        "dissimilarities.npy",
        read_dissimilarities,
        dissimilarities__json="{}",
        rdms__tsv="a\n",
        stimuli__tsv="a\n",
    ),
    "pictures.npy": lambda f: described(
        f, "pictures.npy", read_reconstructions, pictures__json="{}", items__tsv="item\n1\n"
    ),
    "mixing.npy": lambda f: described(
        f, "mixing.npy", read_captions, captions__json="{}", units__tsv="a\n", trials__tsv="a\n"
    ),
    "shard-00000.npy": lambda f: described(
        f,
        "shard-00000.npy",
        read_bank,
        bank__json=BANK,
        entries__tsv="entry\tfile\tconcept\tcaptions\n",
    ),
    "model.safetensors": lambda f: described(
        f, "model.safetensors", read_model, config__json='{"kind": "x"}'
    ),
    "encoder": lambda f: described(
        f,
        "model.safetensors",
        lambda g: load_pretrained(f"local-dir:{g}"),
        config__json='{"kind": "voxel-ridge"}',
    ),
    "state.safetensors": lambda f: described(
        f,
        "state.safetensors",
        lambda g: read_checkpoint(g, "k"),
        state__json='{"key": "k", "state": {}}',
    ),
    "open_clip_pytorch_model.bin": lambda f: described(
        f,
        "open_clip_pytorch_model.bin",
        lambda g: load_embedding_model(f"local-dir:{g}"),
        open_clip_config__json=json.dumps(CLIP),
    ),
    "pytorch_model.bin": lambda f: described(
        f,
        "pytorch_model.bin",
        lambda g: load_embedding_model(f"local-dir:{g}"),
        config__json='{"architecture": "resnet10t", "num_features": 512}',
    ),
    "diffusion_pytorch_model.bin": lambda f: described(
        f,
        "diffusion_pytorch_model.bin",
        lambda g: load_generator(f"local-dir:{g}"),
        model_index__json='{"_class_name": "StableUnCLIPImg2ImgPipeline"}',
    ),
    "weights.pt": lambda f: described(
        f, "weights.pt", lambda g: read_torch_weights(g / "weights.pt")
    ),
    "bold.nii.gz": lambda f: described(f, "bold.nii.gz", lambda g: open_image(g / "bold.nii.gz")),
    "bold.func.gii": lambda f: described(
        f, "bold.func.gii", lambda g: read_gifti(g / "bold.func.gii")
    ),
    "picture.png": lambda f: described(f, "picture.png", lambda g: read_picture(g / "picture.png")),
    "study.yaml": lambda f: described(f, "study.yaml", lambda g: load_config(g / "study.yaml")),
    "run_raw.fif": lambda f: described(
        f, "run_raw.fif", lambda g: mne.io.read_raw_fif(g / "run_raw.fif", verbose="error")
    ),
}
VISION = {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16}
TEXT = {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1}
CLIP = {
    "model_cfg": {"embed_dim": 8, "vision_cfg": VISION, "text_cfg": TEXT},
    "preprocess_cfg": {},
}


@pytest.mark.parametrize("name", READERS)
def test_a_pickle_under_another_name_is_never_opened(name, tmp_path):
    trace = tmp_path / "TRACE"
    (tmp_path / "spy").write_bytes(pickle.dumps(Spy(trace)))
    try:
        found = READERS[name](tmp_path)
    except (CalcarineError, SafetensorError, ValueError, OSError):
        found = None
    assert found is None  # refused, or a checkpoint that is not whole
    assert not trace.exists()


def test_the_spy_would_leave_a_trace(tmp_path):
    content = pickle.dumps(Spy(tmp_path / "TRACE"))
    pickle.loads(content)
    assert (tmp_path / "TRACE").exists()


@pytest.mark.parametrize(
    "fold", ["..", ".", "../../x", "/etc", "a/b", "", "ses-1/run-2", "\n", "c" * 999]
)
def test_no_fold_leads_out_of_its_folder(fold, tmp_path):
    place = checkpoint_of(tmp_path, fold)
    assert place.parent == tmp_path
    assert place.resolve().parent == tmp_path.resolve()
    assert len(place.name) < 60


def test_folds_have_checkpoints_of_their_own(tmp_path):
    names = ["a/b", "a_b", "a b", "A b", "a-b"]
    assert len({checkpoint_of(tmp_path, n) for n in names}) == len(names)
