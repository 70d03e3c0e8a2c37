"""One training phase, float or quantized, as a lightning module and its callbacks."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import lightning
import torch
import torchmetrics
from torch import nn
from torch.nn import functional

from quant_models.quantizers import scale_parameters
from quant_models.training.augment import Augment
from quant_models.training.config import TrainConfig

#: Fraction of all steps during which the learning rate rises.
_WARM_UP = 0.05
#: Last share of a phase's epochs that its result is chosen from: the learning rate has fallen by then, so
#: the weights have settled, and a lucky epoch on a small validation part cannot win early on.
_SETTLED = 0.25
#: Training images that batch-norm statistics are measured on before each validation.
_STATISTICS_IMAGES = 512


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a split in memory.

    Parameters
    ----------
    images
        uint8, shape (N, C, H, W).
    labels
        int64, shape (N,).
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


class _Batches:
    """Batches of a part held in memory, in a seeded order that differs from epoch to epoch."""

    def __init__(self, part: Part, size: int, seed: int | None = None) -> None:
        self._part, self._size = part, size
        self._generator = None if seed is None else torch.Generator().manual_seed(seed)
        # A last batch of one image would break batch norm in training.
        self._drop = self._generator is not None and len(part) % size == 1 and len(part) > 1

    def __len__(self) -> int:
        return math.ceil(len(self._part) / self._size) - self._drop

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        n = len(self._part)
        order = torch.arange(n) if self._generator is None else torch.randperm(n, generator=self._generator)
        for i in range(len(self)):
            at = order[i * self._size : (i + 1) * self._size]
            yield self._part.images[at].float(), self._part.labels[at]


class Averaged:
    """Exponential moving average of a network's floating-point state.

    Starts as a running mean, so that early epochs are not held to the first weights.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self._decay, self._steps = decay, 0
        self._state = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take in the network's present state."""
        self._steps += 1
        weight = 1 - min(self._decay, self._steps / (self._steps + 10))
        for key, value in net.state_dict().items():
            if value.is_floating_point():
                self._state[key].lerp_(value, weight)
            else:
                self._state[key].copy_(value)

    def swap(self, net: nn.Module) -> None:
        """Exchange the network's state with the average; call again to change back."""
        present = {k: v.detach().clone() for k, v in net.state_dict().items()}
        net.load_state_dict(self._state)
        self._state = present

    def state(self) -> dict[str, torch.Tensor]:
        """Return a copy of the average."""
        return {k: v.clone() for k, v in self._state.items()}


