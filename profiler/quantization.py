"""What it costs to send a feature with fewer bits: quantize what crosses, let the server go on,
compare the results.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from profiler.network import Network
from profiler.runtime import Runner, Tensors

Floats = NDArray[np.floating[Any]]

TOP1, RELATIVE = "top1", "relative"


class BadCalibration(ValueError):
    """Inputs or labels that do not fit the network."""


class Losses(NamedTuple):
    """What a cut loses at each number of bits."""

    cut: int
    by_bits: dict[int, float]


def _say_nothing(_done: int, _total: int) -> None:
    """For callers that do not want to know how far it is."""


def quantized(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """A tensor after a trip over the link: 2^bits evenly spaced values from its own least to its
    largest.

    Both ends travel along. Whole numbers (indices, masks) are sent as they are.
    """
    if not np.issubdtype(values.dtype, np.floating) or values.size == 0:
        return values
    least, largest = float(values.min()), float(values.max())
    if not np.isfinite(largest - least):
        raise BadCalibration(
            "a feature has infinite or undefined values: it has no range to quantize over"
        )
    if largest == least:
        return values
    step = (largest - least) / (2**bits - 1)
    return np.asarray(least + np.rint((values.astype(np.float64) - least) / step) * step).astype(
        values.dtype
    )


def _require_sense(expected: Sequence[Tensors], labels: Sequence[int] | None, measure: str) -> None:
    """Raise BadCalibration where labels, measure and results do not go together."""
    if (labels is not None or measure == TOP1) and not is_classifier(expected[0]):
        raise BadCalibration(
            "the network is no classifier: its results are not one score per class"
        )
    if labels is not None and len(labels) != len(expected):
        raise BadCalibration(f"{len(labels)} labels for {len(expected)} inputs")
    if labels is not None and measure == RELATIVE:
        raise BadCalibration(
            "labels say what is right, a relative error does not ask for it: leave one of them out"
        )


def measure_losses(
    network: Network,
    inputs: Sequence[Tensors],
    bits: Sequence[int],
    labels: Sequence[int] | None = None,
    measure: str | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] = _say_nothing,
) -> Iterator[Losses]:
    """Losses of every cut at which something crosses.

    Parameters
    ----------
    inputs : one dictionary of tensors per sample
    bits : numbers of bits per element
    labels : right class of each sample; the loss then is the share of right answers lost, at least
        0
    measure : "top1": without labels, the share of samples whose best class is another one;
        "relative": distance of the results over their own length, at most 1. By default "top1" for
        a single result of scores over classes.

    Raises
    ------
    BadCalibration
        Labels that are not one per sample, or for a network that is no classifier.
    """
    whole = Runner(network.graph.exposing(()), threads)
    expected = [whole(feeds) for feeds in inputs]
    chosen = measure or (TOP1 if is_classifier(expected[0]) else RELATIVE)
    _require_sense(expected, labels, chosen)
    crossing = [cut for cut in range(len(network.cuts)) if network.cuts[cut].tensors]
    for done, cut in enumerate(crossing, start=1):
        halves = network.halves(cut)
        device, server = Runner(halves.device, threads), Runner(halves.server, threads)
        losses: dict[int, list[float]] = {each: [] for each in bits}
        for sample, feeds in enumerate(inputs):
            crossed = feeds | device(feeds)
            label = None if labels is None else labels[sample]
            for each in bits:
                sent = crossed | {
                    name: quantized(crossed[name], each) for name in network.cuts[cut].tensors
                }
                got = sent | server(sent)
                losses[each].append(_loss(expected[sample], got, label, chosen))
        yield Losses(cut, {each: min(1.0, max(0.0, float(np.mean(losses[each])))) for each in bits})
        progress(done, len(crossing))


def is_classifier(results: Tensors) -> bool:
    """Whether there is one result, of one score per class for each entry of the batch."""
    if len(results) != 1:
        return False
    (scores,) = results.values()
    classes = np.shape(scores)[1:]
    return (
        np.issubdtype(scores.dtype, np.floating)
        and bool(classes)
        and max(classes) >= 2
        and _one_axis(classes)
    )


def with_losses(profile: Mapping[str, Any], losses: Iterable[Losses], told: str) -> dict[str, Any]:
    """A model profile with what its cuts lose; `told` says on what it was measured."""
    cuts = [dict(cut) for cut in profile["cuts"]]
    for cut, by_bits in losses:
        cuts[cut]["quantization"] = [
            {"bits": bits, "loss": loss} for bits, loss in sorted(by_bits.items())
        ]
    reference = "; ".join(text for text in (profile.get("reference"), told) if text)
    return {**profile, "cuts": cuts, "provenance": "measured", "reference": reference[:4000]}


def load_inputs(path: Path, network: Network) -> list[Tensors]:
    """Samples from an .npz with a first axis of samples, or from a folder with an .npz or .npy for
    each.

    Raises BadCalibration.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".npz", ".npy"))
        samples = [_checked(_arrays(file, network), network, str(file)) for file in files]
    else:
        samples = [
            _checked(sample, network, str(path))
            for sample in _apart(_arrays(path, network), network)
        ]
    if not samples:
        raise BadCalibration(
            f"{path} has no inputs: .npz files with tensors by name, or .npy files"
        )
    return samples


