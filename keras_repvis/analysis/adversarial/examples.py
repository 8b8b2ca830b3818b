"""What an attack returns: images, and the numbers that tell whether it was one."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class AdversarialExamples:
    """Perturbed images and what the classifier makes of them.

    Args:
        images: float32 array (batch, height, width, channels) in [0, 1].
        labels: int64 array (batch,), the labels to leave, or to reach in a targeted attack.
        predictions: int64 array (batch,), the classes of the largest output for `images`.
        clean_predictions: The same before.
        success: bool array (batch,), whether the prediction is the target, or is not the label. An image that was
            misclassified before counts as well; see `fooled`.
        clean_success: The same before.
        losses: float32 array (batch,), the objective of the attack at `images`: the higher, the better for it.
        clean_losses: The same before.
        distances: float64 array (batch,), the norm of the perturbation, in units of the pixels in [0, 1].
        zero_gradient: bool array (batch,), whether no pixel of the clean image has any influence to first order; None
            for perturbations that need no gradient. An attack by gradients says nothing about such images.

    Example:
        >>> import numpy as np
        >>> right, wrong = np.array([3, 7]), np.array([3, 1])
        >>> found = keras_repvis.analysis.adversarial.AdversarialExamples(
        ...     images=np.zeros((2, 8, 8, 1), "float32"), labels=right, predictions=wrong, clean_predictions=right,
        ...     success=wrong != right, clean_success=right != right, losses=np.zeros(2), clean_losses=np.zeros(2),
        ...     distances=np.zeros(2), zero_gradient=np.array([True, False]))
        >>> found.success_rate, found.fooled.tolist(), found.zero_gradient_share
        (0.5, [False, True], 0.5)
    """

    images: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    clean_predictions: np.ndarray
    success: np.ndarray
    clean_success: np.ndarray
    losses: np.ndarray
    clean_losses: np.ndarray
    distances: np.ndarray
    zero_gradient: np.ndarray | None = None

    @property
    def success_rate(self):
        """Share of images that are a success."""
        return float(np.mean(self.success))

    @property
    def fooled(self):
        """Bool array (batch,), whether the perturbation made it a success: it was none before."""
        return self.success & ~self.clean_success

    @property
    def zero_gradient_share(self):
        """Share of images whose gradient is exactly 0: above 0, gradients are masked and robustness is not shown."""
        return None if self.zero_gradient is None else float(np.mean(self.zero_gradient))
