"""The model that translates back, where the manifest of a published model names it."""

import os

from absl import app

from keras_repvis.zoo import resolving


def find(handle, root):
    """Return the handle that the training options of a published model name as "inverse"."""
    if not os.path.exists(os.path.expanduser(handle)):
        training = resolving.read_manifest(handle, root).get("training") or {}
        if isinstance(training.get("inverse"), str):
            return training["inverse"]
    raise app.UsageError("--decoder is missing: the encoder does not name its partner.")
