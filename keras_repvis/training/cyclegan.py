"""CycleGAN: two generators that learn to translate between domains of images that do not belong together in pairs."""

import keras
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.losses.adversarial import OBJECTIVES
from keras_repvis.training.image_pool import ImagePool
from keras_repvis.training.relative_deviation import RelativeDeviation
from keras_repvis.training.translation_direction import Direction, replicas

_COARSE = 4  # Side of the maps by which the images of a batch are compared with one another.
_NETWORKS = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b", "guesser_a", "guesser_b")


@keras.saving.register_keras_serializable("keras_repvis")
class CycleGAN(keras.Model):
    """Learner of two translations, G: A -> B and F: B -> A, from images of A and of B that are no pairs.

    With the discriminators D_A and D_B, the adversarial loss adv(scores, answer) and images in units of [-1, 1],

        L_G = adv(D_B(G(a)), 1) + adv(D_A(F(b)), 1)
              + w_A mean|F(G(a) + n) - a| + w_B mean|G(F(b) + n) - b|
              + w_id (w_B mean|G(b) - b| + w_A mean|F(a) - a|)
              + w_guess (adv(Q_A(pair_a), wrong) + adv(Q_B(pair_b), wrong))
        L_D = 1/2 (adv(D_A(a), 1) + adv(D_A(pool(F(b))), 0)) + the same for D_B + adv(Q(pair), right) for Q_A and Q_B

    n is noise of standard deviation `noise`, in training only. pair_a is a and F(G(a)), channels after channels in an
    order that a coin decides for each image; the answer is 1 if the reconstruction comes first. Under "wasserstein" L_D
    has 1/2 w_gp times the gradient penalty of each discriminator besides.

    A step updates G and F on L_G with the discriminators as they are, and then these on L_D, with the images that the
    generators drew before their update; nothing is computed twice. What a weight of zero makes useless is not computed
    at all. All losses are means over the global batch.

    Logged are `generator_objective` (L_G), `discriminator_objective` (L_D), each part without its weight
    (`adversarial_ab`, `cycle_a_error`, `identity_a_error`, `discriminator_a`, ...), and three that watch the game, 'ab'
    for images of B that G draws: `contrast_ab`, the standard deviation of their pixels, channel by channel, divided by
    that of real images; `diversity_ab`, the same for 4 x 4 pixels of what they look like from afar, which falls to zero
    when all images are one; `told_apart_b`, the share of patches at which D_B gives a real image the higher score (0.5:
    none is told apart).

    Args:
        generator_ab: G, a built `keras.Model` from images in [0, 1] to images in [0, 1] of the same size.
        generator_ba: F.
        discriminator_a: D_A, a built `keras.Model` from images of A to raw scores, `(batch, height, width, 1)` or
            `(batch, 1)`.
        discriminator_b: D_B.
        objective: "least_squares", "vanilla" or "wasserstein", see `losses.AdversarialLoss`.
        cycle_weights: Numbers (w_A, w_B) >= 0.
        identity_weight: Number w_id >= 0. Above 0, A and B have the same number of channels.
        noise: Number >= 0, for images in [-1, 1]: 0.1 in the paper on self-defence.
        guess_weight: Number w_guess >= 0.
        guesser_a: Q_A, a discriminator of images of twice the channels of A; needed with a `guess_weight`.
        guesser_b: Q_B.
        gradient_penalty_weight: Number w_gp >= 0, used under "wasserstein".
        pool_size: Integer >= 0, images of each `ImagePool`.
        seed: Integer >= 0, of the pools, noise and coins.
        name: Name of the model.

    Call arguments:
        images: Images of A.

    Input shape:
        A batch to train on is (images of A, images of B), two float32 tensors `(batch, height, width, channels)` in
        [0, 1], of as many images. With pools, all images of a domain have one size.

    Output shape:
        `(batch, height, width, channels of B)`: G(a).

    Raises:
        ValueError: If a network is missing or not built, the networks' channels do not fit together, or a number is out
            of range.

    Example:
        >>> import numpy as np
        >>> from keras_repvis import models
        >>> networks = [models.ResNetGenerator((16, 16, 3), blocks=1, filters=4) for _ in range(2)]
        >>> networks += [models.PatchDiscriminator((16, 16, 3), layers=1, filters=4) for _ in range(2)]
        >>> learner = keras_repvis.training.CycleGAN(*networks)
        >>> learner.compile()
        >>> images = np.random.default_rng(0).random((2, 1, 16, 16, 3), "float32")
        >>> history = learner.fit(images[0], images[1], verbose=0).history
        >>> sorted(history)[:4]
        ['adversarial_ab', 'adversarial_ba', 'contrast_ab', 'contrast_ba']
        >>> learner.generator_ba.predict(images[1], verbose=0).shape
        (1, 16, 16, 3)

    Reference:
        Zhu, Park, Isola, Efros (2017), "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
        Networks", equations 1 to 3 and section 4. Bashkirova, Usman, Saenko (2019), "Adversarial Self-Defense for
        Cycle-Consistent GANs" (noise and guess loss). Gulrajani et al. (2017), "Improved Training of Wasserstein GANs".

    Differs from the code of the self-defence paper: reconstructions do not enter the pools as if they were generated,
    a coin is tossed for each image instead of for each batch, and both images of a pair belong together.
    """

    def __init__(
        self,
        generator_ab,
        generator_ba,
        discriminator_a,
        discriminator_b,
        objective="least_squares",
        cycle_weights=(10.0, 10.0),
        identity_weight=0.5,
        noise=0.0,
        guess_weight=0.0,
        guesser_a=None,
        guesser_b=None,
        gradient_penalty_weight=10.0,
        pool_size=50,
        seed=0,
        name="cyclegan",
        **kwargs,
    ):
        super().__init__(name=name, **{"dtype": "float32", **kwargs})
        self.generator_ab = generator_ab
        self.generator_ba = generator_ba
        self.discriminator_a = discriminator_a
        self.discriminator_b = discriminator_b
        self.guesser_a = guesser_a
        self.guesser_b = guesser_b
        self.objective = checks.one_of("objective", objective, OBJECTIVES)
        self.cycle_weights = _pair("cycle_weights", cycle_weights)
        self.identity_weight = checks.number("identity_weight", identity_weight, low=0)
        self.noise = checks.number("noise", noise, low=0)
        self.guess_weight = checks.number("guess_weight", guess_weight, low=0)
        self.gradient_penalty_weight = checks.number("gradient_penalty_weight", gradient_penalty_weight, low=0)
        self.pool_size = checks.number("pool_size", pool_size, low=0, integer=True)
        self.seed = checks.number("seed", seed, low=0, integer=True)
        channels = self._check_networks()
        self.pool_a = ImagePool(pool_size, 2 * seed, dtype="float32", name="pool_a")
        self.pool_b = ImagePool(pool_size, 2 * seed + 1, dtype="float32", name="pool_b")
        self.seeds = keras.random.SeedGenerator(seed)
        self.part_weights = self._list_weights()
        self._make_metrics(*channels)
        if not pool_size or None not in generator_ab.input_shape[1:3]:
            self.build(generator_ab.input_shape)

    def _check_networks(self):
        """Return the channels of A and B; raise `ValueError` unless all networks are there and take them."""
        wanted = _NETWORKS if self.guess_weight else _NETWORKS[:4]
        for name in wanted:
            network = getattr(self, name)
            if not isinstance(network, keras.Model) or not network.built:
                raise ValueError(f"{name}={network!r} is not accepted: expected a keras.Model that is built.")
        a, b = self.generator_ab.input_shape[-1], self.generator_ab.output_shape[-1]
        expected = {"generator_ba": b, "discriminator_a": a, "discriminator_b": b}
        expected |= {"guesser_a": 2 * a, "guesser_b": 2 * b}
        for name in wanted[1:]:
            if getattr(self, name).input_shape[-1] != expected[name]:
                raise ValueError(
                    f"{name} takes {getattr(self, name).input_shape[-1]} channels, expected {expected[name]}: "
                    f"generator_ab translates images of {a} channels to images of {b}."
                )
        if self.generator_ba.output_shape[-1] != a:
            drawn = self.generator_ba.output_shape[-1]
            raise ValueError(f"generator_ba draws {drawn} channels, expected the {a} of A.")
        if self.identity_weight and a != b:
            raise ValueError(
                f"identity_weight={self.identity_weight} is not accepted for domains of {a} and {b} channels, whose "
                "images cannot stay as they are: expected 0."
            )
        return a, b

    def _list_weights(self):
        """Return {name: weight} of the parts of both objectives, without those that count nothing."""
        (a, b), identity, guess = self.cycle_weights, self.identity_weight, self.guess_weight
        penalty = self.gradient_penalty_weight / 2 if self.objective == "wasserstein" else 0.0
        weights = {
            **{"adversarial_ab": 1.0, "adversarial_ba": 1.0, "cycle_a_error": a, "cycle_b_error": b},
            **{"identity_a_error": identity * a, "identity_b_error": identity * b, "guess_a": guess, "guess_b": guess},
            **{"discriminator_a": 1.0, "discriminator_b": 1.0},
            **{"gradient_penalty_a": penalty, "gradient_penalty_b": penalty},
            **{"guesser_a": float(guess > 0), "guesser_b": float(guess > 0)},
        }
        return {name: weight for name, weight in weights.items() if weight}

    def _make_metrics(self, channels_a, channels_b):
        names = ["generator_objective", "discriminator_objective", *self.part_weights, "told_apart_a", "told_apart_b"]
        self._means = {name: keras.metrics.Mean(name) for name in names}
        self._contrasts = {
            "b": RelativeDeviation(channels_b, "contrast_ab"),
            "a": RelativeDeviation(channels_a, "contrast_ba"),
        }
        self._diversities = {
            "b": RelativeDeviation(_COARSE**2 * channels_b, "diversity_ab"),
            "a": RelativeDeviation(_COARSE**2 * channels_a, "diversity_ba"),
        }

    def build(self, input_shape):
        size = tuple(input_shape[1:3])
        for pool, generator in ((self.pool_a, self.generator_ab), (self.pool_b, self.generator_ba)):
            if not pool.built:  # Networks of one size have had theirs built by the constructor.
                pool.build((None, *size, generator.input_shape[-1]))

    def compile(self, generator_optimizer=None, discriminator_optimizer=None, jit_compile=False, **options):
        """Give the learner its optimisers, and build them.

        Args:
            generator_optimizer: `keras.optimizers.Optimizer` or its name; by default Adam of the paper: rate 2e-4,
                beta_1 0.5, epsilon 1e-8.
            discriminator_optimizer: The same for the discriminators and guessers.
            jit_compile: Whether XLA compiles the steps, which on a CPU makes them slower.
            **options: `run_eagerly` and `steps_per_execution`, as in `keras.Model.compile`.

        Raises:
            ValueError: If both are one object, or one keeps an average of the weights (`training.WeightAverage` does).
        """
        super().compile(optimizer=None, jit_compile=jit_compile, **options)
        self.generator_optimizer = _optimizer("generator_optimizer", generator_optimizer)
        self.discriminator_optimizer = _optimizer("discriminator_optimizer", discriminator_optimizer)
        if self.generator_optimizer is self.discriminator_optimizer:
            raise ValueError("generator_optimizer and discriminator_optimizer are one object: expected two.")
        self.generator_optimizer.build(self.generator_variables)
        self.discriminator_optimizer.build(self.discriminator_variables)
        self.optimizer = self.generator_optimizer  # Whose rate is logged.

    @property
    def metrics(self):
        """List of the metrics that are logged; Keras' own "loss" would stay at zero."""
        return [*self._means.values(), *self._contrasts.values(), *self._diversities.values()]

    @property
    def generator_variables(self):
        """List of the weights that learn on L_G."""
        return [*self.generator_ab.trainable_variables, *self.generator_ba.trainable_variables]

    @property
    def discriminator_variables(self):
        """List of the weights that learn on L_D."""
        networks = [self.discriminator_a, self.discriminator_b]
        if self.guess_weight:
            networks += [self.guesser_a, self.guesser_b]
        return [variable for network in networks for variable in network.trainable_variables]

    def call(self, images, training=False):
        return self.generator_ab(images, training=training)

    def train_step(self, batch):
        a, b = _domains(batch)
        if not self.built:
            with tf.init_scope():
                self.build(tuple(a.shape))
        optimizers = self.generator_optimizer, self.discriminator_optimizer
        groups = self.generator_variables, self.discriminator_variables
        with tf.GradientTape(persistent=True) as tape:
            played, objectives = self._play(a, b, training=True)
            scaled = [optimizer.scale_loss(objective) for optimizer, objective in zip(optimizers, objectives)]
        gradients = [tape.gradient(objective, variables) for objective, variables in zip(scaled, groups)]
        for optimizer, gradient, variables in zip(optimizers, gradients, groups):
            optimizer.apply(gradient, variables)
        return self._log((a, b), played, objectives)

    def test_step(self, batch):
        a, b = _domains(batch)
        return self._log((a, b), *self._play(a, b, training=False))

    def _play(self, a, b, training):
        """Return what both translations give, and the two objectives."""
        played = [
            Direction(self, "a", "b").play(a, b, training),
            Direction(self, "b", "a").play(b, a, training),
        ]
        generators = sum(self._total(each.generators) for each in played)
        return played, [generators, sum(self._total(each.discriminators) for each in played)]

    def _total(self, parts):
        return sum(self.part_weights[name] * value for name, value in parts.items() if name in self.part_weights)

    def _log(self, images, played, objectives):
        count = tf.shape(images[0])[0]
        parts = {"generator_objective": objectives[0], "discriminator_objective": objectives[1]}
        for each in played:
            parts |= {**each.generators, **each.discriminators}
        for name, value in parts.items():
            if name in self._means:
                self._means[name].update_state(value * replicas(), sample_weight=count)
        # The domain that the first translation draws is that of the second one's images.
        for each, real, target in zip(played, reversed(images), ("b", "a")):
            self._means[f"told_apart_{target}"].update_state(each.told_apart, sample_weight=count)
            self._contrasts[target].update_state(each.drawn, real)
            self._diversities[target].update_state(_from_afar(each.drawn), _from_afar(real))
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self):
        networks = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in _NETWORKS}
        return {
            **networks,
            "objective": self.objective,
            "cycle_weights": list(self.cycle_weights),
            "identity_weight": self.identity_weight,
            "noise": self.noise,
            "guess_weight": self.guess_weight,
            "gradient_penalty_weight": self.gradient_penalty_weight,
            "pool_size": self.pool_size,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        networks = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects) for name in _NETWORKS
        }
        return cls(**{**config, **networks})

    def get_compile_config(self):
        optimizers = {name: getattr(self, name) for name in ("generator_optimizer", "discriminator_optimizer")}
        return {name: keras.saving.serialize_keras_object(value) for name, value in optimizers.items()}

    def compile_from_config(self, config):
        self.compile(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})


def _pair(argument, weights):
    if not isinstance(weights, (list, tuple)) or len(weights) != 2:
        raise ValueError(f"{argument}={weights!r} is not accepted: expected two numbers, of A and of B.")
    return tuple(checks.number(argument, weight, low=0) for weight in weights)


def _optimizer(argument, optimizer):
    if optimizer is None:
        return keras.optimizers.Adam(2e-4, beta_1=0.5, epsilon=1e-8)
    optimizer = keras.optimizers.get(optimizer)
    if getattr(optimizer, "inner_optimizer", optimizer).use_ema:
        raise ValueError(f"use_ema=True of {argument} is not accepted: use training.WeightAverage.")
    return optimizer


def _domains(batch):
    images_a, images_b, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    if images_b is None or sample_weight is not None:
        raise ValueError("A batch is not accepted: expected (images of A, images of B), without sample weights.")
    return images_a, images_b


def _from_afar(images):
    small = tf.image.resize(images, (_COARSE, _COARSE), method="area")
    return tf.reshape(small, (-1, _COARSE**2 * images.shape[-1]))
