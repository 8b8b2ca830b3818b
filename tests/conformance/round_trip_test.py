"""Every public layer, model and loss comes back from every form in which it is kept."""


def test_weight_count(conforms):
    """As many weights as the paper's block has."""
    conforms()


def test_config(conforms):
    """From its configuration."""
    conforms()


def test_keras_file(conforms):
    """From a `.keras` file."""
    conforms()


def test_saved_model(conforms):
    """From a SavedModel."""
    conforms()
