"""Makes Moonshine's two networks fast: `moonshine.py DIRECTORY`, with its tools importable and nothing of ours.

The wheel stores each weight as bytes with a cast, a factor and an offset before it is used, which no session of
onnxruntime folds: every token computes 42 million weights again. Here they are folded once, in the branches of the
decoder too, and the products of matrices are quantised to integers. The weights are unsigned: signed ones
saturate on processors without VNNI, and "nine" becomes "No.". What a session would do to the graph each time that it
is loaded is done here as well, but for constants that would only grow.

The decoder has a branch for the first step, which makes each layer's view of the speech, and another for all others,
and a session prepares the weights of both. Here the encoder makes the views, and one branch does for all steps. Weights
lie in files of their own, which are mapped into memory. The embeddings, two thirds of all, are given to the decoder as
an input: of a weight, a session would keep a second copy. All of it loads in a quarter of the time.

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
_LEAST_BYTES = 1024
"""Of a weight that lies in the file beside its network."""

_HEARD, _EMBEDDINGS = "encoder_hidden_states", "embeddings"

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
    encoder, decoder = (directory / made for made in NETWORKS.values())
    networks, embeddings = join(onnx.load(encoder), onnx.load(decoder))
    np.save(directory / "embeddings.npy", embeddings)
    for path, network in zip((encoder, decoder), networks, strict=True):
        path.unlink()
        beside = path.with_suffix(".bin").name
        onnx.save(network, path, save_as_external_data=True, location=beside, size_threshold=_LEAST_BYTES)
    try_out(directory)


def join(encoder: Any, decoder: Any) -> tuple[tuple[Any, Any], Any]:
    """The encoder with the decoder's views of the speech as its outputs, the decoder with these as inputs and without
    its first step, and the embeddings, which are another input."""
    made = {output: node for node in decoder.graph.node for output in node.output}
    choice = next(node for node in decoder.graph.node if node.op_type == "If")
    first, later = (_branch(choice, name) for name in ("else_branch", "then_branch"))
    made |= {output: node for node in first.node for output in node.output}
    views = [output.name for output in decoder.graph.output if ".encoder." in output.name]
    nodes = _renamed(_of_views(made, views), {_HEARD: encoder.graph.output[0].name})
    weights = {weight.name: weight for graph in (decoder.graph, first, later) for weight in graph.initializer}
    _, heads, _, width = (size.dim_value for size in decoder.graph.output[1].type.tensor_type.shape.dim)
    weights["heads"] = numpy_helper.from_array(np.array([1, -1, heads, width]), "heads")
    encoder.graph.node.extend(nodes)
    encoder.graph.initializer.extend(weights[name] for name in _names_of(nodes) if name in weights)
    del encoder.graph.output[:]
    encoder.graph.output.extend(output for output in decoder.graph.output if output.name in views)
    _keep_versions(encoder, decoder)

    table = max(decoder.graph.initializer, key=lambda weight: len(weight.raw_data))
    nodes = _renamed(later.node, {table.name: _EMBEDDINGS})
    inputs = [entry for entry in decoder.graph.input if entry.name not in (_HEARD, *choice.input)]
    inputs.append(onnx.helper.make_tensor_value_info(_EMBEDDINGS, table.data_type, list(table.dims)))
    outputs = [output for output in decoder.graph.output if output.name not in views]
    known = [weights[name] for name in _names_of(nodes) if name in weights]
    graph = onnx.helper.make_graph(nodes, "decoder", inputs, outputs, known)
    steps = onnx.helper.make_model(
        graph, opset_imports=list(decoder.opset_import), ir_version=decoder.ir_version
    )
    return (encoder, steps), numpy_helper.to_array(table)


def _branch(choice: Any, name: str) -> Any:
    return next(attribute.g for attribute in choice.attribute if attribute.name == name)


def _of_views(made: dict[str, Any], views: Sequence[str]) -> list[Any]:
    """What makes the views of what the encoder heard, in order; their shape no longer depends on the tokens."""
    nodes: list[Any] = [made[next(name for name in made if name.startswith(_HEARD))]]
    for view in views:
        chain = [made[view]]
        while chain[-1].op_type != "MatMulIntegerToFloat":
            chain.append(made[chain[-1].input[0]])
        nodes += reversed(chain)
    copies = _renamed(nodes, {})
    for node in copies:
        if node.op_type == "Reshape":
            node.input[1] = "heads"
    return copies


def _renamed(nodes: Sequence[Any], names: dict[str, str]) -> list[Any]:
    """Copies whose inputs have these names."""
    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [names.get(name, name) for name in node.input]
        copies.append(copy)
    return copies


def _names_of(nodes: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(name for node in nodes for name in node.input))


def _keep_versions(model: Any, other: Any) -> None:
    """Have a model know the operators of another one, too."""
    known = {version.domain for version in model.opset_import}
    model.opset_import.extend(version for version in other.opset_import if version.domain not in known)


def try_out(directory: Path) -> None:
    """Give the stored networks and those that were made the same sound and tokens, and compare what they put out."""
    sound = trial_sound()
    encoder, decoder = (directory / name for name in NETWORKS)
    stored = list(_outputs(encoder, decoder, sound, TRIAL_TOKENS))
    made = list(_outputs_of_made(directory, sound, TRIAL_TOKENS))
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
    """The stored decoder's logits after each token."""
    heard = _session(encoder).run(None, {"input_values": sound})[0]
    session = _session(decoder)
    names = [_as_input(output) for output in session.get_outputs()[1:]]
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


def _outputs_of_made(directory: Path, sound: Any, tokens: Sequence[int]) -> Iterator[Any]:
    """The same of the networks that were made."""
    encoder, session = (_session(directory / name) for name in NETWORKS.values())
    views = encoder.run(None, {"input_values": sound})
    memory = {
        entry.name: np.zeros((1, entry.shape[1], 0, entry.shape[3]), np.float32)
        for entry in session.get_inputs()
        if ".decoder." in entry.name
    }
    memory |= {_as_input(output): view for output, view in zip(encoder.get_outputs(), views, strict=True)}
    memory[_EMBEDDINGS] = np.load(directory / "embeddings.npy")
    for token in tokens:
        logits, *remembered = session.run(None, {"input_ids": np.array([[token]])} | memory)
        kept = zip(session.get_outputs()[1:], remembered, strict=True)
        memory |= {_as_input(output): value for output, value in kept}
        yield logits[0, -1]


def _as_input(output: Any) -> str:
    name: str = output.name
    return name.replace("present", "past_key_values")


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
