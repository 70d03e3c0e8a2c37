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
from dataclasses import asdict
from typing import Any

import lightning
import torch
import torchmetrics
from torch import nn
from torch.nn import functional

from quant_models.quantizers import scale_parameters
from quant_models.training.augment import Augment
from quant_models.training.average import Averaged, measure_statistics, norms
from quant_models.training.batches import Batches, class_weights
from quant_models.training.config import TrainConfig
from quant_models.training.records import EpochResult, Part, PhaseResult, Store, from_rows, rows

#: Fraction of all steps during which the learning rate rises.
_WARM_UP = 0.05
#: Last share of a phase's epochs that its result is chosen from: the learning rate has fallen by then, so
#: the weights have settled, and a lucky epoch on a small validation part cannot win early on.
_SETTLED = 0.25
#: Power of a class's size in its weight in the loss.
_BALANCE = {"auto": 0.5, "full": 1.0, "none": 0.0}
#: Training images that batch-norm statistics are measured on before each validation, and before one
#: whose epoch is too early to be kept.
_STATISTICS_IMAGES = 512
_EARLY_STATISTICS_IMAGES = 128


def _may_be_kept(epoch: int, epochs: int, config: TrainConfig) -> bool:
    """Whether a phase's result may be that of ``epoch``, which counts from 1."""
    # A phase that may stop early has no last epochs to wait for.
    return epoch > epochs * (1 - _SETTLED) or config.patience is not None


class _Phase(lightning.LightningModule):
    """What happens in a step, a validation, and at the start of training."""

    def __init__(
        self,
        name: str,
        net: nn.Module,
        teacher: nn.Module | None,
        config: TrainConfig,
        train: Part,
        classes: int,
        steps: int,
        epochs: int,
    ) -> None:
        super().__init__()
        seed = config.seed + (11 if teacher is None else 12)
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
        self.sample = train.images[order[:_STATISTICS_IMAGES]]
        self.name, self.net, self.config, self.steps = name, net, config, steps
        self.lr = config.float_lr if teacher is None else config.quant_lr
        self.augment = Augment(config.augment, config.seed + (1 if teacher is None else 2))
        self.averaged = Averaged(net, config.ema_decay)
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(classes, average="micro")
        self.train_loss, self.val_loss = torchmetrics.MeanMetric(), torchmetrics.MeanMetric()
        self._teacher = (teacher,)  # a tuple hides it: it is neither trained nor saved
        power = _BALANCE[config.balance]
        weights = class_weights(train.labels, classes, power) if power else None
        self.register_buffer("weights", weights, persistent=False)
        self.frozen_from = math.ceil(epochs * (1 - config.frozen_norms)) if teacher is not None else epochs
        self.epochs = epochs
        self.first_epoch = 0

    @property
    def frozen(self) -> bool:
        """Whether the batch norms are constants by now, as they are in the hardware."""
        return self.first_epoch + self.current_epoch >= self.frozen_from

    def on_train_epoch_start(self) -> None:
        if self.frozen:
            if self.first_epoch + self.current_epoch == self.frozen_from > 0:
                measure_statistics(self.net, self.sample, self.config.batch_size)
            for norm in norms(self.net):
                norm.eval()

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        codes, labels = batch
        codes = self.augment(codes)
        logits = self.net(codes)
        loss = functional.cross_entropy(
            logits, labels, weight=self.weights, label_smoothing=self.config.label_smoothing
        )
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
        if not self.frozen:
            kept = _may_be_kept(self.first_epoch + self.current_epoch + 1, self.epochs, self.config)
            sample = self.sample if kept else self.sample[:_EARLY_STATISTICS_IMAGES]
            measure_statistics(self.net, sample, self.config.batch_size)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> None:
        codes, labels = batch
        logits = self.net(codes)
        self.accuracy.update(logits, labels)
        loss = functional.cross_entropy(logits, labels, weight=self.weights)
        self.val_loss.update(loss, len(labels))

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
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=self.lr)
        warm = max(1, int(self.steps * _WARM_UP))

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))

        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)
        if self.resumed is not None:
            self.optimizer.load_state_dict(self.resumed["optimizer"])
            self.schedule.load_state_dict(self.resumed["schedule"])
        return {"optimizer": self.optimizer, "lr_scheduler": {"scheduler": self.schedule, "interval": "step"}}

    # -- checkpoints ------------------------------------------------------------------------------

    resumed: dict[str, Any] | None = None

    def checkpoint(self, batches: Batches) -> dict[str, Any]:
        """Return the state that the phase goes on from."""
        return {
            "net": {k: v.detach().cpu() for k, v in self.net.state_dict().items()},
            "averaged": self.averaged.checkpoint(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "augment": self.augment.generator.get_state(),
            "order": batches.generator.get_state(),
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any], batches: Batches, first_epoch: int) -> None:
        """Take up a :meth:`checkpoint`; the optimizer follows when it is made."""
        self.net.load_state_dict(state["net"])
        self.averaged.restore(state["averaged"])
        self.augment.generator.set_state(state["augment"])
        batches.generator.set_state(state["order"])
        torch.set_rng_state(state["random"])
        self.resumed, self.first_epoch = state, first_epoch


