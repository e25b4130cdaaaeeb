"""How much of the images random layers keep: what lesson 00 measures with a linear probe."""

import numpy as np

from vgx.arguments import whole_number
from vgx.datasets import digits, mnist
from vgx.network import Network
from vgx.registry import unknown_name

DATA = ("digits", "mnist")
PLACES = ("pixels", "sums of layer 1", "layer 1", "layer 2", "layer 3", "layer 4")
N_LAYERS = 4
NEGLIGIBLE = 1e-10  # of the largest eigenvalue: pixels that are constant, or copies of others


def probe_by_layer(data: str, width: int = 30, *, n_seeds: int = 10) -> dict[str, np.ndarray]:
    """Read the digit, and the pixels, off the outputs of random untrained layers.

    The layers are Nielsen's at the start: sigmoids, weights N(0, 1/n_in), biases N(0, 1); pixels lie in [0, 1]. At each
    place a linear regression from all outputs (and a constant) is fitted to ten indicators, of which the largest is
    the answer, and to the pixels; it is judged on images that it has not seen. A regression may turn up the faintest
    direction; the nearest neighbour, a second reader, takes the outputs as loud as they are.

    Parameters
    ----------
    data : {"digits", "mnist"}
        Fitted on the first 1297 digits and judged on the other 500; or on the first 20,000 training images of MNIST and
        its test set.
    width : int
        Neurons of each of the four layers.
    n_seeds : int
        How many stacks of layers are drawn.

    Returns
    -------
    dict
        Of shape (n_seeds, 6), for the pixels, layer 1 before its sigmoid, and the outputs of layers 1 to 4:
        ``accuracy``, of the regression, in percent; ``recovered``, percent of the pixels' variance that it explains;
        ``neighbour``, percent of (at most 2000) images whose nearest neighbour is the same digit; ``contrast``, the
        outputs' standard deviation over images, mean over the layer.
    """
    x, y, seen = _images(data)
    width, n_seeds = whole_number("width", width), whole_number("n_seeds", n_seeds)
    pixels = _probed(x, x, y, seen)  # without chance
    rows = []
    for seed in range(n_seeds):
        net = Network.sample(
            depth=N_LAYERS, width=width, n_inputs=x.shape[1], activation="sigmoid",
            initializer="lecun_normal", bias_std=1.0, rng=np.random.default_rng(seed),
        )  # fmt: skip
        trace = net.forward(x)
        rows.append([pixels, *(_probed(h, x, y, seen) for h in (trace.pre_activations[0], *trace.activations))])
    return dict(
        zip(("accuracy", "recovered", "neighbour", "contrast"), np.moveaxis(np.array(rows), -1, 0), strict=True)
    )


def _images(data: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Return images in [0, 1], their digits, and how many of them, from the first, a probe is fitted to."""
    if data == "digits":
        raw = digits(standardize=False)
        return raw.x / 16, raw.y, 1297
    if data == "mnist":
        train, test, seen = mnist("train"), mnist("test"), 20_000
        x = np.concatenate([train.x[:seen], test.x], dtype=np.float64)
        return x, np.concatenate([train.y[:seen], test.y]), seen
    raise ValueError(unknown_name("data", data, DATA))


def _probed(h: np.ndarray, x: np.ndarray, y: np.ndarray, seen: int) -> tuple[float, ...]:
    """Return what can be read off the outputs h: the values of `probe_by_layer` at one place."""
    neighbour = _neighbours_agree(h, y, seen)
    mean, std = h[:seen].mean(axis=0), h[:seen].std(axis=0)
    h = (h - mean) / np.where(std > 0, std, 1.0)  # a regression may turn up the volume
    targets = np.hstack([np.eye(10)[y], x])
    centre = targets[:seen].mean(axis=0)  # the constant, as h has mean 0
    read = centre + h[seen:] @ _least_squares(h[:seen], targets[:seen])
    accuracy = np.mean(read[:, :10].argmax(axis=1) == y[seen:])
    missed, variation = (np.sum((targets[seen:] - guess)[:, 10:] ** 2) for guess in (read, centre))
    return 100 * accuracy, 100 * (1 - missed / variation), 100 * neighbour, std.mean()


def _least_squares(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Solve the normal equations, along the directions in which the inputs vary at all."""
    values, vectors = np.linalg.eigh(inputs.T @ inputs)
    kept = values > NEGLIGIBLE * values[-1]
    vectors = vectors[:, kept]
    return vectors @ ((vectors.T @ (inputs.T @ targets)) / values[kept, None])


def _neighbours_agree(h: np.ndarray, y: np.ndarray, seen: int) -> float:
    """Return the share of the next 2000 images whose nearest one among the first ``seen`` is the same digit."""
    h = h - h[:seen].mean(axis=0)  # else the faint differences drown in rounding
    asked = slice(seen, seen + 2000)
    squares = np.sum(h[:seen] ** 2, axis=1) - 2 * h[asked] @ h[:seen].T  # less the asked image's own length
    return float(np.mean(y[:seen][squares.argmin(axis=1)] == y[asked]))
