"""The pointing game of several methods on a set of pairs: one table, with the scores of chance at its end.

Each image is given to a method at a size that its model takes. A model that takes any size gets the image with its
shorter side at 224 pixels and its proportions kept, as in TorchRay, the longer side cut to whole pixels; another gets
it stretched to its own size. The table says which. Maps are scored in the original image in either case.

Two rows know nothing of the image: `centre` always points at (height / 2, width / 2), `random point` at a pixel drawn
uniformly, counted by its probability to hit.

Differs from the reference code: a classifier of this library puts out one number a class for an image of any size, as
the mean over positions leads to; TorchRay's networks put out a map a class, and propagate back from its softmax over
positions. RISE is given images of 224 x 224 there, which is `size={"rise": (224, 224)}` here, and like extremal
perturbations it is the mean of three runs.

Reference: Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", 2019,
table 1, and its code, TorchRay.
"""

import collections
import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.evaluation import pointing_game
from keras_repvis.analysis.evaluation import salient_point
from keras_repvis.analysis.evaluation import table
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.data import decode
from keras_repvis.data import resize

CENTRE = "centre"
RANDOM = "random point"
_READ_AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class PointingScores(table.Rows):
    """Scores of methods and of chance on one set of pairs.

    Args:
        games: Dict of the name of a method to its `PointingGame`; the last two are chance.
        inputs: Dict of the name of a method to how images were brought to its model.
        pairs: Description of the set: its name, what the masks are, how many pairs and images there were.
        tolerance: In pixels.
        level: Share of the intervals.
        seed: Of the intervals.

    Example:
        >>> game = keras_repvis.analysis.evaluation.PointingGame(1, tolerance=1)
        >>> hits = game.update_points([(0, 0), (0, 0)], [[[1, 0]], [[0, 1]]], [0, 0])
        >>> scores = keras_repvis.analysis.evaluation.PointingScores({"corner": game}, {"corner": "1 x 2"}, "two", 1)
        >>> print(scores)
        map     all                   difficult  input
        corner  0.500 [0.000, 1.000]  undefined  1 x 2
    """

    games: dict
    inputs: dict
    pairs: str
    tolerance: float
    level: float = 0.95
    seed: int = 0

    def rows(self):
        """Return a row a method: its scores of all and of the difficult pairs, with intervals over the images."""
        return [
            {
                "map": name,
                **{subset: self._interval(game, subset) for subset in pointing_game.SUBSETS},
                "input": self.inputs.get(name, ""),
            }
            for name, game in self.games.items()
        ]

    def _interval(self, game, subset):
        low, high = game.interval(subset, self.level, seed=self.seed)
        return MeanInterval(game.score(subset), low, high, game.images(subset))


def play_pointing_game(
    methods, pairs, smoothing="torchray", size=None, short_side=224, tolerance=None, targets=None, seed=0, progress=None
):
    """Play the pointing game with each of several methods.

    Args:
        methods: Dict of names to attribution methods: functions of float32 images (batch, height, width, channels) in
            [0, 1] and classes (batch,), whose answer has `maps` (batch, h, w).
        pairs: Reader of `PointingPair`s, for instance `PlacedDigitPairs`.
        smoothing: "torchray" (default) for `torchray_smoothing` of each method, a `Smoothing` or None for all, or a
            dict of such by the names of the methods.
        size: Pair (height, width) that images are stretched to, or a dict of such by the names of the methods; None
            (default) for what each model takes.
        short_side: Integer >= 1, length of the shorter side for models of any size.
        tolerance: Number > 0 in pixels of the original image; None (default) for the one of the set.
        targets: (classes,) integers, which output stands for each class of the set; None (default) for the same order.
        seed: Integer, of the intervals.
        progress: Function that is called with the number of pairs done, or None.

    Returns:
        `PointingScores`.

    Raises:
        ValueError: If there are no methods or pairs, a model's size or outputs do not fit, or maps are not finite.

    Example:
        >>> from keras_repvis import models
        >>> from keras_repvis.analysis import attribution, evaluation
        >>> model = models.MobileNetV2(input_shape=(64, 64, 3), classes=10, width_multiplier=0.1)
        >>> scores = evaluation.play_pointing_game(
        ...     {"gradient": attribution.Gradient(model)}, evaluation.PlacedDigitPairs("test[:20]"))
        >>> [(row["map"], row["input"]) for row in scores.rows()]
        [('gradient', '64 x 64'), ('centre', ''), ('random point', '')]

    Reference:
        Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", 2019.
    """
    if not methods or {CENTRE, RANDOM} & set(methods):
        raise ValueError(f"methods={list(methods)} are not accepted: expected names other than {CENTRE!r}, {RANDOM!r}.")
    checks.number("short_side", short_side, low=1, integer=True)
    tolerance = pairs.tolerance if tolerance is None else tolerance
    count = len(pairs.class_names)
    targets = _check_targets(targets, count)
    players = [
        _Player(
            name,
            method,
            _of_method(size, name),
            short_side,
            targets,
            pointing_game.PointingGame(count, tolerance, _smoothing(smoothing, name, method)),
        )
        for name, method in methods.items()
    ]
    for player in players:
        player.check_outputs(count if targets is None else targets.max() + 1, targets is None)
    centre, random = (pointing_game.PointingGame(count, tolerance) for _ in range(2))
    done = 0
    for some in _chunks(pairs):
        about = {
            "masks": [pair.mask for pair in some],
            "labels": [pair.label for pair in some],
            "difficult": [pair.difficult for pair in some],
            "images": [pair.name for pair in some],
        }
        for player in players:
            player.game.update(player.maps(some), **about)
        centre.update_points([np.divide(pair.mask.shape, 2) for pair in some], **about)
        random.update_chance(**about)
        done += len(some)
        if progress is not None:
            progress(done)
    if not done:
        raise ValueError(f"pairs={pairs.name!r} are not accepted: there are none.")
    games = {**{player.name: player.game for player in players}, CENTRE: centre, RANDOM: random}
    described = f"{pairs.name}: masks of {pairs.masks}, {done} pairs of {centre.images()} images"
    return PointingScores(games, {player.name: player.described for player in players}, described, tolerance, seed=seed)


