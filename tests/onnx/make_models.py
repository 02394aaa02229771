#!/usr/bin/env python3
"""Small ONNX files for the tests of their reader, and what onnxruntime computes for them.

    make_models.py        writes models/*.onnx, models/expected.json and models/refused.json beside itself

Needs the Python packages numpy, onnx and onnxruntime; written with onnx 1.23.0 and onnxruntime 1.32.0.

Every network takes images whose entry i is the float nearest to (37 i mod 101) / 50 - 1; expected.json has how many
images that are and the network's first output for them. refused.json has files that cannot be read, as hexadecimal
digits, each with what a message has to say of it.
"""
import json
import pathlib

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent / "models"
CASES = {}


class Model:
    """Nodes in a row: `self.x` is the name of what was computed last."""

    def __init__(self, name, opset, shape, floats=TensorProto.FLOAT):
        self.name, self.opset, self.shape, self.floats = name, opset, shape, floats
        self.nodes, self.initializers, self.x, self.n = [], [], "image", 0
        self.random = numpy.random.default_rng(len(name) + 97 * opset)
        self.rank = None

    def weights(self, *shape, scale=0.5, least=None):
        values = (self.random.standard_normal(shape) * scale).astype(numpy.float32)
        return values if least is None else (numpy.abs(values) + least).astype(numpy.float32)

    def constant(self, values, data_type=None, name=None):
        name = name or "c%d" % len(self.initializers)
        values = numpy.asarray(values)
        if data_type is not None:
            tensor = helper.make_tensor(name, data_type, values.shape, values.flatten().tolist())
        else:
            tensor = numpy_helper.from_array(values, name)
        self.initializers.append(tensor)
        return name

    def floats_of(self, values):
        return self.constant(numpy.asarray(values, numpy.float32))

    def integers(self, *values):
        return self.constant(numpy.asarray(values, numpy.int64))

    def node(self, op, *inputs, outputs=None, **attributes):
        """A node of `inputs`, which are names; without any, of what was computed last."""
        self.n += 1
        names = outputs or ["v%d" % self.n]
        inputs = list(inputs) or ([] if op == "Constant" else [self.x])
        self.nodes.append(helper.make_node(op, inputs, names, name="%s_%d" % (op, self.n),
                                           **attributes))
        self.x = names[0]
        return self.x

    def then(self, op, *more, **attributes):
        """A node of what was computed last, and more."""
        return self.node(op, self.x, *more, **attributes)

    def finish(self, images=2, ir=None, inputs=(), outputs=(), save=True, **options):
        graph = helper.make_graph(
            self.nodes, self.name,
            [helper.make_tensor_value_info("image", self.floats, self.shape), *inputs],
            [helper.make_tensor_value_info(self.x, self.floats, None), *outputs], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)],
                                  producer_name="make_models", **options)
        model.ir_version = ir or 8 if self.opset < 21 else 10
        if save:
            add(self.name, model, self.shape, images)
        return model


def images_of(shape, n, batched=True):
    shape = [n if isinstance(axis, str) or axis is None else axis for axis in shape]
    count = int(numpy.prod(shape))
    i = numpy.arange(count)
    return ((37 * i % 101) / 50 - 1).astype(numpy.float32).reshape(shape)


def add(name, model, shape, images, run=None):
    path = HERE / (name + ".onnx")
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession((run or model).SerializeToString() if run is not False else str(path),
                                           providers=["CPUExecutionProvider"])
    kind = session.get_inputs()[0].type
    x = images_of(shape, images)
    if "double" in kind:
        x = x.astype(numpy.float64)
    if "float16" in kind:
        x = x.astype(numpy.float16)
    y = session.run(None, {"image": x})[0]
    if isinstance(shape[0], int) and len(shape) > 1:
        images = shape[0] if y.ndim > 1 and y.shape[0] == shape[0] else 1
    elif isinstance(shape[0], int):
        images = 1
    CASES[name] = {"images": images, "logits": [float("%.9g" % v) for v in numpy.asarray(y, numpy.float64).flatten()]}


# ------------------------------------------------------------------ element by element

def one(name, opset, op, *constants, shape=("n", 6), before=None, **attributes):
    m = Model(name, opset, list(shape))
    if before:
        before(m)
    m.then(op, *[m.floats_of(c) if c is not None else "" for c in constants], **attributes)
    m.finish()


def positive(m):
    m.then("Abs")
    m.then("Add", m.floats_of([0.5]))


def elementwise():
    for op in ("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "Tanh", "Erf", "Exp", "Neg", "Abs", "Softplus",
               "HardSigmoid", "Softsign"):
        one(op.lower(), 13, op)
    for op in ("Log", "Sqrt", "Reciprocal"):
        one(op.lower(), 13, op, before=positive)
    one("hardswish", 14, "HardSwish")
    one("mish", 18, "Mish")
    one("gelu", 20, "Gelu")
    one("gelu-tanh", 20, "Gelu", approximate="tanh")
    one("leakyrelu-alpha", 9, "LeakyRelu", alpha=0.2)
    one("elu-alpha", 9, "Elu", alpha=1.5)
    one("celu-alpha", 12, "Celu", alpha=0.5)
    one("selu-alpha", 9, "Selu", alpha=1.5, gamma=1.25)
    one("hardsigmoid-alpha", 9, "HardSigmoid", alpha=0.5, beta=0.25)
    one("prelu", 9, "PRelu", [0.25])
    m = Model("prelu-channels", 16, ["n", 2, 1, 2])
    m.then("PRelu", m.floats_of([[[-0.5]], [[0.5]]]))
    flat_head(m, 4)
    m.finish()
    one("clip-9", 9, "Clip", min=-0.5, max=0.75)
    one("clip-9-relu", 9, "Clip", min=0.0)
    one("clip-11", 11, "Clip", numpy.float32(-0.5), numpy.float32(0.75))
    one("clip-13-most", 13, "Clip", None, numpy.float32(0.25))
    one("clip-13-least", 13, "Clip", numpy.float32(0.25))
    for exponent in (1, 2, 3, 0.5, -1, 4, 1.7):
        one("pow-%g" % exponent, 13, "Pow", [float(exponent)], before=positive if exponent != 4 else None)
    for op in ("Add", "Sub", "Mul", "Div"):
        one(op.lower(), 13, op, [0.5, -1.25, 2, 3, -4, 5])
        m = Model(op.lower() + "-left", 13, ["n", 6])
        positive(m)
        m.node(op, m.floats_of([1.5]), m.x)
        m.finish()
        m = Model(op.lower() + "-both", 9, ["n", 2, 3, 3])
        positive(m)
        x = m.x
        m.node("ReduceMean", x, axes=[2, 3], keepdims=1)
        m.node(op, x, m.x)
        flat_head(m, 18)
        m.finish()
    m = Model("pow-left", 13, ["n", 6])
    m.node("Pow", m.floats_of([2.0]), "image")
    m.finish()
    m = Model("pow-integer", 13, ["n", 6])
    m.then("Pow", m.integers(2))
    m.finish()
    m = Model("pow-both", 13, ["n", 6])
    positive(m)
    m.node("Pow", m.x, "image")
    m.finish()
    for op in ("Min", "Max", "Sum", "Mean"):
        m = Model(op.lower() + "-several", 13, ["n", 6])
        a = m.node("Neg", "image")
        m.node(op, m.floats_of([0.3]), "image", a, m.floats_of([[0.5, -0.5, 0, 0, 1, -1]]))
        m.finish()
    one("min-two", 9, "Min", numpy.full(6, 0.25, numpy.float32))
    for shape in ([3], [1, 2, 1, 1], [2, 1, 1], [1, 1, 2, 3], [1]):
        m = Model("broadcast-" + "-".join(map(str, shape)), 13, ["n", 2, 2, 3])
        m.then("Mul", m.floats_of(m.weights(*shape)))
        flat_head(m, 12)
        m.finish()


def flat_head(m, width, classes=3):
    m.then("Flatten")
    m.then("Gemm", m.floats_of(m.weights(classes, width)), m.floats_of(m.weights(classes)), transB=1)


# ------------------------------------------------------------------ products

