"""Train, publish, reload and explain a small MobileNetV2 on real handwritten digits, and write a report.

Examples:
  repvis-quickstart
  repvis-quickstart --output_dir=first_look --zoo_root=first_look/zoo --seeds=0

Trains once a seed, measures the accuracy on 500 test images, publishes the model of the first seed as the next version
of --handle, loads that version in a new process and compares the outputs, draws gradient saliency for test images, and
writes one self-contained HTML page. The last line on stdout is its path. Nothing is downloaded.
"""

import pathlib
import time

from absl import app, flags

from keras_repvis_tools import program

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "repvis-quickstart", "Directory of the report.")
_ZOO_ROOT = flags.DEFINE_string("zoo_root", None, "Root of the zoo; by default KERAS_REPVIS_ZOO or the user's own zoo.")
_HANDLE = flags.DEFINE_string("handle", "me/mobilenet_v2_digits", "Handle to publish as: publisher/model.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds to train from; the first one's model is published.")
_EPOCHS = flags.DEFINE_integer("epochs", 20, "Passes over the 1,297 training images.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data; its own default if unset.")

# Same weights through another graph: float32 rounding only, relative to the largest logit.
_TOLERANCE = 1e-5


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: everything is a flag.")
    start = time.monotonic()
    seeds = _parse_seeds(_SEEDS.value)
    program.say("starting TensorFlow")
    program.import_tensorflow()
    import numpy as np

    from keras_repvis import training, zoo
    from keras_repvis.zoo import handle
    from keras_repvis.zoo.replaying import replay
    from keras_repvis_tools import quickstart_report

    handle.parse(_HANDLE.value)  # Refused now rather than after the training.
    config = configuration(_EPOCHS.value, _DATA_DIR.value)
    test = training.open_test_stream(config, "test")
    images = np.concatenate([batch.numpy() for batch, _ in test.dataset()])

    results, version, expected = [], None, None
    for seed, trained in training.train_seeds(config, seeds):
        evaluation = training.evaluate(trained.model, test)
        program.say(f"seed {seed}: {evaluation.accuracy:.1%} of {len(images)} test images right")
        results.append(quickstart_report.Result(seed, trained.history, evaluation))
        if version is None:
            program.say(f"publishing {_HANDLE.value}")
            expected = evaluation.logits
            version = publish(trained.model, config, seed)

    program.say(f"reading {version.handle} back in a new process")
    difference = np.abs(replay(version.path, images) - expected).max() / np.abs(expected).max()
    if not difference <= _TOLERANCE:
        raise ValueError(
            f"{version.handle} is not the model that was trained: outputs of the reloaded SavedModel differ by "
            f"{difference:.1e} of the largest logit, accepted are {_TOLERANCE:.0e}."
        )
    program.say("explaining")
    path = quickstart_report.write(
        pathlib.Path(_OUTPUT_DIR.value, "report.html"),
        model=zoo.load(version.handle, root=_ZOO_ROOT.value),
        version=version,
        zoo_root=_ZOO_ROOT.value,
        config=config,
        results=results,
        images=images,
        difference=float(difference),
        seconds=time.monotonic() - start,
    )
    accuracies = [result.evaluation.accuracy for result in results]
    print(f"test accuracy: {np.mean(accuracies):.4f}, mean over seed {', '.join(map(str, seeds))}")
    print(f"published: {version.handle} in {version.path}")
    print(f"largest difference after reloading, relative: {difference:.1e}")
    print(f"seconds: {time.monotonic() - start:.0f}")
    print(f"report: {path}")


def configuration(epochs, data_dir=None):
    """Return the `training.Classification` of the quickstart."""
    from keras_repvis import training

    return training.Classification(
        model="mobilenet_v2",
        dataset="repvis_digits",
        image_size=32,
        width_multiplier=0.35,
        stem_strides=2,
        batch_norm_momentum=0.9,
        epochs=epochs,
        batch_size=128,
        learning_rate=8e-3,
        shift=2,
        data_dir=data_dir,
    )


def publish(model, config, seed):
    """Publish the trained model with what is known of it; return the `zoo.Version`."""
    import dataclasses

    from keras_repvis import zoo

    return zoo.publish_classifier(
        model,
        _HANDLE.value,
        dataclasses.replace(config, seed=seed),
        "test",
        root=_ZOO_ROOT.value,
        variants=("folded",),
        description="Handwritten digits 0 to 9 from 8 x 8 grey images, brought to 32 x 32.",
        intended_use="Teaching, tests and first steps: small enough to train in a minute on two cores.",
        limits="Knows nothing but the 1,797 centred digits of one data set; not for reading handwriting elsewhere.",
    )


def _parse_seeds(texts):
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise ValueError(f"seeds={','.join(texts)!r} is not accepted: expected integers, for instance 0,1,2.") from None


def run():
    program.run(main)


if __name__ == "__main__":
    run()
