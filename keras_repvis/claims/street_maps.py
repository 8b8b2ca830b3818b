"""The experiment that the claims about CycleGAN share: photographs of towns, their maps, and what a map hides.

For each seed two CycleGANs learn on `repvis_maps`, one as it is and one with noise on the images that it translates
back (Bashkirova, Usman and Saenko, 2019). F makes maps of photographs, G photographs of maps. Then both are measured on
test towns, whose true maps are known: how well G finds the photograph again in F's map and in the true one, how small a
disturbance of F's map ends that, how G and F stretch small changes, and how little an unrelated map must change for G
to draw a given photograph. Networks, steps and measures were fixed on other seeds than those that decide.
"""

import dataclasses
import functools

import numpy as np

TALK = (
    "A. Zhmoginov, Image understanding and image-to-image translation through the lens of information loss, April 2021"
)
PAPER = "Chu, Zhmoginov and Sandler, CycleGAN, a Master of Steganography, 2017"
SIZE = 64
HALVINGS, FILTERS = 3, 24
JUDGE_LAYERS, JUDGE_FILTERS = 1, 16
CYCLE_WEIGHT = 2.0
STEPS = 6000
LEARNING_RATE = 2e-3
NOISE = 0.1
TOWNS = 50
LESSONS = 1000
DECODER_STEPS = 500
DECODER_BATCH = 4
# White noise in grey levels, a factor of 2^(1/2) apart: where a reconstruction ends is read between them.
NOISE_LEVELS = (0.0, *(2.0 ** (0.5 * step) for step in range(-4, 15)))
LOW_PASS = 1.0
CLOSE_UPS = 8
RADIUS = 3.0
SEARCH_STEPS = 200
ARMS = {"plain": 0.0, "with noise": NOISE}
BUDGET = (
    f"repvis_maps/64 (1,000 photographs and 1,000 maps of other towns; measured on {TOWNS} test towns); U-Net "
    f"generators of {HALVINGS} halvings and {FILTERS} filters, patch discriminators of {JUDGE_LAYERS} layer and "
    f"{JUDGE_FILTERS} filters, least squares, cycle weights {CYCLE_WEIGHT:g}, no identity loss; {STEPS:,} steps of "
    f"batch 1, Adam 0.5 / 0.999, learning rate {LEARNING_RATE:g} falling linearly to a twentieth; last step, no "
    f"selection; the arm with noise: standard deviation {NOISE:g} for images in [-1, 1] ({NOISE * 127.5:.3g} grey "
    "levels)"
)
LIMITS = (
    "One data set of small generated towns and thin networks that learn for minutes: it shows whether the effect is "
    "there, not its size on real aerial photographs after days of learning."
)
SECONDS = 60.0  # A seed of all nine takes as long as nine of these.


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one arm of one seed gave; errors are mean absolute differences of pixels in grey levels.

    Attributes:
        own_error: Of G(F(x)) from x, F(x) rounded to 8 bits.
        partner_error: Of G(y) from x, y the true map.
        low_pass_error: Of G(F(x)) from x, F(x) blurred by a Gaussian of one pixel.
        half_amplitude: Standard deviation in grey levels of the white noise on F(x) at which half of what F(x) tells
            more than the true map is gone: the mean error is half-way from `own_error` to `partner_error`. The largest
            level tried if it does not get there.
        code: Root mean square in grey levels of what a median of neighbours takes out of F(x).
        true_code: The same of true maps.
        decoder_gain: Largest singular value of the Jacobian of G at F(x), median over towns.
        encoder_gain: The same of F at x.
        linearity_error: Of G at F(x) along random directions of one grey level, relative to the change; median.
        search_start: Error of G(y0) from x, y0 the true map of another town.
        search_end: The same of G(y*), y* within `RADIUS` grey levels of y0, rounded to 8 bits.
    """

    own_error: float
    partner_error: float
    low_pass_error: float
    half_amplitude: float
    code: float
    true_code: float
    decoder_gain: float
    encoder_gain: float
    linearity_error: float
    search_start: float
    search_end: float


@functools.cache
def measure(arm, seed):
    """Train and measure one arm of one seed; a second call in the same process returns the first one's outcome.

    Args:
        arm: Key of `ARMS`.
        seed: Integer >= 0: weights and order of the images.

    Returns:
        `Outcome`.
    """
    from keras_repvis.analysis import information

    encoder, decoder = trained(arm, seed)
    photographs, maps = towns()
    scores = information.ReconstructionScores(encoder, decoder)(photographs, maps)
    sensitivity = information.ReconstructionSensitivity(
        encoder, decoder, noise_levels=NOISE_LEVELS, noise_widths=(0.0,), bits=(8,), jpeg_qualities=(),
        blur_widths=(LOW_PASS,), resize_factors=(), seed=seed,
    )(photographs)
    own, partner = float(scores.own_error.mean()), float(scores.partner_error.mean())
    drawn = encoder.predict(photographs, verbose=0)
    some = slice(CLOSE_UPS)
    return Outcome(
        own_error=own,
        partner_error=partner,
        low_pass_error=float(sensitivity.curves["blur"].in_8bit.error.mean()),
        half_amplitude=half_amplitude(sensitivity.curves["white noise"], own, partner),
        code=_code(drawn),
        true_code=_code(maps),
        decoder_gain=_gain(decoder, drawn[some]),
        encoder_gain=_gain(encoder, photographs[some]),
        linearity_error=_linearity(decoder, drawn[some]),
        **_search(decoder, photographs[some], np.roll(maps[some], 1, axis=0)),
    )


def half_amplitude(curve, own, partner):
    """Return the level at which the mean error of a `SensitivityCurve` reaches (own + partner) / 2, or the largest."""
    errors = curve.in_float.error.mean(axis=0)
    above = np.flatnonzero(errors >= (own + partner) / 2)
    if not len(above) or partner <= own:
        return float(curve.levels[-1])
    last = max(int(above[0]), 1)
    pair = slice(last - 1, last + 1)
    return float(np.interp((own + partner) / 2, errors[pair], curve.levels[pair]))


@functools.cache
def fresh_decoders(seed):
    """Train two decoders anew, of the same make and from the same weights, on photographs of training towns.

    Returns:
        Dict: errors in grey levels on test towns of the decoder that was given F's maps and of the one that was given
        true maps, in "F(x)" and "true map".
    """
    encoder, _ = trained("plain", seed)
    photographs, maps = towns("trainA")
    tests, test_maps = towns()
    sides = {"F(x)": [encoder.predict(one, verbose=0) for one in (photographs, tests)], "true map": [maps, test_maps]}
    return {name: _decode(_stored(given), photographs, _stored(shown), tests, seed)
            for name, (given, shown) in sides.items()}


def _decode(given, wanted, shown, expected, seed):
    import keras

    keras.utils.set_random_seed(seed)
    model = _generator()
    rate = keras.optimizers.schedules.CosineDecay(2e-3, DECODER_STEPS)
    model.compile(keras.optimizers.Adam(rate), "mae", jit_compile=False)
    order = np.random.default_rng(seed).integers(len(given), size=DECODER_STEPS * DECODER_BATCH)
    model.fit(given[order], wanted[order], batch_size=DECODER_BATCH, shuffle=False, verbose=0)
    return 255 * float(np.abs(model.predict(shown, verbose=0) - expected).mean())


def _stored(images):
    return np.round(255 * images).astype("float32") / 255


def trained(arm, seed):
    """Return F and G of one arm, trained from one seed; the same two models hold the weights of the last call."""
    learner = _learner(arm)
    weights = _weights(arm, seed)
    for network, values in zip((learner.generator_ab, learner.generator_ba), weights):
        network.set_weights(values)
    return learner.generator_ab, learner.generator_ba


@functools.cache
def _weights(arm, seed):
    learner, state, first = _learner(arm), *_first_state(arm)
    state.assign(first)
    for network, fresh in zip(_networks_of(learner), networks(seed)):
        network.set_weights(fresh.get_weights())
    learner.fit(_stream(seed).dataset(epochs=None), epochs=1, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    return [network.get_weights() for network in (learner.generator_ab, learner.generator_ba)]


@functools.cache
def _learner(arm):
    """The learner of an arm, traced once for all seeds."""
    import keras

    from keras_repvis import training

    weights = (CYCLE_WEIGHT, CYCLE_WEIGHT)
    learner = training.CycleGAN(*networks(0), cycle_weights=weights, identity_weight=0.0, noise=ARMS[arm])
    rates = [keras.optimizers.schedules.PolynomialDecay(LEARNING_RATE, STEPS, LEARNING_RATE / 20) for _ in range(2)]
    learner.compile(*(keras.optimizers.Adam(rate, beta_1=0.5, epsilon=1e-8) for rate in rates))
    return learner


@functools.cache
def _first_state(arm):
    """All that the learner of an arm holds before its first step, and how to put it back."""
    from keras_repvis import training

    state = training.LearnerState(_learner(arm))
    return state, state.read()


def networks(seed):
    """Return new networks with weights drawn from a seed: F, G, and the discriminators of photographs and of maps."""
    import keras

    from keras_repvis import models

    keras.utils.set_random_seed(seed)
    shape = (SIZE, SIZE, 3)
    judges = [models.PatchDiscriminator(shape, layers=JUDGE_LAYERS, filters=JUDGE_FILTERS) for _ in range(2)]
    return _generator(), _generator(), *judges


def _generator():
    from keras_repvis import models

    return models.UNetGenerator((SIZE, SIZE, 3), downsamplings=HALVINGS, filters=FILTERS)


def _networks_of(learner):
    return learner.generator_ab, learner.generator_ba, learner.discriminator_a, learner.discriminator_b


def _stream(seed):
    from keras_repvis import data

    domains = [data.ImageDomain(f"repvis_maps/{SIZE}", split) for split in ("trainA", "trainB")]
    return data.UnpairedStream(*domains, batch_size=1, image_size=SIZE, seed=seed)


@functools.cache
def towns(split="testA"):
    """Return photographs and true maps of the same towns in [0, 1]: `TOWNS` to test on, `LESSONS` to learn from."""
    from keras_repvis.data import two_domain_maps

    seen = list(two_domain_maps.generate(split, TOWNS if split == "testA" else LESSONS, SIZE))
    return tuple(np.stack([getattr(town, side) for town in seen]).astype("float32") / 255 for side in ("aerial", "map"))


def _code(images):
    from keras_repvis.analysis import information

    return 255 * float(np.sqrt(np.mean(np.square(information.residual(images)))))


def _gain(model, images):
    from keras_repvis.analysis import information

    return float(np.median(information.JacobianSpectrum(model, rank=4)(images).values[:, 0]))


def _linearity(model, images):
    from keras_repvis.analysis import information

    measure = information.LocalLinearity(model, amplitudes=(1 / 255,), data=0, singular=0)
    return float(np.median(measure(images).errors["random"]))


def _search(decoder, targets, starts):
    from keras_repvis.analysis import information

    found = information.AdversarialEncoding(decoder, radius=RADIUS, steps=SEARCH_STEPS)(targets, starts)
    return {"search_start": float(found.start_loss.mean()), "search_end": float(found.loss_8bit.mean())}


def numbers(outcomes):
    """Return {"what, arm": number} of all fields of outcomes, a dict of arm to `Outcome`, for the page of claims."""
    return {
        f"{field.name.replace('_', ' ')}, {arm}": getattr(outcome, field.name)
        for arm, outcome in outcomes.items()
        for field in dataclasses.fields(outcome)
    }
