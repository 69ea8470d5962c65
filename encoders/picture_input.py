"""From pictures to an encoder's features: the network that embeds them, and the check of it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.pictures import as_pictures, holds_pictures

if TYPE_CHECKING:
    from calcarine.encoders.embedding_models import EmbeddingModel


class FromPictures:
    """What every encoder on one embedding can do with pictures.

    Attributes
    ----------
    embedding
        Sidecar of the embedding: `model revision layer pooling input transform_sha`.
    embedding_model
        What embeds pictures, once it was needed.
    """

    embedding: dict[str, Any]
    embedding_model: "EmbeddingModel | None" = None

    def features_of(
        self, stimuli: Any, embedding_model: "EmbeddingModel | None" = None
    ) -> np.ndarray:
        """Embed pictures; embeddings are given back as they are.

        Parameters
        ----------
        stimuli
            Embeddings, or pictures in any form that `calcarine.encoders.pictures.as_pictures`
            takes.
        embedding_model
            What embeds the pictures; without it the model that `embedding` names is loaded, once.

        Raises
        ------
        CalcarineError
            The pictures would be embedded by another network or transform than the encoder was
            fitted on.
        """
        if not holds_pictures(stimuli):
            return np.asarray(stimuli)
        model = embedding_model or self.embedding_model
        if model is None and self.embedding.get("input", "pictures") == "pictures":
            # torch and the model's library take seconds; predicting from embeddings needs neither
            from calcarine.encoders.embedding_models import load_embedding_model

            wanted = self.embedding
            model = load_embedding_model(wanted["model"], wanted["layer"], wanted["pooling"])
            self.embedding_model = model
        self.check_embedding(model)  # type: ignore[arg-type]
        return model.embed_pictures(as_pictures(stimuli))  # type: ignore[union-attr]

    def check_embedding(self, model: "EmbeddingModel") -> None:
        """Refuse a network or a transform other than those that the encoder was fitted on.

        Raises
        ------
        CalcarineError
            Revision or transform differ, or the encoder was not fitted on pictures.
        """
        wanted = self.embedding
        if wanted.get("input", "pictures") != "pictures":
            raise CalcarineError(
                f"this encoder was fitted on {wanted['input']}, not on pictures; give it "
                "embeddings."
            )
        for what in ("revision", "transform_sha"):
            if getattr(model, what) != wanted[what]:
                raise CalcarineError(
                    f"{model.name} has the {what} {getattr(model, what)[:12]}; this encoder was "
                    f"fitted on {wanted['model']} with {wanted[what][:12]}. Load the same weights "
                    "with the same transform."
                )
