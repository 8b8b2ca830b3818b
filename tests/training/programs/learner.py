"""A learner that holds a bit of everything a checkpoint must carry, and the run that trains it on digits.

Two networks and two optimisers, batch normalisation, dropout, noise from a seed generator of its own, a pool of earlier
images in a plain TensorFlow variable, a metric, and a moving average of the weights.
"""

import hashlib

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import data, training

EPOCHS = 4


class Everything(keras.Model):
    """An autoencoder and a classifier of its code, each with an optimiser; earlier images shine through."""

    def __init__(self, rate=0.2, noise=0.05):
        super().__init__(name="everything")
        self.encoder = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(4, 3, use_bias=False),
                keras.layers.BatchNormalization(momentum=0.9),
                keras.layers.ReLU(),
                keras.layers.Flatten(),
                keras.layers.Dropout(rate),
                keras.layers.Dense(12),
            ]
        )
        self.decoder = keras.Sequential([keras.Input((12,)), keras.layers.Dense(64), keras.layers.Reshape((8, 8, 1))])
        self.classifier = keras.Sequential([keras.Input((12,)), keras.layers.Dense(10)])
        self.noise = noise
        self.seeds = keras.random.SeedGenerator(7)
        # Held in a plain list, as a learner of several pools would.
        self.pools = [tf.Variable(tf.zeros((4, 8, 8, 1)), trainable=False, name="pool")] if noise else []
        self.error = keras.metrics.Mean(name="error")
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        self.reconstruction = keras.losses.MeanSquaredError()
        self.crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.built = True

    def compile(self, **options):
        super().compile(optimizer=None, **options)
        self.coder_optimizer = keras.optimizers.Adam(
            training.make_schedule("cosine", 3e-3, steps=40, warmup_steps=4), clipnorm=1.0
        )
        self.coder_optimizer.build(self.coder_variables)
        self.class_optimizer = keras.optimizers.SGD(0.02, momentum=0.9, global_clipnorm=1.0)
        self.class_optimizer.build(self.classifier.trainable_variables)

    @property
    def coder_variables(self):
        return self.encoder.trainable_variables + self.decoder.trainable_variables

    def call(self, images, training=False):
        return self.classifier(self.encoder(images, training=training), training=training)

    def train_step(self, batch):
        images, labels = batch
        noisy = images
        if self.noise:
            noisy += self.noise * keras.random.normal(keras.ops.shape(images), seed=self.seeds)
            noisy += 0.01 * tf.reduce_mean(self.pools[0], axis=0)
            self.pools[0].assign(tf.concat([self.pools[0][1:], images[:1]], axis=0))
        with tf.GradientTape(persistent=True) as tape:
            code = self.encoder(noisy, training=True)
            error = self.reconstruction(images, self.decoder(code, training=True))
            logits = self.classifier(tf.stop_gradient(code), training=True)
            crossentropy = self.crossentropy(labels, logits)
        self.coder_optimizer.apply(tape.gradient(error, self.coder_variables), self.coder_variables)
        variables = self.classifier.trainable_variables
        self.class_optimizer.apply(tape.gradient(crossentropy, variables), variables)
        self.error.update_state(error * replicas(), sample_weight=tf.shape(images)[0])
        self.accuracy.update_state(labels, logits)
        return {"error": self.error.result(), "accuracy": self.accuracy.result()}

    def test_step(self, batch):
        images, labels = batch
        code = self.encoder(images, training=False)
        error = self.reconstruction(images, self.decoder(code)) * replicas()
        self.error.update_state(error, sample_weight=tf.shape(images)[0])
        self.accuracy.update_state(labels, self.classifier(code))
        return {"error": self.error.result(), "accuracy": self.accuracy.result()}


def replicas():
    """Return the number of replicas, by which a Keras loss object divides what each of them computes."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def train(run, strategy=None, callbacks=(), save_steps=3, rate=0.2, noise=0.05, batch_norm="synchronized"):
    """Train a fresh `Everything`, or go on with it; return it, its history and the hash of each final variable."""
    strategy = strategy or training.strategy("one_device")
    source = data.Source("repvis_digits", "train[:160]")
    stream = data.Stream(source, 16, seed=2, augment=data.Augment(shift=1))
    validation = data.Stream(data.Source("repvis_digits", "train[200:241]"), 20, shuffle=False, drop_remainder=False)
    keras.utils.set_random_seed(4)
    with strategy.scope():
        model = Everything(rate, noise)
        if strategy.num_replicas_in_sync > 1:
            training.set_batch_norm(model, batch_norm)
        model.compile()
    average = training.WeightAverage(0.9, batch_norm="copy")
    history = training.fit(
        model,
        stream,
        EPOCHS,
        validation,
        run=run,
        save_steps=save_steps,
        settings={"rate": rate},
        average=average,
        callbacks=callbacks,
        progress=False,
    )
    state = training.LearnerState(model, average.variables)
    digests = {
        f"{number} {described['name']}": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
        for number, (described, array) in enumerate(zip(state.describe(), state.read()))
    }
    return model, [dict(entry, seconds=0) for entry in history], digests