def products():
    for name, attributes, shapes in (
            ("gemm", {}, [(4, 3), (3,)]), ("gemm-turned", {"transB": 1}, [(3, 4), (3,)]),
            ("gemm-scaled", {"alpha": 0.5, "beta": 2.0}, [(4, 3), (3,)]),
            ("gemm-scaled-turned", {"alpha": 0.5, "beta": 0.0, "transB": 1}, [(3, 4), (3,)]),
            ("gemm-one-bias", {}, [(4, 3), (1,)]), ("gemm-row-bias", {}, [(4, 3), (1, 3)]),
            ("gemm-scalar-bias", {}, [(4, 3), ()]), ("gemm-no-bias", {}, [(4, 3)])):
        m = Model(name, 11, ["n", 4])
        m.then("Gemm", *[m.floats_of(m.weights(*shape)) for shape in shapes], **attributes)
        m.finish()
    m = Model("gemm-sum", 13, ["n", 4])
    a = m.node("Gemm", "image", m.floats_of(m.weights(4, 3)))
    m.node("Gemm", "image", m.floats_of(m.weights(4, 3)), a)
    m.finish()
    m = Model("matmul", 13, ["n", 4])
    m.then("MatMul", m.floats_of(m.weights(4, 3)))
    m.then("Add", m.floats_of(m.weights(3)))
    m.then("Relu")
    m.then("MatMul", m.floats_of(m.weights(3, 3)))
    m.node("Add", m.floats_of(m.weights(1, 3)), m.x)
    m.finish()
    m = Model("matmul-rows", 13, ["n", 2, 4])
    m.then("MatMul", m.floats_of(m.weights(4, 3)))
    m.then("Add", m.floats_of(m.weights(3)))
    m.then("MatMul", m.floats_of(m.weights(1, 3, 2)))
    m.then("ReduceMean", axes=[1], keepdims=0)
    m.finish()


# ------------------------------------------------------------------ images

def convolution(name, x, w, opset=11, bias=True, before=None, after=None, **attributes):
    m = Model(name, opset, ["n", *x])
    if before:
        before(m)
    m.then("Conv", m.floats_of(m.weights(*w)), *([m.floats_of(m.weights(w[0]))] if bias else []), **attributes)
    if after:
        after(m)
    m.then("Flatten")
    m.then("MatMul", m.floats_of(m.weights(width_of(m), 3)))
    m.finish()
    return m


def width_of(m):
    model = m.finish(save=False)
    out = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"image": images_of(m.shape, 1)})[0]
    return out.shape[-1]


def normalization(channels, **attributes):
    def nodes(m):
        m.then("BatchNormalization", m.floats_of(m.weights(channels)), m.floats_of(m.weights(channels)),
               m.floats_of(m.weights(channels)), m.floats_of(m.weights(channels, least=0.1)), **attributes)
    return nodes


