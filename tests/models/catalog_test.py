"""Tests of keras_repvis.models.catalog."""

import subprocess
import sys

import pytest

from keras_repvis import models


def test_names():
    assert models.names() == (
        "mobilenet_v1",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "mobilenet_v3_large_minimalistic",
        "mobilenet_v3_small",
        "mobilenet_v3_small_minimalistic",
        "mobilenet_v4_conv_large",
        "mobilenet_v4_conv_medium",
        "mobilenet_v4_conv_small",
    )


def test_names_need_no_tensorflow():
    program = (
        "import sys; from keras_repvis import models; models.names()\n"
        "try: models.build('mobilnet_v2')\nexcept ValueError: pass\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ValueError, match="model='mobilnet_v2' is not known. Did you mean 'mobilenet_v2'"):
        models.build("mobilnet_v2")
    with pytest.raises(ValueError, match="'width_multiplyer' is not known. Did you mean 'width_multiplier'"):
        models.build("mobilenet_v2", width_multiplyer=0.5)


def test_what_the_name_fixes_cannot_be_given():
    with pytest.raises(ValueError, match="'minimalistic' is not known"):
        models.build("mobilenet_v3_small_minimalistic", minimalistic=False)
