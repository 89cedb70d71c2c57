"""The same training step in plain PyTorch. Arguments: a problem (JSON), "cpu" or "gpu", and what is special (see below).

A step is what a usual loop does with a batch in memory: hand it to the device, forget the last gradients, forward, loss,
backward, clip the gradient's norm, update, and read the loss. bfloat16 is that of ``torch.autocast``. Special, between
commas: "compiled" passes the network and the loss through ``torch.compile``, "channels_first" leaves the memory format as
PyTorch's default is, "monai" takes MONAI's U-Net and its loss instead of the same network. ("keep_memory" is for those
who start this: variables of the environment.)
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from serving import installed, serve
from stopwatch.memory import peak
from stopwatch.problem import CLIP, EPSILON, RATE, WEIGHT_DECAY, Problem
from torch import Tensor
from torch.nn import functional


def dice_cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Return VoxTempo's ``dice_ce``: Dice over the batch without the background, and the mean cross-entropy."""
    logits = logits.float()
    p = torch.softmax(logits, dim=1)[:, 1:]
    t = functional.one_hot(truth, logits.shape[1]).movedim(-1, 1)[:, 1:].float()
    axes = (0, 2, 3, 4)
    score = (2 * (p * t).sum(axes) + 1) / ((p + t).sum(axes) + 1)
    return 1 - score.mean() + functional.cross_entropy(logits, truth)


def cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the mean cross-entropy."""
    return functional.cross_entropy(logits.float(), truth)


def network_and_loss(problem: Problem, special: set[str]) -> tuple[torch.nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Return what is trained, and by which loss of (logits, truth)."""
    from networks import CnnLstm, UNet

    channels, widths = problem.shape[-1], problem.options.get("widths", (16, 32, 64))
    if "monai" in special:
        from monai.losses import DiceCELoss
        from monai.networks.nets import UNet as MonaiUNet

        strides = (2,) * (len(widths) - 1)
        net = MonaiUNet(3, channels, problem.outputs, tuple(widths), strides, num_res_units=2)
        both = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
        return net, lambda logits, truth: both(logits.float(), truth[:, None])
    if problem.network == "unet3d":
        return UNet(channels, problem.outputs, widths, problem.options.get("residual", True)), dice_cross_entropy
    return CnnLstm(problem.shape, problem.outputs, **problem.options), cross_entropy


def main() -> None:
    """Serve the network."""
    problem, device = Problem.loads(sys.argv[1]), {"cpu": "cpu", "gpu": "cuda"}[sys.argv[2]]
    special = set(filter(None, sys.argv[3].split(",")))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    net, loss_of = network_and_loss(problem, special)
    net = net.to(device)
    if "channels_first" not in special:
        net = net.to(memory_format=torch.channels_last_3d)
    named = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    kernels = [p for _, p in named if p.ndim > 1]
    groups = [{"params": kernels}, {"params": [p for _, p in named if p.ndim == 1], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, weight_decay=WEIGHT_DECAY, eps=EPSILON, fused=True)
    images, truth = problem.make_batch()
    images = np.ascontiguousarray(np.moveaxis(images, -1, -4))
    autocast = torch.autocast(device, torch.bfloat16, enabled=problem.precision == "bfloat16")

    def on_device(images: np.ndarray) -> Tensor:
        x = torch.from_numpy(images).to(device, non_blocking=True)
        return x.to(memory_format=torch.channels_last_3d) if x.ndim == 5 and "channels_first" not in special else x

    def forward(x: Tensor, y: Tensor) -> Tensor:
        with autocast:
            logits = net(x)
        return loss_of(logits, y)

    run = torch.compile(forward) if "compiled" in special else forward

    def steps(count: int) -> list[float]:
        net.train()
        losses = []
        for _ in range(count):
            x, y = on_device(images), torch.from_numpy(truth).to(device, non_blocking=True).long()
            for group in optimiser.param_groups:
                group["lr"] = RATE
            optimiser.zero_grad(set_to_none=True)
            loss = run(x, y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for _, p in named], CLIP)
            optimiser.step()
            losses.append(loss.item())
        return losses

    def write_logits(file: str) -> None:
        net.eval()
        with torch.inference_mode(), autocast:
            logits = net(on_device(images)).float().cpu().numpy()
        np.save(file, np.moveaxis(logits, 1, -1))

    def load(file: str) -> None:
        from networks import fill

        with np.load(file) as weights:
            fill(net, dict(weights))

    def parameters() -> int:
        return sum(p.numel() for _, p in named)

    def memory() -> float:
        if device == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        return peak()

    about = ", ".join(filter(None, (installed("torch"), installed("monai") if "monai" in special else None)))
    offered: dict[str, Callable[..., Any]] = {
        "logits": write_logits,
        "parameters": parameters,
        "steps": steps,
        "processor": time.process_time,
        "memory": memory,
    }
    if "monai" not in special:
        offered["load"] = load
    serve({name: (function, about) for name, function in offered.items()})


if __name__ == "__main__":
    main()
