"""Runs of a small classifier that meet with something: a full disk, a kill, an interruption."""

import hashlib
import json
import logging
import os
import pathlib
import resource
import signal
import time

import keras

from keras_repvis import data, training

STEPS = 4


def make_model(optimizer=None):
    """Return a compiled classifier of digits whose checkpoint has about 90 kB."""
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.2), keras.layers.Dense(100), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Without a compiled function, which takes longer to make than these runs take without it.
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], run_eagerly=True)
    return model


def make_stream():
    return data.Stream(data.Source("repvis_digits", "train[:64]"), 16, seed=1)


def train(run, epochs=4, callbacks=(), **options):
    """Train a fresh model and print the history and a hash of the state as JSON."""
    model = make_model()
    history = training.fit(model, make_stream(), epochs, run=run, callbacks=callbacks, progress=False, **options)
    state = b"".join(array.tobytes() for array in training.LearnerState(model).read())
    history = [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]
    print(json.dumps({"history": history, "digest": hashlib.sha256(state).hexdigest()}), flush=True)


def train_on_a_full_disk(run, limit=None, stop=False, save_steps=0):
    """Train while the disk is full during the second and the third of four epochs; write the warnings to stdout first.

    Args:
        limit: Bytes that a file may have at that time; None: the disk of `run` is filled but for 30 kB.
        stop: Whether SIGTERM arrives at that time.
    """
    filler = pathlib.Path(run) / "filler"
    warnings = []
    logger = logging.getLogger("keras_repvis")
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())
    logger.addHandler(handler)
    logger.propagate = False  # stderr is a file of limited length too.

    def fill():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            return
        free = os.statvfs(run).f_bavail * os.statvfs(run).f_frsize
        filler.write_bytes(bytes(free - 30000))

    def release():
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        filler.unlink(missing_ok=True)

    class Disk(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                fill()
            if epoch == 3:
                release()

        def on_train_batch_end(self, batch, logs=None):
            if stop and filler_at_work() and batch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    def filler_at_work():
        return filler.exists() or resource.getrlimit(resource.RLIMIT_FSIZE)[0] == limit

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # A write that is too long is an error then, as on a full disk.
    try:
        train(run, callbacks=[Disk()], save_steps=save_steps)
    finally:
        release()
        print(json.dumps(warnings), flush=True)


def hold(run, gate):
    """Train, and make a file after the second step and wait then until killed."""

    class Hold(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                pathlib.Path(gate).touch()
                time.sleep(1000)

    train(run, callbacks=[Hold()], save_steps=1)


def train_unheard(run):
    """Train with a report on stderr that nobody reads, and print what an interruption in epoch 2 leads to."""
    epochs = []

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            epochs.append(epoch)

        def on_train_batch_end(self, batch, logs=None):
            if epochs and batch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    try:
        training.fit(make_model(), make_stream(), 4, run=run, callbacks=[Interrupt()], progress=True)
    except training.Interrupted as interrupted:
        found = {"interrupted": interrupted.signal_number.name, "reported_epochs": len(epochs)}
        print(json.dumps(found), flush=True)
