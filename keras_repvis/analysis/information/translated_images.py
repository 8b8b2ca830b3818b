"""Single images on their way through a pair of models, to look at: encodings, reconstructions, edits.

What `corruption`, `steganography` and `edits` measure over many images, for the few that a page shows.
"""

import dataclasses

import numpy as np

from keras_repvis.analysis.information import image_corruptions, steganography
from keras_repvis.analysis.information.translation_pair import (
    GREY_LEVELS, check_images, check_reconstruction, store,
)


@dataclasses.dataclass(frozen=True)
class TranslationExamples:
    """Images, their encodings, and what is reconstructed of them; arrays (images, height, width, channels).

    Args:
        images: x.
        codes: F(x).
        enhanced: F(x) as 8 bits after adaptive histogram equalisation, or None for channels that are not 1 or 3.
        residual: What a median takes from F(x), see `steganography.residual`.
        reconstructions: Dict of what happened to the encoding -> G of it; the first, "G(F(x))", is without anything.
        partners: Real images of the domain of y beside them, or None.
        partners_enhanced: The same after equalisation, or None.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((1, 4, 4, 1))
        >>> found = TranslationExamples(images, images, images, images, {"G(F(x))": images + 2 / 255}, None, None)
        >>> found.errors("G(F(x))").round(3)
        array([2.])
    """

    images: np.ndarray
    codes: np.ndarray
    enhanced: np.ndarray | None
    residual: np.ndarray
    reconstructions: dict
    partners: np.ndarray | None
    partners_enhanced: np.ndarray | None

    def errors(self, name):
        """Return the mean absolute error (images,) of a reconstruction in grey levels."""
        return GREY_LEVELS * np.abs(self.reconstructions[name] - self.images).mean(axis=(1, 2, 3))


@dataclasses.dataclass(frozen=True)
class EditExamples:
    """Edits on their way; arrays (images, height, width, channels).

    Args:
        images: x.
        edited: x'.
        code_edit: F(x') - F(x), signed.
        reconstructed: G(F(x')).
        others: z, other images.
        others_reconstructed: G(F(z)).
        transplanted: G(F(z) + F(x') - F(x)).

    Example:
        >>> EditExamples(*range(7)).transplanted
        6
    """

    images: np.ndarray
    edited: np.ndarray
    code_edit: np.ndarray
    reconstructed: np.ndarray
    others: np.ndarray
    others_reconstructed: np.ndarray
    transplanted: np.ndarray


def translate_examples(
    pair, images, partners=None, paired=False, jpeg_quality=75, noise_levels=(1.0, 5.0), cutoff=0.25, seed=0
):
    """Return images with their encodings and with what is reconstructed after corruptions.

    Args:
        pair: `TranslationPair`.
        images: float array (images, height, width, channels) in [0, 1].
        partners: Real images of the domain of y, as many, or None.
        paired: Whether they are the true partners of the images, so that G of them is a reconstruction.
        jpeg_quality: Integer from 1 to 100, or None.
        noise_levels: Standard deviations in grey levels of white noise.
        cutoff: Of a low-pass, in cycles per pixel.
        seed: Integer >= 0, of the noise.

    Returns:
        `TranslationExamples`.

    Raises:
        ValueError: If images or partners do not fit.
        UnsupportedModelError: If the models are not a pair.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((16, 16, 1))
        >>> same = keras.Model(image, keras.layers.Identity()(image))
        >>> found = information.translate_examples(information.TranslationPair(same, same), np.zeros((1, 16, 16, 1)))
        >>> list(found.reconstructions)
        ['G(F(x))', '8 bits', 'JPEG 75', 'noise 1', 'noise 5', 'low-pass 0.25']
    """
    images = check_images("images", images)
    partners = None if partners is None else check_images("partners", partners)
    codes = pair.encode(images)
    if partners is not None and partners.shape != codes.shape:
        raise ValueError(f"partners of shape {partners.shape} are not accepted: expected {codes.shape}.")
    numbers = range(len(images))
    white = image_corruptions.noise(noise_levels, seed=seed).prepare(codes, numbers)
    ways = {"G(F(x))": codes, "8 bits": store(codes)}
    if jpeg_quality is not None:
        ways[f"JPEG {jpeg_quality}"] = image_corruptions.jpeg((jpeg_quality,)).prepare(codes, numbers)(jpeg_quality)
    ways.update({f"noise {level:g}": white(level) for level in noise_levels})
    ways[f"low-pass {cutoff:g}"] = image_corruptions.low_pass((cutoff,)).prepare(codes, numbers)(cutoff)
    if paired and partners is not None:
        ways["G(true y)"] = partners
    reconstructions = {name: pair.decode(array) for name, array in ways.items()}
    check_reconstruction(reconstructions["G(F(x))"], images)
    equalised = [None if array is None or array.shape[-1] not in (1, 3) else steganography.enhance_contrast(array)
                 for array in (codes, partners)]
    return TranslationExamples(
        images, codes, equalised[0], steganography.residual(codes), reconstructions, partners, equalised[1]
    )


def edit_examples(pair, images, edited, others):
    """Return images with an edit, and the edit transplanted into the encodings of others.

    Args:
        pair: `TranslationPair`.
        images: float array (images, height, width, channels) in [0, 1], x.
        edited: The same after an edit, x'; see `replace_patch`.
        others: The same of other images, z.

    Returns:
        `EditExamples`.

    Raises:
        ValueError: If images do not fit.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((16, 16, 1))
        >>> same = keras.Model(image, keras.layers.Identity()(image))
        >>> grey = np.full((1, 16, 16, 1), 0.5)
        >>> found = information.edit_examples(information.TranslationPair(same, same), grey, grey + 0.1, grey + 0.2)
        >>> round(float(found.transplanted.max()), 3)
        0.8
    """
    images, edited, others = (
        check_images(name, array) for name, array in (("images", images), ("edited", edited), ("others", others))
    )
    base, changed, elsewhere = (pair.encode(array) for array in (images, edited, others))
    edit = changed - base
    decoded = (pair.decode(array) for array in (changed, elsewhere, elsewhere + edit))
    reconstructed, others_reconstructed, transplanted = decoded
    return EditExamples(images, edited, edit, reconstructed, others, others_reconstructed, transplanted)
