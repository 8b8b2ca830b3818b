"""TensorFlow Datasets builders of the bundled and generated data; importing a module registers its builder."""
