"""Makes Moonshine's two networks fast: `moonshine.py DIRECTORY`, with its tools importable and nothing of ours.

The wheel stores each weight as bytes with a cast, a factor and an offset before it is used, which no session of
onnxruntime folds: every token computes 42 million weights again. Here they are folded once, in the branches of the
decoder too, and the products of matrices are quantised to integers. The weights are unsigned: signed ones
saturate on processors without VNNI, and "nine" becomes "No.". What a session would do to the graph each time that it
is loaded is done here as well, but for constants that would only grow: it loads in half the time and memory.

The bytes depend on the processor, so what is made is tried instead: it must say what the stored networks say.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

NETWORKS = {"encoder_model.ort": "encoder.onnx", "decoder_model_merged.ort": "decoder.onnx"}

_FOLDED = ("Cast", "Mul", "Add")
_ERRORS_ONLY = 3

TRIAL_HZ, TRIAL_S = 16_000, 3.0
TRIAL_TOKENS = (1, 450, 1234, 338, 694, 29889, 1205, 306, 505, 451, 2360, 2)
"""Any will do: both are given the same."""
LEAST_LIKENESS = 0.98
"""Cosine between what the stored networks and those that were made put out."""


def main(directory: Path) -> None:
    """Write the converted networks beside the stored ones. Exits with a message if they do not do."""
    for stored, made in NETWORKS.items():
        plain, quantised = directory / "plain.onnx", directory / "quantised.onnx"
        _rewrite(directory / stored, plain, "ORT_DISABLE_ALL")
        model = onnx.load(plain)
        fold(model)
        onnx.save(model, plain)
        quantize_dynamic(
            plain,
            quantised,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QUInt8,
            extra_options={"EnableSubgraph": True},
        )
        _rewrite(quantised, directory / made, "ORT_ENABLE_EXTENDED")
        plain.unlink()
        quantised.unlink()
    try_out(directory)


def try_out(directory: Path) -> None:
    """Give the stored networks and those that were made the same sound and tokens, and compare what they put out."""
    stored, made = (
        list(_outputs(directory / encoder, directory / decoder, trial_sound(), TRIAL_TOKENS))
        for encoder, decoder in (tuple(NETWORKS), tuple(NETWORKS.values()))
    )
    worst = min(likeness(one, other) for one, other in zip(stored, made, strict=True))
    if not worst >= LEAST_LIKENESS:  # NaN is no likeness either
        raise SystemExit(f"the networks that were made differ from the stored ones: likeness {worst:.3f}")


def likeness(one: Any, other: Any) -> float:
    """The cosine between two outputs."""
    return float(np.vdot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))


def trial_sound() -> Any:
    """`float32[1, n]`: a buzz that glides through vowels, in four syllables a second."""
    times = np.arange(int(TRIAL_HZ * TRIAL_S)) / TRIAL_HZ
    phase = 2 * np.pi * (120 * times + 3 * np.sin(2 * np.pi * times))
    wave = np.zeros(len(times))
    for harmonic in range(1, 31):
        for formant_hz in (600 + 200 * np.sin(4 * times), 1500 + 500 * np.cos(3 * times)):
            wave += np.sin(harmonic * phase) / (1 + ((harmonic * 120 - formant_hz) / 90) ** 2)
    wave *= 0.6 + 0.4 * np.cos(2 * np.pi * 4 * times)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)[None]


def _outputs(encoder: Path, decoder: Path, sound: Any, tokens: Sequence[int]) -> Iterator[Any]:
    """What the encoder puts out, then the decoder's logits after each token."""
    heard = _session(encoder).run(None, {"input_values": sound})[0]
    yield heard
    session = _session(decoder)
    names = [output.name.replace("present", "past_key_values") for output in session.get_outputs()[1:]]
    memory = {
        entry.name: np.zeros((1, entry.shape[1], 0, entry.shape[3]), np.float32)
        for entry in session.get_inputs()
        if "past" in entry.name
    }
    for count, token in enumerate(tokens):
        inputs = {
            "input_ids": np.array([[token]]),
            "encoder_hidden_states": heard,
            "use_cache_branch": np.array([count > 0]),
        }
        logits, *remembered = session.run(None, inputs | memory)
        kept = zip(names, remembered, strict=True)
        memory |= {name: value for name, value in kept if not count or ".encoder." not in name}
        yield logits[0, -1]


def _session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _rewrite(source: Path, target: Path, level: str) -> None:
    """The network of one file in another, as ONNX, after what a session does to it at this level."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ONNX")
    onnxruntime.InferenceSession(
        str(source), options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
    )


def fold(model: Any) -> None:
    """Replace what is computed of constants alone by its value, and drop the constants that nothing uses then."""
    graph = model.graph
    known = _fold_graph(graph, {})
    for attribute in _branches(graph):
        attribute.g.name = attribute.name  # the quantiser wants names
        _fold_graph(attribute.g, known)
    graph.name = graph.name or "network"
    used = set(_names_used(graph))
    kept = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    standard = [version for version in model.opset_import if not version.domain]
    del model.opset_import[:]
    model.opset_import.extend(standard)


def _fold_graph(graph: Any, outer: dict[str, Any]) -> dict[str, Any]:
    """Fold one graph; returns all that is constant in it."""
    known = outer | {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            known[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    kept = []
    for node in graph.node:
        if node.op_type not in _FOLDED or any(name not in known for name in node.input):
            kept.append(node)
            continue
        value = np.ascontiguousarray(_value(node, [known[name] for name in node.input]))
        known[node.output[0]] = value
        graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    return known


def _value(node: Any, values: list[Any]) -> Any:
    if node.op_type == "Mul":
        return values[0] * values[1]
    if node.op_type == "Add":
        return values[0] + values[1]
    to = next(attribute.i for attribute in node.attribute if attribute.name == "to")
    return values[0].astype(onnx.helper.tensor_dtype_to_np_dtype(to))


def _branches(graph: Any) -> list[Any]:
    return [at for node in graph.node for at in node.attribute if at.type == onnx.AttributeProto.GRAPH]


def _names_used(graph: Any) -> list[str]:
    names = [name for node in graph.node for name in node.input] + [output.name for output in graph.output]
    for attribute in _branches(graph):
        names += _names_used(attribute.g)
    return names


if __name__ == "__main__":
    main(Path(sys.argv[1]))
