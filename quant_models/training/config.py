"""Everything that decides a training run, in one validated object."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Batches that a phase sees where its epochs are not given.
STEPS = 1000
#: Fewest epochs where they are not given.
MIN_EPOCHS = 10


class AugmentConfig(BaseModel):
    """How a training image is varied; defaults suit surfaces, which have no up and no left.

    Parameters
    ----------
    flips
        Mirror and, where the image is square, turn by quarter turns.
    shift
        Largest shift, as a fraction of the side; uncovered pixels mirror the image.
    contrast, brightness
        Largest relative change of contrast, largest change of brightness in pixel codes.
    noise
        Largest standard deviation of Gaussian noise, in pixel codes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flips: bool = True
    shift: float = Field(0.125, ge=0, le=0.5)
    contrast: float = Field(0.2, ge=0, lt=1)
    brightness: float = Field(20.0, ge=0, le=127)
    noise: float = Field(3.0, ge=0, le=64)


class TrainConfig(BaseModel):
    """A training run: the same configuration and data give the same checkpoint on the same machine.

    Parameters
    ----------
    model
        Name in the model registry.
    dataset
        Name in the data set registry.
    data
        Folder or archive of the set; None for a procedural set.
    dataset_options
        Options of the data set's loader.
    run_dir
        The run folder: made, or replaced, when the run is finished.
    cache_dir
        Where decoded images are kept from run to run; None keeps nothing.
    image_size
        Side of the square input in pixels; None takes the model family's own.
    float_epochs, quant_epochs
        Length of the float warm-up and of the quantization-aware fine-tuning; None trains for about
        :data:`STEPS` batches, so that a large set does not take longer than a small one.
    float_lr, quant_lr
        Peak learning rates; learned scales get a tenth.
    distill_weight, temperature
        Share of the loss that follows the float twin, and how soft its answers are made.
    ema_decay
        Decay, a step, of the averaged weights that are validated and kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "cnv_w4a4"
    dataset: str = "synthetic"
    data: Path | None = None
    dataset_options: dict[str, Any] = Field(default_factory=dict)
    run_dir: Path
    cache_dir: Path | None = None
    image_size: int | None = Field(None, ge=8, le=512)
    color: Literal["grey", "rgb"] = "grey"
    seed: int = Field(0, ge=0, lt=2**32)
    float_epochs: int | None = Field(None, ge=1)
    quant_epochs: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=2)
    float_lr: float = Field(4e-3, gt=0)
    quant_lr: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    distill_weight: float = Field(0.7, ge=0, le=1)
    temperature: float = Field(2.0, gt=0)
    ema_decay: float = Field(0.98, ge=0, lt=1)
    augment: AugmentConfig = AugmentConfig()

    def epochs(self, phase: Literal["float", "quant"], images: int) -> int:
        """Return the number of epochs of a phase that trains on ``images`` images."""
        given = self.float_epochs if phase == "float" else self.quant_epochs
        batches = -(-images // self.batch_size)
        return given or max(MIN_EPOCHS, round(STEPS / batches))

    @property
    def name(self) -> str:
        """Name of the run and of the package made from it."""
        return f"{self.model}-{self.dataset}"
