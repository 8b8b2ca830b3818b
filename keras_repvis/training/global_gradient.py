"""An optimiser that sees the gradient of the global batch, and only finite ones."""

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks

# Twice as much is not finite in float32, and half of that not either.
_LARGEST_SCALE = 2.0**127


@keras.saving.register_keras_serializable("keras_repvis")
class GlobalGradientOptimizer(keras.optimizers.LossScaleOptimizer):
    """Wrap an optimiser so that it acts on the finite, whole gradient of the global batch.

    In order, at each `apply`:

    1. The replicas' gradients are summed. Keras sums them after clipping, so that under replicas `clipnorm` clips
       each replica's share; here the optimiser clips the gradient that one device would have. The sparse gradient of an
       embedding is made dense, so that rows which occur twice are summed before they are clipped.
    2. They are divided by the loss scale s, when there is one.
    3. If an element of one of them is not finite, on any replica, or the sum of its elements is beyond 3e38, the step
       is left out: weights, slots and iteration count stay. `left_out_steps` counts it, `non_finite_steps` too unless
       the loss scale s is above 1: then this is expected now and then, and s is halved. It is doubled after
       `growth_steps` good steps in a row.
    4. With `accumulation_steps` = k, the gradients of k calls are averaged, and the optimiser acts on each k-th call.

    Args:
        inner_optimizer: `keras.optimizers.Optimizer`, with its own rate, clipping, decay and moving average.
        accumulation_steps: Integer k >= 1. Unlike Keras' `gradient_accumulation_steps` it works under replicas.
        loss_scale: Number >= 1, the initial s, for networks that compute in float16; None for none.
        growth_steps: Integer >= 1.
        name: Name of the optimiser.

    Raises:
        TypeError: If `inner_optimizer` is no Keras optimiser, or wrapped already.
        ValueError: If a number is out of range, or `inner_optimizer` accumulates or scales the loss by itself; when it
            is built, if it is to overwrite weights with their average under replicas.

    Example:
        >>> import keras
        >>> optimizer = keras_repvis.training.GlobalGradientOptimizer(keras.optimizers.SGD(0.5), accumulation_steps=2)
        >>> weight = keras.Variable([1.0])
        >>> for gradient in ([2.0], [4.0]):
        ...     optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        >>> weight.numpy().tolist()
        [-0.5]

    Reference:
        Micikevicius et al., "Mixed Precision Training", 2018, section 3.2 (loss scaling).
    """

    def __init__(self, inner_optimizer, accumulation_steps=1, loss_scale=None, growth_steps=2000, name=None):
        if not isinstance(inner_optimizer, keras.optimizers.Optimizer) or isinstance(
            inner_optimizer, keras.optimizers.LossScaleOptimizer
        ):
            raise TypeError(
                f"inner_optimizer={inner_optimizer!r} is not accepted: expected a Keras optimiser without loss scale."
            )
        if inner_optimizer.gradient_accumulation_steps:
            raise ValueError(
                f"gradient_accumulation_steps={inner_optimizer.gradient_accumulation_steps} of {inner_optimizer.name} "
                "does not work under replicas; give accumulation_steps to GlobalGradientOptimizer."
            )
        if inner_optimizer.loss_scale_factor is not None:
            raise ValueError(
                f"loss_scale_factor={inner_optimizer.loss_scale_factor} of {inner_optimizer.name} is not accepted; "
                "give loss_scale to GlobalGradientOptimizer."
            )
        checks.number("accumulation_steps", accumulation_steps, low=1, integer=True)
        if loss_scale is not None:
            checks.number("loss_scale", loss_scale, low=1)
        checks.number("growth_steps", growth_steps, low=1, integer=True)
        super().__init__(
            inner_optimizer,
            initial_scale=1.0 if loss_scale is None else loss_scale,
            dynamic_growth_steps=growth_steps,
            name=name,
        )
        self.accumulation_steps = accumulation_steps
        self.loss_scale = loss_scale
        # The sum over the replicas is taken here; a second one would multiply by their number.
        inner_optimizer._all_reduce_sum_gradients = list

    @property
    def inner_variables(self):
        """List of the variables that the optimiser was built for, in the order of its `non_finite` flags."""
        return self.inner_optimizer._trainable_variables

    def build(self, var_list):
        """Create the slots of the optimiser, the accumulators and the counters."""
        if self.built:
            return
        inner = self.inner_optimizer
        if inner.use_ema and inner.ema_overwrite_frequency and tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise ValueError(
                f"ema_overwrite_frequency={inner.ema_overwrite_frequency} of {inner.name} does not work under "
                "replicas; use training.WeightAverage."
            )
        super().build(var_list)
        self._non_finite_steps = self._scalar("non_finite_steps", "int64")
        self._left_out_steps = self._scalar("left_out_steps", "int64")
        self._non_finite = self._scalar("non_finite", "bool", shape=(len(var_list),))
        self._accumulated, self._accumulated_steps = [], None
        if self.accumulation_steps > 1:
            self._accumulated_steps = self._scalar("accumulated_steps", "int64")
            self._accumulated = [
                self.add_variable_from_reference(variable, name="accumulated") for variable in var_list
            ]

    def scale_loss(self, loss):
        """Return the loss times the loss scale."""
        return loss if self.loss_scale is None else super().scale_loss(loss)

    def apply(self, grads, trainable_variables=None):
        """Do one (micro-)step; called in a replica's context.

        Args:
            grads: Sequence of gradients, one a variable; None for a variable that the loss does not depend on.
            trainable_variables: Sequence of variables; None for those the optimiser was built for.

        Raises:
            ValueError: If it is not called in a replica's context, all gradients are None, their number is not that of
                the variables, or a variable is not one the optimiser was built for.
        """
        grads, variables = self._paired(list(grads), trainable_variables)
        if not grads:
            return
        replica = tf.distribute.get_replica_context()
        if replica is None:
            raise ValueError("apply() must be called in a replica's context, in a train step for instance.")
        if replica.num_replicas_in_sync > 1:
            grads = list(replica.all_reduce(tf.distribute.ReduceOp.SUM, grads))
        if self.loss_scale is not None:
            # Not in float16, which cannot hold a scale above 2^15.
            grads = [keras.ops.divide(grad, self.dynamic_scale.value) for grad in grads]
        # A sum with an element that is not finite is not either: one operation a gradient, where each counts.
        finite = tf.math.is_finite(tf.stack([tf.reduce_sum(tf.cast(grad, "float32")) for grad in grads]))
        if tf.__internal__.distribute.strategy_supports_no_merge_call():
            self._branch(finite, lambda branch, *arguments: branch(*arguments), grads, variables)
        else:
            # A condition whose branches merge the replicas must itself be outside of them.
            replica.merge_call(self._branch_across, args=(finite, grads, variables))

    def _paired(self, grads, variables):
        """Return the gradients that are not None, dense, and their variables; build the optimiser if it is not."""
        if variables is None and not self.built:
            raise ValueError("trainable_variables=None is not accepted: the optimiser is not built yet.")
        variables = list(self.inner_variables if variables is None else variables)
        if len(grads) != len(variables):
            raise ValueError(f"grads is not accepted: {len(grads)} gradients for {len(variables)} variables.")
        if not grads:
            return [], []
        if not self.built:
            with tf.init_scope():
                self.build(variables)
        self.inner_optimizer._check_variables_are_known(variables)
        # As Keras does: it warns of gradients that are None, and raises if all are.
        grads, variables = self.inner_optimizer._filter_empty_gradients(grads, variables)
        return [_dense(grad) for grad in grads], variables

    def _branch_across(self, strategy, finite, grads, variables):
        first = strategy.experimental_local_results(finite)[0]  # The same on all: the sums are.

        def run(branch, *arguments):
            strategy.extended.call_for_each_replica(branch, args=arguments)

        self._branch(first, run, grads, variables)

    def _branch(self, finite, run, grads, variables):
        """Leave the step out, only accumulate, or update: `run` calls a branch in every replica."""
        micro = self._accumulated_steps
        last = True if micro is None else tf.equal(micro.value, self.accumulation_steps - 1)
        choice = tf.where(tf.reduce_all(finite), tf.where(last, 2, 1), 0)

        def leave_out():
            run(lambda: self._leave_out(finite, variables))

        def accumulate():
            if micro is not None:
                run(self._accumulate, grads, variables)

        tf.switch_case(choice, [leave_out, accumulate, lambda: run(self._update, grads, variables)])

    def _leave_out(self, finite, variables):
        found = dict(zip(map(self._index, variables), tf.unstack(tf.logical_not(finite), num=len(variables))))
        self._non_finite.assign(tf.stack([found.get(index, False) for index in range(len(self.inner_variables))]))
        scale = self.dynamic_scale
        expected = tf.constant(False) if self.loss_scale is None else tf.greater(scale.value, 1.0)
        self._non_finite_steps.assign_add(tf.where(expected, tf.constant(0, tf.int64), 1))
        self._left_out_steps.assign_add(1)
        if self.loss_scale is not None:
            scale.assign(tf.maximum(scale.value / 2.0, 1.0))
            self.step_counter.assign(0)

    def _accumulate(self, grads, variables):
        for grad, variable in zip(grads, variables):
            self._accumulated[self._index(variable)].assign_add(grad)
        self._accumulated_steps.assign_add(1)

    def _update(self, grads, variables):
        if self._accumulated_steps is not None:
            totals = [self._accumulated[self._index(variable)] for variable in variables]
            grads = [(total + grad) / self.accumulation_steps for total, grad in zip(totals, grads)]
            for total, grad in zip(totals, grads):
                total.assign(tf.zeros_like(grad))
            self._accumulated_steps.assign(0)
        self.inner_optimizer.apply(grads, variables)
        if self.loss_scale is not None:
            steps, scale = self.step_counter.value + 1, self.dynamic_scale.value
            grow = tf.equal(steps, self.dynamic_growth_steps)
            self.step_counter.assign(tf.where(grow, tf.zeros_like(steps), steps))
            self.dynamic_scale.assign(tf.where(grow, tf.minimum(2.0 * scale, _LARGEST_SCALE), scale))

    @property
    def non_finite_steps(self):
        """Integer, the steps left out so far because a gradient was not finite, at no loss scale or the smallest."""
        return int(self._non_finite_steps.numpy()) if self.built else 0

    @property
    def left_out_steps(self):
        """Integer, the steps left out so far because a gradient was not finite, at whatever loss scale."""
        return int(self._left_out_steps.numpy()) if self.built else 0

    @property
    def non_finite_gradients(self):
        """List of the paths of the variables whose gradient was not finite at the last step left out."""
        flags = np.asarray(self._non_finite.numpy()) if self.built else ()
        return [variable.path for variable, flag in zip(self.inner_variables, flags) if flag]

    def get_config(self):
        config = super().get_config()
        del config["initial_scale"], config["dynamic_growth_steps"]
        return {
            **config,
            "accumulation_steps": self.accumulation_steps,
            "loss_scale": self.loss_scale,
            "growth_steps": self.dynamic_growth_steps,
        }

    def _index(self, variable):
        return self.inner_optimizer._get_variable_index(variable)

    def _scalar(self, name, dtype, shape=()):
        return self.add_variable(shape=shape, initializer="zeros", dtype=dtype, aggregation="none", name=name)


def _dense(gradient):
    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient
