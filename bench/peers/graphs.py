"""Writes ONNX graphs of the encoder and of attention alone, for ONNX Runtime and OpenVINO; weights as in common.py.

Three kinds, each with one packed projection for query, key and value:
`plain`      MatMul, Add, Softmax, LayerNormalization and Relu, as an export from PyTorch gives them;
`attention`  ONNX's Attention operator (opset 23), which can return the weights;
`mha`        ONNX Runtime's own MultiHeadAttention, which can return scores only: never with maps here.
"""

import json
import math
import os

import common


class _Graph:
    def __init__(self, onnx, opset):
        self.onnx, self.opset, self.nodes, self.initializers, self.count = onnx, opset, [], [], 0

    def constant(self, value):
        self.count += 1
        self.initializers.append(self.onnx.numpy_helper.from_array(value, f"constant_{self.count}"))
        return self.initializers[-1].name

    def add(self, kind, inputs, output="", outputs=1, **attributes):
        self.count += 1
        names = [output] if output else [f"{kind.lower()}_{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, names, **attributes))
        return names[0] if len(names) == 1 else names

    def parameter(self, name):
        """A tensor of the stored weights, by reference."""
        location, index = self.weights
        offset, shape = index[name]
        tensor = self.onnx.TensorProto(name=name, data_type=self.onnx.TensorProto.FLOAT, dims=shape)
        tensor.data_location = self.onnx.TensorProto.EXTERNAL
        length = 4 * math.prod(shape)
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return name

    def linear(self, x, name, separator="."):
        weight, bias = self.parameter(f"{name}{separator}weight"), self.parameter(f"{name}{separator}bias")
        return self.add("Add", [self.add("MatMul", [x, weight]), bias])

    def save(self, path, inputs, outputs, shapes):
        helper, onnx = self.onnx.helper, self.onnx

        def info(name):
            return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shapes[name])

        graph = helper.make_graph(
            self.nodes, "peer", [info(n) for n in inputs], [info(n) for n in outputs], self.initializers
        )
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8 if self.opset < 18 else 11)
        with open(path, "wb") as file:
            file.write(model.SerializeToString())


