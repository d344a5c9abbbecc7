"""The model learns; no catalog is needed."""

from itertools import islice

import numpy as np

from load import draw
from models.classifier import fit, probabilities
from models.data import SHAPES


def test_it_tells_rings_from_crosses() -> None:
    generator = np.random.default_rng(1)
    labels = np.arange(80) % 2
    inputs = np.ones((80, 65))
    inputs[:, :64] = [draw(SHAPES[label], generator).ravel() for label in labels]
    (first, loss), *_, (weights, last) = islice(fit(inputs, labels, 0.5, 16, generator), 10)
    assert last < loss
    assert first.shape == (65, 2)
    assert (probabilities(weights, inputs).argmax(axis=1) == labels).mean() > 0.9
