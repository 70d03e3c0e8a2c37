"""The classifier: a deploy zip and a device, images in, predictions out."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from finnspect_driver.backends.base import Counters, HardwareInfo
from finnspect_driver.connect import open_backend
from finnspect_driver.deployzip import DeployZip, read_deploy
from finnspect_driver.errors import DriverError
from finnspect_driver.images import Batcher
from finnspect_driver.reference import IntegerModel
from finnspect_driver.results import (
    BenchmarkReport,
    Interpreter,
    Prediction,
    ValidationReport,
    compare,
)

#: Memory of a batch, and images in it, where the user names no size.
_BATCH_BYTES = 1 << 20
_BATCH_MAX = 256
_PERCENTILES = (50, 90, 99)


class DefectClassifier:
    """Classifies images on an accelerator. Use it as a context manager: it holds memory and the device.

    Parameters
    ----------
    deploy
        Path of a deploy zip, or an opened one.
    device
        "auto" (the board this runs on), "pynq", "virtual", "serial:/dev/ttyUSB0", or a Device object.
    batch
        Largest number of images in a run of the hardware; None chooses.
    timeout_s
        Longest time in which the hardware may make no progress.
    download
        False takes the bitstream that is loaded already; it must be the zip's.

    Attributes
    ----------
    deploy : DeployZip
    classes : list of str

    Raises
    ------
    DriverError
        The zip or the device cannot be used; one class for each kind of remedy.
    """

    def __init__(
        self,
        deploy: str | os.PathLike[str] | DeployZip,
        device: Any = "auto",
        batch: int | None = None,
        timeout_s: float = 10.0,
        download: bool = True,
    ) -> None:
        self.deploy = deploy if isinstance(deploy, DeployZip) else read_deploy(deploy)
        if batch is None:
            batch = min(_BATCH_MAX, max(1, _BATCH_BYTES // self.deploy.frame_bytes))
        if batch < 1:
            raise DriverError(f"a batch holds at least one image, not {batch}", "leave batch out")
        if not timeout_s > 0:  # also what is no number
            raise DriverError(f"a time-out of {timeout_s:g} s leaves no time to work in", "leave it out")
        self.classes = self.deploy.classes
        self._interpreter = Interpreter(self.deploy.accelerator)
        self._batcher = Batcher(self.deploy.preprocessing, self.deploy.input_shape)
        self._model: IntegerModel | None = None
        self._streaming = False
        self._preprocessing_s = 0.0
        self._backend = open_backend(self.deploy, device, batch, timeout_s, download)

    def __enter__(self) -> DefectClassifier:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the hardware, free its memory, give the device back."""
        self._backend.close()

    # -- what it is --------------------------------------------------------------------------------

    @property
    def batch(self) -> int:
        """Largest number of images in a run of the hardware."""
        return self._backend.batch

    def info(self) -> HardwareInfo:
        """Return what the hardware says of itself."""
        return self._backend.info()

    def counters(self) -> Counters | None:
        """Return the hardware's counters, None where it has none."""
        return self._backend.counters()

    def preprocess(self, image: Any) -> np.ndarray:
        """Return the bytes that the accelerator gets for a picture: uint8, shape (H, W, C)."""
        return self._batcher.prepare(image, 0)

    @property
    def model(self) -> IntegerModel:
        """The zip's integer model, run by numpy on this machine."""
        if self._model is None:
            self._model = IntegerModel.from_zip(self.deploy)
        return self._model

    # -- predictions -------------------------------------------------------------------------------

    def predict(self, images: Any) -> list[Prediction]:
        """Classify images.

        Parameters
        ----------
        images
            One image or many: a path, a folder, a uint8 array (H, W), (H, W, 1) or (H, W, 3), a batch
            (N, H, W) or (N, H, W, C), or any iterable of these, also a generator, of which only two
            batches are in memory at a time.

        Returns
        -------
        list of Prediction
            One for each image, in order; a list of one for a single image.
        """
        return list(self.stream(images))

    def stream(self, images: Any, batch: int | None = None) -> Iterator[Prediction]:
        """Yield predictions while images still come: for generators without end.

        Parameters
        ----------
        images
            As for :meth:`predict`.
        batch
            Images in a run; fewer bring answers sooner. None takes the largest.
        """
        for logits in self._logits(images, batch):
            yield from self._interpreter.predictions(logits)

    def logits(self, images: Any) -> np.ndarray:
        """Return the hardware's integers, int32, shape (N, classes); images as for :meth:`predict`."""
        parts = list(self._logits(images))
        return np.concatenate(parts) if parts else np.empty((0, len(self.classes)), np.int32)

    def _logits(self, images: Any, batch: int | None = None) -> Iterator[np.ndarray]:
        """Yield logits batch by batch: one batch is prepared while another one runs."""
        if self._streaming:
            raise DriverError(
                "this classifier works on other images already", "finish or close the earlier stream first"
            )
        size = self.batch if batch is None else min(max(1, batch), self.batch)
        backend, handles = self._backend, deque()  # type: Any, deque[Any]
        self._streaming = True
        try:
            batches = self._batcher.batches(images, size, backend.poll)
            while True:
                begun = time.perf_counter()
                prepared = next(batches, None)
                self._preprocessing_s += time.perf_counter() - begun
                if prepared is None:
                    break
                if len(handles) == backend.depth:
                    yield backend.result(handles.popleft())
                handles.append(backend.submit(prepared))
            while handles:
                yield backend.result(handles.popleft())
        except BaseException:  # also Ctrl-C, and a stream that is closed early
            backend.abort()
            raise
        finally:
            self._streaming = False

    # -- checks ------------------------------------------------------------------------------------

    def validate(self, raise_on_mismatch: bool = True) -> ValidationReport:
        """Run the zip's golden vectors and compare every integer.

        Parameters
        ----------
        raise_on_mismatch
            False returns the differences instead.

        Raises
        ------
        MismatchError
            An integer differs: names image, class, got, expected.
        """
        golden = self.deploy.golden()
        begun = time.monotonic()
        mismatches = compare(self.logits(golden.images), golden.logits_int)
        report = ValidationReport(
            "the golden vectors", len(golden.images), mismatches, time.monotonic() - begun
        )
        if raise_on_mismatch:
            report.raise_for_mismatch()
        return report

    def check(self, images: Any, raise_on_mismatch: bool = True) -> ValidationReport:
        """Compare the hardware with the integer model on any images.

        Parameters
        ----------
        images
            As for :meth:`predict`.
        raise_on_mismatch
            False returns the differences instead.

        Raises
        ------
        MismatchError
            An integer differs: names image, class, got, expected.
        """
        begun = time.monotonic()
        count, mismatches = 0, []
        for shared in self._batcher.batches(images, self.batch):
            prepared = shared.copy()
            mismatches += compare(self.logits(prepared), self.model.logits(prepared), count)
            count += len(prepared)
        report = ValidationReport("the integer model", count, mismatches, time.monotonic() - begun)
        if raise_on_mismatch:
            report.raise_for_mismatch()
        return report

    # -- speed -------------------------------------------------------------------------------------

    def benchmark(self, frames: int = 512, images: Any = None, singles: int = 100) -> BenchmarkReport:
        """Measure throughput, latency and where the time goes.

        Parameters
        ----------
        frames
            Images of the throughput run.
        images
            Pictures to run, a sequence or an array; None takes the golden images at twice their height
            and width, so that preprocessing has its work to do.
        singles
            Images of the latency run, one at a time.
        """
        if frames < 1 or singles < 1:
            raise DriverError(f"a benchmark needs images, not {frames} and {singles}", "ask for at least 1")
        if images is None:
            images = self.deploy.golden().images.repeat(2, axis=1).repeat(2, axis=2)
        pictures = [images[i % len(images)] for i in range(frames)]
        timings = self._backend.timings
        before, preprocessing = self.counters(), self._preprocessing_s
        transfer, wait = timings.transfer_s, timings.wait_s
        begun = time.perf_counter()
        self.predict(iter(pictures))
        seconds = time.perf_counter() - begun
        preprocessing = self._preprocessing_s - preprocessing
        transfer, wait = timings.transfer_s - transfer, timings.wait_s - wait
        after, info = self.counters(), self.info()
        hardware_fps = counted = None
        compute = wait / frames
        if after is not None and before is not None and info.clock_hz:
            counted = after - before
            compute = counted.busy_cycles / info.clock_hz / frames
            hardware_fps = counted.frames * info.clock_hz / max(1, counted.busy_cycles)
        return BenchmarkReport(
            frames=frames,
            batch=self.batch,
            fps=frames / seconds,
            latency_s=self._latency(pictures[:singles]),
            hardware_fps=hardware_fps,
            preprocessing_s=preprocessing / frames,
            transfer_s=transfer / frames,
            compute_s=compute,
            counters=None if counted is None else counted.to_dict(),
            note=info.note,
        )

    def _latency(self, pictures: list[Any]) -> dict[str, float]:
        times = []
        for picture in pictures:
            prepared = self.preprocess(picture)[None]
            begun = time.perf_counter()
            self.logits(prepared)
            times.append(time.perf_counter() - begun)
        values = np.percentile(times, _PERCENTILES)
        latency = {f"p{percent}": float(value) for percent, value in zip(_PERCENTILES, values)}
        latency["max"] = max(times)
        return latency
