"""Meaningful perturbation: the smallest smooth region whose deletion makes the output fall, found by optimisation.

A mask m in [0, 1] keeps the image x where it is 1 and puts x0, an image without evidence, where it is 0:

    x_m = m x + (1 - m) x0.

    deletion:      min_m  l1 sum |1 - m| + l2 TV_b(m) + E[f(x_m)]                  what is deleted is small and matters
    preservation:  min_m  l1 sum |m|     + l2 TV_b(m) - E[f(x_m)]                  what is kept is small and suffices
    hybrid:        min_m  l1 sum |1 - m| + l2 TV_b(m) + E[f(x_m)] - E[f(x_(1-m))]  both of one region

with TV_b(m) = sum (dx^2 + dy^2)^(b/2) over the cells of m, and E over small shifts of image and background against the
mask (jitter), one drawn a step. Without smoothness and jitter this is the search for an adversarial example: the mask
scatters. m has 28 cells along the shorter side; its mask is enlarged without interpolation and blurred. It begins at
the smallest disc in the middle that hides what f is about (`circular_mask`) and is found by Adam, clipped to [0, 1]
after each step, for a whole batch of images at once: Adam works number by number, so each is optimised as if it were
alone.

x0 is the image blurred, its mean colour (or `fill`), or noise around that colour, drawn at each step.

For a linear f = <w, x> and l1 = l2 = 0 the mask of the deletion game is [<w, x - x0> <= 0] in each cell; for a
constant f it is 1 everywhere.

Sizes in pixels are those of the paper, for images of 224 pixels, times the shorter side / 224; given ones are taken as
they are. The jitter enlarges the image by so many pixels and cuts a window out of it; below 2 there is none, so images
under 84 pixels have none by default.

Differs from the reference code: the gradient goes through the blur of the mask, which preset "perturb_explanations"
leaves out as that code does; that blur is not rounded to 1/255; the background is blurred at the size that the network
sees, there at that of the file, so it depended on it; noise is normal as in the paper, there uniform; preservation and
hybrid begin at the same disc, there is no code of theirs.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import circular_mask, gaussian_blur, gradient, masking, mask_variation
from keras_repvis.analysis.attribution.iterated import Iterated
from keras_repvis.analysis.attribution.mask_grid import MaskGrid

_PAPER = {
    "steps": 300,
    "learning_rate": 0.1,
    "l1_weight": 1e-4,
    "tv_weight": 1e-2,
    "tv_power": 3.0,
    "cells": 28,
    "mask_blur": 5.0,
    "image_blur": 10.0,
    "jitter": 4,
    "through_blur": True,
}
PRESETS = {
    # Fong and Vedaldi 2017, section 4.
    "fong_vedaldi_2017": _PAPER,
    # For boxes around objects, section 5: give the five best classes as a mask over the outputs.
    "fong_vedaldi_2017_localization": {**_PAPER, "l1_weight": 1e-3, "tv_power": 2.0},
    # What the released code computes.
    "perturb_explanations": {**_PAPER, "through_blur": False},
}
GAMES = ("deletion", "preservation", "hybrid")
PERTURBATIONS = ("blur", "constant", "noise")
STARTS = ("circle", "keep")
_PIXELS = ("mask_blur", "image_blur", "jitter")
# The shorter side of an image that sizes in pixels are meant for.
_SIDE = 224
_MOMENTS = (0.9, 0.999)
_EPSILON = 1e-8


class MeaningfulPerturbation(Iterated):
    """Map of the smallest smooth region that the output depends on: 1 - m, or m in the preservation game.

    Args:
        model: `keras.Model` of any kind, or a differentiable function of images; see `Method`.
        game: "deletion" (default), "preservation" or "hybrid".
        perturbation: What x0 is: "blur" (default) of the image, "constant" colour or "noise" around it.
        steps: Integer >= 1, of Adam; None for the preset's 300.
        learning_rate: Number > 0; None for the preset's 0.1.
        l1_weight: Number >= 0, l1; None for the preset's 1e-4.
        tv_weight: Number >= 0, l2; None for the preset's 1e-2.
        tv_power: Number >= 1, b; None for the preset's 3.
        cells: Integer >= 1, of the mask along the shorter side of the image, less if that has less pixels; None for
            the preset's 28.
        mask_blur: Number >= 0, standard deviation of the blur of the mask in pixels; None for 5 at 224.
        image_blur: Number >= 0, standard deviation of the blur of the image in pixels; None for 10 at 224.
        jitter: Integer >= 0, different shifts along each axis; None for 4 at 224.
        through_blur: Whether the gradient goes through the blur of the mask; None for the preset's True.
        start: "circle" (default), or "keep" for m = 1 everywhere (preservation: 0).
        fill: Colour of "constant" and middle of "noise": a number, an array that broadcasts to (height, width,
            channels), or "mean" (default) for the mean colour of each image.
        noise: Number >= 0, standard deviation of "noise", which is clipped to [0, 1]. Default 0.2.
        preset: "fong_vedaldi_2017", "fong_vedaldi_2017_localization" or "perturb_explanations", where the values come
            from that are not given.
        seed: Integer, of jitter and noise.
        score: As in `Method`; default "softmax", the paper's.
        **options: `input_index`, `batch_size`; see `Method`. The hybrid game has two copies of an image in the model.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score; or a
            mask over the outputs, or a function of them.

    Returns:
        `Attribution`, maps in [0, 1], enlarged and blurred; diagnostics "score" (f of the image), "target" (the class
        explained, where one is), "score_deleted" (f with the region replaced by x0), "score_preserved" (f with all
        else replaced), both without jitter, and "area" (mean of the map). A deletion that does not lower the score
        found nothing.

    Raises:
        UnsupportedModelError: If no gradient reaches the image, or the outputs have no classes and `targets` does not
            say what to explain.
        ValueError: If an argument is not accepted, images or targets do not fit the model, or `score` is "softmax" and
            the outputs are a distribution already.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.MeaningfulPerturbation(model, steps=2)
        >>> method(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 32, 32)

    Reference:
        Fong and Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation", 2017, section 4.
        Constants: ruthcfong/perturb_explanations.
    """

    def __init__(
        self,
        model,
        game="deletion",
        perturbation="blur",
        steps=None,
        learning_rate=None,
        l1_weight=None,
        tv_weight=None,
        tv_power=None,
        cells=None,
        mask_blur=None,
        image_blur=None,
        jitter=None,
        through_blur=None,
        start="circle",
        fill="mean",
        noise=0.2,
        preset="fong_vedaldi_2017",
        seed=0,
        score="softmax",
        **options,
    ):
        super().__init__(model, score=score, **options)
        constants = PRESETS[checks.one_of("preset", preset, PRESETS)]
        self.game = checks.one_of("game", game, GAMES)
        self.perturbation = checks.one_of("perturbation", perturbation, PERTURBATIONS)
        self.start = checks.one_of("start", start, STARTS)
        self.steps = int(_number("steps", steps, constants, low=1, integer=True))
        self.learning_rate = float(_number("learning_rate", learning_rate, constants, above=0))
        self.l1_weight = float(_number("l1_weight", l1_weight, constants, low=0))
        self.tv_weight = float(_number("tv_weight", tv_weight, constants, low=0))
        self.tv_power = float(_number("tv_power", tv_power, constants, low=1))
        self.cells = int(_number("cells", cells, constants, low=1, integer=True))
        # Sizes in pixels; None where they are the preset's, which change with the image.
        self.mask_blur = mask_blur if mask_blur is None else float(checks.number("mask_blur", mask_blur, low=0))
        self.image_blur = image_blur if image_blur is None else float(checks.number("image_blur", image_blur, low=0))
        self.jitter = jitter if jitter is None else int(checks.number("jitter", jitter, low=0, integer=True))
        self._pixels = {name: constants[name] for name in _PIXELS}
        self.through_blur = constants["through_blur"] if through_blur is None else bool(through_blur)
        self.fill = masking.check_fill(fill)
        self.noise = float(checks.number("noise", noise, low=0))
        self.seed = int(checks.number("seed", seed, integer=True))
        self._copies = 2 if game == "hybrid" else 1

    def _plan(self, batch, height, width):
        return self.steps, 1

    def _begin(self, query):
        images = query.images
        back = self._background(images)
        if self.start == "circle":
            deleted = self._grid(images).sample(circular_mask.smallest(query, self._disturb(back, self.steps)))
        else:
            deleted = tf.zeros((tf.shape(images)[0], *self._grid(images).shape))
        mask = deleted if self.game == "preservation" else 1 - deleted
        shifts = self._shifts(images)
        if shifts > 1:
            larger = [side + shifts for side in images.shape[1:3]]
            images, back = (tf.image.resize(one, larger) for one in (images, back))
        state = {"mask": mask, "first": tf.zeros_like(mask), "second": tf.zeros_like(mask)}
        return {"images": images, "back": back}, state

    def _step(self, query, fixed, state, step, group):
        mask = state["mask"]
        images, back = self._shift(query.images, fixed, step)
        energy = self._energy(query, images, self._grid(images).enlarge(mask), self._disturb(back, step))
        found = gradient.propagate(energy, mask, self._name())
        found += tf.gradients(self._penalty(mask), mask)[0]
        one, two = _MOMENTS
        first = one * state["first"] + (1 - one) * found
        second = two * state["second"] + (1 - two) * tf.square(found)
        count = tf.cast(step + 1, "float32")
        change = first / (1 - one**count) / (tf.sqrt(second / (1 - two**count)) + _EPSILON)
        return {
            "mask": tf.clip_by_value(mask - self.learning_rate * change, 0.0, 1.0),
            "first": first,
            "second": second,
        }

    def _end(self, query, fixed, state):
        mask = self._grid(query.images).enlarge(state["mask"])
        region = mask if self.game == "preservation" else 1 - mask
        back = self._disturb(self._background(query.images), self.steps)
        deleted, preserved = (
            query.score(query.outputs(masking.mix(query.images, kept, back))) for kept in (1 - region, region)
        )
        area = tf.reduce_mean(region, axis=(1, 2))
        return region, {"score_deleted": deleted, "score_preserved": preserved, "area": area}

    def _energy(self, query, images, kept, back):
        """Return what the mask should make small, without the penalties, (batch,)."""
        if self.game != "hybrid":
            scores = query.score(query.outputs(masking.mix(images, kept, back)))
            return scores if self.game == "deletion" else -scores
        both = tf.stack([masking.mix(images, kept, back), masking.mix(images, 1 - kept, back)], axis=1)
        scores = tf.reshape(query.score(query.outputs(tf.reshape(both, (-1, *images.shape[1:])))), (-1, 2))
        return scores[:, 0] - scores[:, 1]

    def _penalty(self, mask):
        size = tf.abs(mask) if self.game == "preservation" else tf.abs(1 - mask)
        variation = mask_variation.total_variation(mask, self.tv_power)
        return self.l1_weight * tf.reduce_sum(size, axis=(1, 2)) + self.tv_weight * variation

    def _grid(self, images):
        sigma = self._in_pixels("mask_blur", images)
        return MaskGrid(*images.shape[1:3], self.cells, sigma, self.through_blur)

    def _background(self, images):
        """Return x0 of each image, or the middle of its noise, of the shape of the images."""
        if self.perturbation == "blur":
            return gaussian_blur.blur(images, self._in_pixels("image_blur", images))
        return tf.zeros_like(images) + masking.background(images, self.fill)

    def _disturb(self, back, step):
        """Return the background of one step, (batch, height, width, channels)."""
        if self.perturbation != "noise":
            return back
        draws = tf.random.stateless_normal((1, *back.shape[1:]), seed=tf.stack([self.seed, 2 * step + 1]))
        return tf.clip_by_value(back + self.noise * draws, 0.0, 1.0)

    def _shifts(self, images):
        """Return how many different shifts there are along each axis."""
        return int(round(self._in_pixels("jitter", images)))

    def _shift(self, images, fixed, step):
        """Return (images, background) of one step, cut out at a place drawn for it."""
        shifts = self._shifts(images)
        if shifts <= 1:
            return images, fixed["back"]
        place = tf.random.stateless_uniform((2,), maxval=shifts, dtype="int32", seed=tf.stack([self.seed, 2 * step]))
        begin, size = tf.concat([[0], place, [0]], axis=0), [-1, *images.shape[1:]]
        return tuple(tf.ensure_shape(tf.slice(fixed[name], begin, size), images.shape) for name in ("images", "back"))

    def _in_pixels(self, name, images):
        """Return a size in pixels of the image: the one given, or the preset's, which is for 224 pixels."""
        given = getattr(self, name)
        return self._pixels[name] * min(images.shape[1:3]) / _SIDE if given is None else given


def _number(name, value, constants, **bounds):
    return checks.number(name, constants[name] if value is None else value, **bounds)
