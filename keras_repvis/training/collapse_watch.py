"""A warning when a generator comes to draw one colour, or one image whatever it is given."""

import logging

import keras

from keras_repvis import checks

_log = logging.getLogger(__name__)
_MEANING = {
    "contrast": "the pixels of the images drawn vary {share:.1%} as much as those of real ones: nearly one colour",
    "diversity": "seen from afar, the images drawn vary {share:.1%} as much as real ones: nearly one image for all",
}


class CollapseWatch(keras.callbacks.Callback):
    """Keras callback that warns of a `CycleGAN` whose translations have collapsed, naming the epoch.

    It looks at what the learner logs at the end of each epoch, `contrast_*` and `diversity_*`, and warns when one has
    fallen below its limit; again only after it had risen above it. A generator that has just been made draws grey, so
    the first epoch is passed over.

    Args:
        contrast: Number >= 0, limit of the standard deviation of the pixels as a share of that of real images.
        diversity: Number >= 0, the same for images seen from afar.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> watch = keras_repvis.training.CollapseWatch(contrast=0.1)
        >>> watch.find({"contrast_ab": 0.04, "contrast_ba": 0.9, "diversity_ab": 0.5, "adversarial_ab": 0.0})
        ['contrast_ab']
    """

    def __init__(self, contrast=0.05, diversity=0.02):
        super().__init__()
        self.limits = {
            "contrast": checks.number("contrast", contrast, low=0),
            "diversity": checks.number("diversity", diversity, low=0),
        }
        self._low = set()

    def find(self, logs):
        """Return the names in `logs`, a dict of floats, whose value is below its limit, a list."""
        parts = {name: name.partition("_")[0] for name in logs}
        return [name for name, kind in parts.items() if kind in self.limits and logs[name] < self.limits[kind]]

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        found = self.find(logs) if epoch else []
        for name in found:
            if name not in self._low:
                meaning = _MEANING[name.partition("_")[0]].format(share=logs[name])
                message = "epoch %d: %s is %.3g: %s. The translation has collapsed."
                _log.warning(message, epoch + 1, name, logs[name], meaning)
        self._low = set(found)
