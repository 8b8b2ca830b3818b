"""repvis-explain: what it writes, what it refuses, and that it leaves people's files alone."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

_RUN = "from keras_repvis_tools import explain; explain.run()"


def digits(directory, count=3, size=None):
    """Write real digits as files, grey and in colour, square and not."""
    directory.mkdir(parents=True, exist_ok=True)
    found = sklearn.datasets.load_digits().images[:count]
    for index, digit in enumerate(found):
        image = Image.fromarray((digit * 15.9).astype("uint8")).resize(size or (40, 30 + index))
        image.convert("RGB" if index else "L").save(directory / f"digit {index}.png")
    return str(directory / "*.png")


def quick(*arguments, cwd=None):
    """The program where it needs no TensorFlow."""
    command = [sys.executable, "-c", _RUN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_a_model_of_the_zoo(start_tool, tmp_path):
    output = tmp_path / "out"
    done = start_tool(
        "explain", "--model=repvis/mobilenet_v2_digits", f"--images={digits(tmp_path / 'in')}",
        "--methods=gradient,guided_backprop", "--batch_size=2", "--targets=3", f"--output_dir={output}",
    )
    assert done.wait() == 0, done.stderr
    assert done.stdout.splitlines() == ["methods: gradient, guided_backprop", f"report: {output / 'report.html'}"]
    assert sorted(path.name for path in output.iterdir()) == ["maps.npz", "overlays", "report.html"]
    overlays = sorted(path.name for path in (output / "overlays").iterdir())
    assert overlays == [f"digit_{i}_{method}.png" for i in range(3) for method in ("gradient", "guided_backprop")]
    with Image.open(output / "overlays" / overlays[0]) as image:
        assert image.size == (256, 256)
    with np.load(output / "maps.npz") as arrays:
        assert arrays["gradient/maps"].shape == (3, 32, 32) and arrays["gradient/maps"].max() > 0
        np.testing.assert_array_equal(arrays["guided_backprop/target"], [3, 3, 3])
    html = (output / "report.html").read_text()
    assert "repvis-explain" in html and "digit_2" in html
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_method_that_needs_statistics_of_reference_images(start_tool, tmp_path):
    images, reference = digits(tmp_path / "in", 2), digits(tmp_path / "many", 12)
    command = ("explain", "--model=repvis/mobilenet_v2_digits", f"--images={images}")
    methods = "--methods=information_bottleneck"
    done = start_tool(
        *command, methods, f"--reference_images={reference}", "--layer=block_2_project_norm",
        f"--output_dir={tmp_path / 'out'}",
    )
    without = start_tool(*command, methods, f"--output_dir={tmp_path / 'none'}")
    assert done.wait() == 0, done.stderr
    with np.load(tmp_path / "out" / "maps.npz") as arrays:
        maps, bits = arrays["information_bottleneck/maps"], arrays["information_bottleneck/bits"]
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), bits, rtol=1e-4)
    assert (bits > 0).all() and "Bits of an inner layer" in (tmp_path / "out" / "report.html").read_text()
    assert without.wait() == 1
    assert "needs --reference_images" in without.stderr and not (tmp_path / "none").exists()


def test_a_saved_model_and_a_method_that_cannot_see_into_it(start_tool, tmp_path):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    keras.Model(inputs, outputs).export(tmp_path / "saved", verbose=False)
    output = tmp_path / "out"
    (output / "overlays").mkdir(parents=True)
    (output / "overlays" / "old.png").touch()
    (output / "mine.txt").write_text("mine")
    done = start_tool(
        "explain", f"--model={tmp_path / 'saved'}", f"--images={digits(tmp_path / 'in', 2)}",
        "--methods=gradient,deconvnet", f"--output_dir={output}", "--overwrite",
    )
    assert done.wait() == 0, done.stderr
    assert done.stdout.splitlines()[0] == "methods: gradient"
    assert "deconvnet: " in done.stderr and "deconvnet" in (output / "report.html").read_text()
    assert (output / "mine.txt").read_text() == "mine"
    assert sorted(path.name for path in (output / "overlays").iterdir()) == [
        "digit_0_gradient.png", "digit_1_gradient.png",
    ]


def test_no_method_fits_and_nothing_is_written(start_tool, tmp_path):
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs))).save(tmp_path / "linear.keras")
    done = start_tool(
        "explain", f"--model={tmp_path / 'linear.keras'}", f"--images={digits(tmp_path / 'in', 1)}",
        "--methods=deconvnet", f"--output_dir={tmp_path / 'out'}",
    )
    assert done.wait() == 1
    assert "none of the methods" in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--images=none/*.png"], "images='none/*.png': there is no such file"),
        (["--reference_images=none/*.png"], "reference_images='none/*.png': there is no such file"),
        (["--methods=gradiant"], "methods='gradiant' is not known. Did you mean 'gradient'?"),
        (["--methods="], "methods= is not accepted"),
        (["--output_dir=in"], "output_dir='in' is not empty"),
        (["--model="], "--model is missing"),
        (["extra"], "unexpected argument 'extra'"),
    ],
)
def test_wrong_flags_are_one_line_before_tensorflow_starts(tmp_path, arguments, message):
    digits(tmp_path / "in", 1)
    done = quick("--model=m", "--images=in/*.png", *arguments, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr.splitlines()[0]
    assert "TensorFlow" not in done.stderr and sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_list_names_every_method():
    from keras_repvis.analysis.attribution import catalog

    done = quick("--list")
    assert done.returncode == 0
    assert all(f"{name}\n" in done.stdout for name in catalog.names())


@pytest.mark.parametrize("texts, expected", [([], None), (["3"], 3), (["1", "2"], [1, 2])])
def test_targets(texts, expected):
    from keras_repvis_tools import explain

    assert explain.read_targets(texts, 2) == expected
    for wrong in (["a"], ["-1"], ["1", "2", "3"]):
        with pytest.raises(ValueError, match="targets="):
            explain.read_targets(wrong, 2)
