"""What a classifier answers: predictions and reports."""

from __future__ import annotations

from typing import Any

import numpy as np

from finnspect_driver.errors import MismatchError

UNKNOWN = "unknown"


class Prediction:
    """The answer for one image.

    Attributes
    ----------
    name : str
        Name of the class, or ``unknown`` where the score is below the zip's reject threshold.
    best_name : str
        Name of the best class, also when it was rejected.
    index : int
        Index of the best class; the lowest of several that tie.
    score : float
        Softmax of the best class over the real logits, 0 to 1.
    logits : numpy.ndarray
        int32, shape (classes,): the hardware's integers.
    real_logits : numpy.ndarray
        float64, shape (classes,): integer logit * scale + bias.
    unknown : bool
        True where the score is below the reject threshold.
    """

    __slots__ = ("best_name", "index", "logits", "name", "real_logits", "score", "unknown")

    def __init__(
        self,
        best_name: str,
        index: int,
        score: float,
        logits: np.ndarray,
        real_logits: np.ndarray,
        unknown: bool,
    ) -> None:
        self.name = UNKNOWN if unknown else best_name
        self.best_name = best_name
        self.index = index
        self.score = score
        self.logits = logits
        self.real_logits = real_logits
        self.unknown = unknown

    def __repr__(self) -> str:
        return f"Prediction({self.name!r}, index={self.index}, score={self.score:.4f})"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-able dictionary."""
        return {
            "name": self.name,
            "best_name": self.best_name,
            "index": self.index,
            "score": self.score,
            "logits": [int(value) for value in self.logits],
            "real_logits": [float(value) for value in self.real_logits],
            "unknown": self.unknown,
        }


class Interpreter:
    """Turns integer logits into predictions, as ``accelerator.json`` says.

    Parameters
    ----------
    accelerator
        ``accelerator.json``.
    """

    def __init__(self, accelerator: dict[str, Any]) -> None:
        self.classes: list[str] = list(accelerator["classes"])
        self._scale = np.asarray(accelerator["logit_scale"], np.float64)
        self._bias = np.asarray(accelerator["logit_bias"], np.float64)
        reject = accelerator.get("reject") or {"rule": "none"}
        self.threshold: float | None = None if reject["rule"] == "none" else float(reject["threshold"])

    def predictions(self, logits: np.ndarray) -> list[Prediction]:
        """Return a prediction for each row of integer logits (N, classes)."""
        real = logits.astype(np.float64) * self._scale + self._bias
        best = real.argmax(axis=1)  # the first of equals: the lowest index
        powers = np.exp(real - real.max(axis=1, keepdims=True))
        scores = powers[np.arange(len(real)), best] / powers.sum(axis=1)
        return [
            Prediction(
                self.classes[index],
                int(index),
                float(score),
                row,
                real_row,
                self.threshold is not None and float(score) < self.threshold,
            )
            for index, score, row, real_row in zip(best, scores, logits, real)
        ]


class Mismatch:
    """One logit that is not the expected one.

    Attributes
    ----------
    image, index : int
        Number of the image, index of the class.
    got, expected : int
    """

    __slots__ = ("expected", "got", "image", "index")

    def __init__(self, image: int, index: int, got: int, expected: int) -> None:
        self.image = image
        self.index = index
        self.got = got
        self.expected = expected

    def __repr__(self) -> str:
        return f"Mismatch(image={self.image}, index={self.index}, got={self.got}, expected={self.expected})"

    def to_dict(self) -> dict[str, int]:
        """Return the fields as a JSON-able dictionary."""
        return {name: getattr(self, name) for name in ("image", "index", "got", "expected")}


def compare(got: np.ndarray, expected: np.ndarray, first_image: int = 0) -> list[Mismatch]:
    """Return every difference between two arrays of logits (N, classes)."""
    return [
        Mismatch(first_image + int(i), int(k), int(got[i, k]), int(expected[i, k]))
        for i, k in np.argwhere(got != expected)
    ]


class ValidationReport:
    """What a comparison found.

    Attributes
    ----------
    against : str
        What the hardware was compared with.
    images : int
        Images that were run.
    mismatches : list of Mismatch
        Every differing logit.
    seconds : float
        Time of the whole comparison.
    """

    def __init__(self, against: str, images: int, mismatches: list[Mismatch], seconds: float) -> None:
        self.against = against
        self.images = images
        self.mismatches = mismatches
        self.seconds = seconds

    @property
    def wrong_images(self) -> list[int]:
        """Numbers of the images with a difference."""
        return sorted({mismatch.image for mismatch in self.mismatches})

    def __bool__(self) -> bool:
        return not self.mismatches

    def __str__(self) -> str:
        return (
            f"{self.images} images against {self.against}: {len(self.wrong_images)} differ "
            f"({len(self.mismatches)} logits), {self.seconds:.2f} s"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-able dictionary."""
        return {
            "against": self.against,
            "images": self.images,
            "wrong_images": self.wrong_images,
            "mismatches": [mismatch.to_dict() for mismatch in self.mismatches],
            "seconds": self.seconds,
        }

    def raise_for_mismatch(self) -> None:
        """Raise :class:`MismatchError` where something differs."""
        if self.mismatches:
            first = self.mismatches[0]
            raise MismatchError(
                f"the hardware differs from {self.against} in {len(self.wrong_images)} of {self.images} "
                f"images; first: image {first.image}, class {first.index}, got {first.got}, expected "
                f"{first.expected}",
                "load the bitstream again and repeat; if it stays, lower the clock or build again",
                self.mismatches,
            )


class BenchmarkReport:
    """Speed of a classifier; times in seconds, all measured on this machine.

    Attributes
    ----------
    frames, batch : int
        Images that were run, in batches of how many.
    fps : float
        Images a second through :meth:`predict`, preprocessing and transfers included.
    latency_s : dict
        ``p50``, ``p90``, ``p99`` and ``max`` of one image alone: transfer, compute, answer.
    hardware_fps : float or None
        What the hardware's counters say: images times clock by busy clocks. None without counters.
    preprocessing_s, transfer_s, compute_s : float
        Time an image. They overlap: their sum is more than the inverse of ``fps``.
    counters : dict or None
        What the counters counted.
    note : str
        What a reader should know.
    """

    def __init__(self, **fields: Any) -> None:
        self.frames: int = fields["frames"]
        self.batch: int = fields["batch"]
        self.fps: float = fields["fps"]
        self.latency_s: dict[str, float] = fields["latency_s"]
        self.hardware_fps: float | None = fields["hardware_fps"]
        self.preprocessing_s: float = fields["preprocessing_s"]
        self.transfer_s: float = fields["transfer_s"]
        self.compute_s: float = fields["compute_s"]
        self.counters: dict[str, int] | None = fields["counters"]
        self.note: str = fields["note"]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-able dictionary."""
        return dict(vars(self))

    def __str__(self) -> str:
        hardware = "no counters" if self.hardware_fps is None else f"{self.hardware_fps:,.1f} frames/s"
        latency = ", ".join(f"{name} {1e3 * value:.3f}" for name, value in self.latency_s.items())
        lines = [
            f"throughput   {self.fps:,.1f} frames/s ({self.frames} images, batches of {self.batch})",
            f"hardware     {hardware}",
            f"latency ms   {latency}",
            f"an image ms  preprocessing {1e3 * self.preprocessing_s:.3f}, transfer "
            f"{1e3 * self.transfer_s:.3f}, compute {1e3 * self.compute_s:.3f}",
        ]
        return "\n".join(lines + ([f"note         {self.note}"] if self.note else []))
