"""Everything that decides a training run, in one validated object."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Batches that a phase sees where its epochs are not given.
STEPS = 1000
#: Fewest epochs where they are not given.
MIN_EPOCHS = 10


class AugmentConfig(BaseModel):
    """How a training image is varied; defaults suit surfaces, which have no up and no left.

    Parameters
    ----------
    flips
        Mirror.
    turns
        With ``flips`` and square images: turn by quarter turns too. Not for surfaces that are always
        seen the same way, as ground or rolled parts are.
    shift
        Largest shift, as a fraction of the side; uncovered pixels mirror the image.
    contrast, brightness
        Largest relative change of contrast, largest change of brightness in pixel codes.
    noise
        Largest standard deviation of Gaussian noise, in pixel codes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flips: bool = True
    turns: bool = True
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
    frozen_norms
        Last share of the quantized phase in which batch norms are constants, as if folded.
    patience
        Stop a phase when the validation loss has not fallen for so many epochs, and take the best of
        all epochs; None trains to the end and takes the best of the last quarter.
    balance
        ``auto`` weights the loss where classes are of unlike size, by the inverse root of the size;
        ``full`` by the inverse itself, so that all classes count alike; ``none`` never.
    shots
        Train and validate on so many images a class; the test part stays whole.
    fold
        ``(i, n)``: part i, from 0, of an n-fold cross-validation is the test part.
    false_alarm_rate
        Share of sound images that may be called defective, in a set of two classes.
    reject_coverage
        Share of the correctly classified validation images that keep their answer under the reject rule.
    device
        ``cpu``, ``cuda``, or ``auto``: CUDA where there is one. On the CPU runs are repeatable to the bit.
    resume_dir
        Where checkpoints are kept, so that a killed run goes on; None keeps none.
    checkpoint_seconds
        Least time between two checkpoints; it does not change the result.
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
    distill_weight: float = Field(0.1, ge=0, le=1)
    temperature: float = Field(2.0, gt=0)
    ema_decay: float = Field(0.98, ge=0, lt=1)
    frozen_norms: float = Field(0.0, ge=0, le=1)
    patience: int | None = Field(None, ge=1)
    balance: Literal["auto", "full", "none"] = "auto"
    shots: int | None = Field(None, ge=1)
    fold: tuple[int, int] | None = None
    false_alarm_rate: float = Field(0.05, gt=0, lt=1)
    reject_coverage: float = Field(0.99, gt=0, le=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    resume_dir: Path | None = None
    checkpoint_seconds: float = Field(5.0, ge=0)
    augment: AugmentConfig = AugmentConfig()

    def epochs(self, phase: Literal["float", "quant"], images: int) -> int:
        """Return the number of epochs of a phase that trains on ``images`` images."""
        given = self.float_epochs if phase == "float" else self.quant_epochs
        batches = -(-images // self.batch_size)
        return given or max(MIN_EPOCHS, round(STEPS / batches))

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> TrainConfig:
        if self.fold is not None and not (0 <= self.fold[0] < self.fold[1] and self.fold[1] >= 2):
            raise ValueError(f"fold {self.fold} is not (i, n) with 0 <= i < n and n >= 2")
        return self

    @property
    def name(self) -> str:
        """Name of the run and of the package made from it."""
        return run_name(self.model, self.dataset, self.shots, self.fold)


def model_label(model: str) -> str:
    """Return a model's name without the folder of a user's own file."""
    path, colon, factory = model.rpartition(":")
    return f"{Path(path).name}:{factory}" if colon else model


def run_name(model: str, dataset: str, shots: int | None = None, fold: tuple[int, int] | None = None) -> str:
    """Return the name of a run; a model of the user's own goes by its factory."""
    words = [model.rpartition(":")[2], dataset]
    if shots is not None:
        words.append(f"shots{shots}")
    if fold is not None:
        words.append(f"fold{fold[0] + 1}of{fold[1]}")
    return "-".join(words)


#: Fields that do not decide a run's result.
PLACES = frozenset({"run_dir", "cache_dir", "resume_dir", "checkpoint_seconds"})
