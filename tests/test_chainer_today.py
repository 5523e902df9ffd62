"""The examples of docs/chainer-today.md run, and stock Chainer gives the same results."""

import importlib
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from chainer_cpu import chainer

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "chainer-today.md").read_text(
    encoding="utf-8")
EXAMPLES = dict(re.findall(r"^### (.*?)\n+```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
OURS = re.compile(r"^from chainer_cpu import (functions as F|links as L|optimizers)$", re.MULTILINE)

# Tells for each example whether its result is what the document says.
RIGHT = {
    "A classifier, with Chainer's trainer": lambda loss, accuracy: accuracy > 0.85,
    "A convolutional network, with its own loop": lambda loss, accuracy: accuracy > 0.8,
    "A variational autoencoder": lambda first, last: 38 < first < 48 and last < 30,
    "A GAN, with an updater of its own": lambda loss_gen, loss_dis: 0.3 < loss_gen < 3,
}


def run(code, folder):
    """Returns the variable result of an example, and the packages of the functions it called."""
    modules = set()

    class Hook(chainer.FunctionHook):
        def forward_preprocess(self, function, in_data):
            modules.add(type(function).__module__.partition(".")[0])

    def example(hook):
        np.random.seed(0)
        names = {"folder": str(folder)}
        with hook, warnings.catch_warnings():
            # Chainer's extensions ask for what only some of them need.
            warnings.simplefilter("ignore")
            exec(compile(code, "docs/chainer-today.md", "exec"), names)
        return np.array(names["result"], np.float64)

    return example(Hook()), modules


@pytest.mark.parametrize("name", RIGHT)
def test_an_example_does_what_it_says_as_on_stock_chainer(name, tmp_path):
    ours, modules = run(EXAMPLES[name], tmp_path)
    assert RIGHT[name](*ours)
    assert "chainer_cpu" in modules
    stock, modules = run(OURS.sub(lambda line: "from chainer import " + line[1], EXAMPLES[name]),
                         tmp_path)
    assert "chainer_cpu" not in modules
    # Rounding grows from step to step: at the end of training it is no longer the last digit.
    np.testing.assert_allclose(ours, stock, rtol=0.05)


def test_caffe_models_are_listed_as_what_does_not_work_as_long_as_they_do_not():
    assert "| `chainer.links.caffe` |" in TEXT.partition("| does not work |")[2]
    with pytest.raises(TypeError, match="Descriptors cannot be created"):
        importlib.import_module("chainer.links.caffe")


def test_every_example_is_tried():
    assert EXAMPLES.keys() == RIGHT.keys()
