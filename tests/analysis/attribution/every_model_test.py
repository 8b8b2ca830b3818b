"""Every method on every kind of model: flat, nested, subclassed, reloaded, of mixed precision; see rows.py."""

import keras
import numpy as np
import pytest

from keras_repvis.analysis.attribution import catalog

layers = keras.layers
SIZE, LAYER_SIZE = (12, 12, 3), (5, 5)
IMAGES = np.random.default_rng(0).random((3, *SIZE), "float32")
TARGETS = [2, 0, 1]


@keras.saving.register_keras_serializable("every_model_test")
class Subclassed(keras.Model):
    """A model within a model and a head, called by hand."""

    def __init__(self, inner, head, **options):
        super().__init__(**options)
        self.inner, self.head = inner, head

    def call(self, inputs):
        return self.head(keras.ops.mean(self.inner(inputs), axis=(1, 2)))

    def get_config(self):
        inner, head = (keras.saving.serialize_keras_object(part) for part in (self.inner, self.head))
        return {**super().get_config(), "inner": inner, "head": head}

    @classmethod
    def from_config(cls, config):
        parts = {name: keras.saving.deserialize_keras_object(config.pop(name)) for name in ("inner", "head")}
        return cls(**parts, **config)


def chain(inputs, members):
    for member in members:
        inputs = member(inputs)
    return inputs


def parts(first, second):
    """The layers of a small network up to its last activation; `first` and `second` are its activations."""
    norm = layers.BatchNormalization(name="norm")
    return [
        layers.Conv2D(8, 3, name="first"), norm, first,
        layers.Conv2D(6, 3, padding="same", name="second"), layers.MaxPooling2D(2, name="pool"), second,
    ]


def mixed():
    """Half precision, a ReLU6 and a rectifier that is no layer."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input(SIZE)
        hidden = chain(inputs, parts(layers.Activation("relu6", name="relu6"), keras.ops.relu))
        return keras.Model(inputs, layers.Dense(4, dtype="float32")(layers.GlobalAveragePooling2D()(hidden)))
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def model_of(tmp_path_factory):
    """Function of a kind that returns the model, made once."""
    keras.utils.set_random_seed(1)
    members, head = parts(layers.ReLU(name="relu"), layers.ReLU(name="last_relu")), layers.Dense(4, name="logits")
    inputs = keras.Input(SIZE)
    flat = keras.Model(inputs, head(layers.GlobalAveragePooling2D()(chain(inputs, members))))
    members[1].set_weights(list(np.random.default_rng(2).uniform(0.5, 1.5, (4, 8)).astype("float32")))

    def nested():
        inputs, inside = keras.Input(SIZE), keras.Input(SIZE)
        innermost = keras.Sequential([keras.Input(SIZE), *members[:3]], name="innermost")
        inner = keras.Model(inside, chain(innermost(inside), members[3:]), name="inner")
        return keras.Model(inputs, head(layers.GlobalAveragePooling2D()(inner(inputs))))

    def subclassed():
        model = Subclassed(keras.Sequential([keras.Input(SIZE), *members], name="inner"), head)
        model(IMAGES)
        return model

    def reloaded():
        path = tmp_path_factory.mktemp("reloaded") / "model.keras"
        subclassed().save(path)
        return keras.saving.load_model(path)

    makers = {"flat": lambda: flat, "nested": nested, "subclassed": subclassed, "reloaded": reloaded}
    makers["mixed_float16"] = mixed
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = makers[kind]()
        return made[kind]

    return get


@pytest.fixture(scope="module")
def flat_result(model_of, rows):
    """Function of a method's name that returns what it finds of the flat model, or None if it refuses it."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = rows.explain(rows.ROWS[name], model_of("flat"), "flat", IMAGES, TARGETS, LAYER_SIZE)
        return made[name]

    return get


def test_every_method_is_in_the_table(rows):
    assert {name for name in catalog.names() if not catalog.ENTRIES[name].needs} - set(rows.ROWS) == set()


def test_maps_of_every_kind_of_model(method_name, model_kind, model_of, flat_result, rows):
    row, flat = rows.ROWS[method_name], flat_result(method_name)
    result = flat
    if model_kind != "flat":
        result = rows.explain(row, model_of(model_kind), model_kind, IMAGES, TARGETS, LAYER_SIZE)
    if result is not None and flat is not None and model_kind in rows.EQUAL:
        rows.close(result.maps, flat.maps, row.tolerance)


def test_no_map_depends_on_the_images_beside_it(method_name, model_of, flat_result, rows):
    row, whole = rows.ROWS[method_name], flat_result(method_name)
    if whole is None:
        return
    cut = row.make(model_of("flat"), batch_size=1)(IMAGES, TARGETS)
    rows.close(cut.maps, whole.maps, row.tolerance)
    for name, value in whole.diagnostics.items():
        rows.close(cut.diagnostics[name], value, 10 * row.tolerance)
