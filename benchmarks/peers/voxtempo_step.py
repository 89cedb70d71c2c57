"""VoxTempo's training step on the backend that KERAS_BACKEND names. Arguments: a problem (JSON) and "cpu" or "gpu".

A step is what ``learning.fit`` does with a batch in memory: set the rate, forget the last metrics, ``train_on_batch``,
and read the loss.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from serving import serve
from stopwatch.memory import peak
from stopwatch.problem import CLIP, EPSILON, RATE, WEIGHT_DECAY, Problem
from stopwatch.weights import load_weights, save_weights


def main() -> None:
    """Serve the model."""
    problem, device = Problem.loads(sys.argv[1]), sys.argv[2]
    from voxtempo.cohort.sections.train import Train
    from voxtempo.learning import backend
    from voxtempo.learning.losses import build_loss
    from voxtempo.learning.optimisers import make_optimiser
    from voxtempo.networks import Classify, Segment, build_network

    keras = backend.start(0)
    if (backend.accelerator() is not None) != (device == "gpu"):
        sys.exit(f"the backend found {backend.accelerator() or 'no accelerator'}, wanted {device}")
    head = (Segment if problem.network == "unet3d" else Classify)(problem.outputs)
    model = build_network(problem.network, problem.shape, head, problem.options, precision=problem.precision)
    optimiser = make_optimiser(Train(rate=RATE, weight_decay=WEIGHT_DECAY, clip=CLIP))
    optimiser.epsilon = EPSILON
    loss = build_loss("segment" if problem.network == "unet3d" else "classify")
    model.compile(optimiser, loss, jit_compile=backend.compile_whole_graph())
    images, truth = problem.make_batch()

    def steps(count: int) -> list[float]:
        losses = []
        for _ in range(count):
            model.optimizer.learning_rate = RATE
            model.reset_metrics()
            losses.append(float(model.train_on_batch(images, truth)))
        return losses

    def write_logits(file: str) -> None:
        np.save(file, np.asarray(model.predict_on_batch(images)))

    def parameters() -> int:
        return sum(int(np.prod(v.shape)) for v in model.trainable_variables)

    about = ", ".join(f"{name} {found}" for name, found in backend.versions().items())
    offered = {
        "save": lambda file: save_weights(model, Path(file)),
        "load": lambda file: load_weights(model, Path(file)),
        "logits": write_logits,
        "parameters": parameters,
        "steps": steps,
        "processor": time.process_time,
        "memory": lambda: _peak(keras.backend.backend()) if device == "gpu" else peak(),
    }
    serve({name: (function, about) for name, function in offered.items()})


def _peak(backend: str) -> float:
    """Return the most memory of the GPU that tensors held so far, MiB."""
    if backend == "jax":
        import jax

        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20
    if backend == "torch":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20


if __name__ == "__main__":
    main()
