"""The output tree: the only place that spells its paths."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Name every file of an output tree (BIDS derivatives).

    Parameters
    ----------
    out
        Root of the tree.
    datatype
        BIDS data type of the recording: `func`, `eeg` or `meg`.

    Examples
    --------
    >>> Layout(Path("out/demo")).trials("01").as_posix()
    'out/demo/sub-01/func/sub-01_trials.tsv'
    """

    out: Path
    datatype: str = "func"

    @property
    def description(self) -> Path:
        """`dataset_description.json`."""
        return self.out / "dataset_description.json"

    @property
    def config(self) -> Path:
        """The configuration as resolved."""
        return self.out / "config.yaml"

    @property
    def index(self) -> Path:
        """Page that lists the subjects."""
        return self.out / "index.html"

    def page(self, subject: str) -> Path:
        """Report of the subject."""
        return self.out / f"sub-{subject}.html"

    def source(self, name: str) -> Path:
        """Root of a BIDS data set that the workflow itself has made."""
        return self.out / "sourcedata" / name

    def subject(self, subject: str) -> Path:
        """Folder of the subject."""
        return self.out / f"sub-{subject}"

    def _recording(self, subject: str, ending: str) -> Path:
        return self.subject(subject) / self.datatype / f"sub-{subject}_{ending}"

    def trials(self, subject: str) -> Path:
        """Trial table."""
        return self._recording(subject, "trials.tsv")

    def responses(self, subject: str) -> Path:
        """Response array; its sidecar has the ending `.json`."""
        return self._recording(subject, "responses.npy")

    def units(self, subject: str) -> Path:
        """Units table."""
        return self._recording(subject, "units.tsv")

    def inputs(self, subject: str) -> Path:
        """Content hashes of the files that the responses were read from."""
        return self._recording(subject, "inputs.json")

    def quality(self, subject: str) -> Path:
        """Quality of the data."""
        return self._recording(subject, "quality.json")

    def embedding(self, name: str) -> Path:
        """Folder of an embedding."""
        return self.out / "embeddings" / name

    def model(self, subject: str, name: str) -> Path:
        """Folder of a model, e.g. `encoder-clip` or `decoder-contrastive`."""
        return self.subject(subject) / "models" / name

    def group_model(self, name: str) -> Path:
        """Folder of a model that was trained on all subjects."""
        return self.out / "group" / "models" / name

    def prediction(self, subject: str, name: str) -> Path:
        """Folder of a model's predictions."""
        return self.subject(subject) / "predictions" / name

    def reconstruction(self, subject: str, name: str) -> Path:
        """Folder of reconstructed pictures."""
        return self.subject(subject) / "reconstructions" / name

    def geometry(self, subject: str, name: str) -> Path:
        """Folder of a subject's dissimilarities and those of models."""
        return self.subject(subject) / "geometry" / name

    @property
    def group_metrics(self) -> Path:
        """Score table of all subjects together."""
        return self.out / "group" / "metrics.tsv"

    def captions(self, subject: str, name: str) -> Path:
        """Folder of captions of units and trials."""
        return self.subject(subject) / "captions" / name

    def selectivity(self, subject: str) -> Path:
        """Table of captions with what they are worth; its records have the ending `.json`."""
        return self.subject(subject) / "selectivity.tsv"

    def metrics(self, subject: str) -> Path:
        """Score table."""
        return self.subject(subject) / "metrics.tsv"

    def item_scores(self, subject: str) -> Path:
        """Scores of single items."""
        return self.subject(subject) / "items.tsv.gz"

    def unit_scores(self, subject: str) -> Path:
        """Scores of single units."""
        return self.subject(subject) / "units_scores.tsv"

    def over_time(self, subject: str) -> Path:
        """Scores over the time of a trial."""
        return self.subject(subject) / "over_time.tsv"

    def provenance(self, subject: str) -> Path:
        """Versions, hashes, cost; the only file with time and host."""
        return self.subject(subject) / "provenance.json"

    def figures(self, subject: str) -> Path:
        """Folder of the report's figures."""
        return self.subject(subject) / "figures"

    @property
    def efficiency(self) -> Path:
        """What jobs asked for and used, as a page."""
        return self.out / "logs" / "efficiency.html"

    def log(self, step: str, name: str) -> Path:
        """Log of a job."""
        return self.out / "logs" / step / f"{name}.log"

    def benchmark(self, step: str, name: str) -> Path:
        """Time and memory of a job, as Snakemake measures it."""
        return self.out / "logs" / step / f"{name}.benchmark.tsv"
