"""What every section of the configuration has in common."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _label(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]+", value):
        raise ValueError(f"{value!r} is no BIDS label: letters and digits only")
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError(f"{value!r} is no name: small letters, digits and single hyphens only")
    return value


Label = Annotated[str, AfterValidator(_label)]
Name = Annotated[str, AfterValidator(_name)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EncoderSection(Section):
    """What every encoder has."""

    standardize: Literal["session", "all"] = Field(
        "session", description="z-score responses within session or over all training trials"
    )

    @property
    def reads(self) -> tuple[Name, ...]:
        """Embeddings that the encoder predicts from."""
        return ()

    @property
    def trial_bands(self) -> tuple[str, ...]:
        """Bands that differ between trials of one stimulus."""
        return ()

    @property
    def at_delays_s(self) -> tuple[float, ...]:
        """Delays at which the encoder takes what was shown, in seconds; none for single trials."""
        return ()

    @property
    def averages_repeats(self) -> bool:
        """Whether the encoder is fitted on stimuli (means of their repeats), not on trials."""
        return False


class DecoderSection(Section):
    """What every decoder has."""

    target: Name = Field(description="Embedding to predict")
    standardize: Literal["session", "all"] = Field(
        "session", description="z-score responses within session or over all training trials"
    )
    subjects: Literal["each", "all"] = Field("each", description="One model each, or one for all")
    n_permutations: int = Field(
        0, ge=0, description="Refits with labels shuffled within run: the control shuffled-labels"
    )

    @property
    def held_out_subjects(self) -> tuple[Label, ...]:
        """Subjects that are tested and never trained on."""
        return ()
