"""Every public layer, model and loss takes any batch, any size and any precision."""


def test_short_batch(conforms):
    """A last batch that is shorter than the others."""
    conforms()


def test_any_size(conforms):
    """Images whose height and width are unknown until they arrive."""
    conforms()


def test_compiled_function(conforms):
    """`tf.function`."""
    conforms()


def test_mixed_precision(conforms):
    """Both mixed policies."""
    conforms()
