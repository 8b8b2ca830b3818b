import contextlib

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds


@pytest.fixture
def hand_made():
    """A function that gives hand-made examples to every reader of TensorFlow Datasets, in place of the files."""
    with contextlib.ExitStack() as stack:

        def give(examples):
            def as_dataset(builder, *arguments, **options):
                spec = builder.info.features.get_tensor_spec()
                return tf.data.Dataset.from_generator(lambda: iter(examples), output_signature=spec)

            stack.enter_context(tfds.testing.mock_data(as_dataset_fn=as_dataset))

        yield give
