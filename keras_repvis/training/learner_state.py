"""Everything that a learner's next steps depend on, as a list of arrays."""

import keras
import numpy as np
import tensorflow as tf

from keras_repvis.training import replicas
from keras_repvis.training.global_gradient import GlobalGradientOptimizer


class LearnerState:
    """The variables of a learner: weights, seed generators, metrics, optimisers, and whatever else it holds.

    Found are the variables of the model's layers with their `keras.random.SeedGenerator`s, the variables of its metrics
    and of every optimiser that the model has as an attribute (also in a list, a tuple or a dict), and TensorFlow
    variables that the model or a layer has likewise. What a learner draws without a `SeedGenerator` of its own
    (`keras.random.normal(shape)`, `tf.random.normal`) has a state that cannot be read; a run that does so does not
    resume exactly.

    Args:
        model: Compiled `keras.Model`, built, with built optimisers.
        others: Sequence of further variables, for instance a moving average of the weights.

    Raises:
        ValueError: If an optimiser or the model is not built yet.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
        >>> [description["shape"] for description in keras_repvis.training.LearnerState(model).describe()]
        [[2, 3], [3], [2]]
    """

    def __init__(self, model, others=()):
        if not model.built:
            raise ValueError(f"model={model.name!r} is not built: call it on a batch first.")
        found = [*model.variables, *model.metrics_variables]
        for optimizer in optimizers_of(model):
            if not optimizer.built:
                raise ValueError(
                    f"the optimiser {optimizer.name!r} of {model.name!r} is not built: call its "
                    "build(trainable_variables) when the learner is compiled."
                )
            found.extend(optimizer.variables)
        found.extend(_held_variables(model))
        self._strategy = model.distribute_strategy
        self._metrics = {id(variable) for variable in model.metrics_variables}
        self.variables = list({id(_native(variable)): variable for variable in [*found, *others]}.values())
        self._own_copies = self._find_own_copies(model, others)

    def describe(self):
        """Return a list of {"name", "shape", "dtype"}, one a variable, JSON-able."""
        return [
            {
                "name": getattr(variable, "path", None) or variable.name,
                "shape": list(variable.shape),
                "dtype": keras.backend.standardize_dtype(variable.dtype),
            }
            for variable in self.variables
        ]

    def read(self):
        """Return the values, a list of arrays; with several workers all of them must call it at the same step.

        Under n > 1 replicas, what each of them may hold for itself (a pool of images, random states, batch statistics)
        is an array of all n copies, (n, *shape).
        """
        own = self._read_own_copies()
        return [
            own[id(variable)] if id(variable) in own else np.asarray(_native(variable).numpy())
            for variable in self.variables
        ]

    def assign(self, arrays):
        """Set the variables to `arrays`, a list as `read` returns it.

        Returns:
            Boolean, whether each replica has its own copy back. If they were saved by another number of replicas, all
            have that of the first.
        """
        return all([self._assign(variable, array) for variable, array in zip(self.variables, arrays, strict=True)])

    def assign_metrics(self, arrays):
        """Set only the metrics' variables, from a list as `read` returns it."""
        for variable, array in zip(self.variables, arrays, strict=True):
            if id(variable) in self._metrics:
                variable.assign(array)

    def _find_own_copies(self, model, others):
        """Return the ids of the variables of which replicas may hold different values.

        Weights that learn, slots and averages are updated alike on all; metrics are sums over all.
        """
        if self._strategy.num_replicas_in_sync == 1:
            return frozenset()
        alike = {*self._metrics, *map(id, others)}
        for optimizer in optimizers_of(model):
            alike |= set(map(id, optimizer.variables))
        for layer in model._flatten_layers():
            alike |= set(map(id, layer._trainable_variables))  # Frozen ones too.
        shared = (v for v in self.variables if isinstance(_native(v), tf.distribute.DistributedValues))
        return frozenset(map(id, shared)) - alike

    def _read_own_copies(self):
        """Return {id of a variable: all replicas' copies} of those that may differ."""
        own = [variable for variable in self.variables if id(variable) in self._own_copies]
        if replicas.is_multi_worker(self._strategy):
            stacked = self._strategy.experimental_local_results(self._gather())[0] if own else []
        else:
            stacked = [
                np.stack([copy.numpy() for copy in self._strategy.experimental_local_results(_native(variable))])
                for variable in own
            ]
        return {id(variable): np.asarray(copies) for variable, copies in zip(own, stacked)}

    @tf.function
    def _gather(self):
        def gather():
            replica = tf.distribute.get_replica_context()
            own = [_native(variable) for variable in self.variables if id(variable) in self._own_copies]
            return tuple(replica.all_gather(tf.identity(value)[None], axis=0) for value in own)

        return self._strategy.run(gather)

    def _assign(self, variable, array):
        stacked = array.ndim > len(variable.shape)
        if not stacked or len(array) != self._strategy.num_replicas_in_sync or id(variable) not in self._own_copies:
            variable.assign(array[0] if stacked else array)
            return stacked == (id(variable) in self._own_copies)
        copies = self._strategy.experimental_local_results(_native(variable))
        for number, copy in zip(replicas.local_replicas(self._strategy), copies, strict=True):
            copy.assign(array[number])
        return True


