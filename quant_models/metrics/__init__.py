"""What is measured of a trained network: figures, the score threshold, the reject rule, pictures."""

from quant_models.metrics.measure import leading, measure, positive_class, probabilities
from quant_models.metrics.reject import choose_reject, reject_effect, unlike_images
from quant_models.metrics.threshold import choose_threshold, threshold_effect

__all__ = [
    "choose_reject",
    "choose_threshold",
    "leading",
    "measure",
    "positive_class",
    "probabilities",
    "reject_effect",
    "threshold_effect",
    "unlike_images",
]
