"""Every public layer, model and loss trains, on one device and on two."""


def test_training_step(conforms):
    """A finite gradient that is not zero, for every trainable weight."""
    conforms()


def test_two_replicas(conforms):
    """One step over two replicas equals one step of one device."""
    conforms()
