"""Makes Moonshine's two networks fast: `moonshine.py DIRECTORY`, with its tools importable and nothing of ours.

The wheel stores each weight as bytes with a cast, a factor and an offset before it is used, which no session of
onnxruntime folds: every token computes 42 million weights again. Here they are folded once, in the branches of the
decoder too, and the products of matrices are quantised to integers. The weights are unsigned: signed ones
saturate on processors without VNNI, and "nine" becomes "No.".
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

NETWORKS = {"encoder_model.ort": "encoder.onnx", "decoder_model_merged.ort": "decoder.onnx"}

_FOLDED = ("Cast", "Mul", "Add")


def main(directory: Path) -> None:
    """Write the converted networks beside the stored ones."""
    for stored, made in NETWORKS.items():
        plain = directory / "plain.onnx"
        _as_onnx(directory / stored, plain)
        model = onnx.load(plain)
        fold(model)
        onnx.save(model, plain)
        quantize_dynamic(
            plain,
            directory / made,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QUInt8,
            extra_options={"EnableSubgraph": True},
        )
        plain.unlink()


def _as_onnx(stored: Path, target: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ONNX")
    onnxruntime.InferenceSession(str(stored), options, providers=["CPUExecutionProvider"])


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
