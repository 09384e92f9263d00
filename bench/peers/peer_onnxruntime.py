"""Times ONNX Runtime on the encoder or on attention alone, in f32 or in int8 (dynamic quantisation), outputs bound to
reused memory; see --help."""

import os

import common

arguments = common.parse_arguments(__doc__, ["encoder", "attention"], ["f32", "int8"])
try:
    import numpy
    import onnx
    import onnxruntime
except ImportError as missing:
    common.not_installed("onnxruntime", missing)

import graphs  # noqa: E402

onnxruntime.disable_telemetry_events()


def quantised(path):
    """The graph with its constant matrices in int8, a scale a column; activations are quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    into = path.removesuffix(".onnx") + "_int8.onnx"
    if not os.path.exists(into):
        # Only the products of the linear layers have a constant matrix. What follows ONNX Runtime's own operator has no
        # inferred type: it is f32.
        quantize_dynamic(
            path,
            into,
            ["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    return into


def prepare(name, keeps_maps, kind):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    path = graphs.graph_file(arguments, keeps_maps, kind)
    if arguments.weights == "int8":
        path = quantised(path)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    inputs = {
        key: onnxruntime.OrtValue.ortvalue_from_numpy(value)
        for key, value in graphs.graph_inputs(arguments, kind).items()
    }
    outputs = [
        (info.name, onnxruntime.OrtValue.ortvalue_from_shape_and_type(info.shape, numpy.float32))
        for info in session.get_outputs()
    ]
    for key, value in inputs.items():
        binding.bind_ortvalue_input(key, value)
    for key, value in outputs:
        binding.bind_ortvalue_output(key, value)

    def call():
        session.run_with_iobinding(binding)

    def check():
        expected = common.reference(arguments)
        if expected is None:
            return None
        call()
        output, *maps = [value.numpy() for _, value in outputs]
        return common.error_against(expected, graphs.comparable(arguments, output), numpy.stack(maps) if maps else None)

    return call, check


settings = {"execution_mode": "sequential", "graph_optimization": "all", "spinning": "default", "outputs": "io_binding"}
variants = {
    "plain": (False, "plain"),
    "attention": (False, "attention"),
    "mha": (False, "mha"),
    "plain_maps": (True, "plain"),
    "attention_maps": (True, "attention"),
}
with common.cache_folder(arguments):
    common.run_variants(arguments, "onnxruntime", onnxruntime.__version__, settings, variants, prepare)
