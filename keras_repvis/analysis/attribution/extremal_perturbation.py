"""Extremal perturbation: of all smooth masks of a given area, the one that makes the output largest.

For each area a of several,

    max_m  R(f(x perturbed where m is 0)) - w_t penalty_a(m),

where m is a smooth max-convolution of parameters (`smooth_max`), `penalty_a` is 0 if and only if m is binary with the
area a (`area_penalty`), and the perturbation is the strength of a blur or of a fade (`blur_pyramid`). The weight w_t =
300 x 1.0035^t makes a constraint of the penalty. The variants are

    preserve:  R = f(keep m)                 the region that suffices
    delete:    R = -f(keep 1 - m)            the region that is needed
    dual:      R = f(keep m) - f(keep 1 - m)

with the reward "simple" for f and "contrastive" for f_c - max over other classes. The map is the sum of the masks over
the areas, blurred.

Every image has a mask an area, and all of them are optimised together, `batch_size` of them at once: gradient ascent
works number by number, so each is found as if it were alone.

Sizes in pixels are those of the reference code, for images of 224 pixels, times the shorter side / 224.

Differs from the reference code: images are in [0, 1], so what stands beyond the border and what images fade to is
`fill`, by default the mean colour of each image, where it is 0 after the network's own normalisation, the mean colour
of its data; where the mask is 1 its gradient is that from below, there 0; values that are equal share the ones of the
constraint, where chance decides; the model's weights keep their gradients.
"""

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import area_penalty, blur_pyramid, gaussian_blur, gradient, masking
from keras_repvis.analysis.attribution import targets as targets_
from keras_repvis.analysis.attribution.iterated import Iterated
from keras_repvis.analysis.attribution.smooth_max import SmoothMax
from keras_repvis.analysis.unsupported import UnsupportedModelError

_PAPER = {
    "areas": (0.025, 0.05, 0.1, 0.2),
    "steps": 800,
    "learning_rate": 0.01,
    "momentum": 0.9,
    "area_weight": 300.0,
    "area_growth": 1.0035,
    "spacing": 7,
    "disc_scale": 21,
    "max_blur": 20.0,
    "levels": 8,
    "smoothing": 0.09,
    "flip": True,
}
PRESETS = {
    # Constants of TorchRay, areas for PASCAL VOC.
    "fong_patrick_vedaldi_2019": _PAPER,
    # Areas for COCO, whose objects are smaller.
    "fong_patrick_vedaldi_2019_coco": {**_PAPER, "areas": (0.018, 0.025, 0.05, 0.1)},
}
VARIANTS = ("preserve", "delete", "dual")
REWARDS = ("simple", "contrastive")
# The shorter side of an image that sizes in pixels are meant for.
_SIDE = 224