def images():
    convolution("conv", (2, 5, 6), (4, 2, 3, 3))
    convolution("conv-pads", (2, 5, 6), (4, 2, 3, 2), pads=[1, 0, 2, 1], strides=[2, 1], kernel_shape=[3, 2])
    convolution("conv-dilations", (1, 7, 7), (2, 1, 3, 3), dilations=[2, 3], pads=[1, 2, 1, 2])
    convolution("conv-groups", (4, 4, 4), (6, 2, 3, 3), group=2)
    convolution("conv-depthwise", (3, 5, 5), (3, 1, 3, 3), group=3, pads=[1, 1, 1, 1], bias=False)
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        convolution("conv-" + mode.lower().replace("_", "-"), (2, 6, 5), (2, 2, 3, 2), auto_pad=mode, strides=[2, 2])
    convolution("conv-normalized", (2, 5, 5), (3, 2, 3, 3), after=normalization(3))
    convolution("conv-normalized-no-bias", (2, 5, 5), (3, 2, 3, 3), bias=False, opset=15,
                after=normalization(3, epsilon=1e-3))
    convolution("normalized-conv", (2, 5, 5), (3, 2, 3, 3), before=normalization(2))

    def bias(m):
        m.then("Add", m.floats_of(m.weights(3, 1, 1)))
    convolution("conv-added-bias", (2, 5, 5), (3, 2, 3, 3), bias=False, after=bias)

    def both(m):
        x = m.x
        normalization(3)(m)
        m.node("Add", x, m.x)
    convolution("conv-normalized-and-plain", (2, 5, 5), (3, 2, 3, 3), after=both)

    def shared(m):
        x = m.x
        m.then("Identity")
        normalization(3)(m)
        m.node("Add", x, m.x)
    convolution("conv-normalized-and-identity", (2, 5, 5), (3, 2, 3, 3), after=shared)
    m = Model("gemm-normalized", 13, ["n", 4])
    m.then("Gemm", m.floats_of(m.weights(4, 3)), m.floats_of(m.weights(3)))
    normalization(3)(m)
    m.finish()
    m = Model("gemm-normalized-and-flat", 13, ["n", 4])  # Flatten changes nothing: both are one tensor
    a = m.node("Gemm", "image", m.floats_of(m.weights(4, 3)), m.floats_of(m.weights(3)))
    m.then("Flatten")
    normalization(3)(m)
    m.node("Add", a, m.x)
    m.finish()
    m = Model("gemm-flat-normalized", 13, ["n", 4])
    m.then("Gemm", m.floats_of(m.weights(4, 3)), m.floats_of(m.weights(3)))
    m.then("Flatten")
    normalization(3)(m)
    m.finish()
    m = Model("normalized", 9, ["n", 4])
    normalization(4)(m)
    m.finish()

    for name, op, opset, shape, attributes in (
            ("maxpool", "MaxPool", 9, (2, 5, 6), {"kernel_shape": [2, 3], "strides": [2, 2]}),
            ("maxpool-pads", "MaxPool", 12, (2, 5, 6), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
            ("maxpool-dilations", "MaxPool", 12, (1, 7, 7), {"kernel_shape": [2, 3], "dilations": [3, 2]}),
            ("maxpool-ceil", "MaxPool", 12, (1, 6, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
            ("maxpool-same", "MaxPool", 12, (1, 5, 6), {"kernel_shape": [3, 2], "strides": [2, 2],
                                                        "auto_pad": "SAME_UPPER"}),
            ("averagepool", "AveragePool", 9, (2, 5, 6), {"kernel_shape": [2, 3], "strides": [2, 2]}),
            ("averagepool-pads", "AveragePool", 11, (2, 5, 6), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                                                               "strides": [2, 2]}),
            ("averagepool-count", "AveragePool", 11, (2, 5, 6), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                                                                "strides": [2, 2], "count_include_pad": 1}),
            ("averagepool-ceil", "AveragePool", 11, (1, 6, 8), {"kernel_shape": [3, 3], "strides": [2, 2],
                                                               "ceil_mode": 1}),
            ("averagepool-ceil-count", "AveragePool", 11, (1, 6, 8), {"kernel_shape": [3, 3], "pads": [1, 1, 0, 0],
                                                                     "strides": [2, 2], "ceil_mode": 1,
                                                                     "count_include_pad": 1}),
            ("averagepool-dilations", "AveragePool", 19, (1, 6, 6), {"kernel_shape": [2, 2], "dilations": [2, 3]}),
            ("globalmaxpool", "GlobalMaxPool", 9, (3, 4, 5), {}),
            ("globalaveragepool", "GlobalAveragePool", 9, (3, 4, 5), {})):
        m = Model(name, opset, ["n", *shape])
        m.then(op, **attributes)
        m.then("Flatten")
        m.then("MatMul", m.floats_of(m.weights(width_of(m), 3)))
        m.finish()
    for size in (3, 5):
        m = Model("lrn-%d" % size, 9, ["n", 5, 2, 3])
        m.then("LRN", alpha=0.7, beta=0.6, bias=1.5, size=size)
        flat_head(m, 30)
        m.finish()
    m = Model("pooled-logits", 13, ["n", 2, 4, 4])
    m.then("Conv", m.floats_of(m.weights(3, 2, 3, 3)))
    m.then("GlobalAveragePool")
    m.finish()

    m = Model("pad-9", 9, ["n", 1, 2, 3])
    m.then("Pad", pads=[0, 0, 1, 0, 0, 0, 0, 2], value=0.5)
    flat_head(m, 15)
    m.finish()
    m = Model("pad-11", 11, ["n", 1, 2, 3])
    m.then("Pad", m.integers(0, 1, 1, 0, 0, 0, 0, 2), m.constant(numpy.float32(0.5)))
    flat_head(m, 30)
    m.finish()
    m = Model("pad-18-axes", 18, ["n", 1, 2, 3])
    m.then("Pad", m.integers(1, 2), "", m.integers(-1))
    flat_head(m, 12)
    m.finish()
    m = Model("pad-cut", 13, ["n", 1, 4, 4])
    m.then("Pad", m.integers(0, 0, -1, 1, 0, 0, 0, -2), m.constant(numpy.float32(0)))
    flat_head(m, 9)
    m.finish()


# ------------------------------------------------------------------ softmax and reductions

def along_axes():
    for opset in (9, 11, 13):
        for op in ("Softmax", "LogSoftmax"):
            m = Model("%s-end-%d" % (op.lower(), opset), opset, ["n", 4])
            m.then("MatMul", m.floats_of(m.weights(4, 3)))
            m.then(op)
            m.finish()
    m = Model("softmax-log-end", 13, ["n", 4])
    m.then("Softmax", axis=1)
    m.then("Log")
    m.finish()
    m = Model("softmax-flattening", 11, ["n", 2, 2, 3])
    m.then("Softmax")
    flat_head(m, 12)
    m.finish()
    m = Model("softmax-flattening-2", 11, ["n", 2, 2, 3])
    m.then("Softmax", axis=2)
    flat_head(m, 12)
    m.finish()
    m = Model("softmax-channels", 13, ["n", 3, 2, 2])
    m.then("Softmax", axis=1)
    flat_head(m, 12)
    m.finish()
    m = Model("softmax-last", 13, ["n", 3, 2, 2])
    m.then("Softmax")
    flat_head(m, 12)
    m.finish()
    m = Model("softmax-pooled-end", 11, ["n", 3, 2, 2])
    m.then("GlobalAveragePool")
    m.then("Softmax", axis=1)
    m.then("Flatten")
    m.finish()
    for op, opset, keep in (("ReduceMean", 11, 1), ("ReduceMean", 13, 0), ("ReduceSum", 11, 0)):
        m = Model("%s-%d" % (op.lower(), opset), opset, ["n", 3, 2, 4])
        m.then(op, axes=[2, -1], keepdims=keep)
        flat_head(m, 3)
        m.finish()
    for op, opset in (("ReduceMean", 18), ("ReduceSum", 13)):
        m = Model("%s-input-%d" % (op.lower(), opset), opset, ["n", 3, 2, 4])
        m.then(op, m.integers(3), keepdims=0)
        m.then(op, m.integers(1, 2), keepdims=1)
        m.then("Flatten")
        m.then("MatMul", m.floats_of(m.weights(1, 3)))
        m.finish()
    m = Model("layernormalization", 17, ["n", 3, 4])
    m.then("LayerNormalization", m.floats_of(m.weights(4)), m.floats_of(m.weights(4)))
    flat_head(m, 12)
    m.finish()
    m = Model("layernormalization-axis", 17, ["n", 3, 2, 2])
    m.then("LayerNormalization", m.floats_of(m.weights(3, 2, 2)), axis=1, epsilon=0.01)
    flat_head(m, 12)
    m.finish()
    m = Model("instancenormalization", 9, ["n", 4, 3, 2])
    m.then("InstanceNormalization", m.floats_of(m.weights(4)), m.floats_of(m.weights(4)), epsilon=0.01)
    flat_head(m, 24)
    m.finish()
    m = Model("groupnormalization", 13, ["n", 4, 3, 2])  # as PyTorch exports it
    m.then("Reshape", m.integers(0, 2, -1))
    m.then("InstanceNormalization", m.floats_of([1, 1]), m.floats_of([0, 0]))
    m.then("Reshape", m.integers(0, 4, 3, 2))
    m.then("Mul", m.floats_of(m.weights(4, 1, 1)))
    m.then("Add", m.floats_of(m.weights(4, 1, 1)))
    flat_head(m, 24)
    m.finish()
    for op, opset, axes, keep in (("ReduceMax", 13, [1], 1), ("ReduceMax", 18, [2, 3], 0), ("ReduceMin", 13, [-1], 0),
                                  ("ReduceMin", 18, [1, 2], 1), ("ReduceL2", 13, [1], 1), ("ReduceL2", 18, [3, 2], 0)):
        m = Model("%s-%d" % (op.lower(), opset), opset, ["n", 3, 2, 4])
        if opset < 18:
            m.then(op, axes=axes, keepdims=keep)
        else:
            m.then(op, m.integers(*axes), keepdims=keep)
        m.then("Flatten")
        m.then("MatMul", m.floats_of(m.weights(width_of(m), 3)))
        m.finish()
    m = Model("reducemean-noop", 18, ["n", 3])
    m.then("ReduceMean", noop_with_empty_axes=1)
    m.then("Neg")
    m.finish()


# ------------------------------------------------------------------ shapes

def shapes():
    def view(m, opset):
        """What torch.onnx.export writes for x.view(x.size(0), -1)."""
        x = m.x
        m.node("Shape", x)
        m.then("Gather", m.constant(numpy.int64(0)), axis=0)
        if opset < 13:
            m.then("Unsqueeze", axes=[0])
        else:
            m.then("Unsqueeze", m.integers(0))
        m.then("Concat", m.integers(-1), axis=0)
        m.node("Reshape", x, m.x)
    for opset in (9, 13):
        for batch in ("n", 1, 3):
            m = Model("view-%d-%s" % (opset, batch), opset, [batch, 2, 2, 3])
            view(m, opset)
            m.then("MatMul", m.floats_of(m.weights(12, 3)))
            m.finish()
    m = Model("view-slice", 15, ["n", 2, 2, 3])
    m.then("Shape", start=0, end=1)
    m.then("Concat", m.integers(12), axis=0)
    m.node("Reshape", "image", m.x)
    m.then("MatMul", m.floats_of(m.weights(12, 3)))
    m.finish()
    m = Model("view-computed", 13, ["n", 2, 2, 3])
    all_ = m.node("Shape", "image")
    rest = m.node("Slice", all_, m.integers(1), m.integers(2 ** 63 - 1), m.integers(0), m.integers(1))
    product = m.node("ReduceProd", rest, keepdims=1)
    first = m.node("Slice", all_, m.integers(0), m.integers(1))
    first = m.node("Mul", first, m.integers(1))
    m.node("Concat", first, product, axis=0)
    m.then("Cast", to=TensorProto.INT64)
    m.node("Reshape", "image", m.x)
    m.then("MatMul", m.floats_of(m.weights(12, 3)))
    m.finish()
    for name, batch, target in (("reshape-0", "n", (0, -1)), ("reshape-all", "n", (-1, 12)), ("reshape-1", 1, (1, 12)),
                                ("reshape-fixed", 3, (3, -1)), ("reshape-dropped", 1, (12,))):
        m = Model(name, 13, [batch, 2, 2, 3])
        m.then("Reshape", m.integers(*target))
        m.then("MatMul", m.floats_of(m.weights(12, 3)))
        m.finish()
    for axis, shape in ((1, ("n", 2, 2, 3)), (-1, ("n", 12)), (2, ("n", 1, 12)), (0, (1, 2, 6))):
        m = Model("flatten-%d" % axis, 11, list(shape))
        m.then("Flatten", axis=axis)
        m.then("MatMul", m.floats_of(m.weights(12, 3)))
        m.finish()
    m = Model("squeeze-11", 11, ["n", 3, 2, 2])
    m.then("GlobalAveragePool")
    m.then("Squeeze", axes=[2, -1])
    m.finish()
    m = Model("squeeze-13", 13, ["n", 3, 2, 2])
    m.then("GlobalAveragePool")
    m.then("Squeeze", m.integers(3, 2))
    m.finish()
    m = Model("squeeze-any", 13, ["n", 3, 2, 2])
    m.then("GlobalAveragePool")
    m.then("Squeeze")
    m.finish()
    for opset in (11, 13):
        m = Model("unsqueeze-%d" % opset, opset, ["n", 4, 4])
        if opset < 13:
            m.then("Unsqueeze", axes=[1])
        else:
            m.then("Unsqueeze", m.integers(-3))
        m.then("Conv", m.floats_of(m.weights(3, 1, 3, 3)))
        m.then("GlobalAveragePool")
        m.then("Flatten")
        m.finish()
    m = Model("transpose", 13, ["n", 2, 2, 3])
    m.then("Transpose", perm=[0, 3, 1, 2])
    m.then("Transpose", perm=[0, 2, 1, 3])
    m.then("MatMul", m.floats_of(m.weights(2, 2)))
    flat_head(m, 12)
    m.finish()
    m = Model("channels-last", 13, ["n", 5, 6, 3])
    m.then("Transpose", perm=[0, 3, 1, 2])
    m.then("Conv", m.floats_of(m.weights(2, 3, 3, 3)))
    m.then("Transpose", perm=[0, 2, 3, 1])
    flat_head(m, 24)
    m.finish()
    m = Model("many-planes", 13, ["n", 6, 5, 3])  # planes first, for all that it looks
    m.then("Conv", m.floats_of(m.weights(2, 6, 3, 3)))
    flat_head(m, 6)
    m.finish()
    m = Model("shuffle", 13, ["n", 4, 2, 3])
    m.then("Reshape", m.integers(0, 2, 2, 2, 3))
    m.then("Transpose", perm=[0, 2, 1, 3, 4])
    m.then("Reshape", m.integers(0, 4, 2, 3))
    m.then("Conv", m.floats_of(m.weights(2, 4, 2, 2)))
    flat_head(m, 4)
    m.finish()

    # one image, without an axis of the batch
    m = Model("alone-pixels", 13, [6])
    m.then("MatMul", m.floats_of(m.weights(6, 4)))
    m.then("Add", m.floats_of(m.weights(4)))
    m.then("Relu")
    m.then("MatMul", m.floats_of(m.weights(4, 3)))
    m.finish()
    m = Model("alone-planes", 13, [2, 4, 5])
    m.then("Unsqueeze", m.integers(0))
    m.then("Conv", m.floats_of(m.weights(3, 2, 3, 3)), m.floats_of(m.weights(3)))
    m.then("Relu")
    m.then("Flatten", axis=1)
    m.then("Gemm", m.floats_of(m.weights(18, 3)))
    m.then("Squeeze", m.integers(0))
    m.finish()
    m = Model("alone-plane", 13, [1, 4, 5])
    m.then("Unsqueeze", m.integers(0))
    m.then("Conv", m.floats_of(m.weights(3, 1, 3, 3)))
    m.then("GlobalAveragePool")
    m.then("Flatten")
    m.finish()
    m = Model("turned-image", 13, [1, 6])
    m.then("Transpose", perm=[1, 0])
    m.then("Mul", m.floats_of(m.weights(6, 1)))
    m.then("Transpose", perm=[1, 0])
    m.then("MatMul", m.floats_of(m.weights(6, 3)))
    m.finish()
    m = Model("expand", 13, ["n", 3, 1])
    m.then("Expand", m.integers(1, 3, 2))
    flat_head(m, 6)
    m.finish()


# ------------------------------------------------------------------ parts

def parts():
    m = Model("slice-9", 9, ["n", 3, 4, 4])
    m.then("Slice", starts=[1, -3], ends=[3, 1000], axes=[1, 3])
    flat_head(m, 24)
    m.finish()
    m = Model("slice-10", 10, ["n", 3, 4, 4])
    m.then("Slice", m.integers(0, 1), m.integers(2, -1), m.integers(1, 2), m.integers(1, 1))
    flat_head(m, 16)
    m.finish()
    m = Model("slice-five-axes", 13, ["n", 4, 2, 3])
    m.then("Reshape", m.integers(0, 2, 2, 2, 3))
    m.then("Slice", m.integers(1), m.integers(2), m.integers(2))
    flat_head(m, 12)
    m.finish()
    for name, opset, attributes, inputs in (("split-11", 11, {"split": [1, 3]}, ()), ("split-13", 13, {}, ([1, 3],)),
                                            ("split-even", 13, {}, ()), ("split-18", 18, {"num_outputs": 2}, ())):
        m = Model(name, opset, ["n", 4, 2, 2])
        m.then("Split", *[m.integers(*i) for i in inputs], outputs=["a", "b"], axis=1, **attributes)
        m.node("Neg", "b")
        m.node("Concat", m.x, "a", axis=1)
        m.then("Flatten")
        m.then("MatMul", m.floats_of(m.weights(width_of(m), 3)))
        m.finish()
    m = Model("gather-one", 13, ["n", 3, 4])
    m.then("Gather", m.constant(numpy.int64(-1)), axis=1)
    m.then("MatMul", m.floats_of(m.weights(4, 3)))
    m.finish()
    m = Model("gather-several", 13, ["n", 3, 4])
    m.then("Gather", m.integers(1, 2), axis=1)
    flat_head(m, 8)
    m.finish()
    m = Model("concat", 13, ["n", 2, 2, 2])
    a = m.node("Relu", "image")
    b = m.node("Neg", "image")
    m.node("Concat", a, m.floats_of(m.weights(1, 1, 2, 2)), b, "image", a, axis=1)
    flat_head(m, 36)
    m.shape = [1, 2, 2, 2]  # onnxruntime does not repeat a constant for several images
    m.finish()
    m = Model("concat-last", 13, ["n", 2, 2, 2])
    m.node("Concat", "image", "image", axis=-1)
    flat_head(m, 16)
    m.finish()


# ------------------------------------------------------------------ constants

def constants():
    m = Model("constants", 13, ["n", 6])
    m.node("Constant", value_float=0.5)
    m.node("Add", "image", m.x)
    x = m.x
    m.node("Constant", value_floats=[1.0, 2, 3, 4, 5, 6])
    m.node("Mul", x, m.x)
    x = m.x
    m.node("Constant", value=numpy_helper.from_array(numpy.array([[0.5], [2]], numpy.float32)))
    m.node("Reshape", m.x, m.node("Constant", value_ints=[2]))
    m.node("Gather", m.x, m.node("Constant", value_int=1))
    m.node("Div", x, m.x)
    m.finish()
    m = Model("folded", 13, ["n", 6])
    a, b = m.floats_of([[1, 2, 3], [4, 5, 6]]), m.floats_of([[0.5], [2]])
    for op in ("Add", "Mul", "Sub", "Div", "Pow", "Min", "Max"):
        a = m.node(op, a, b)
        a = m.node("Abs", a)
    for op in ("Sqrt", "Exp", "Neg", "Tanh", "Erf", "Sigmoid", "Log", "Relu", "Reciprocal", "Floor", "Ceil"):
        a = m.node("Add", a, m.floats_of(2.25))
        a = m.node(op, a)
        a = m.node("Abs", a)
    a = m.node("Transpose", a, perm=[1, 0])
    a = m.node("Flatten", a, axis=0)
    a = m.node("Squeeze", a, m.integers(0))
    a = m.node("Unsqueeze", a, m.integers(1))
    a = m.node("Expand", a, m.integers(2, 6, 1))
    a = m.node("ReduceMean", a, axes=[0], keepdims=0)
    a = m.node("ReduceSum", a, m.integers(-1), keepdims=0)
    m.node("Split", a, m.integers(2, 4), outputs=["p", "q"], axis=0)
    a = m.node("Concat", "q", "p", axis=0)
    a = m.node("Slice", a, m.integers(5), m.integers(-100), m.integers(0), m.integers(-1))
    m.node("Add", "image", a)
    m.finish()
    m = Model("folded-integers", 13, ["n", 6])
    a = m.node("Range", m.constant(numpy.int64(1)), m.constant(numpy.int64(13)), m.constant(numpy.int64(2)))
    a = m.node("Div", a, m.integers(2))
    a = m.node("Where", m.node("Equal", a, m.integers(3)), m.integers(-7), a)
    a = m.node("Where", m.node("Not", m.node("Greater", a, m.integers(4))), a, m.integers(9))
    a = m.node("Where", m.node("And", m.node("Less", a, m.integers(2)), m.node("Less", a, m.integers(1))), m.integers(5), a)
    a = m.node("Max", a, m.integers(-2))
    a = m.node("Cast", a, to=TensorProto.FLOAT)
    m.node("Mul", "image", a)
    m.finish()
    m = Model("filled", 13, ["n", 6])
    a = m.node("ConstantOfShape", m.integers(6), value=numpy_helper.from_array(numpy.array([2.5], numpy.float32)))
    b = m.node("ConstantOfShape", m.node("Shape", "image"))
    m.node("Mul", "image", a)
    m.node("Add", m.x, b)
    m.finish()
    m = Model("expanded-like", 13, ["n", 2, 2])
    shape = m.node("Shape", "image")
    ones = m.node("ConstantOfShape", m.integers(3), value=numpy_helper.from_array(numpy.array([1], numpy.int64)))
    wanted = m.node("Where", m.node("Equal", shape, m.node("Mul", ones, m.integers(-1))), ones, shape)
    m.node("Expand", m.floats_of([[[0.5, 2]]]), wanted)
    m.node("Mul", "image", m.x)
    flat_head(m, 4)
    m.finish()
    m = Model("cast", 13, ["n", 6])
    m.then("Cast", to=TensorProto.FLOAT)
    a = m.node("Cast", m.constant(numpy.arange(6, dtype=numpy.int32)), to=TensorProto.FLOAT)
    b = m.node("Cast", m.floats_of([0, 1.75, -2.5, 3, 4, 5]), to=TensorProto.INT64)
    b = m.node("Cast", b, to=TensorProto.FLOAT)
    c = m.node("Cast", m.node("Cast", a, to=TensorProto.BOOL), to=TensorProto.FLOAT)
    m.node("Sum", "image", a, b, c)
    m.finish()
    m = Model("castlike", 15, ["n", 6])
    a = m.node("CastLike", m.integers(1, 2, 3, 4, 5, 6), "image")
    m.node("Mul", m.node("CastLike", "image", m.floats_of(1)), a)
    m.finish()
    for opset in (9, 10, 12, 13):
        m = Model("dropout-%d" % opset, opset, ["n", 6])
        m.then("Neg")
        if opset < 12:
            m.then("Dropout", ratio=0.3)
        else:
            m.then("Dropout", m.constant(numpy.float32(0.3)), m.constant(numpy.bool_(False)))
        m.then("Identity")
        m.finish()

    # types of numbers, in bytes and in lists
    for name, kind in (("float", TensorProto.FLOAT), ("double", TensorProto.DOUBLE), ("float16", TensorProto.FLOAT16),
                       ("bfloat16", TensorProto.BFLOAT16), ("int8", TensorProto.INT8), ("uint8", TensorProto.UINT8),
                       ("int16", TensorProto.INT16), ("uint16", TensorProto.UINT16), ("int32", TensorProto.INT32),
                       ("uint32", TensorProto.UINT32), ("int64", TensorProto.INT64), ("uint64", TensorProto.UINT64),
                       ("bool", TensorProto.BOOL)):
        values = [0.5, -1.25, 3, 100, 6.103515625e-05, -2 ** -24] if "float" in name or name == "double" else \
            [1, -2, 3, 100, 0, -128] if name.startswith("int") else [1, 0, 1, 1, 0, 1] if name == "bool" else \
            [1, 2, 3, 100, 0, 200]
        if name == "bfloat16":
            values[-1] = -2.0 ** -20
        for raw in (False, True):
            m = Model("type-%s%s" % (name, "-raw" if raw else ""), 13, ["n", 6])
            if raw:
                array = helper.make_tensor("w", kind, [6], values)
                m.initializers.append(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(array), "w"))
            else:
                m.initializers.append(helper.make_tensor("w", kind, [6], values))
            a = m.node("Cast", "w", to=TensorProto.FLOAT)
            m.node("Mul", "image", a)
            m.finish()
    for kind in ("FLOAT16", "DOUBLE"):
        number = getattr(TensorProto, kind)
        m = Model("all-" + kind.lower(), 13, ["n", 4], floats=number)  # onnxruntime convolves floats alone
        typed = numpy.float16 if kind == "FLOAT16" else numpy.float64
        m.then("MatMul", m.constant(m.weights(4, 3).astype(typed)))
        m.then("Add", m.constant(m.weights(3).astype(typed)))
        m.then("Relu")
        m.then("MatMul", m.constant(m.weights(3, 3).astype(typed)))
        m.finish()


