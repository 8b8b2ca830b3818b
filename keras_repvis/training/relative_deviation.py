"""How much values vary, beside how much others do: what tells that a generator draws the same everywhere."""

import keras


class RelativeDeviation(keras.metrics.Metric):
    """Standard deviation of values, divided by that of others, over all examples so far.

    With the variance of each column over examples and places, summed over the columns,

        result = sqrt(variance of the values / variance of the others).

    Args:
        columns: Integer >= 1.
        name: Name of the metric.
        centre: Number near the values. Sums are taken around it, or their squares would lose digits.
    """

    def __init__(self, columns, name, centre=0.5):
        super().__init__(name=name, dtype="float32")
        self.centre = centre
        self.count = self.add_variable((), "zeros", name="count")
        self.sums = self.add_variable((2, columns), "zeros", name="sums")
        self.squares = self.add_variable((2, columns), "zeros", name="squares")

    def update_state(self, values, others):
        """Take in two arrays `(batch, ..., columns)`, of as many examples each."""
        centred = [keras.ops.cast(part, "float32") - self.centre for part in (values, others)]
        self.count.assign_add(keras.ops.cast(keras.ops.shape(centred[0])[0], "float32"))
        self.sums.assign_add(keras.ops.stack([_over_places(part) for part in centred]))
        self.squares.assign_add(keras.ops.stack([_over_places(keras.ops.square(part)) for part in centred]))

    def result(self):
        count = keras.ops.maximum(self.count, 1.0)
        variances = self.squares / count - keras.ops.square(self.sums / count)
        value, other = keras.ops.unstack(keras.ops.sum(keras.ops.maximum(variances, 0.0), axis=1), 2)
        return keras.ops.sqrt(value / keras.ops.maximum(other, 1e-12))


def _over_places(values):
    """Return the sum over the examples of the mean over their places, `(columns,)`."""
    places = tuple(range(1, len(values.shape) - 1))
    return keras.ops.sum(keras.ops.mean(values, axis=places) if places else values, axis=0)