def load_labels(path: Path) -> list[int]:
    """Classes from an .npy, or from a text with one number a line."""
    values = (
        np.load(path, allow_pickle=False)
        if path.suffix == ".npy"
        else np.loadtxt(path, dtype=np.int64, ndmin=1)
    )
    return [int(value) for value in np.ravel(values)]


def _loss(expected: Tensors, got: Tensors, label: int | None, measure: str) -> float:
    """Of one sample.

    With a label it is negative where only the quantized network is right: losses are averaged.
    """
    if measure == RELATIVE:
        apart = sum(
            float(np.sum((got[name] - values.astype(np.float64)) ** 2))
            for name, values in expected.items()
        )
        length = sum(float(np.sum(values.astype(np.float64) ** 2)) for values in expected.values())
        return min(1.0, (apart / length) ** 0.5) if length else float(apart > 0)
    ((name, scores),) = expected.items()
    right, found = _classes(scores), _classes(got[name])
    if label is None:
        return float(np.mean(right != found))
    return float(np.mean(right == label)) - float(np.mean(found == label))


def _classes(scores: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray(np.argmax(scores.reshape(len(scores), -1), axis=1))


def _one_axis(sizes: Sequence[int]) -> bool:
    return sum(size > 1 for size in sizes) == 1


def _arrays(file: Path, network: Network) -> Tensors:
    try:
        loaded = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadCalibration(f"{file} cannot be read as numpy's file: {error}") from error
    if isinstance(loaded, np.ndarray):
        if len(network.feeds) != 1:
            raise BadCalibration(
                f"{file} is one array, but the network has the inputs {', '.join(network.feeds)}"
            )
        return dict.fromkeys(network.feeds, loaded)
    with loaded:
        return {name: loaded[name] for name in loaded.files}


def _apart(arrays: Tensors, network: Network) -> Iterator[Tensors]:
    """Samples along the first axis; each has the batch of the network."""
    counts = {
        name: len(array) / len(network.feeds[name])
        for name, array in arrays.items()
        if name in network.feeds
    }
    if len(set(counts.values())) > 1 or any(count % 1 for count in counts.values()):
        raise BadCalibration(f"the inputs have different numbers of samples: {counts}")
    for n in range(int(next(iter(counts.values()), 0))):
        yield {
            name: array[n * len(network.feeds[name]) : (n + 1) * len(network.feeds[name])]
            for name, array in arrays.items()
            if name in network.feeds
        }


def _checked(sample: Tensors, network: Network, where: str) -> Tensors:
    for name, like in network.feeds.items():
        if name not in sample:
            raise BadCalibration(
                f"{where} has no input {name!r}, only {', '.join(sample) or 'nothing'}"
            )
        if sample[name].shape != like.shape:
            raise BadCalibration(
                f"{where}: the input {name!r} has the shape {sample[name].shape}, not {like.shape}"
            )
        if sample[name].dtype != like.dtype:
            raise BadCalibration(
                f"{where}: the input {name!r} is {sample[name].dtype}, not {like.dtype}"
            )
    return {name: sample[name] for name in network.feeds}