@torch.no_grad()
def measure_statistics(net: nn.Module, images: torch.Tensor, batch_size: int) -> None:
    """Replace the running statistics of every batch norm by those of ``images``, averaged over batches.

    The running statistics of training belong to other weights (not the averaged ones) and to varied
    images. With quantized weights the difference is large: a weight near a rounding threshold flips
    back and forth to the end, and takes the statistics of its channel along.

    Parameters
    ----------
    net
        Changed in place.
    images
        Pixel codes as the network will see them in use, shape (N, C, H, W).
    """
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta, training = [norm.momentum for norm in norms], net.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    net.train()
    for start in range(0, len(images), batch_size):
        net(images[start : start + batch_size].float())
    net.train(training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One row of ``history.csv``."""

    phase: str
    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


class _Phase(lightning.LightningModule):
    """Trains ``net`` on labels and, where there is a teacher, on the teacher's answers."""

    def __init__(
        self,
        name: str,
        net: nn.Module,
        teacher: nn.Module | None,
        config: TrainConfig,
        classes: int,
        sample: torch.Tensor,
    ) -> None:
        super().__init__()
        self.sample = sample
        self.name, self.net, self.config = name, net, config
        self.lr = config.float_lr if teacher is None else config.quant_lr
        self.augment = Augment(config.augment, config.seed + (1 if teacher is None else 2))
        self.averaged = Averaged(net, config.ema_decay)
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(classes, average="micro")
        self.train_loss, self.val_loss = torchmetrics.MeanMetric(), torchmetrics.MeanMetric()
        self._teacher = (teacher,)  # a tuple hides it: it is neither trained nor saved

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        codes, labels = batch
        codes = self.augment(codes)
        logits = self.net(codes)
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)
        (teacher,) = self._teacher
        if teacher is not None:
            t, share = self.config.temperature, self.config.distill_weight
            with torch.no_grad():
                target = functional.log_softmax(teacher(codes) / t, 1)
            follow = functional.kl_div(
                functional.log_softmax(logits / t, 1), target, reduction="batchmean", log_target=True
            )
            loss = (1 - share) * loss + share * t * t * follow
        self.train_loss.update(loss.detach())
        return loss

    def on_train_batch_end(self, *_args: object) -> None:
        self.averaged.update(self.net)

    def on_validation_start(self) -> None:
        self.averaged.swap(self.net)
        measure_statistics(self.net, self.sample, self.config.batch_size)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> None:
        codes, labels = batch
        logits = self.net(codes)
        self.accuracy.update(logits, labels)
        self.val_loss.update(functional.cross_entropy(logits, labels), len(labels))

    def on_validation_end(self) -> None:
        self.averaged.swap(self.net)

    def configure_optimizers(self) -> dict:
        scales = scale_parameters(self.net)
        scale_ids = {id(p) for p in scales}
        others = [p for p in self.net.parameters() if id(p) not in scale_ids]
        groups = [
            {"params": [p for p in others if p.ndim > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
            {"params": scales, "weight_decay": 0.0, "lr": self.lr / 10},
        ]
        optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=self.lr)
        total = self.trainer.estimated_stepping_batches
        warm = max(1, int(total * _WARM_UP))

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Record(lightning.Callback):
    """Keeps the history and, of the settled epochs, the averaged weights that validate best."""

    def __init__(self, epochs: int, progress: Callable[[str], None]) -> None:
        self.history: list[EpochResult] = []
        self.best: EpochResult | None = None
        self.state: dict[str, torch.Tensor] = {}
        self._epochs, self._progress = epochs, progress
        self._start = 0.0

    def on_train_epoch_start(self, _trainer: lightning.Trainer, phase: lightning.LightningModule) -> None:
        self._start = time.perf_counter()
        for metric in (phase.accuracy, phase.train_loss, phase.val_loss):
            metric.reset()

    def on_train_epoch_end(self, trainer: lightning.Trainer, phase: lightning.LightningModule) -> None:
        result = EpochResult(
            phase=phase.name,
            epoch=trainer.current_epoch + 1,
            train_loss=float(phase.train_loss.compute()),
            val_loss=float(phase.val_loss.compute()),
            val_accuracy=float(phase.accuracy.compute()),
            learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
            seconds=time.perf_counter() - self._start,
        )
        self.history.append(result)
        # Not the accuracy: on a few hundred images it is soon 100 % by luck, the loss goes on telling.
        settled = result.epoch > self._epochs * (1 - _SETTLED)
        if settled and (self.best is None or result.val_loss < self.best.val_loss):
            self.best, self.state = result, phase.averaged.state()
        self._progress(
            f"{phase.name} epoch {result.epoch}/{self._epochs}: loss {result.train_loss:.3f}, "
            f"validation loss {result.val_loss:.3f}, "
            f"accuracy {100 * result.val_accuracy:.2f} %, "
            f"{result.seconds:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """What one phase did; the network it trained holds the best epoch's averaged weights."""

    history: list[EpochResult]
    best: EpochResult


def run_phase(
    name: str,
    net: nn.Module,
    train: Part,
    val: Part,
    config: TrainConfig,
    classes: int,
    progress: Callable[[str], None],
    teacher: nn.Module | None = None,
) -> PhaseResult:
    """Train ``net`` in place and leave in it the averaged weights of the best epoch on ``val``.

    Parameters
    ----------
    name
        Name of the phase in the history.
    net
        Takes pixel codes (N, C, H, W), returns logits (N, classes).
    teacher
        Float twin to learn from; its presence makes this the quantized phase.

    Raises
    ------
    KeyboardInterrupt
        The user stopped the run.
    """
    epochs = config.epochs("float" if teacher is None else "quant", len(train))
    if teacher is not None:
        teacher.eval().requires_grad_(False)
    seed = config.seed + (11 if teacher is None else 12)
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:_STATISTICS_IMAGES]
    phase = _Phase(name, net, teacher, config, classes, train.images[chosen])
    record = _Record(epochs, progress)
    deterministic = torch.are_deterministic_algorithms_enabled()
    with _quiet_lightning():
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",  # repeatable to the bit, and what the pinned torch has
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic=True,
            gradient_clip_val=1.0,
            inference_mode=False,  # validation measures statistics that training goes on with
            callbacks=[record],
        )
        try:
            _fit(trainer, phase, _Batches(train, config.batch_size, seed), _Batches(val, 256))
        finally:
            torch.use_deterministic_algorithms(deterministic)
    net.load_state_dict(record.state)
    assert record.best is not None
    return PhaseResult(record.history, record.best)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep lightning's hints (workers, loggers, devices) from the user: none applies here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)


def _fit(trainer: lightning.Trainer, phase: _Phase, train: _Batches, val: _Batches) -> None:
    """Call ``trainer.fit``, giving Ctrl-C back to the caller.

    Lightning answers Ctrl-C by ignoring SIGINT from then on and leaving through ``sys.exit``; here the
    caller has to clean up and may be a notebook, so the handler is restored and the interrupt raised.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        trainer.fit(phase, train, val)
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if main and handler is not None:
            signal.signal(signal.SIGINT, handler)
    if trainer.interrupted:
        raise KeyboardInterrupt