class _Player:
    """A method, what its model is given, and its game."""

    def __init__(self, name, method, size, short_side, targets, game):
        self.name = name
        self.game = game
        self._method = method
        self._short_side = short_side
        self._targets = targets
        self._size, self._channels = _input(name, method, size)
        self.described = f"short side {short_side}" if self._size is None else "{} x {}".format(*self._size)

    def check_outputs(self, count, exactly):
        """Raise a `ValueError` if the model has fewer outputs, or another number of them, than `count`."""
        outputs = getattr(getattr(self._method, "model", None), "outputs", None)
        found = outputs[0].shape[-1] if outputs and len(outputs) == 1 else None
        if found is not None and (found != count if exactly else found < count):
            raise ValueError(
                f"method {self.name!r} explains {found} outputs, but there are {count} classes: give by targets which "
                "output stands for each class."
            )

    def maps(self, pairs):
        """Return the list of the maps of pairs, those of one size computed at once."""
        images = {}
        for pair in pairs:
            if pair.name not in images:
                images[pair.name] = self._fed(pair.image)
        alike = collections.defaultdict(list)
        for place, pair in enumerate(pairs):
            alike[images[pair.name].shape].append(place)
        maps = [None] * len(pairs)
        for places in alike.values():
            batch = np.stack([images[pairs[place].name] for place in places])
            labels = np.array([pairs[place].label for place in places])
            classes = labels if self._targets is None else self._targets[labels]
            for place, map_ in zip(places, self._method(batch, classes).maps):
                maps[place] = map_
        return maps

    def _fed(self, image):
        size = self._size
        if size is None:
            # The longer side is cut to whole pixels, as the transformation that TorchRay uses does.
            size = [self._short_side * side // min(image.shape[:2]) for side in image.shape[:2]]
        if self._channels is not None:
            image = decode.to_channels(image, self._channels)
        return resize.resize(image, tuple(size)).astype("float32") / 255


def _input(name, method, size):
    """Return the size that images are stretched to, None for any, and the number of channels, None for theirs."""
    inputs = getattr(getattr(method, "model", None), "inputs", None)
    shape = tuple(inputs[0].shape) if inputs and len(inputs) == 1 else None
    if shape is None or len(shape) != 4:
        if size is None:
            raise ValueError(f"size of method {name!r} is not accepted: its model does not declare one, so give it.")
        return resize.check_size("size", size), None
    declared, channels = shape[1:3], shape[3]
    if size is not None:
        return resize.check_size("size", size), channels
    if None in declared and declared != (None, None):
        raise ValueError(f"size of method {name!r} is not accepted: its model takes {declared}, so give it.")
    return (None if None in declared else declared), channels


def _smoothing(smoothing, name, method):
    if smoothing == "torchray":
        return salient_point.torchray_smoothing(method)
    found = _of_method(smoothing, name)
    if found is not None and not callable(found):
        raise ValueError(f"smoothing={found!r} is not accepted: expected 'torchray', a Smoothing or None.")
    return found


def _of_method(value, name):
    return value.get(name) if isinstance(value, dict) else value


def _check_targets(targets, count):
    if targets is None:
        return None
    array = np.asarray(targets)
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer) or array.min() < 0:
        raise ValueError(f"targets={targets!r} are not accepted: expected {count} integers >= 0.")
    return array


def _chunks(pairs):
    """Yield lists of pairs; those of one image stay in one list."""
    some = []
    for pair in pairs:
        if len(some) >= _READ_AT_ONCE and pair.name != some[-1].name:
            yield some
            some = []
        some.append(pair)
    if some:
        yield some