class _Record(lightning.Callback):
    """Keeps the history, the averaged weights that validate best, and checkpoints.

    Parameters
    ----------
    epochs
        Planned length of the phase.
    """

    def __init__(
        self,
        epochs: int,
        config: TrainConfig,
        batches: Batches,
        progress: Callable[[str], None],
        store: Store | None,
        name: str,
    ) -> None:
        self.history: list[EpochResult] = []
        self.best: EpochResult | None = None
        self.state: dict[str, torch.Tensor] = {}
        self._epochs, self._progress, self._config = epochs, progress, config
        self._batches, self._store, self._name = batches, store, name
        self._start = self._kept = time.perf_counter()

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what a checkpoint holds of the history."""
        self.history = from_rows(state["history"])
        self.best = EpochResult(**state["best"]) if state["best"] else None
        self.state = state["best_state"]

    def on_train_epoch_start(self, _trainer: lightning.Trainer, phase: lightning.LightningModule) -> None:
        self._start = time.perf_counter()
        for metric in (phase.accuracy, phase.train_loss, phase.val_loss):
            metric.reset()

    def on_train_epoch_end(self, trainer: lightning.Trainer, phase: lightning.LightningModule) -> None:
        result = EpochResult(
            phase=phase.name,
            epoch=len(self.history) + 1,
            train_loss=float(phase.train_loss.compute()),
            val_loss=float(phase.val_loss.compute()),
            val_accuracy=float(phase.accuracy.compute()),
            learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
            seconds=time.perf_counter() - self._start,
        )
        self.history.append(result)
        # Not the accuracy: on a few hundred images it is soon 100 % by luck, the loss goes on telling.
        settled = _may_be_kept(result.epoch, self._epochs, self._config)
        if settled and (self.best is None or result.val_loss < self.best.val_loss):
            self.best, self.state = result, phase.averaged.state()
        patience = self._config.patience
        if patience is not None and self.best is not None and result.epoch - self.best.epoch >= patience:
            trainer.should_stop = True
        self._keep(phase, trainer.should_stop)
        self._progress(
            f"{phase.name} epoch {result.epoch}/{self._epochs}: loss {result.train_loss:.3f}, "
            f"validation loss {result.val_loss:.3f}, "
            f"accuracy {100 * result.val_accuracy:.2f} %, "
            f"{result.seconds:.1f} s"
        )

    def _keep(self, phase: lightning.LightningModule, stopping: bool) -> None:
        """Write a checkpoint, unless the last one is young or the phase is over."""
        last = stopping or len(self.history) == self._epochs
        if self._store is None or last:
            return
        if time.perf_counter() - self._kept < self._config.checkpoint_seconds:
            return
        state = {
            **phase.checkpoint(self._batches),
            "history": rows(self.history),
            "best": asdict(self.best) if self.best else None,
            "best_state": self.state,
        }
        self._store.write(self._name, state)
        self._kept = time.perf_counter()


def run_phase(
    name: str,
    net: nn.Module,
    train: Part,
    val: Part,
    config: TrainConfig,
    classes: int,
    progress: Callable[[str], None],
    teacher: nn.Module | None = None,
    store: Store | None = None,
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
    store
        Where checkpoints are kept and looked for.

    Raises
    ------
    KeyboardInterrupt
        The user stopped the run.
    """
    finished = store.read(f"{name}-finished") if store else None
    if finished is not None:
        progress(f"{name}: finished before, taken up")
        net.load_state_dict(finished["state"])
        torch.set_rng_state(finished["random"])
        return PhaseResult(from_rows(finished["history"]), EpochResult(**finished["best"]))
    device = device_of(config)
    epochs = config.epochs("float" if teacher is None else "quant", len(train))
    # Pools and batch norms of small maps take a third less time on a CPU with the channels together.
    net.to(memory_format=torch.channels_last)
    if teacher is not None:
        teacher.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    batches = Batches(train, config.batch_size, config.seed + (11 if teacher is None else 12))
    phase = _Phase(name, net, teacher, config, train, classes, epochs * len(batches), epochs)
    record = _Record(epochs, config, batches, progress, store, name)
    state = store.read(name) if store else None
    if state is not None:
        record.restore(state)
        phase.restore(state, batches, len(record.history))
        progress(f"{name}: going on after epoch {len(record.history)} of {epochs}")
    _train(phase, batches, Batches(val, 256), epochs - len(record.history), device, record)
    net.load_state_dict(record.state)
    for one in (net,) if teacher is None else (net, teacher):
        one.cpu().to(memory_format=torch.contiguous_format)  # as a run's files give it back
    assert record.best is not None
    if store:
        finished = {
            "state": record.state,
            "history": rows(record.history),
            "best": asdict(record.best),
            "random": torch.get_rng_state(),
        }
        store.write(f"{name}-finished", finished)
    return PhaseResult(record.history, record.best)


def device_of(config: TrainConfig) -> str:
    """Return ``cuda`` or ``cpu``: what a run trains on."""
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return config.device


def _train(phase: _Phase, train: Batches, val: Batches, epochs: int, device: str, record: _Record) -> None:
    deterministic = torch.are_deterministic_algorithms_enabled()
    with _quiet_lightning():
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            # On a GPU some operators have no repeatable form; on the CPU a run is repeatable to the bit.
            deterministic=True if device == "cpu" else "warn",
            gradient_clip_val=1.0,
            inference_mode=False,  # validation measures statistics that training goes on with
            callbacks=[record],
        )
        try:
            _fit(trainer, phase, train, val)
        finally:
            torch.use_deterministic_algorithms(deterministic)


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


def _fit(trainer: lightning.Trainer, phase: _Phase, train: Batches, val: Batches) -> None:
    """Call ``trainer.fit``, giving Ctrl-C back to the caller.

    Lightning answers Ctrl-C by ignoring SIGINT from then on and leaving through ``sys.exit``; here the
    caller has to clean up and may be a notebook, so the handler is restored and the interrupt raised.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        trainer.fit(phase, train, val)
    except SystemExit as error:
        if error.code == 128 + signal.SIGTERM:  # not Lightning's: somebody ends the program
            raise
        raise KeyboardInterrupt from error
    finally:
        if main and handler is not None:
            signal.signal(signal.SIGINT, handler)
    if trainer.interrupted:
        raise KeyboardInterrupt
