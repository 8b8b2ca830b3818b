"""Unpaired translation from one record: data, networks, learner and optimisers, put into the training loop."""

import dataclasses

import keras
import numpy as np

from keras_repvis import checks
from keras_repvis.data.image_domain import ImageDomain
from keras_repvis.data.unpaired_stream import UnpairedStream
from keras_repvis.models.cyclegan.patch_discriminator import PatchDiscriminator
from keras_repvis.models.cyclegan.pixel_discriminator import PixelDiscriminator
from keras_repvis.models.cyclegan.resnet_generator import ResNetGenerator
from keras_repvis.models.cyclegan.unet_generator import UNetGenerator
from keras_repvis.training import fitting, precision, replica_state, replicas
from keras_repvis.training.collapse_watch import CollapseWatch
from keras_repvis.training.cyclegan import CycleGAN
from keras_repvis.training.global_gradient import GlobalGradientOptimizer
from keras_repvis.training.image_grid import ImageGrid
from keras_repvis.training.run_directory import RunDirectory
from keras_repvis.training.schedules import make_schedule

_SAMPLES = 4  # Rows of the image grids.


@dataclasses.dataclass(frozen=True)
class TrainedTranslation:
    """What `train_translation` returns.

    Args:
        model: Trained `CycleGAN`, with `generator_ab` and `generator_ba`.
        history: List of dicts, one an epoch: "epoch" (from 1), "cycle_a_error", ...
        train: `data.UnpairedStream` it was trained on.

    Example:
        >>> keras_repvis.training.TrainedTranslation(model=None, history=[{"epoch": 1}], train=None).history
        [{'epoch': 1}]
    """

    model: CycleGAN
    history: list
    train: UnpairedStream


def train_translation(
    config,
    run_dir=None,
    run_files=None,
    save_minutes=10,
    save_steps=0,
    accept_changes=False,
    callbacks=(),
    progress=True,
):
    """Train two generators, A -> B and B -> A, with `training.fit`.

    With a run directory, images/epoch_00001.png and so on show after each epoch, in each row, an image a of A, G(a) and
    F(G(a)), and an image b of B, F(b) and G(F(b)). A translation that collapses is warned of, see `CollapseWatch`.

    Args:
        config: `Translation`.
        run_dir: Directory that keeps the log, the checkpoints and the images, or None. A run found there goes on after
            its newest good checkpoint.
        run_files: Dict of file name to text to put there before the first step, or None.
        save_minutes: Number > 0, longest time between two checkpoints; one is saved after each epoch anyway.
        save_steps: Integer >= 0, steps between two checkpoints; 0 for none but those.
        accept_changes: Whether to go on with a run that began with another `config`.
        callbacks: Sequence of Keras callbacks.
        progress: Whether to report progress on stderr.

    Returns:
        `TrainedTranslation`.

    Raises:
        ValueError: If the data cannot be read, or the networks cannot take them.
        ChangedSettingsError, CheckpointError, NonFiniteError, Interrupted: See `fit`.

    Example:
        >>> config = keras_repvis.training.Translation(
        ...     split_a="trainA[:2]", split_b="trainB[:2]", image_size=16, blocks=1, filters=2,
        ...     discriminator_layers=1, discriminator_filters=2, epochs=1)
        >>> trained = keras_repvis.training.train_translation(config, progress=False)
        >>> trained.model.generator_ab.output_shape, trained.history[0]["step"]
        ((None, None, None, 3), 2)
    """
    checks.number("save_minutes", save_minutes, above=0)
    checks.number("save_steps", save_steps, low=0, integer=True)
    strategy = replicas.strategy(config.strategy, config.devices)
    stream = open_pairs(config)
    channels = [shape[-1] for shape in stream.image_shapes]
    validation = open_validation_pairs(config) if config.validation_split_a else None
    steps_per_epoch = stream.steps(strategy.num_replicas_in_sync)
    # Last before the weights are drawn: opening data may draw numbers too.
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        learner = build_cyclegan(config, *channels)
        learner.compile(*(_optimizer(config, steps_per_epoch) for _ in range(2)))
    watches = [CollapseWatch()]
    if run_dir and replicas.is_chief(strategy):
        watches.append(ImageGrid(_samples(config, learner), run_dir, columns=6))
    # Not before the data are known to be there: bad input leaves nothing behind.
    run = RunDirectory(run_dir) if run_dir else None
    history = fitting.fit(
        learner,
        stream,
        config.epochs,
        validation,
        run=run,
        save_minutes=save_minutes,
        save_steps=save_steps,
        settings=config.settings(),
        accept_changes=accept_changes,
        texts=run_files,
        on_non_finite=config.on_non_finite,
        callbacks=[*watches, *callbacks],
        progress=progress,
    )
    return TrainedTranslation(learner, history=list(history), train=stream)


def open_pairs(config):
    """Return the shuffled and augmented batches of both domains that the run trains on.

    Args:
        config: `Translation`.

    Returns:
        `data.UnpairedStream`.

    Raises:
        ValueError: If a domain is not known, empty, or its images are too small.

    Example:
        >>> keras_repvis.training.open_pairs(keras_repvis.training.Translation(batch_size=100)).batch_size
        100
    """
    return UnpairedStream(
        _domain(config, config.domain_a, config.split_a),
        _domain(config, config.domain_b, config.split_b),
        batch_size=config.batch_size,
        image_size=config.image_size,
        load_size=config.load_side,
        flip=config.flip,
        seed=config.seed,
    )