# ------------------------------------------------------------------ files

def files():
    m = Model("input-initializers", 9, ["n", 4])
    m.then("Gemm", m.floats_of(m.weights(4, 3)), m.floats_of(m.weights(3)))
    inputs = [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, t.dims) for t in m.initializers]
    m.finish(ir=3, inputs=inputs)
    m = Model("two-outputs", 13, ["n", 4])
    a = m.node("Neg", "image")
    m.node("LSTM", outputs=["unused"])
    m.nodes.pop()
    m.node("Exp", "image")
    exp = m.x
    m.x = a
    m.finish(outputs=[helper.make_tensor_value_info(exp, TensorProto.FLOAT, None)])
    for batch in ("n", None, -1, 0):
        m = Model("batch-%s" % {"n": "named", None: "nameless", -1: "minus", 0: "zero"}[batch], 13, ["n", 4])
        m.then("MatMul", m.floats_of(m.weights(4, 3)))
        model = m.finish()
        axis = model.graph.input[0].type.tensor_type.shape.dim[0]
        axis.Clear()
        if batch == "n":
            axis.dim_param = "batch"
        elif batch is not None:
            axis.dim_value = batch
        (HERE / (m.name + ".onnx")).write_bytes(model.SerializeToString())
    m = Model("batch-of-4", 13, [4, 2, 3, 3])
    m.then("Conv", m.floats_of(m.weights(3, 2, 3, 3)))
    m.then("Reshape", m.integers(4, 3))
    m.finish()
    for opset in range(9, 22):
        m = Model("opset-%d" % opset, opset, ["n", 2, 4, 4])
        m.then("Conv", m.floats_of(m.weights(3, 2, 3, 3)), m.floats_of(m.weights(3)))
        normalization(3)(m)
        m.then("Relu")
        m.then("MaxPool", kernel_shape=[2, 2])
        flat_head(m, 3)
        m.finish()
    m = Model("beside", 13, ["n", 4])
    m.then("MatMul", m.constant(m.weights(4, 3), name="w"))
    m.then("Add", m.constant(m.weights(3), name="b"))
    model = m.finish()
    onnx.save_model(model, str(HERE / "beside.onnx"), save_as_external_data=True, location="beside.data",
                    size_threshold=0)


