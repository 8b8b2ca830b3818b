"""Methods that take many steps: a state is carried through compiled segments, between which progress is reported.

A segment is a compiled loop of as many steps as take about a second. Between segments Python is awake: it reports how
far the method is, and Ctrl-C ends it. What is computed does not depend on where the segments begin and end.
"""

import time

import numpy as np
import tensorflow as tf

from keras_repvis.analysis.attribution.method import Method
from keras_repvis.analysis.attribution.query import Query

# A segment that takes longer than this is not made longer, in seconds.
_SECONDS = 0.5


class Iterated(Method):
    """Base of the methods that take many steps.

    A subclass defines what is traced: `_begin`, `_step` and `_end`; and `_plan`, which is not. Images go through the
    model `_copies` at a time for each image in the chunk, so a chunk has `batch_size // _copies` images, one at least.
    The class with the largest score is fixed by the images as they are.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `Method`.
        **options: `input_index`, `score`, `batch_size`; see `Method`.
    """

    _copies = 1
    _kept = 3 * Method._kept

    def _plan(self, batch, height, width):
        """Return (number of steps, number that each is given as `group`) for a batch of images of that size."""
        raise NotImplementedError

    def _begin(self, query, *companions):
        """Return (fixed, state), structures of tensors; the steps read the first and change the second."""
        raise NotImplementedError

    def _step(self, query, fixed, state, step, group):
        """Return the state after step number `step`, from 0."""
        raise NotImplementedError

    def _end(self, query, fixed, state):
        """Return (maps, dict of diagnostics), tensors (batch, ...)."""
        raise NotImplementedError

    def _run(self, inputs, index, structure, select, values, *companions):
        count = len(inputs[index])
        size = max(1, self.batch_size // self._copies)
        found = []
        for start in range(0, count, size):
            part = slice(start, start + size)
            arrays = [[array[part] for array in group] for group in (inputs, companions)]
            share = (start / count, min(size, count - start) / count)
            found.append(self._loop(select, index, structure, arrays[0], values[part], arrays[1], share))
        diagnostics = {name: np.concatenate([some[name] for _, some in found]) for name in found[0][1]}
        return np.concatenate([maps for maps, _ in found]), diagnostics

    def _loop(self, select, index, structure, inputs, values, companions, share):
        """Return (maps, diagnostics) of images that are together in the model."""
        begin, advance, end = (
            self._compile(select, index, structure, part) for part in ("_answer_begin", "_answer_steps", "_answer_end")
        )
        size = tuple(inputs[index].shape[1:])
        inputs = [tf.constant(array) for array in inputs]
        known, twice, fixed, state = begin(size, inputs, tf.constant(values), *map(tf.constant, companions))
        self._check_scale(twice)
        values = known.get("target", tf.constant(values))
        steps, group = self._plan(len(inputs[index]), *size[:2])
        done, count = 0, 1
        while done < steps:
            began = time.monotonic()
            last = min(done + count, steps)
            bounds = [tf.constant(number) for number in (done, last, group)]
            state = advance(size, inputs, values, fixed, state, *bounds)
            done = last
            self._report(share[0] + share[1] * done / steps)
            count *= 2 if time.monotonic() - began < _SECONDS else 1
        maps, diagnostics = end(size, inputs, values, fixed, state)
        return maps.numpy(), {name: value.numpy() for name, value in {**known, **diagnostics}.items()}

    def _answer_begin(self, select, index, structure, size, inputs, values, *companions):
        query, known = self._ask(select, index, structure, size, inputs, values).resolve()
        return known, self._is_scaled_twice(select, query), *self._begin(query, *companions)

    def _answer_steps(self, select, index, structure, size, inputs, values, fixed, state, first, last, group):
        query = self._ask(select, index, structure, size, inputs, values)

        def body(step, state):
            new = self._step(query, fixed, state, step, group)
            return step + 1, tf.nest.map_structure(lambda one, old: tf.ensure_shape(one, old.shape), new, state)

        # One step at a time, or the memory would be that of several.
        return tf.while_loop(lambda step, _: step < last, body, (first, state), parallel_iterations=1)[1]

    def _answer_end(self, select, index, structure, size, inputs, values, fixed, state):
        maps, diagnostics = self._end(self._ask(select, index, structure, size, inputs, values), fixed, state)
        return tf.cast(maps, "float32"), diagnostics

    def _ask(self, select, index, structure, size, inputs, values):
        inputs = list(inputs)
        # Masks and filters are made for one size of images.
        inputs[index] = tf.ensure_shape(inputs[index], (None, *size))
        return Query(self._call_model, inputs, index, structure, select, values, self.score)
