"""repvis-stego: the page it writes of a known pair, what it refuses, and that it leaves people's files alone."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

_RUN = "from keras_repvis_tools import stego; stego.run()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, hidden_code):
    """Two models that hide a chess board, as .keras files and a SavedModel, images and their grey partners."""
    place = tmp_path_factory.mktemp("stego")
    encoder, decoder = hidden_code()
    encoder.save(place / "F.keras")
    decoder.save(place / "G.keras")
    decoder.export(place / "G", verbose=False)
    for kind, images in (("x", hidden_code.images(3)), ("y", np.full((3, 32, 32, 3), 0.5))):
        (place / kind).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(np.round(255 * image).astype("uint8")).save(place / kind / f"{kind} {number}.png")
    return place


def quick(*arguments, cwd=None):
    """The program where it needs no TensorFlow."""
    command = [sys.executable, "-c", _RUN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_a_pair_of_files(start_tool, folder, tmp_path):
    output = tmp_path / "deep" / "page.html"
    done = start_tool(
        "stego", f"--handle={folder}/F.keras", f"--decoder={folder}/G.keras", f"--images={folder}/x/*.png",
        f"--targets={folder}/y/*.png", "--paired", "--image_size=32", "--shown=2", "--jacobian_images=1",
        "--batch_size=2", f"--output={output}",
    )
    assert done.wait() == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == f"report: {output}"
    gain = next(line for line in lines if line.startswith("sensitivity to noise (SN)  "))
    assert float(gain.split()[4]) == pytest.approx(25, rel=0.05)
    html = output.read_text()
    assert "x_0" in html and "x_1" in html and "on 3 images of 32 x 32 pixels." in html
    for heading in ("Edits: local", "What is expanded", "Encodings made to order", "Repeat this"):
        assert heading in html, heading
    assert "Not shown" not in html and "--jacobian_images=1" in html
    assert [path.name for path in output.parent.iterdir()] == ["page.html"]
    assert "retracing" not in done.stderr and "Jacobian of G" in done.stderr


def test_a_saved_model_and_one_image(start_tool, folder, tmp_path):
    output = tmp_path / "page.html"
    output.write_text("mine")
    done = start_tool(
        "stego", f"--handle={folder}/F.keras", f"--decoder={folder}/G", f"--images={folder}/x/x 0.png",
        "--image_size=32", "--jacobian_images=0", f"--output={output}", "--overwrite",
    )
    assert done.wait() == 0, done.stderr
    html = output.read_text()
    assert "on 1 image of 32 x 32 pixels." in html and "honesty" not in html and "What is expanded" not in html


def test_models_that_are_no_pair_leave_no_file(start_tool, folder, tmp_path):
    done = start_tool(
        "stego", f"--handle={folder}/F.keras", f"--decoder={folder}/G.keras", f"--images={folder}/x/*.png",
        "--image_size=33", f"--output={tmp_path}/page.html",
    )
    assert done.wait() == 1
    assert "Are the models a pair, and the sides multiples" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--handle="], "--handle is missing"),
        (["--images="], "--images is missing"),
        (["--images=none/*.png"], "images='none/*.png': there is no such file"),
        (["--targets=none.png"], "targets='none.png': there is no such file"),
        (["--paired"], "--targets is missing"),
        (["--targets=a.png,b.png", "--paired"], "--paired: there are 1 images and 2 targets"),
        (["--output=a.png"], "output='a.png' exists"),
        (["--output=."], "output='.' exists"),
        (["--decoder=", "--handle=a.png"], "--decoder is missing: the encoder does not name its partner"),
        (["--shown=0"], "shown"),
        (["extra"], "unexpected argument 'extra'"),
    ],
)
def test_wrong_flags_are_one_line_before_tensorflow_starts(tmp_path, arguments, message):
    for name in "ab":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    done = quick("--handle=F.keras", "--decoder=G.keras", "--images=a.png", *arguments, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr.splitlines()[0]
    assert "TensorFlow" not in done.stderr and sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]