# ------------------------------------------------------------------ files that are refused

REFUSED = {}


def base(opset=13):
    m = Model("base", opset, ["n", 2, 4, 4])
    m.then("Conv", m.constant(m.weights(3, 2, 3, 3), name="w"), m.constant(m.weights(3), name="b"), pads=[0, 0, 0, 0])
    m.then("Relu")
    m.then("Flatten")
    m.then("Gemm", m.constant(m.weights(12, 3), name="u"))
    return m.finish(save=False)


def refuse(name, *says, opset=13):
    """An edit of the network above, and what a message says of it."""
    def edit(change):
        model = base(opset)
        model = change(model, model.graph) or model
        REFUSED[name] = {"says": list(says), "file": model.SerializeToString().hex()}
    return edit


def refuse_node(name, op, *says, shape=("n", 2, 4, 4), constants=(), opset=13, head=False, **attributes):
    """A network of one node."""
    m = Model(name, opset, list(shape))
    m.then(op, *[m.constant(numpy.asarray(c)) for c in constants], **attributes)
    if head:
        m.then("Flatten")
    REFUSED[name] = {"says": ["%s '%s_1'" % (op, op), *says], "file": m.finish(save=False).SerializeToString().hex()}


def attribute(node, name):
    return next(a for a in node.attribute if a.name == name)