class ExtremalPerturbation(Iterated):
    """Map of the regions of given areas that the output depends on most.

    Args:
        model: `keras.Model` of any kind, or a differentiable function of images; see `Method`.
        areas: Number or sequence of numbers in (0, 1), shares of the image; None for the preset's.
        variant: "preserve" (default), "delete" or "dual".
        reward: "simple" (default), f; or "contrastive", f of the class minus the largest of another class.
        perturbation: "blur" (default) or "fade".
        steps: Integer >= 1; None for the preset's 800.
        learning_rate: Number > 0; None for the preset's 0.01.
        momentum: Number in [0, 1]; None for the preset's 0.9. What is new counts 1 - momentum after the first step.
        area_weight: Number >= 0, of the penalty at the first step; None for the preset's 300.
        area_growth: Number > 0, of the weight a step; None for the preset's 1.0035.
        spacing: Integer >= 1, between parameters in pixels; None for 7 at 224.
        disc_scale: Integer >= 1, of their discs in pixels, whose radius is half of it; None for 21 at 224.
        max_blur: Number > 0, largest standard deviation in pixels; None for 20 at 224.
        levels: Integer >= 2, of the pyramid; None for the preset's 8.
        smoothing: Number >= 0, standard deviation of the blur of the map, as a share of the shorter side; None for the
            preset's 0.09.
        flip: Whether the image is mirrored at every other step; None for the preset's True.
        fill: What is beyond the border, and what "fade" fades to: a number, an array that broadcasts to (height,
            width, channels), or "mean" (default) for the mean colour of each image.
        preset: "fong_patrick_vedaldi_2019" or "fong_patrick_vedaldi_2019_coco", where the values come from that are
            not given.
        **options: `input_index`, `score`, `batch_size`; see `Method`. Each area takes a copy of the image, "dual" two.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score; or a
            mask over the outputs, or a function of them.

    Returns:
        `Attribution`; diagnostics "score" (f of the image), "target" (the class explained, where one is), and for each
        area, (batch, areas, ...): "masks" (of the image, not blurred), "area" (reached, with the margin that the
        constraint counts), "score_preserved" and "score_deleted" (f with the mask, and with all but it, preserved).

    Raises:
        UnsupportedModelError: If no gradient reaches the image, the outputs have no classes and `targets` does not say
            what to explain, or `reward` is "contrastive" and no class is explained.
        ValueError: If an argument is not accepted, or images or targets do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.ExtremalPerturbation(model, areas=(0.1, 0.2), steps=2)
        >>> result = method(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3)
        >>> result.maps.shape, result.diagnostics["masks"].shape
        ((2, 32, 32), (2, 2, 32, 32))

    Reference:
        Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", 2019,
        section 3. Constants: TorchRay.
    """

    def __init__(
        self,
        model,
        areas=None,
        variant="preserve",
        reward="simple",
        perturbation="blur",
        steps=None,
        learning_rate=None,
        momentum=None,
        area_weight=None,
        area_growth=None,
        spacing=None,
        disc_scale=None,
        max_blur=None,
        levels=None,
        smoothing=None,
        flip=None,
        fill="mean",
        preset="fong_patrick_vedaldi_2019",
        **options,
    ):
        super().__init__(model, **options)
        constants = PRESETS[checks.one_of("preset", preset, PRESETS)]
        self.variant = checks.one_of("variant", variant, VARIANTS)
        self.reward = checks.one_of("reward", reward, REWARDS)
        self.perturbation = checks.one_of("perturbation", perturbation, blur_pyramid.KINDS)
        self.areas = _read_areas(constants["areas"] if areas is None else areas)
        self.steps = int(_number("steps", steps, constants, low=1, integer=True))
        self.learning_rate = float(_number("learning_rate", learning_rate, constants, above=0))
        self.momentum = float(_number("momentum", momentum, constants, low=0, high=1))
        self.area_weight = float(_number("area_weight", area_weight, constants, low=0))
        self.area_growth = float(_number("area_growth", area_growth, constants, above=0))
        self.levels = int(_number("levels", levels, constants, low=2, integer=True))
        self.smoothing = float(_number("smoothing", smoothing, constants, low=0))
        # Sizes in pixels; None where they are the preset's, which change with the image.
        self.spacing = spacing if spacing is None else int(checks.number("spacing", spacing, low=1, integer=True))
        self.disc_scale = disc_scale if disc_scale is None else int(
            checks.number("disc_scale", disc_scale, low=1, integer=True)
        )
        self.max_blur = max_blur if max_blur is None else float(checks.number("max_blur", max_blur, above=0))
        self._pixels = {name: constants[name] for name in ("spacing", "disc_scale", "max_blur")}
        self.flip = constants["flip"] if flip is None else bool(flip)
        self.fill = masking.check_fill(fill)
        self._copies = 2 if variant == "dual" else 1

    def _run(self, inputs, index, structure, select, values, *companions):
        if self.reward == "contrastive" and not targets_.is_class(select):
            raise UnsupportedModelError(
                "reward='contrastive': the targets do not name a class, so there is no other class. Give class "
                "indices, or reward='simple'."
            )
        count, several = len(values), len(self.areas)
        copies = [np.repeat(array, several, axis=0) for array in (*inputs, values)]
        areas = np.tile(np.asarray(self.areas, "float32"), count)
        maps, diagnostics = super()._run(copies[:-1], index, structure, select, copies[-1], areas)
        found = {name: array.reshape(count, several, *array.shape[1:]) for name, array in diagnostics.items()}
        found.update({name: array[:, 0] for name, array in found.items() if name in ("score", "target")})
        return maps.reshape(count, several, *maps.shape[1:]).sum(axis=1), found

    def _plan(self, batch, height, width):
        return self.steps, 1

    def _begin(self, query, areas):
        images = query.images
        color = masking.background(images, self.fill)
        max_blur = self._in_pixels("max_blur", images)
        pyramid = blur_pyramid.build(images, self.perturbation, self.levels, max_blur, color)
        parameters = tf.ones((tf.shape(images)[0], *self._smooth_max(images).grid))
        state = {"parameters": parameters, "velocity": tf.zeros_like(parameters)}
        return {"levels": blur_pyramid.pairs(pyramid), "areas": areas}, state

    def _step(self, query, fixed, state, step, group):
        smooth_max = self._smooth_max(query.images)
        whole = smooth_max(state["parameters"])
        masks = smooth_max.crop(whole)
        rewards = self._rewards(query, fixed["levels"], masks, step)
        weight = self.area_weight * tf.pow(self.area_growth, tf.cast(step, "float32"))
        penalty = weight * area_penalty.area_penalty(whole, fixed["areas"])
        upstream = tf.gradients(penalty, whole)[0]
        upstream -= smooth_max.uncrop(gradient.propagate(rewards, masks, self._name()))
        found = tf.gradients(whole, state["parameters"], grad_ys=upstream)[0]
        new = tf.where(step == 0, 1.0, 1 - self.momentum)
        velocity = self.momentum * state["velocity"] + new * found
        parameters = tf.clip_by_value(state["parameters"] - self.learning_rate * velocity, 0.0, 1.0)
        return {"parameters": parameters, "velocity": velocity}

    def _end(self, query, fixed, state):
        smooth_max = self._smooth_max(query.images)
        whole = smooth_max(state["parameters"])
        masks = smooth_max.crop(whole)
        preserved, deleted = (
            query.score(query.outputs(blur_pyramid.apply(fixed["levels"], some))) for some in (masks, 1 - masks)
        )
        sigma = self.smoothing * min(query.images.shape[1:3])
        return gaussian_blur.blur_maps(masks, sigma, "zero"), {
            "masks": masks,
            "area": tf.reduce_mean(whole, axis=(1, 2)),
            "score_preserved": preserved,
            "score_deleted": deleted,
        }

    def _rewards(self, query, levels, masks, step):
        """Return what the masks should make large, (batch,)."""
        kept = {"preserve": [masks], "delete": [1 - masks], "dual": [masks, 1 - masks]}[self.variant]
        images = [blur_pyramid.apply(levels, some) for some in kept]
        images = images[0] if len(images) == 1 else tf.stack(images, axis=1)
        images = tf.ensure_shape(tf.reshape(images, (-1, *query.images.shape[1:])), (None, *query.images.shape[1:]))
        if self.flip:
            images = tf.cond(step % 2 == 0, lambda: tf.reverse(images, [2]), lambda: images)
        outputs = query.outputs(images)
        scores = query.score(outputs)
        if self.reward == "contrastive":
            scores -= query.rival(outputs)
        if self.variant == "dual":
            scores = tf.reshape(scores, (-1, 2))
            return scores[:, 0] - scores[:, 1]
        return scores if self.variant == "preserve" else -scores

    def _smooth_max(self, images):
        spacing, scale = (max(1, round(self._in_pixels(name, images))) for name in ("spacing", "disc_scale"))
        return SmoothMax(*images.shape[1:3], spacing, scale)

    def _in_pixels(self, name, images):
        """Return a size in pixels of the image: the one given, or the preset's, which is for 224 pixels."""
        given = getattr(self, name)
        return self._pixels[name] * min(images.shape[1:3]) / _SIDE if given is None else given


def _read_areas(areas):
    areas = (areas,) if np.ndim(areas) == 0 else tuple(areas)
    if not areas:
        raise ValueError(f"areas={areas!r} is not accepted: expected at least one share of the image.")
    for area in areas:
        checks.number("areas", area, above=0)
        if area >= 1:
            raise ValueError(f"areas={areas!r} is not accepted: expected shares of the image, less than 1.")
    return tuple(float(area) for area in areas)


def _number(name, value, constants, **bounds):
    return checks.number(name, constants[name] if value is None else value, **bounds)