def optimizers_of(model):
    """Return the optimisers that a learner holds as attributes, each once, a list.

    Args:
        model: `keras.Model`.

    Returns:
        List of `keras.optimizers.Optimizer`, in the order of the attributes.
    """
    found = [value for value in _held(model) if isinstance(value, keras.optimizers.Optimizer)]
    return list({id(optimizer): optimizer for optimizer in found}.values())


def variables_beside_optimizers(model):
    """Return what a step changes but no optimiser does: statistics, seeds, metrics, pools and the like, each once.

    Args:
        model: `keras.Model`, built.

    Returns:
        List of `tf.Variable`.
    """
    moved = {id(_native(variable)) for variable in model.trainable_variables}
    found = map(_native, [*model.variables, *model.metrics_variables, *_held_variables(model)])
    return list({id(variable): variable for variable in found if id(variable) not in moved}.values())


def wrap_optimizers(model):
    """Put every optimiser of a learner into a `GlobalGradientOptimizer`, in place; wrapped ones stay.

    Args:
        model: Compiled `keras.Model`. A `keras.optimizers.LossScaleOptimizer` gives its loss scale to the wrapper.

    Returns:
        List of the `GlobalGradientOptimizer`s.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> [type(wrapper.inner_optimizer).__name__ for wrapper in keras_repvis.training.wrap_optimizers(model)]
        ['SGD']
    """
    with model.distribute_strategy.scope():
        wrapped = {id(optimizer): _wrap(optimizer) for optimizer in optimizers_of(model)}
    for name, value in _attributes(model).items():
        replaced = _map(value, lambda item: wrapped.get(id(item), item))
        if replaced is not value:
            setattr(model, name, replaced)
            model.train_function = None  # It was traced with the bare optimiser.
    return list(wrapped.values())


def _wrap(optimizer):
    if isinstance(optimizer, GlobalGradientOptimizer):
        return optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        wrapper = GlobalGradientOptimizer(
            optimizer.inner_optimizer,
            loss_scale=optimizer.initial_scale,
            growth_steps=optimizer.dynamic_growth_steps,
        )
    else:
        wrapper = GlobalGradientOptimizer(optimizer)
    if wrapper.inner_optimizer.built:
        wrapper.build(wrapper.inner_variables)
        if optimizer.built and wrapper.loss_scale is not None:
            wrapper.dynamic_scale.assign(optimizer.dynamic_scale)
            wrapper.step_counter.assign(optimizer.step_counter)
    return wrapper


def _map(value, function):
    """Apply `function` to an attribute or to the items of a list, tuple or dict; the same object if nothing changes."""
    if isinstance(value, dict):
        items = {key: function(item) for key, item in value.items()}
        return items if any(items[key] is not value[key] for key in items) else value
    if isinstance(value, (list, tuple)):
        items = [function(item) for item in value]
        if all(new is old for new, old in zip(items, value)):
            return value
        if hasattr(value, "_make"):
            return value._make(items)
        return items if isinstance(value, list) else tuple(items)
    return function(value)


def _attributes(layer):
    """Return a layer's attributes without those in which TensorFlow keeps the same objects by name."""
    return {name: value for name, value in vars(layer).items() if not name.startswith("_self_")}


def _held(layer):
    """Yield the attributes of a layer and the items of those that are lists, tuples or dicts."""
    for value in _attributes(layer).values():
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _held_variables(model):
    held = (value for layer in model._flatten_layers() for value in _held(layer))
    return [value for value in held if isinstance(value, (tf.Variable, keras.Variable))]


def _native(variable):
    return variable.value if isinstance(variable, keras.Variable) else variable
