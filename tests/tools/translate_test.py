"""repvis-translate keeps names, sizes, depth and what files say, loses nobody's file, and goes on after a bad one."""

import contextlib
import errno
import io
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from keras_repvis import layers, zoo
from keras_repvis.data import encoding, image_metadata, pixels
from keras_repvis.zoo import whole_file
from keras_repvis_tools import translation

_RUN = "from keras_repvis_tools import translate; translate.run()"
_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def quick(*arguments, cwd=None):
    """The program where it needs no TensorFlow."""
    command = [sys.executable, "-c", _RUN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def negative(channels=3, slow=0):
    """Answers with 1 - x; takes multiples of 4 alone. Some repetitions make it slow."""
    inputs = keras.Input((None, None, channels), name="image")
    hidden = layers.AdmissibleSize(4, 8)(inputs)
    for _ in range(slow):
        # Forth and back through many channels: the identity, at a price.
        for filters in (256, channels):
            copies = keras.layers.Conv2D(filters, 1, use_bias=False)
            hidden = copies(hidden)
            copies.kernel.assign(np.eye(*copies.kernel.shape[2:])[None, None])
    return keras.Model(inputs, keras.layers.Rescaling(-1.0, 1.0)(hidden), name="negative")


@pytest.fixture(scope="module", name="models")
def models_fixture(tmp_path_factory):
    """The negative of colour and of five bands as files."""
    directory = tmp_path_factory.mktemp("models")
    negative().save(directory / "colour.keras")
    negative(5).save(directory / "bands.keras")
    negative(slow=12).save(directory / "slow.keras")
    return directory


def noise(dtype, *shape, seed=0):
    return encoding.to_type(np.random.default_rng(seed).random(shape), dtype)


def put(path, image, said=None, file_format=None):
    """Write an image file by the library's own writer; return its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {suffix: name for name, known in encoding.FORMATS.items() for suffix in known.suffixes}
    said = said or image_metadata.Metadata(names[path.suffix])
    path.write_bytes(encoding.encode(image, said, file_format)[0])
    return image


def stored(path):
    """Pixels of a file as it stores them."""
    encoded = path.read_bytes()
    said = image_metadata.read(encoded, path.name)
    return image_metadata.turn_back(pixels.read(io.BytesIO(encoded), path.name), said.orientation)


def inverted(image):
    return np.iinfo(image.dtype).max - image if image.dtype != np.float32 else 1 - image


def files_in(directory):
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_a_folder_keeps_names_sizes_depth_and_places(start_tool, models, tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    images = {
        "a.png": put(folder / "a.png", noise("uint8", 13, 21, 3)),
        "deep/b.PNG": put(folder / "deep" / "b.png", noise("uint16", 8, 12, 3, seed=1)),
        "deep/er/c.tif": put(folder / "deep" / "er" / "c.tif", noise("uint16", 5, 4, 3, seed=2)),
        "d.npy": put(folder / "d.npy", noise("float32", 9, 3, 3, seed=3)),
        "e.bmp": put(folder / "e.bmp", noise("uint8", 7, 7, 3, seed=4)),
    }
    (folder / "deep" / "b.png").rename(folder / "deep" / "b.PNG")
    grey = put(folder / "grey.png", noise("uint8", 16, 16, 1, seed=5))
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_text("no image")
    done = start_tool("translate", f"--handle={models / 'colour.keras'}", f"--images={folder}", f"--output={output}")
    assert done.wait() == 0, done.stderr
    assert files_in(output) == sorted([*images, "grey.png"])
    for name, image in images.items():
        found = stored(output / name)
        assert found.dtype == image.dtype
        np.testing.assert_allclose(found, inverted(image), rtol=0, atol=0 if image.dtype != np.float32 else 1e-6)
    np.testing.assert_array_equal(stored(output / "grey.png"), np.repeat(inverted(grey), 3, axis=-1))
    assert done.stdout.splitlines() == [
        f"translated: 6 by {models / 'colour.keras'}", "sizes: 2 as they are",
        "sizes: 4 padded by reflection to a size the model takes, and cut back",
        "channels: 1 from grey to colour, by repetition", f"output: {output}",
    ]
    again = start_tool("translate", f"--handle={models / 'colour.keras'}", f"--images={folder}", f"--output={output}")
    assert again.wait() == 0 and "kept: 6 that were there already" in again.stdout


def test_what_files_say_is_kept_and_an_image_on_its_side_is_seen_upright(start_tool, tmp_path):
    """A model that blackens what is right of the middle: of a stored image on its side that is the lower half."""
    inputs = keras.Input((8, 12, 3))
    mask = np.repeat(np.arange(12) < 6, 8).reshape(12, 8).T[..., None].astype("float32")
    right = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    black = keras.Model(inputs, keras.layers.Multiply()([inputs, _constant(inputs, mask, right)]), name="black")
    black.save(tmp_path / "black.keras")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    light = np.full((12, 8, 3), 255, "uint8")
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "me")
    said = {"exif": exif, "icc_profile": _PROFILE, "dpi": (300, 150)}
    Image.fromarray(light).save(folder / "a.png", pnginfo=info, **said)
    Image.fromarray(light).save(folder / "b.jpg", comment=b"words", quality=100, **said)
    done = start_tool("translate", f"--handle={tmp_path / 'black.keras'}", f"--images={folder}", f"--output={output}")
    assert done.wait() == 0, done.stderr
    for name in ("a.png", "b.jpg"):
        with Image.open(output / name) as image:
            image.load()
            assert image.size == (8, 12) and image.getexif()[0x0112] == 6 and image.getexif()[0x010F] == "Maker"
            assert image.info["icc_profile"] == _PROFILE
            assert image.info["dpi"] == pytest.approx((300, 150), rel=1e-3)
            # Turned clockwise by a quarter, the upper rows of what is stored are on the right.
            rows = np.asarray(image).mean((1, 2))
            np.testing.assert_allclose(rows, [0] * 6 + [255] * 6, atol=3)
    with Image.open(output / "a.png") as image:
        image.load()
        assert image.text == {"Author": "me"}
    with Image.open(output / "b.jpg") as image:
        assert image.info["comment"] == b"words"
    assert "lost" not in done.stdout


def _constant(inputs, mask, dense):
    """A layer that answers with the mask, made of plain layers: zero times the image, plus the mask as a bias."""
    zero = dense(inputs)
    flat = keras.layers.Flatten()(zero)
    grown = keras.layers.Dense(mask.size, kernel_initializer="zeros", bias_initializer=keras.initializers.Zeros())
    answer = keras.layers.Reshape(mask.shape)(grown(flat))
    grown.bias.assign(mask.ravel())
    return answer


def test_bad_files_are_named_and_the_others_go_on(start_tool, models, tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    image = put(folder / "good.png", noise("uint8", 8, 8, 3))
    put(folder / "z_good.tif", noise("uint8", 8, 8, 3))
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:-30])
    (folder / "text.jpg").write_text("words")
    put(folder / "bands.tif", noise("uint8", 8, 8, 5))
    Image.fromarray(image).save(folder / "few.gif")
    output.mkdir()
    (output / "z_good.tif").write_text("mine")
    done = start_tool("translate", f"--handle={models / 'colour.keras'}", f"--images={folder}", f"--output={output}")
    assert done.wait() == 1
    assert files_in(output) == ["good.png", "z_good.tif"] and (output / "z_good.tif").read_text() == "mine"
    np.testing.assert_array_equal(stored(output / "good.png"), inverted(image))
    said = {line.partition(": ")[0]: line for line in done.stderr.splitlines()}
    for name, why in {
        "empty.png": "the file is empty", "cut.png": "", "text.jpg": "the content is not that of",
        "bands.tif": "it has 5 channels, and the model takes 3", "few.gif": "GIF holds 256 colours, too few",
    }.items():
        assert why in said[str(folder / name)]
    assert "translated: 1 by" in done.stdout and "kept: 1 that were there" in done.stdout
    assert "not translated: 5, named above" in done.stdout
    done = start_tool("translate", f"--handle={models / 'colour.keras'}", f"--images={folder}/z*.tif,{folder}/few.gif",
                      f"--output={output}", "--overwrite", "--format=png")
    assert done.wait() == 0, done.stderr
    assert files_in(output) == ["few.png", "good.png", "z_good.png", "z_good.tif"]
    assert stored(output / "few.png").shape == (8, 8, 3)


def test_tiles_are_stated_and_bands_go_through(start_tool, models, tmp_path):
    image = put(tmp_path / "bands.tif", noise("uint16", 70, 50, 5))
    done = start_tool("translate", f"--handle={models / 'bands.keras'}", f"--images={tmp_path / 'bands.tif'}",
                      f"--output={tmp_path / 'out'}", "--size_policy=tile", "--tile=32", "--overlap=8")
    assert done.wait() == 0, done.stderr
    assert "differs by tile, which changes the result (32 x 32 pixels, overlap 8 or more)" in done.stdout
    found = stored(tmp_path / "out" / "bands.tif")
    assert np.abs(found.astype(int) - inverted(image)).max() <= 1
    done = start_tool("translate", f"--handle={models / 'bands.keras'}", f"--images={tmp_path / 'bands.tif'}",
                      f"--output={tmp_path / 'out2'}", "--max_pixels=3000")
    assert done.wait() == 1 and "more than max_pixels=3000 for one call: choose the size_policy 'tile'" in done.stderr


def test_a_published_generator_by_its_handle_and_as_a_saved_model(start_tool, tmp_path):
    root = tmp_path / "zoo"
    there, _ = zoo.publish_translation(negative(), negative(), "me/negative", {"image_size": 16}, root)
    image = put(tmp_path / "a.png", noise("uint8", 40, 24, 3))
    for index, (handle, flag) in enumerate([("me/negative_a2b", f"--zoo_root={root}"), (there.path, "")]):
        output = tmp_path / str(index)
        done = start_tool("translate", f"--handle={handle}", f"--images={tmp_path / 'a.png'}", f"--output={output}",
                          "--size_policy=tile", *filter(None, [flag]))
        assert done.wait() == 0, done.stderr
        assert done.stdout.startswith("translated: 1 by me/negative_a2b/1\n") and "(16 x 16 pixels" in done.stdout
        assert np.abs(stored(output / "a.png").astype(int) - inverted(image)).max() <= 1
    negative().export(tmp_path / "saved", verbose=False)
    done = start_tool("translate", f"--handle={tmp_path / 'saved'}", f"--images={tmp_path / 'a.png'}",
                      f"--output={tmp_path / 'saved_out'}", "--multiple=8")
    assert done.wait() == 0, done.stderr
    np.testing.assert_array_equal(stored(tmp_path / "saved_out" / "a.png"), inverted(image))


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_stopped_half_way_it_leaves_whole_files_and_goes_on_later(start_tool, models, tmp_path, number, code):
    folder, output = tmp_path / "in", tmp_path / "out"
    images = {f"{i:02}.png": put(folder / f"{i:02}.png", noise("uint8", 160, 160, 3, seed=i)) for i in range(24)}
    arguments = [f"--handle={models / 'slow.keras'}", f"--images={folder}", f"--output={output}"]
    child = start_tool("translate", *arguments)
    child.wait_for(output / "02.png")
    os.kill(child.process, number)
    assert child.wait() == code, child.stderr
    found = [name for name in files_in(output) if not name.startswith(".")]
    assert 3 <= len(found) < 24
    for name in found:
        np.testing.assert_array_equal(stored(output / name), inverted(images[name]))
    if number == signal.SIGINT:
        assert f"interrupted: {len(found)} of 24 images are translated" in child.stderr
        assert files_in(output) == found, "nothing half-written"
    before = {name: (output / name).stat().st_mtime_ns for name in found}
    child = start_tool("translate", *arguments)
    assert child.wait() == 0, child.stderr
    assert f"kept: {len(found)} that" in child.stdout
    assert all((output / name).stat().st_mtime_ns == time_ns for name, time_ns in before.items())
    assert [name for name in files_in(output) if not name.startswith(".")] == sorted(images)


@pytest.mark.parametrize("fails", [False, True])
def test_ctrl_c_while_a_file_is_written_waits_until_it_is_counted(tmp_path, monkeypatch, fails):
    jobs = [translation.Job(str(tmp_path / name), tmp_path / "out" / name, True) for name in ("a.png", "b.png")]
    for job in jobs:
        put(pathlib.Path(job.source), noise("uint8", 16, 16, 3))
    write = whole_file.write

    @contextlib.contextmanager
    def write_then_stop(*arguments):
        with write(*arguments) as file:
            yield file
            if fails:
                signal.raise_signal(signal.SIGINT)
                raise OSError(errno.ENOSPC, "No space left on device")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(whole_file, "write", write_then_stop)
    with pytest.raises(KeyboardInterrupt, match=f"interrupted: {0 if fails else 1} of 2 images are translated"):
        translation.run(jobs, zoo.Translator(negative()), 3, None, 90, False)
    assert files_in(tmp_path / "out") == ([] if fails else ["a.png"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--images=none/*.png"], "images='none/*.png': there is no such file"),
        (["--images=void"], "images='void': the folder has no image (.jpg,"),
        (["--handle="], "--handle is missing"),
        (["--output="], "--output is missing"),
        (["--images="], "--images is missing"),
        (["--output=in"], "output='in' is not accepted: in/a.png would be replaced by its answer"),
        (["--output=in/a.png"], "output='in/a.png' is not accepted: it is a file"),
        (["--format=png"], "in/a.png and in/a.tif would both become out/a.png: translate them apart"),
        (["--quality=0", "--format=jpeg", "--images=in/a.png"], "quality=0 is not accepted"),
        (["--size_policy=crop"], "value should be one of <pad|tile|resize>"),
        (["extra"], "unexpected argument 'extra'"),
    ],
)
def test_wrong_flags_are_one_line_before_tensorflow_starts(tmp_path, arguments, message):
    put(tmp_path / "in" / "a.png", noise("uint8", 4, 4, 3))
    put(tmp_path / "in" / "a.tif", noise("uint8", 4, 4, 3))
    (tmp_path / "void").mkdir()
    done = quick("--handle=m", "--images=in", "--output=out", *arguments, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr.splitlines()[0], done.stderr
    assert "TensorFlow" not in done.stderr and sorted(p.name for p in tmp_path.iterdir()) == ["in", "void"]


def test_everything_is_there_already(tmp_path):
    put(tmp_path / "in" / "a.png", noise("uint8", 4, 4, 3))
    put(tmp_path / "out" / "a.png", noise("uint8", 4, 4, 3))
    begin = time.monotonic()
    done = quick("--handle=m", "--images=in", "--output=out", cwd=tmp_path)
    assert done.returncode == 0 and "kept: 1" in done.stdout and "TensorFlow" not in done.stderr
    assert time.monotonic() - begin < 60


def test_places_relative_to_what_was_named(tmp_path):
    from keras_repvis_tools import translation

    for name in ("in/a.png", "in/sub/b.png", "in/sub/c.jpg", "other/d.png", "in/out/old.png"):
        put(tmp_path / name, noise("uint8", 4, 4, 3))

    def places(*patterns, output="in/out"):
        return [
            job.destination.relative_to(tmp_path / output).as_posix()
            for job in translation.plan([str(tmp_path / p) for p in patterns], tmp_path / output)
        ]

    assert places("in") == ["a.png", "sub/b.png", "sub/c.jpg"], "answers of an earlier run are no images to translate"
    assert places("in/**/*.png", "other/d.png", output="new") == ["a.png", "out/old.png", "sub/b.png", "d.png"]
    assert places("in/s*/*.jpg", output="new") == ["sub/c.jpg"]
    assert places("in/sub/b.png", "in/sub") == ["b.png", "c.jpg"]
