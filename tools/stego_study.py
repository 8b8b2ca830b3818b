"""The work of repvis-stego: a pair of models, every analysis of what they hide, each with a bar, and the page."""

import contextlib

import numpy as np
import rich.console
import rich.progress

from keras_repvis import analysis, report, zoo
from keras_repvis.analysis import information
from keras_repvis_tools import explanation

# Largest change of a value of the encodings made to order, in grey levels.
_RADIUS = 4.0


def open_pair(encoder, decoder, root, allow_operations):
    """Return both models."""
    return tuple(zoo.open_model(one, root=root, allow_operations=allow_operations) for one in (encoder, decoder))


class StegoStudy:
    """All analyses of one pair.

    Args:
        encoder: F, model or function.
        decoder: G, model or function.
        batch_size: Integer >= 1.
        seed: Integer >= 0.
    """

    def __init__(self, encoder, decoder, batch_size, seed):
        self.models = (encoder, decoder)
        self.pair = information.TranslationPair(encoder, decoder, batch_size)
        self.batch_size, self.seed = batch_size, seed
        self._code_shape = None

    def read_images(self, files, size, policy):
        """Return the images, brought to the size that F takes, or `size` where it takes any."""
        images = explanation.read_images(files, explanation.image_shape(self.models[0], size), policy)
        self._code_shape = self.pair.encode(images[:1]).shape[1:]
        return images

    def read_targets(self, files, policy):
        """Return real images of the other domain, brought to the size of F(x); None where there are none."""
        return explanation.read_images(files, self._code_shape, policy) if files else None

    def measure(self, images, targets, paired, shown, jacobian_images):
        """Return what `report.stego_page` takes, as a dict, with "refusals" of what cannot be measured."""
        first = images[:shown]
        partners = targets if paired else None
        with _bars() as bar:
            found = {"examples": self._examples(first, targets, paired), "refusals": []}
            sensitivity = information.ReconstructionSensitivity(self.pair, seed=self.seed)
            found["sensitivity"] = sensitivity(images, bar("noise, JPEG and others"))
            hidden = information.HiddenSignal(self.pair)
            found["hidden"] = hidden(images, targets, bar("frequencies"))
            scores = information.ReconstructionScores(self.pair, seed=self.seed)
            found["scores"] = scores(images, partners, bar("scores"))
            self._try(found, "edits", lambda: self._edits(found, images, shown, bar("edits")))
            if jacobian_images:
                some = images[:jacobian_images]
                codes = np.clip(self.pair.encode(images[: max(2, jacobian_images)]), 0, 1)
                self._try(found, "jacobian", lambda: self._jacobian(some, codes[: len(some)], bar))
                self._try(found, "linearity", lambda: self._linearity(codes, bar("linearity")))
                self._try(found, "adversarial", lambda: self._adversarial(some, codes, targets, bar("made to order")))
        return found

    def _try(self, found, name, measure):
        """Keep what is measured; where that cannot be right for the models, keep why."""
        try:
            found[name] = measure()
        except (analysis.UnsupportedModelError, ArithmeticError, ValueError) as error:
            found["refusals"].append((name, str(error)))

    def _examples(self, images, targets, paired):
        quality = 75 if self._code_shape[-1] in (1, 3) else None
        enough = targets is not None and len(targets) >= len(images)
        return information.translate_examples(
            self.pair, images, targets[: len(images)] if enough else None, paired, quality, seed=self.seed
        )

    def _edits(self, found, images, shown, progress):
        height, width = images.shape[1:3]
        size = max(1, min(height, width) // 4)
        corners = [(height // 4 - size // 2, width // 4 - size // 2)]
        corners.append((height - size - corners[0][0], width - size - corners[0][1]))
        first, second = (information.replace_patch(images, size, *corner) for corner in corners)
        changed = [(edited != images).any(axis=(1, 2, 3)) for edited in (first, second)]
        kept = changed[0] & changed[1]
        if not kept.any():
            raise ValueError("the patches that would be exchanged are the same in all images.")
        others = np.roll(images, -1, axis=0) if len(images) > 1 else images[:, ::-1, ::-1]
        arrays = [np.ascontiguousarray(array[kept]) for array in (images, first, second, others)]
        effects = information.EditEffects(self.pair)(*arrays, progress=progress)
        some = [array[:shown] for array in (images, first, others)]
        found["edit_examples"] = information.edit_examples(self.pair, *(np.ascontiguousarray(one) for one in some))
        return effects

    def _jacobian(self, images, codes, bar):
        options = {"seed": self.seed, "batch_size": self.batch_size}
        places = (("F at x", self.models[0], images), ("G at F(x)", self.models[1], codes))
        return {
            name: information.JacobianSpectrum(model, **options)(at, progress=bar(f"Jacobian of {name}"))
            for name, model, at in places
        }

    def _linearity(self, codes, progress):
        options = {"seed": self.seed, "batch_size": self.batch_size}
        return information.LocalLinearity(self.models[1], data=4 if len(codes) > 1 else 0, **options)(
            codes, progress=progress
        )

    def _adversarial(self, images, codes, targets, progress):
        """Start from real images of the domain, if there are, else from the encodings of other images."""
        starts = np.roll(codes, -1, axis=0) if targets is None else np.roll(targets, -1, axis=0)
        if len(starts) < len(images):
            starts = starts[np.arange(len(images)) % len(starts)]
        starts = np.ascontiguousarray(starts[: len(images)])
        search = information.AdversarialEncoding(self.models[1], radius=_RADIUS, batch_size=self.batch_size)
        return search(images, starts, progress=progress), images, starts


def write(output, names, found, lead, command):
    """Write the page and return its path."""
    return report.write(output, report.stego_page(names, lead=lead, command=command, **found))


@contextlib.contextmanager
def _bars():
    """Give a function that starts a bar on stderr, with the time left, and returns what moves it."""
    columns = ("{task.description:>24}", rich.progress.BarColumn(), rich.progress.TimeRemainingColumn())
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True)) as bars:

        def start(description):
            task = bars.add_task(description, total=1.0)
            return lambda share: bars.update(task, completed=share)

        yield start