def refused():
    f32 = numpy.float32

    # what is not a model
    @refuse("no-graph", "has no graph")
    def _(model, graph):
        model.ClearField("graph")

    @refuse("no-nodes", "has no nodes")
    def _(model, graph):
        del graph.node[:]

    @refuse("no-output", "has no output")
    def _(model, graph):
        del graph.output[:]

    @refuse("output-nowhere", "its output 'nowhere' is computed by no node")
    def _(model, graph):
        graph.output[0].name = "nowhere"

    @refuse("output-is-input", "its output 'image' is computed by no node")
    def _(model, graph):
        graph.output[0].name = "image"

    @refuse("no-input", "Conv 'Conv_1'", "its input 'image' is nowhere in the file")
    def _(model, graph):
        del graph.input[:]

    @refuse("two-inputs", "more than one input, 'image' and 'w'")
    def _(model, graph):
        graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 2, 3, 3]))
        del graph.initializer[0]

    @refuse("constant-output", "its output depends on no input")
    def _(model, graph):
        graph.node[0].input[0] = "w"

    for opset in (8, 22):
        @refuse("opset-%d" % opset, "operator set %d, 9 to 21" % opset)
        def _(model, graph):
            model.opset_import[0].version = opset

    @refuse("no-opset", "0 operator sets")
    def _(model, graph):
        del model.opset_import[:]

    @refuse("two-opsets", "2 operator sets")
    def _(model, graph):
        model.opset_import.append(helper.make_opsetid("ai.onnx", 11))

    for version in (2, 99):
        @refuse("version-%d" % version, "version %d of ONNX's format" % version)
        def _(model, graph):
            model.ir_version = version

    @refuse("sparse", "sparse initializers")
    def _(model, graph):
        graph.sparse_initializer.add()

    # nodes
    @refuse("unknown-operator", "Frobnicate 'Relu_2'", "the operator Frobnicate is not supported")
    def _(model, graph):
        graph.node[1].op_type = "Frobnicate"

    for op in ("LSTM", "Resize", "Loop", "If", "ConvTranspose", "QuantizeLinear", "Attention"):
        @refuse("operator-" + op, "%s 'Relu_2'" % op, "the operator %s is not supported" % op)
        def _(model, graph):
            graph.node[1].op_type = op

    @refuse("other-domain", "Relu 'Relu_2'", "of the domain 'com.microsoft' is not supported")
    def _(model, graph):
        graph.node[1].domain = "com.microsoft"

    @refuse("nameless", "Frobnicate of 'v2'", "not supported")
    def _(model, graph):
        graph.node[1].name = ""
        graph.node[1].op_type = "Frobnicate"

    @refuse("controls", "Relu? of 'a?b?[31mc'", "not supported")
    def _(model, graph):
        graph.node[1].op_type = "Relu\n"
        graph.node[1].name = ""
        graph.node[1].output[0] = graph.node[2].input[0] = "a\x07b\x1b[31mc"

    @refuse("cycle", "Conv 'Conv_1'", "its input 'v2' is computed by no node before it")
    def _(model, graph):
        graph.node[0].input[0] = "v2"

    @refuse("itself", "Relu 'Relu_2'", "its input 'v2' is computed by no node before it")
    def _(model, graph):
        graph.node[1].input[0] = "v2"

    @refuse("input-nowhere", "Relu 'Relu_2'", "its input 'gone' is nowhere")
    def _(model, graph):
        graph.node[1].input[0] = "gone"

    @refuse("no-weights", "Conv 'Conv_1'", "lacks its input 1")
    def _(model, graph):
        graph.node[0].input[1] = ""

    @refuse("many-inputs", "Relu 'Relu_2'", "has 2 inputs, expected at most 1")
    def _(model, graph):
        graph.node[1].input.append("v1")

    @refuse("many-outputs", "Relu 'Relu_2'", "has 2 outputs, expected at most 1")
    def _(model, graph):
        graph.node[1].output.append("more")

    @refuse("same-outputs", "two tensors of the name 'v1'")
    def _(model, graph):
        graph.node[1].output[0] = "v1"

    @refuse("same-initializers", "two tensors of the name 'w'")
    def _(model, graph):
        graph.initializer.append(graph.initializer[0])

    @refuse("initializer-and-output", "two tensors of the name 'b'")
    def _(model, graph):
        graph.node[1].output[0] = "b"

    @refuse("unknown-attribute", "Conv 'Conv_1'", "attribute 'activation' that is not known")
    def _(model, graph):
        graph.node[0].attribute.append(helper.make_attribute("activation", "Relu"))

    @refuse("same-attributes", "Conv 'Conv_1'", "attribute 'pads' twice")
    def _(model, graph):
        graph.node[0].attribute.append(graph.node[0].attribute[0])

    @refuse("attribute-type", "Conv 'Conv_1'", "attribute group is not an integer")
    def _(model, graph):
        graph.node[0].attribute.append(helper.make_attribute("group", 1.0))

    @refuse("attribute-reference", "Conv 'Conv_1'", "attribute 'group' refers to another")
    def _(model, graph):
        graph.node[0].attribute.append(helper.make_attribute("group", 1))
        graph.node[0].attribute[-1].ref_attr_name = "other"

    @refuse("attribute-long", "Conv 'Conv_1'", "strides has 1000 integers")
    def _(model, graph):
        graph.node[0].attribute.append(helper.make_attribute("strides", [1] * 1000))

    # tensors
    def tensor(name, *says):
        return refuse("tensor-" + name, "Conv 'Conv_1'", "tensor 'w'", *says)

    @tensor("negative", "impossible shape: axis 0 of -3")
    def _(model, graph):
        graph.initializer[0].dims[0] = -3

    @tensor("huge", "impossible shape")
    def _(model, graph):
        graph.initializer[0].dims[0] = 2 ** 40

    @tensor("overflow", "too large")
    def _(model, graph):
        for i in range(4):
            graph.initializer[0].dims[i] = 2 ** 30

    @tensor("many-axes", "has 20 axes")
    def _(model, graph):
        graph.initializer[0].dims.extend([1] * 16)

    @tensor("short", "has 212 bytes of numbers, its shape takes 216")
    def _(model, graph):
        graph.initializer[0].raw_data = graph.initializer[0].raw_data[4:]

    @tensor("absent", "has 0 entries of numbers, its shape takes 54")
    def _(model, graph):
        graph.initializer[0].ClearField("raw_data")

    @tensor("twice", "more than one place")
    def _(model, graph):
        graph.initializer[0].float_data.append(1)

    @tensor("other-list", "of another type")
    def _(model, graph):
        graph.initializer[0].ClearField("raw_data")
        graph.initializer[0].int64_data.extend([1] * 54)

    for kind in ("STRING", "COMPLEX64", "FLOAT8E4M3FN", "INT4"):
        @tensor("type-" + kind.lower(), "type that is not read")
        def _(model, graph):
            graph.initializer[0].data_type = getattr(TensorProto, kind)

    @tensor("segment", "in segments")
    def _(model, graph):
        graph.initializer[0].segment.begin = 1

    @refuse("tensor-integers", "Conv 'Conv_1'", "its weights are integers")
    def _(model, graph):
        graph.initializer[0].CopyFrom(numpy_helper.from_array(numpy.ones((3, 2, 3, 3), numpy.int64), "w"))

    for name, number in (("nan", numpy.nan), ("infinite", numpy.inf)):
        @refuse("tensor-" + name, "Conv 'Conv_1'", "a constant of it, 'w', holds a number that is not finite")
        def _(model, graph):
            values = numpy.ones((3, 2, 3, 3), f32)
            values[1, 1, 1, 1] = number
            graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "w"))

    @refuse("tensor-beyond-floats", "Conv 'Conv_1'", "a constant of it, 'w', holds a number that is not finite")
    def _(model, graph):
        graph.initializer[0].CopyFrom(numpy_helper.from_array(numpy.full((3, 2, 3, 3), 1e300), "w"))

    for name, location, says in (
            ("missing", "gone.data", ("gone.data, which cannot be read",)), ("above", "../up.data", ("not in the folder",)),
            ("inside-above", "a/../../up.data", ("not in the folder",)), ("above-end", "a/..", ("not in the folder",)),
            ("absolute", "/etc/passwd", ("not in the folder",)), ("backslash", "..\\up.data", ("not in the folder",)),
            ("nameless", "", ("not in the folder",)), ("folder", ".", ("which cannot be read",))):
        @tensor("beside-" + name, *says)
        def _(model, graph):
            t = graph.initializer[0]
            t.ClearField("raw_data")
            t.data_location = TensorProto.EXTERNAL
            t.external_data.add(key="location", value=location)

    for name, key, value, says in (
            ("offset", "offset", "1000000000", "end past the"), ("offset-negative", "offset", "-4", "impossible offset"),
            ("offset-huge", "offset", "9" * 18, "end past the"), ("offset-longer", "offset", "9" * 30, "impossible offset"),
            ("length", "length", "12", "has 12 bytes"), ("length-words", "length", "many", "impossible length")):
        @tensor("beside-" + name, says)
        def _(model, graph):
            t = graph.initializer[0]
            t.ClearField("raw_data")
            t.data_location = TensorProto.EXTERNAL
            t.external_data.add(key="location", value="here.data")
            t.external_data.add(key=key, value=value)

    @tensor("beside-and-here", "more than one place")
    def _(model, graph):
        graph.initializer[0].data_location = TensorProto.EXTERNAL

    # images
    def image(name, shape, *says, kind=TensorProto.FLOAT):
        @refuse("image-" + name, "its input 'image'", *says)
        def _(model, graph):
            graph.input[0].CopyFrom(helper.make_tensor_value_info("image", kind, shape))

    image("bytes", ["n", 2, 4, 4], "no tensor of floats", kind=TensorProto.UINT8)
    image("free", ["n", 2, "h", 4], "does not say how long axis 2 is")
    image("free-pixels", ["d"], "does not say how long axis 0 is")
    image("five-axes", ["n", 2, 4, 4, 1], "has 5 axes")
    image("no-axes", [], "has 0 axes")
    image("no-shape", None, "has 0 axes")
    image("huge", ["n", 2, 2 ** 40, 4], "has an axis of 1099511627776")

    @refuse("image-large", "too large")
    def _(model, graph):
        graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 2 ** 20, 2 ** 20, 4]))

    @refuse("image-sequence", "its input 'image' is not a tensor")
    def _(model, graph):
        graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(
            helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 4])))

    # shapes that do not fit, one node each
    w = numpy.ones((3, 2, 3, 3), f32)
    conv = [w]
    refuse_node("conv-channels", "Conv", "do not fit images", constants=[numpy.ones((3, 3, 3, 3), f32)])
    refuse_node("conv-groups-0", "Conv", "do not fit images", constants=conv, group=0)
    refuse_node("conv-groups-many", "Conv", "do not fit images", constants=conv, group=2 ** 40)
    refuse_node("conv-empty", "Conv", "do not fit images", constants=[numpy.ones((3, 2, 0, 3), f32)])
    refuse_node("conv-strides-0", "Conv", "strides holds 0", constants=conv, strides=[0, 1])
    refuse_node("conv-strides-negative", "Conv", "strides holds -1", constants=conv, strides=[1, -1])
    refuse_node("conv-dilations-huge", "Conv", "dilations holds 1099511627776", constants=conv, dilations=[2 ** 40, 1])
    refuse_node("conv-pads-negative", "Conv", "pads hold -1", constants=conv, pads=[0, 0, -1, 0])
    refuse_node("conv-pads-3", "Conv", "pads are 3 numbers", constants=conv, pads=[0, 0, 1])
    refuse_node("conv-window", "Conv", "larger than the image", constants=[numpy.ones((3, 2, 5, 5), f32)])
    refuse_node("conv-kernel-shape", "Conv", "kernel_shape is not that of its weights", constants=conv, kernel_shape=[2, 2])
    refuse_node("conv-auto-pad", "Conv", "auto_pad is not one", constants=conv, auto_pad="SAME")
    refuse_node("conv-auto-pad-and-pads", "Conv", "pads and auto_pad", constants=conv, auto_pad="VALID", pads=[1, 1, 1, 1])
    refuse_node("conv-bias", "Conv", "its bias has 2 numbers, expected 3", constants=[w, numpy.ones(2, f32)])
    refuse_node("conv-1d", "Conv", "not along two axes", shape=("n", 2, 4), constants=[numpy.ones((3, 2, 3), f32)])
    refuse_node("conv-of-rows", "Conv", "expected images", shape=("n", 2, 4), constants=conv)
    refuse_node("pool-3d", "MaxPool", "not along two axes", kernel_shape=[2, 2, 2])
    refuse_node("pool-window", "MaxPool", "larger than the image", kernel_shape=[5, 5])
    refuse_node("pool-no-window", "MaxPool", "lacks its kernel_shape")
    refuse_node("pool-beside", "MaxPool", "beside the image", kernel_shape=[2, 2], pads=[2, 2, 0, 0])
    refuse_node("pool-beside-dilated", "MaxPool", "beside the image", kernel_shape=[2, 2], pads=[4, 4, 4, 4],
                dilations=[6, 6])
    refuse_node("normalize-channels", "BatchNormalization", "its scale has 3 numbers for 2 channels",
                constants=[numpy.ones(3, f32)] * 4)
    refuse_node("normalize-variance", "BatchNormalization", "variance of channel 0 is not above 0",
                constants=[numpy.ones(2, f32)] * 3 + [-numpy.ones(2, f32)])
    refuse_node("normalize-training", "BatchNormalization", "in training mode", opset=14, training_mode=1,
                constants=[numpy.ones(2, f32)] * 4)
    refuse_node("dropout-training", "Dropout", "in training mode", constants=[f32(0.5), numpy.bool_(True)])
    refuse_node("gemm-inputs", "Gemm", "does not fit weights of 5 inputs", shape=("n", 4), constants=[numpy.ones((5, 3), f32)])
    refuse_node("gemm-rank", "Gemm", "its input is not a matrix", constants=[numpy.ones((4, 3), f32)])
    refuse_node("gemm-turned", "Gemm", "mixes the images", shape=("n", 4), constants=[numpy.ones((4, 3), f32)], transA=1)
    refuse_node("gemm-bias", "Gemm", "not one number for each", shape=("n", 4),
                constants=[numpy.ones((4, 3), f32), numpy.ones(2, f32)])
    refuse_node("gemm-bias-rows", "Gemm", "not one number for each", shape=("n", 4),
                constants=[numpy.ones((4, 3), f32), numpy.ones((3, 1), f32)])
    refuse_node("matmul-vector", "MatMul", "expected a matrix", shape=("n", 4), constants=[numpy.ones(4, f32)])
    refuse_node("matmul-empty", "MatMul", "expected a matrix", shape=("n", 4), constants=[numpy.ones((4, 0), f32)])
    refuse_node("matmul-batch", "MatMul", "more axes than its input", shape=("n", 4), constants=[numpy.ones((2, 4, 3), f32)])
    refuse_node("add-shape", "Add", "do not fit each other", constants=[numpy.ones(3, f32)])
    refuse_node("add-integers", "Add", "integers where floats are expected", constants=[numpy.ones(4, numpy.int64)])
    refuse_node("clip-order", "Clip", "not in order", constants=[f32(1), f32(-1)])
    refuse_node("clip-nan", "Clip", "not in order", constants=[f32(numpy.nan), f32(1)])
    refuse_node("clip-inputs", "Clip", "attributes before operator set 11", opset=10, constants=[f32(0)])
    refuse_node("squeeze-inputs", "Squeeze", "an attribute before operator set 13", opset=11, constants=[numpy.array([1])])
    for name, nodes in (("sum-hole", (("Sum", "image", "", "image"),)), ("max-hole", (("Max", "", "image"),)),
                        ("concat-hole", (("Concat", "image", "", "image"),)),
                        ("clip-constant", (("Clip", "c", "image"),)), ("reshape-constant", (("Reshape", "c", "image"),)),
                        ("squeeze-constant", (("Squeeze", "c", "image"),)), ("gemm-constant", (("Gemm", "c", "image"),)),
                        ("conv-constant", (("Conv", "c", "image"),)), ("prelu-constant", (("PRelu", "c", "image"),)),
                        ("gather-constant", (("Gather", "c", "image"),)), ("pad-constant", (("Pad", "c", "image"),)),
                        ("normalize-constant", (("LayerNormalization", "c", "image"),)),
                        ("reduce-constant", (("ReduceSum", "c", "image"),))):
        m = Model(name, 17, ["n", 4])
        m.constant(numpy.ones((4, 4), f32), name="c")
        for op, *inputs in nodes:
            m.node(op, *inputs, **({"axis": 1} if op == "Concat" else {}))
        REFUSED[name] = {"says": ["%s '%s_1'" % (op, op), "lacks its input" if "hole" in name else "its first input is a constant"],
                         "file": m.finish(save=False).SerializeToString().hex()}
    refuse_node("clip-attributes", "Clip", "inputs since operator set 11", min=0.0)
    refuse_node("cast-integers", "Cast", "other numbers than floats", to=TensorProto.INT64)
    refuse_node("concat-no-axis", "Concat", "lacks its attribute axis")
    refuse_node("slice-step", "Slice", "2 apart along axis 2",
                constants=[numpy.array([v]) for v in (0, 4, 2, 2)])
    refuse_node("slice-step-0", "Slice", "a step of 0", constants=[numpy.array([v]) for v in (0, 4, 2, 0)])
    refuse_node("slice-nothing", "Slice", "takes nothing of axis 2", constants=[numpy.array([v]) for v in (3, 3, 2)])
    refuse_node("slice-axis", "Slice", "no axis 4", constants=[numpy.array([v]) for v in (0, 1, 4)])
    refuse_node("slice-lengths", "Slice", "not of one number", constants=[numpy.array([0, 1]), numpy.array([1])])
    refuse_node("gather-place", "Gather", "no place 2 along an axis of 2", constants=[numpy.int64(2)], axis=1)
    refuse_node("gather-apart", "Gather", "not neighbours", constants=[numpy.array([0, 2])], axis=2)
    refuse_node("split-parts", "Split", "do not fit an axis of 2", constants=[numpy.array([3])], axis=1)
    refuse_node("pad-mode", "Pad", "another than constant", constants=[numpy.array([0, 0, 1, 1, 0, 0, 1, 1])], mode="reflect")
    refuse_node("pad-all", "Pad", "leaves nothing of axis 2", constants=[numpy.array([0, 0, -2, 0, 0, 0, -2, 0])])
    refuse_node("pad-lengths", "Pad", "pads are 3 numbers", constants=[numpy.array([0, 0, 1])])
    refuse_node("squeeze-long", "Squeeze", "drops axis 1, which has length 2", constants=[numpy.array([1])])
    refuse_node("squeeze-twice", "Squeeze", "names axis 1 twice", constants=[numpy.array([1, -3])])
    refuse_node("unsqueeze-many", "Unsqueeze", "too many axes", constants=[numpy.arange(1, 7)])
    refuse_node("transpose-twice", "Transpose", "no permutation", perm=[0, 1, 1, 3])
    refuse_node("transpose-few", "Transpose", "orders 2 axes of 4", perm=[0, 1])
    refuse_node("reshape-entries", "Reshape", "mixes the images", constants=[numpy.array([0, 31])])
    refuse_node("reshape-two-left", "Reshape", "more than one axis of -1", constants=[numpy.array([-1, -1])])
    refuse_node("reshape-negative", "Reshape", "makes an axis of -2", constants=[numpy.array([0, -2])])
    refuse_node("reshape-floats", "Reshape", "not a list of up to 8 integers", constants=[numpy.ones(2, f32)])
    refuse_node("many-axes", "Reshape", "has 5 axes", constants=[numpy.array([0, 2, 2, 2, 2, 2])])
    refuse_node("rows-out", "Relu", "a tensor", shape=("n", 2, 3))
    REFUSED["rows-out"]["says"] = ["its output 'v1' has shape [2, 3] for each image"]
    REFUSED["many-axes"]["says"] = ["its output 'v1' has shape [2, 2, 2, 2, 2] for each image"]

    refuse_node("reduce-apart", "ReduceMax", "do not stand side by side", axes=[1, 3])

    # what mixes the images of a batch
    mixes = "mixes the images of a batch"
    refuse_node("mix-reshape", "Reshape", mixes, constants=[numpy.array([-1])])
    refuse_node("mix-reshape-rows", "Reshape", mixes, constants=[numpy.array([-1, 4])])
    refuse_node("mix-flatten", "Flatten", mixes, axis=0)
    refuse_node("mix-flatten-2", "Flatten", mixes, axis=2)
    refuse_node("mix-transpose", "Transpose", mixes, shape=("n", 4), perm=[1, 0])
    refuse_node("mix-softmax", "Softmax", mixes, axis=0)
    refuse_node("mix-softmax-11", "Softmax", mixes, opset=11, axis=0)
    refuse_node("mix-mean", "ReduceMean", mixes, axes=[0])
    refuse_node("mix-mean-all", "ReduceMean", mixes)
    refuse_node("mix-slice", "Slice", mixes, constants=[numpy.array([v]) for v in (0, 1, 0)])
    refuse_node("mix-slice-9", "Slice", mixes, opset=9, starts=[0], ends=[1])
    refuse_node("mix-gather", "Gather", mixes, constants=[numpy.int64(0)], axis=0)
    refuse_node("mix-split", "Split", mixes, axis=0)
    refuse_node("mix-unsqueeze", "Unsqueeze", mixes, constants=[numpy.array([0])])
    refuse_node("mix-squeeze", "Squeeze", mixes, shape=("n", 1, 4, 4), constants=[numpy.array([0])])
    refuse_node("mix-pad", "Pad", mixes, constants=[numpy.array([1, 0, 0, 0, 0, 0, 0, 0])])
    refuse_node("mix-expand", "Expand", mixes, constants=[numpy.array([3, 2, 2, 4, 4])])
    refuse_node("mix-constant", "Add", "not the same for every image", constants=[numpy.ones((3, 2, 4, 4), f32)])
    refuse_node("mix-normalize", "LayerNormalization", mixes, opset=17, constants=[numpy.ones(4, f32)], axis=0)
    m = Model("mix-concat", 13, ["n", 4])
    m.node("Concat", "image", "image", axis=0)
    REFUSED["mix-concat"] = {"says": ["Concat 'Concat_1'", mixes], "file": m.finish(save=False).SerializeToString().hex()}
    m = Model("mix-ranks", 13, ["n", 2, 2, 2])
    a = m.node("ReduceMean", "image", axes=[2, 3], keepdims=0)
    m.node("Add", "image", a)
    REFUSED["mix-ranks"] = {"says": ["Add 'Add_2'", mixes], "file": m.finish(save=False).SerializeToString().hex()}
    m = Model("matmul-computed", 13, ["n", 4, 4])
    m.node("MatMul", "image", "image")
    REFUSED["matmul-computed"] = {"says": ["MatMul 'MatMul_1'", "two tensors that both depend on the image"],
                                  "file": m.finish(save=False).SerializeToString().hex()}
    m = Model("mask", 13, ["n", 4])
    m.node("Dropout", outputs=["v", "mask"])
    m.node("Add", "v", "mask")
    REFUSED["mask"] = {"says": ["Dropout 'Dropout_1'", "its output 'mask' is not computed here"],
                       "file": m.finish(save=False).SerializeToString().hex()}
    m = Model("count-images", 13, ["n", 4])
    a = m.node("Cast", m.node("Shape", "image"), to=TensorProto.FLOAT)
    m.node("Mul", "image", m.node("Slice", a, m.integers(0), m.integers(1)))
    REFUSED["count-images"] = {"says": ["Cast 'Cast_2'", "number of images"],
                               "file": m.finish(save=False).SerializeToString().hex()}

    # constants that grow
    def grow(name, *says):
        def edit(nodes):
            m = Model(name, 13, ["n", 4])
            nodes(m)
            m.node("Add", "image", m.x)
            REFUSED[name] = {"says": list(says), "file": m.finish(save=False).SerializeToString().hex()}
        return edit

    @grow("grow-fill", "ConstantOfShape 'ConstantOfShape_1'", "too large")
    def _(m):
        m.node("ConstantOfShape", m.integers(2 ** 30, 2 ** 30))

    @grow("grow-fill-less", "ConstantOfShape 'ConstantOfShape_1'", "too large for a file of its size")
    def _(m):
        m.node("ConstantOfShape", m.integers(2 ** 15, 2 ** 15))

    @grow("grow-expand", "Expand 'Expand_1'", "too large")
    def _(m):
        m.node("Expand", m.floats_of([1]), m.integers(2 ** 20, 2 ** 20))

    @grow("grow-range", "Range 'Range_1'", "too large")
    def _(m):
        m.node("Range", *[m.constant(numpy.int64(v)) for v in (0, 2 ** 31 - 2, 1)])

    @grow("grow-range-0", "Range 'Range_1'", "not supported")
    def _(m):
        m.node("Range", *[m.constant(numpy.int64(v)) for v in (0, 5, 0)])

    @grow("grow-concat", "Concat 'Concat_", "too large for a file of its size")
    def _(m):
        m.node("ConstantOfShape", m.integers(2 ** 20))
        for _ in range(10):
            m.node("Concat", m.x, m.x, axis=0)

    @grow("grow-gather", "too large")
    def _(m):
        a = m.node("ConstantOfShape", m.integers(2 ** 12), value=numpy_helper.from_array(numpy.array([0], numpy.int64)))
        m.node("Gather", m.floats_of(numpy.ones((1, 8))), a, axis=0)
        m.node("Gather", m.x, a, axis=1)

    @grow("grow-integers", "beyond 2^31")
    def _(m):
        a = m.integers(2 ** 31 - 1)
        a = m.node("Mul", a, a)
        m.node("Cast", m.node("Mul", a, a), to=TensorProto.FLOAT)

    @grow("divide-by-0", "Div 'Div_1'", "divides an integer by 0")
    def _(m):
        m.node("Cast", m.node("Div", m.integers(1), m.integers(0)), to=TensorProto.FLOAT)

    with open(HERE / "refused.json", "w") as file:
        file.write("{\n" + ",\n".join('"%s": %s' % (name, json.dumps(case)) for name, case in sorted(REFUSED.items()))
                   + "\n}\n")


def main():
    HERE.mkdir(exist_ok=True)
    for path in HERE.glob("*.onnx"):
        path.unlink()
    for path in HERE.glob("*.data"):
        path.unlink()
    elementwise()
    products()
    images()
    along_axes()
    shapes()
    parts()
    constants()
    files()
    refused()
    with open(HERE / "expected.json", "w") as file:
        file.write("{\n" + ",\n".join('"%s": %s' % (name, json.dumps(case)) for name, case in sorted(CASES.items()))
                   + "\n}\n")


main()
