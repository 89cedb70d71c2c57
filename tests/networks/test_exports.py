"""What networks become when they leave Keras: plain operations that small runtimes know, with the same answers."""

from __future__ import annotations

import numpy as np
import pytest

from voxtempo.networks import Segment, build_network
from voxtempo.networks.blocks import Style, conv
from voxtempo.networks.keras_seam import keras

pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter.*")


def through_tflite(model) -> tuple[np.ndarray, np.ndarray, set[str]]:
    """Return Keras's answer, TFLite's, and the operations that TFLite runs; only such as every build of it has."""
    tf = pytest.importorskip("tensorflow")
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = tf.lite.Interpreter(
        model_content=converter.convert(),
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    x = np.random.default_rng(0).normal(3, 2, size=(1, *model.input_shape[1:])).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    names = {operation["op_name"] for operation in interpreter._get_ops_details()}
    return np.asarray(model(x, training=False)), found, names


@pytest.mark.parametrize("shape", [(16, 12, 2), (8, 10, 6, 2)], ids=["slices", "volumes"])
def test_instance_normalisation_is_a_few_plain_operations(shape):
    inputs = keras.Input(shape)
    style = Style("instance")
    model = keras.Model(inputs, style.activate(style.normalise(conv(inputs, 4))))
    ours, theirs, names = through_tflite(model)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
    assert {"MEAN", "RSQRT"} <= names
    assert not names & {"WHILE", "IF", "GATHER", "GATHER_ND", "BROADCAST_TO"}


def test_a_unet_for_slices_answers_alike():
    model = build_network("unet2d", (32, 24, 1), Segment(3), {"widths": [4, 8, 16]}, seed=1)
    ours, theirs, _ = through_tflite(model)
    np.testing.assert_allclose(theirs, ours, atol=1e-4 * np.abs(ours).max())
