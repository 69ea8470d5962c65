"""The generator's whole training from scratch, killed on its way."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from calcarine.decoders.generator import Sampling, load_generator

N_STEPS = 2

pytestmark = pytest.mark.slow
CHILD = """
import os, signal, sys
from pathlib import Path
from calcarine.encoders.phantom_training import Trainer
from calcarine.pipelines import train_phantom

last, taken, step, score = int(sys.argv[2]), [0], Trainer.step, train_phantom._on_unseen

def killed(self):
    if taken[0] == last:
        os.kill(os.getpid(), signal.SIGKILL)
    taken[0] += 1
    return step(self)

Trainer.step, train_phantom.SAVE_EVERY = killed, 1
train_phantom._on_unseen = lambda seed, n_test, how: score(seed, 4, how)
print(train_phantom.run("unclip", Path(sys.argv[1]), steps=int(sys.argv[3]), n_scenes=24))
"""


def _train(out: Path, n_steps_until_death: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(out), str(n_steps_until_death), str(N_STEPS)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("unclip")
    whole = _train(root / "whole", 1000)
    assert whole.returncode == 0, whole.stderr
    # after the autoencoder, one step of its decoder's own training, before the denoiser
    died = _train(root / "parts", N_STEPS + 1)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not (root / "parts").exists()
    parts = _train(root / "parts", 1000)
    assert parts.returncode == 0, parts.stderr
    return root, whole.stdout, parts.stdout


def test_a_killed_training_ends_as_a_calm_one(folders):
    root, whole, parts = folders
    assert whole == parts
    for file in (root / "whole").rglob("*.safetensors"):
        twin = root / "parts" / file.relative_to(root / "whole")
        assert twin.read_bytes() == file.read_bytes(), file


def test_what_it_wrote_is_a_generator_that_draws(folders):
    root, _, _ = folders
    assert sorted(p.name for p in root.iterdir()) == ["parts", "whole"]
    assert "Apache-2.0" in (root / "whole" / "README.md").read_text(encoding="utf-8")
    generator = load_generator(f"local-dir:{root / 'whole'}", "cpu")
    embeds = np.zeros((2, generator.embed_dim), dtype=np.float32)
    pictures = generator.generate(embeds, [0, 1], Sampling(n_steps=2))
    assert pictures.shape == (2, 64, 64, 3)
    weights = load_file(root / "whole" / "unet" / "diffusion_pytorch_model.safetensors")
    assert all(bool(w.isfinite().all()) for w in weights.values())