def _stored_weights(arguments):
    """The weights' file name and {name: (offset, shape)}; matrices are transposed, as MatMul takes them.

    One file for all graphs of a shape: the largest has 0.9 GB of weights, and a protobuf cannot hold 2.
    """
    names = ("seed", "d_model", "nhead", "dim_feedforward", "num_layers")
    path = os.path.join(arguments.cache, "weights_" + "_".join(str(getattr(arguments, name)) for name in names))
    if not os.path.exists(path + ".json"):
        index = {}
        with open(path, "wb") as file:
            for name, value in common.encoder_weights(arguments).items():
                file.seek(-(-file.tell() // 4096) * 4096)
                index[name] = (file.tell(), value.T.shape)
                file.write(value.T.tobytes())
        with open(path + ".json", "w") as file:
            json.dump(index, file)
    with open(path + ".json") as file:
        return os.path.basename(path), json.load(file)


def _attention(graph, q, k, v, width, bias=None, weights="", output=""):
    """q, v (B, H, T, D) and k (B, H, D, T), by name; `weights` names the map. PyTorch scales q, so this does."""
    import numpy

    scaled = graph.add("Mul", [q, graph.constant(numpy.array(width**-0.5, numpy.float32))])
    scores = graph.add("MatMul", [scaled, k])
    if bias is not None:
        scores = graph.add("Add", [scores, graph.constant(bias)])
    return graph.add("MatMul", [graph.add("Softmax", [scores], weights, axis=-1), v], output)


def _one_operator(graph, kind, inputs, heads, causal, joined=True, weights="", output=""):
    """Attention as one operator, on inputs (B, T, E) if joined; else, for `attention` only, on (B, H, T, D)."""
    if kind == "mha":
        return graph.add(
            "MultiHeadAttention", inputs, output, num_heads=heads, unidirectional=int(causal), domain="com.microsoft"
        )
    graph.count += 1
    output = output or f"context_{graph.count}"
    outputs = [output, "", "", weights] if weights else [output]
    # Mode 3 is after softmax.
    attributes = {"is_causal": int(causal), "qk_matmul_output_mode": 3 if weights else 0}
    if joined:
        attributes.update(q_num_heads=heads, kv_num_heads=heads)
    graph.nodes.append(graph.onnx.helper.make_node("Attention", inputs, outputs, **attributes))
    return output


def _norm(graph, name, x, output=""):
    inputs = [x, graph.parameter(name + ".weight"), graph.parameter(name + ".bias")]
    return graph.add("LayerNormalization", inputs, output, axis=-1, epsilon=1e-5)


def _encoder(graph, arguments, keeps_maps, kind):
    import numpy

    batch, length, width, heads = arguments.batch, arguments.length, arguments.d_model, arguments.nhead
    graph.weights = _stored_weights(arguments)
    split_heads = graph.constant(numpy.array([batch, length, heads, width // heads], numpy.int64))
    join_heads = graph.constant(numpy.array([batch, length, width], numpy.int64))
    thirds = graph.constant(numpy.array([width] * 3, numpy.int64))
    shapes = {"x": [batch, length, width], "output": [batch, length, width]}
    maps, x = [], "x"
    for layer in range(arguments.num_layers):
        last = layer + 1 == arguments.num_layers

        prefix = f"layers.{layer}."
        projected = graph.linear(x, prefix + "self_attn.in_proj", "_")
        q, k, v = graph.add("Split", [projected, thirds], outputs=3, axis=-1)
        if keeps_maps:
            maps.append(f"map_{layer}")
            shapes[maps[-1]] = [batch, heads, length, length]
        weights = maps[-1] if keeps_maps else ""
        if kind != "plain":
            context = _one_operator(graph, kind, [q, k, v], heads, False, weights=weights)
        else:
            q, k, v = (
                graph.add("Transpose", [graph.add("Reshape", [t, split_heads])], perm=perm)
                for t, perm in ((q, (0, 2, 1, 3)), (k, (0, 2, 3, 1)), (v, (0, 2, 1, 3)))
            )
            context = _attention(graph, q, k, v, width // heads, weights=weights)
            context = graph.add("Reshape", [graph.add("Transpose", [context], perm=(0, 2, 1, 3)), join_heads])

        attended = graph.add("Add", [x, graph.linear(context, prefix + "self_attn.out_proj")])
        x = _norm(graph, prefix + "norm1", attended)
        hidden = graph.add("Relu", [graph.linear(x, prefix + "linear1")])
        hidden = graph.add("Add", [x, graph.linear(hidden, prefix + "linear2")])
        x = _norm(graph, prefix + "norm2", hidden, "output" if last else "")
    return ["x"], ["output"] + maps, shapes


def _attention_alone(graph, arguments, keeps_maps, kind):
    import numpy

    batch, heads, length = arguments.batch, arguments.nhead, arguments.length
    width, inputs, weights = arguments.d_model // heads, ["q", "k", "v"], "map_0" if keeps_maps else ""
    shape = [batch, length, arguments.d_model] if kind == "mha" else [batch, heads, length, width]
    shapes = {name: shape for name in [*inputs, "output"]} | {"map_0": [batch, heads, length, length]}
    if kind == "plain":
        bias = None
        if arguments.causal:
            bias = numpy.triu(numpy.full((length, length), -numpy.inf, numpy.float32), 1)
        key = graph.add("Transpose", ["k"], perm=(0, 1, 3, 2))
        _attention(graph, "q", key, "v", width, bias, weights, "output")
    else:
        _one_operator(graph, kind, inputs, heads, arguments.causal, kind == "mha", weights, "output")
    return inputs, ["output", weights] if keeps_maps else ["output"], shapes


def graph_file(arguments, keeps_maps, kind="plain"):
    """The path of the graph for these arguments, written into the cache folder if it is not there."""
    import onnx
    import onnx.numpy_helper

    names = ("seed", "d_model", "nhead", "dim_feedforward", "num_layers", "batch", "length", "causal")
    key = "_".join(str(int(getattr(arguments, name))) for name in names)
    path = os.path.join(arguments.cache, f"{arguments.work}_{key}_{kind}{'_maps' * keeps_maps}.onnx")
    if not os.path.exists(path):
        graph = _Graph(onnx, 23 if kind == "attention" else 17)
        build = _encoder if arguments.work == "encoder" else _attention_alone
        graph.save(path, *build(graph, arguments, keeps_maps, kind))
    return path


def graph_inputs(arguments, kind="plain"):
    """Input arrays by name, in the layout of the graph."""
    import numpy

    if arguments.work == "encoder":
        return {"x": common.encoder_input(arguments)}
    values = common.attention_inputs(arguments)
    if kind == "mha":
        values = [numpy.ascontiguousarray(v.transpose(0, 2, 1, 3)).reshape(v.shape[0], v.shape[2], -1) for v in values]
    return dict(zip("qkv", values))


def comparable(arguments, output):
    """An output of attention alone as (B, H, T, D), whatever the graph's layout."""
    if arguments.work == "attention" and output.ndim == 3:
        output = output.reshape(*output.shape[:2], arguments.nhead, -1).transpose(0, 2, 1, 3)
    return output