def open_validation_pairs(config):
    """Return every image of the validation splits once, in order, as a whole and not mirrored.

    Args:
        config: `Translation` with validation splits.

    Returns:
        `data.UnpairedStream`.

    Example:
        >>> config = keras_repvis.training.Translation(validation_split_a="testA", validation_split_b="testB")
        >>> keras_repvis.training.open_validation_pairs(config).steps_per_epoch
        200
    """
    splits = config.validation_split_a, config.validation_split_b
    return _whole(config, *splits, batch_size=max(config.batch_size, _least_batch(config)))


def build_cyclegan(config, channels_a=3, channels_b=3):
    """Return the run's learner, not compiled.

    Args:
        config: `Translation`.
        channels_a: Integer >= 1, channels of the images of A.
        channels_b: The same for B.

    Returns:
        `CycleGAN`, whose generators take images of any size that they admit.

    Raises:
        ValueError: If the networks do not take images of the size of the run.

    Example:
        >>> config = keras_repvis.training.Translation(blocks=1, filters=4, noise=0.1)
        >>> learner = keras_repvis.training.build_cyclegan(config)
        >>> learner.generator_ab.output_shape, learner.noise
        ((None, None, None, 3), 0.1)
    """
    with precision.policy(config.precision):
        networks = {
            "generator_ab": _generator(config, channels_a, channels_b),
            "generator_ba": _generator(config, channels_b, channels_a),
            "discriminator_a": _discriminator(config, channels_a),
            "discriminator_b": _discriminator(config, channels_b),
        }
        if config.guess_weight:
            networks |= {
                "guesser_a": _patch_discriminator(config, 2 * channels_a),
                "guesser_b": _patch_discriminator(config, 2 * channels_b),
            }
    learner = CycleGAN(
        **networks,
        objective=config.objective,
        cycle_weights=(config.cycle_weight_a, config.cycle_weight_b),
        identity_weight=config.identity_weight,
        noise=config.noise,
        guess_weight=config.guess_weight,
        gradient_penalty_weight=config.gradient_penalty_weight,
        pool_size=config.pool_size,
        seed=config.seed,
    )
    learner.build((None, config.image_size, config.image_size, channels_a))
    return learner if config.strategy == "one_device" else replica_state.set_batch_norm(learner, config.batch_norm)


def _domain(config, name, split):
    return ImageDomain(
        name, split, data_dir=config.data_dir, channels=config.channels, skip_corrupt=config.skip_corrupt
    )


def _whole(config, split_a, split_b, batch_size, cache="auto"):
    """Return a stream of images as wholes, in order."""
    return UnpairedStream(
        _domain(config, config.domain_a, split_a),
        _domain(config, config.domain_b, split_b),
        batch_size=batch_size,
        image_size=config.image_size,
        load_size=config.image_size,
        flip=False,
        shuffle=False,
        drop_remainder=False,
        cache=cache,
    )


def _least_batch(config):
    """Return the images that a batch must have so that each replica gets one."""
    return replicas.strategy(config.strategy, config.devices).num_replicas_in_sync


def _generator(config, channels, drawn):
    options = {"filters": config.filters, "norm": config.norm, "dropout": config.dropout, "output_channels": drawn}
    if config.generator == "unet":
        return _any_size(config, channels, lambda shape: UNetGenerator(shape, downsamplings=config.halvings, **options))
    options |= {"blocks": config.residual_blocks, "upsampling": config.upsampling}
    return _any_size(config, channels, lambda shape: ResNetGenerator(shape, **options))


def _discriminator(config, channels):
    if config.discriminator == "patch":
        return _patch_discriminator(config, channels)
    options = {"filters": config.discriminator_filters, "norm": config.norm}
    return _any_size(config, channels, lambda shape: PixelDiscriminator(shape, **options))


def _patch_discriminator(config, channels):
    options = {"filters": config.discriminator_filters, "norm": config.norm, "layers": config.discriminator_layers}
    return _any_size(config, channels, lambda shape: PatchDiscriminator(shape, **options))


def _any_size(config, channels, build):
    """Return a network for images of any size, after the size of the run was tried: an error comes before training."""
    network = build((None, None, channels))
    network.compute_output_shape((1, config.image_size, config.image_size, channels))
    return network


def _optimizer(config, steps_per_epoch):
    rate = config.learning_rate
    if config.schedule != "constant":
        decay = config.epochs // 2 if config.decay_epochs is None else config.decay_epochs
        options = {"rampdown_steps": decay * steps_per_epoch, "epoch_steps": steps_per_epoch}
        rate = make_schedule(config.schedule, rate, config.epochs * steps_per_epoch, **options)
    adam = keras.optimizers.Adam(rate, beta_1=config.beta_1, epsilon=1e-8)
    return GlobalGradientOptimizer(adam, loss_scale=precision.loss_scale(config.precision))


def _samples(config, learner):
    """Return the function that draws the image grids: a, G(a), F(G(a)), b, F(b), G(F(b)), row by row."""
    splits = config.split_a, config.split_b
    if config.validation_split_a:
        splits = config.validation_split_a, config.validation_split_b
    images = next(iter(_whole(config, *splits, batch_size=_SAMPLES, cache=False).dataset()))

    def draw():
        columns = []
        pair = learner.generator_ab, learner.generator_ba
        for first, there, back in zip(images, pair, reversed(pair)):
            columns += [first, drawn := there(first, training=False), back(drawn, training=False)]
        return np.stack([_in_colour(column) for column in columns], axis=1).reshape(-1, *images[0].shape[1:3], 3)

    return draw


def _in_colour(images):
    """Return images of any number of channels as three: grey ones repeated, of others the first three."""
    images = np.asarray(images)
    return images[..., :3] if images.shape[-1] >= 3 else np.repeat(images[..., :1], 3, axis=-1)
