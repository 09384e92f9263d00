"""Times OpenVINO in f32 or bf16 on the encoder or on attention alone, with the LATENCY hint; see --help."""

import common

arguments = common.parse_arguments(__doc__, ["encoder", "attention"], ["f32", "bf16"])
try:
    import numpy
    import onnx  # noqa: F401
    import openvino
except ImportError as missing:
    common.not_installed("openvino", missing)

import graphs  # noqa: E402

# On a processor with bf16 or AMX the plugin would otherwise choose bf16 itself.
settings = {
    "INFERENCE_PRECISION_HINT": arguments.weights,
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_NUM_THREADS": arguments.threads,
    "NUM_STREAMS": 1,
}
core = openvino.Core()


def sdpa_model():
    import openvino.opset13 as ops

    shape = [arguments.batch, arguments.nhead, arguments.length, arguments.d_model // arguments.nhead]
    parameters = [ops.parameter(shape, numpy.float32, name=name) for name in "qkv"]
    for parameter, name in zip(parameters, "qkv"):
        parameter.output(0).set_names({name})
    return openvino.Model([ops.scaled_dot_product_attention(*parameters, causal=arguments.causal)], parameters, "sdpa")


def prepare(name, keeps_maps, kind):
    model = sdpa_model() if name == "sdpa" else core.read_model(graphs.graph_file(arguments, keeps_maps, kind))
    compiled = core.compile_model(model, "CPU", settings)
    if compiled.get_property("INFERENCE_PRECISION_HINT") != getattr(openvino.Type, arguments.weights):
        raise RuntimeError(f"OpenVINO did not keep {arguments.weights}")
    request = compiled.create_infer_request()
    inputs = graphs.graph_inputs(arguments)
    for key, value in inputs.items():
        request.set_tensor(key, openvino.Tensor(value, shared_memory=True))

    def call():
        request.start_async()
        request.wait()

    def check(inputs=inputs):  # The tensors share the arrays' memory: the request must not outlive them.
        expected = common.reference(arguments)
        if expected is None:
            return None
        call()
        output, *maps = [request.get_output_tensor(i).data for i in range(len(compiled.outputs))]
        return common.error_against(expected, output, numpy.stack(maps) if maps else None)

    return call, check


variants = {
    "plain": (False, "plain"),
    "attention": (False, "attention"),
    "plain_maps": (True, "plain"),
    "attention_maps": (True, "attention"),
}
if arguments.work == "attention":
    variants["sdpa"] = (False, None)
with common.cache_folder(arguments):
    common.run_variants(arguments, "openvino", openvino.__version__, settings, variants, prepare)
