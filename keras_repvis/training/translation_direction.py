"""One of the two translations that a CycleGAN learns: what it costs its generators and discriminators."""

import dataclasses

import keras
import tensorflow as tf

from keras_repvis.losses.adversarial import AdversarialLoss
from keras_repvis.losses.cycle_consistency import CycleConsistencyLoss
from keras_repvis.losses.wasserstein import gradient_penalty

# Differences and noise count in units of images in [-1, 1], as in the paper; images here are in [0, 1].
SPAN = 2.0


@dataclasses.dataclass
class Played:
    """What one step of a translation gives.

    Attributes:
        generators: {name: value} of the parts of the generators' objective, without weights. Each is this replica's
            share of the mean over the global batch.
        discriminators: The same for the discriminators.
        drawn: Images that the generator drew, without gradient.
        told_apart: Share of the patches at which the discriminator gives the real image the higher score.
    """

    generators: dict
    discriminators: dict
    drawn: tf.Tensor = None
    told_apart: tf.Tensor = None


class Direction:
    """The translation from one domain to another, "a" to "b" or back, of a `CycleGAN`.

    Args:
        learner: `CycleGAN`.
        source: "a" or "b".
        target: The other one.
    """

    def __init__(self, learner, source, target):
        self.learner = learner
        self.source = source
        self.target = target
        self.there = getattr(learner, f"generator_{source}{target}")
        self.back = getattr(learner, f"generator_{target}{source}")
        self.judge = getattr(learner, f"discriminator_{target}")
        self.guesser = getattr(learner, f"guesser_{source}")
        self.pool = getattr(learner, f"pool_{target}")
        self.adversarial = AdversarialLoss(learner.objective)
        self.guessing = AdversarialLoss("least_squares")
        self.difference = CycleConsistencyLoss(SPAN)

    def play(self, images, others, training):
        """Translate images and judge them; parts without weight are not computed.

        Args:
            images: Images of the source.
            others: As many images of the target.
            training: Whether noise, the pool and coins take part.

        Returns:
            `Played`.
        """
        weights, played = self.learner.part_weights, Played({}, {})
        drawn = self.there(images, training=training)
        scores = self.judge(drawn, training=training)
        played.generators[f"adversarial_{self.source}{self.target}"] = self._asked(1.0, scores)
        if f"cycle_{self.source}_error" in weights or self.learner.guess_weight:
            rebuilt = self.back(self._disturb(drawn) if training else drawn, training=training)
            played.generators[f"cycle_{self.source}_error"] = self.difference(images, rebuilt)
        if f"identity_{self.target}_error" in weights:
            kept = self.there(others, training=training)
            played.generators[f"identity_{self.target}_error"] = self.difference(others, kept)
        if self.learner.guess_weight:
            self._guess(images, rebuilt, training, played)
        self._judge(drawn, scores, others, training, played)
        played.drawn = tf.stop_gradient(drawn)
        return played

    def _judge(self, drawn, scores, others, training, played):
        """Add the discriminator's answers to real images and to earlier ones of the generator."""
        if training and self.pool.size:  # Without a pool the scores are those that are there already.
            drawn = self.pool(drawn)
            scores = self.judge(drawn, training=training)
        real = self.judge(others, training=training)
        answers = self._asked(1.0, real), self._asked(0.0, scores)
        played.discriminators[f"discriminator_{self.target}"] = 0.5 * sum(answers)
        name = f"gradient_penalty_{self.target}"
        if name in self.learner.part_weights:
            played.discriminators[name] = self._penalty(others, tf.stop_gradient(drawn), training)
        played.told_apart = keras.ops.mean(keras.ops.cast(real > scores, "float32"))

    def _asked(self, answer, scores):
        return self.adversarial(keras.ops.full_like(scores, answer), scores)

    def _disturb(self, images):
        noise, shape = self.learner.noise / SPAN, keras.ops.shape(images)
        if not noise:
            return images
        return images + keras.random.normal(shape, stddev=noise, dtype="float32", seed=self.learner.seeds)

    def _guess(self, images, rebuilt, training, played):
        """Add the guess which image of a pair is the reconstruction: 1 if the first one is."""
        count = keras.ops.shape(images)[0]
        honest = keras.ops.concatenate([images, rebuilt], axis=-1)
        swapped = keras.ops.concatenate([rebuilt, images], axis=-1)
        if training:
            coins = keras.random.uniform((count,), dtype="float32", seed=self.learner.seeds) > 0.5
            pairs = keras.ops.where(coins[:, None, None, None], swapped, honest)
        else:  # In both orders: nothing is random.
            coins = keras.ops.arange(2 * count) >= count
            pairs = keras.ops.concatenate([honest, swapped], axis=0)
        scores = self.guesser(pairs, training=training)
        answers = keras.ops.reshape(keras.ops.cast(coins, "float32"), (-1, *[1] * (len(scores.shape) - 1)))
        answers = answers + keras.ops.zeros_like(scores)
        played.generators[f"guess_{self.source}"] = self.guessing(1.0 - answers, scores)
        played.discriminators[f"guesser_{self.source}"] = self.guessing(answers, scores)

    def _penalty(self, real, drawn, training):
        count = keras.ops.shape(real)[0]
        shares = keras.ops.full((count,), 0.5)
        if training:
            shares = keras.random.uniform((count,), dtype="float32", seed=self.learner.seeds)
        each = gradient_penalty(lambda images: self.judge(images, training=training), real, drawn, shares, span=SPAN)
        return keras.ops.mean(each) / replicas()


def replicas():
    """Return the number of replicas, by which a Keras loss object divides what each of them computes."""
    return tf.distribute.get_strategy().num_replicas_in_sync
