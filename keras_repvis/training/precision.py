"""Types that networks compute in: all float32, or half precision with weights in float32."""

import contextlib

import keras

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

# Micikevicius et al. 2018 start from 2^15 too.
_LOSS_SCALE = 2.0**15


@contextlib.contextmanager
def policy(name):
    """Context in which new layers compute with the dtype policy `name`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def loss_scale(name):
    """Return the loss scale that a precision begins with, or None if it needs none."""
    return _LOSS_SCALE if name == "mixed_float16" else None
