"""Copies that leave the model alone, layers drawn by their own initialisers, and what maps make of it."""

import random
import types

import keras
import numpy as np
import pytest

from keras_repvis import analysis, data, zoo
from keras_repvis.analysis import attribution
from keras_repvis.analysis.evaluation import measure_model_randomization
from keras_repvis.analysis.evaluation.model_copy import ModelCopy

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(6, 12, 12, 1)).astype("float32")


@keras.saving.register_keras_serializable("model_randomization_test")
class Registered(keras.Model):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.conv = layers.Conv2D(3, 3, activation="relu", name="conv")
        self.head = layers.Dense(units, name="head")

    def call(self, inputs):
        return self.head(keras.ops.mean(self.conv(inputs), axis=(1, 2)))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def functional(**options):
    image = keras.Input((12, 12, 1))
    x = layers.Conv2D(4, 3, name="conv", **options)(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU()(x)
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))


def nested():
    image = keras.Input((12, 12, 1))
    inner = keras.Sequential([keras.Input((12, 12, 1)), layers.Conv2D(4, 3, name="conv"), layers.ReLU()], name="inner")
    return keras.Model(image, layers.Dense(3, name="logits")(layers.Flatten()(inner(image))))


def shared():
    image = keras.Input((12, 12, 1))
    conv = layers.Conv2D(1, 3, padding="same", name="conv")
    return keras.Model(image, layers.Dense(3, name="logits")(layers.Flatten()(conv(conv(image)))))


def subclassed():
    model = Registered(4)
    model(IMAGES)
    return model


def local():
    class Local(keras.Model):
        def __init__(self, **options):
            super().__init__(**options)
            self.scale = self.add_weight(shape=(12, 12, 1), initializer="ones", name="scale")
            self.head = layers.Dense(3, name="head")

        def call(self, inputs):
            return self.head(keras.ops.reshape(inputs * self.scale, (-1, 144)))

    model = Local()
    model(IMAGES)
    return model


MODELS = {
    "functional": (functional, ["conv", "norm", "logits"]),
    "nested": (nested, ["inner/conv", "logits"]),
    "shared": (shared, ["conv", "logits"]),
    "subclassed": (subclassed, ["conv", "head"]),
    "local": (local, ["", "head"]),
}


@pytest.mark.parametrize("kind", MODELS)
def test_copies_are_equal_and_apart(kind):
    make, expected = MODELS[kind]
    # The same seed as below: the random weights are not those that this training would begin with, all the same.
    keras.utils.set_random_seed(1)
    model = make()
    before = [weight.numpy() for weight in model.weights]
    state = random.getstate()
    copied = ModelCopy(model, IMAGES[:2], seed=1)
    assert random.getstate() == state
    paths = [path if path != model.name else "" for path in copied.layers]
    assert paths == expected
    # Every weight is some layer's.
    assert sorted(sum(copied.layers.values(), [])) == list(range(len(model.weights)))
    copied.randomize([])
    np.testing.assert_allclose(copied.model(IMAGES), model(IMAGES), rtol=1e-6, atol=1e-6)
    copied.randomize(list(copied.layers))
    assert np.abs(np.asarray(copied.model(IMAGES)) - np.asarray(model(IMAGES))).max() > 1e-3
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_only_the_layers_asked_for_are_random_each_by_its_own_initializer():
    options = {"kernel_initializer": keras.initializers.RandomUniform(5.0, 6.0), "bias_initializer": "ones"}
    model = functional(**options)
    model.set_weights([RNG.normal(size=weight.shape) for weight in model.weights])
    copied = ModelCopy(model, IMAGES[:2])
    copied.randomize(["conv"])
    kernel, bias, *others = copied.model.get_weights()
    assert kernel.min() > 5 and kernel.max() < 6 and kernel.std() > 0.1 and (bias == 1).all()
    for found, expected in zip(others, model.get_weights()[2:]):
        np.testing.assert_array_equal(found, expected)
    copied.randomize(["norm"])
    np.testing.assert_array_equal(copied.model.get_weights()[0], model.get_weights()[0])
    for found, expected in zip(copied.model.get_weights()[2:6], (1, 0, 0, 1)):
        np.testing.assert_array_equal(found, expected)


def test_the_seed_decides_and_the_seed_of_the_training_does_not():
    model = functional(kernel_initializer=keras.initializers.GlorotUniform(seed=7))
    first, again, other = (ModelCopy(model, IMAGES[:2], seed=seed)._fresh[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    # Not the weights that training began with.
    assert min(np.abs(one - model.get_weights()[0]).max() for one in (first, other)) > 0.01


def test_layers_that_describe_the_data_stay():
    image = keras.Input((12, 12, 1))
    norm = layers.Normalization(axis=-1, name="data")
    norm.adapt(IMAGES * 3)
    model = keras.Model(image, layers.Dense(2, name="logits")(layers.Flatten()(norm(image))))
    assert list(ModelCopy(model, IMAGES[:2]).layers) == ["logits"]


def test_a_model_that_cannot_be_copied_is_refused():
    class Stubborn(keras.Model):
        def __init__(self, head):
            super().__init__()
            self.head = head

        def call(self, inputs):
            return self.head(keras.ops.reshape(inputs, (-1, 144)))

    class Forgetful(Stubborn):
        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            return cls(layers.Dense(5))

    for kind in (Stubborn, Forgetful):
        model = kind(layers.Dense(3))
        model(IMAGES)
        with pytest.raises(analysis.UnsupportedModelError, match="cannot be copied"):
            measure_model_randomization(attribution.Gradient, model, IMAGES)


class Probe:
    """A method whose map tells which weights of the model are not those of `trained`: a column a weight, and a ramp."""

    def __init__(self, model, trained, calls):
        self.model, self.trained, self.calls = model, trained, calls

    def __call__(self, images, targets):
        changed = [not np.array_equal(one, two) for one, two in zip(self.model.get_weights(), self.trained)]
        self.calls.append((changed, targets))
        maps = np.tile(np.arange(144.0).reshape(12, 12), (len(images), 1, 1))
        return types.SimpleNamespace(maps=maps, diagnostics={"target": np.full(len(images), 2)})


@pytest.mark.parametrize("mode", ["cascading", "independent"])
def test_layers_become_random_from_the_output_down(mode):
    model = functional()
    model.set_weights([RNG.normal(size=weight.shape) for weight in model.weights])
    trained, calls = model.get_weights(), []
    found = measure_model_randomization(lambda copied: Probe(copied, trained, calls), model, IMAGES, mode=mode)
    assert found.stages == (("logits",), ("norm", "conv"))
    # The model as it is, twice with all layers random, then the two stages.
    patterns = [changed for changed, _ in calls]
    below, above = [True] * 6 + [False] * 2, [False] * 6 + [True] * 2
    assert patterns == [[False] * 8, [True] * 8, [True] * 8, above, [True] * 8 if mode == "cascading" else below]
    # The class of the trained model is explained throughout.
    assert calls[0][1] is None and all((targets == 2).all() for _, targets in calls[1:])
    # A map that does not look at the weights stays the same.
    for values in found.similarities.values():
        np.testing.assert_allclose(values, 1, atol=1e-9)
    assert found.chance["spearman"].max() < 0.2
    rows = found.rows()
    assert [row["spearman"].mean for row in rows[:-1]] == pytest.approx([1, 1])
    key = "random from here up" if mode == "cascading" else "random"
    assert [row[key] for row in rows] == ["logits", "norm .. conv", "random map"]


def test_stages_by_patterns_and_by_number():
    model = functional()
    arguments = (attribution.Gradient, model, IMAGES)
    assert measure_model_randomization(*arguments, stages=1).stages == (("logits", "norm", "conv"),)
    shares = []
    found = measure_model_randomization(*arguments, layers=["logits", "n*"], progress=shares.append)
    assert found.stages == (("logits",), ("norm",)) and shares == [0.5, 1.0]
    with pytest.raises(ValueError, match="layers='convs' is not known. Did you mean 'conv'"):
        measure_model_randomization(*arguments, layers="convs")
    with pytest.raises(ValueError, match="mode='falling'"):
        measure_model_randomization(*arguments, mode="falling")


def test_a_method_that_remembers_weights_is_made_anew():
    """The map is the dense kernel, read once: without care all similarities would be 1."""
    model = functional()

    class Remembers:
        def __init__(self, copied):
            self.kernel = copied.get_layer("conv").get_weights()[0]

        def __call__(self, images, targets):
            maps = np.tile(np.resize(self.kernel, (12, 12)), (len(images), 1, 1))
            return types.SimpleNamespace(maps=maps, diagnostics={})

    found = measure_model_randomization(Remembers, model, IMAGES)
    np.testing.assert_allclose(found.similarities["spearman"][0], 1)
    assert found.similarities["spearman"][1].max() < 0.9


def test_guided_backpropagation_does_not_notice_and_the_gradient_does():
    """The finding of the paper, on digits: 32 images, the upper three quarters of the layers random."""
    model = zoo.load("repvis/mobilenet_v1_digits")
    stream = data.Stream(data.Source("repvis_digits", "test"), 32, image_size=32)
    images = next(iter(stream.dataset()))[0].numpy()
    found = {
        name: measure_model_randomization(getattr(attribution, name), model, images, stages=4)
        for name in ("Gradient", "GuidedBackprop")
    }
    for metric in ("spearman_absolute", "ssim", "hog"):
        gradient, guided = (found[name].similarities[metric] for name in ("Gradient", "GuidedBackprop"))
        # Seen with five seeds: .47-.51 .42-.45 .40-.41 and 1.0 .97-.98 .79-.80 (rank correlation).
        assert (guided[:3].mean(1) > gradient[:3].mean(1) + 0.2).all()
        # With nothing learned left neither is, but for what first layers have in common by chance.
        assert gradient[3].mean() < gradient[2].mean() - 0.05 and guided[3].mean() < guided[2].mean() - 0.3
    assert found["GuidedBackprop"].similarities["spearman_absolute"][0].min() > 0.95
