"""Visual representations in TensorFlow and Keras 3.

A representation is a map from an image to a code. This package trains representations, shares them between domains,
limits what they may keep, translates with them, inverts, explains and compares them, and ships them through a
versioned local zoo.

Importing the package imports neither TensorFlow nor Keras: the rooms below load when they are first used. What the
package adds to Keras (serialisable layers, models, losses) and to TensorFlow Datasets (builders) is registered as
soon as both this package and the other are imported, in either order.

Example:
    >>> import keras_repvis
    >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.35)
    >>> model.output_shape
    (None, 10)
"""

import lazy_loader

from keras_repvis import registration
from keras_repvis.version import VERSION as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "analysis",
        "claims",
        "data",
        "layers",
        "losses",
        "models",
        "report",
        "training",
        "zoo",
    ],
)
__all__ += ["__version__"]

# Not the whole of training: it would import TensorFlow Datasets along with Keras.
registration.after_import(
    "keras",
    "keras_repvis.layers",
    "keras_repvis.losses",
    "keras_repvis.training.cyclegan",
    "keras_repvis.training.global_gradient",
    "keras_repvis.training.image_pool",
    "keras_repvis.training.schedules",
    "keras_repvis.zoo.keras_layer",
)
registration.after_import("tensorflow_datasets", "keras_repvis.data.builders")
