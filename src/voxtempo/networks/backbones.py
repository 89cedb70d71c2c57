"""2D networks that describe a picture by a vector: all of keras.applications, and VoxTempo's own networks for slices.

A backbone is a model inside the network's model, called "backbone", so that its weights can be found by name, loaded from
a local file (``local_weights``) and frozen. Nothing is ever downloaded.

Pretrained backbones saw photographs, 0 to 255 in three colours. A scan that was z-scored, as studies are by default, is
brought to their mean and spread (``as_photograph``), then to the range that each family was trained with. Values are not
squeezed into 0 to 255: in a scan with much background the z-scores of the brain may reach 3 and more, and would be cut
off. Five standard deviations are the limit, so that one bright vessel does not drown the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from voxtempo.errors import StudyError, did_you_mean
from voxtempo.networks.blocks import pool_to_vector, space
from voxtempo.networks.card import networks
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.local_weights import WeightsFile
from voxtempo.networks.resize import interpolation_matrix, resize

Range = Literal["caffe", "tf", "tf128", "torch"]
Frozen = bool | Literal["batch_norm"]
Scaling = Literal["imagenet", "none"]

LIMIT = 5.0
"""Standard deviations beyond which values are cut off before a pretrained backbone."""

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue, white being 1
_BLUE_GREEN_RED = (103.939, 116.779, 123.68)  # of ImageNet, white being 255, in the order that Caffe's networks take


@dataclass(frozen=True)
class Application:
    """A network of keras.applications.

    Parameters
    ----------
    smallest : pixels along each side of the smallest picture it takes.
    range : what it was pretrained on: "caffe" (0 to 255 less the mean colour), "tf" (-1 to 1), "tf128" (pixels / 128 - 1)
        or "torch" (each colour's z-score).
    options : what may be set of it.
    """

    smallest: int
    range: Range
    options: tuple[str, ...] = ()


APPLICATIONS: dict[str, Application] = {
    **dict.fromkeys(("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152"), Application(32, "caffe")),
    **dict.fromkeys(("ResNet50V2", "ResNet101V2", "ResNet152V2"), Application(32, "tf")),
    **dict.fromkeys(("DenseNet121", "DenseNet169", "DenseNet201"), Application(32, "torch")),
    **{f"EfficientNetB{i}": Application(32, "torch") for i in range(8)},
    **{f"EfficientNetV2B{i}": Application(32, "torch") for i in range(4)},
    **{f"EfficientNetV2{size}": Application(32, "tf128") for size in "SML"},
    "MobileNet": Application(32, "tf", ("alpha", "depth_multiplier")),
    "MobileNetV2": Application(32, "tf", ("alpha",)),
    **{f"MobileNetV3{size}": Application(32, "tf", ("alpha", "minimalistic")) for size in ("Small", "Large")},
    **dict.fromkeys(("InceptionV3", "InceptionResNetV2"), Application(75, "tf")),
    "Xception": Application(71, "tf"),
    **dict.fromkeys(("NASNetMobile", "NASNetLarge"), Application(32, "tf")),
    **{f"ConvNeXt{size}": Application(32, "torch") for size in ("Tiny", "Small", "Base", "Large", "XLarge")},
}


def own_backbones() -> tuple[str, ...]:
    """Return the registered networks for slices that can be a backbone."""
    return tuple(name for name in networks if networks[name].input == "slice" and name != "backbone2d")


def known_backbone(name: str) -> str:
    """Return the name as it is written properly, whatever its case.

    Raises
    ------
    StudyError : there is no such backbone; the nearest name is suggested.
    """
    known = {each.lower(): each for each in (*APPLICATIONS, *own_backbones())}
    if name.lower() not in known:
        near = did_you_mean(name.lower(), known)
        for lower, proper in known.items():
            near = near.replace(f"'{lower}'", f"'{proper}'")
        raise StudyError(f"There is no backbone called '{name}'. {near}")
    return known[name.lower()]


BackboneName: TypeAlias = Annotated[str, AfterValidator(known_backbone)]
Settings: TypeAlias = dict


def photograph_range(range: Range) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return gain and offset of each colour that bring z-scores to photographs of a pretrained network's range.

    A z-score of 0 becomes ImageNet's mean grey and 1 its spread above, averaged over the colours, so that a scan stays
    grey: pixel = 255 (0.449 + 0.226 z).

    >>> [[round(float(v), 3) for v in array] for array in photograph_range("tf")]
    [[0.452, 0.452, 0.452], [-0.102, -0.102, -0.102]]
    """
    grey, spread = np.full(3, np.mean(_MEAN)), np.full(3, np.mean(_SPREAD))
    if range == "caffe":
        gain, offset = 255 * spread, 255 * grey - np.array(_BLUE_GREEN_RED)
    elif range == "torch":
        gain, offset = spread / np.array(_SPREAD), (grey - np.array(_MEAN)) / np.array(_SPREAD)
    else:
        white = 255 / (127.5 if range == "tf" else 128.0)
        gain, offset = white * spread, white * grey - 1
    return gain.astype(np.float32), offset.astype(np.float32)


def colour_matrix(channels: int) -> NDArray[np.float32]:
    """Return the (channels, 3) matrix with which the mixing of channels into three colours starts.

    One channel is repeated, two make a middle colour, three stay what they are, and of more each colour is the mean of
    neighbouring ones. Every colour's weights add up to one.

    >>> colour_matrix(2).tolist()
    [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]
    """
    if channels <= 3:
        return interpolation_matrix(channels, 3).T
    spread = interpolation_matrix(3, channels)
    return spread / spread.sum(axis=0)


@dataclass(frozen=True)
class Backbone:
    """A backbone as a study file chooses it; calling it describes pictures.

    Parameters
    ----------
    name : of a network of keras.applications, or of a registered one for slices.
    weights : local file the weights start from when a run begins; None: random numbers.
    frozen : True: neither the backbone's weights nor its batch statistics change, and none of its features is dropped;
        "batch_norm": only its batch normalisation stays as it is; False: all is trained.
    grid : cells along each axis that the last map is averaged to; 1 forgets where things are. Backbones that describe a
        picture by a vector of their own (lightweight_cnn) have a grid of their own.
    scaling : "imagenet" brings z-scored scans to the range of the backbone's photographs, "none" leaves them. None:
        "imagenet" for .h5 files, which come from keras.applications, and "none" otherwise.
    options : of the backbone.

    Raises
    ------
    StudyError : frozen without weights.
    """

    name: str
    weights: WeightsFile | None = None
    frozen: Frozen = False
    grid: int = 1
    scaling: Scaling | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.frozen is not False and self.weights is None:
            raise StudyError(
                f"network.frozen is {str(self.frozen).lower()}, but there are no 'weights': random numbers would be frozen. "
                "Name a local weights file, or remove 'frozen'."
            )

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return (batch, features) for pictures of (batch, x, y, channels).

        Raises
        ------
        StudyError : an option does not fit the backbone.
        """
        if self.name in APPLICATIONS:
            pictures = self.photographs(pictures)
        with keras.name_scope("backbone"):
            model = self._application(pictures) if self.name in APPLICATIONS else self._own(pictures)
        self._freeze(model)
        return model(pictures)

    def photographs(self, pictures: Tensor) -> Tensor:
        """Return pictures in three colours, in the backbone's range, and large enough for it."""
        application = APPLICATIONS[self.name]
        smallest = max(1.0, *(application.smallest / n for n in space(pictures)))
        pictures = resize(pictures, tuple(math.ceil(n * smallest - 1e-6) for n in space(pictures)), "linear")
        channels = pictures.shape[-1]
        if channels == 1:
            pictures = keras.ops.repeat(pictures, 3, axis=-1)
        else:
            mix = keras.layers.Dense(3, use_bias=False, name="colours")
            pictures = mix(pictures)
            mix.kernel.assign(colour_matrix(channels))
        from_file = self.weights is not None and not self.weights.endswith(".safetensors")
        if (self.scaling or ("imagenet" if from_file else "none")) == "none":
            return pictures
        gain, offset = (keras.ops.cast(v, pictures.dtype) for v in photograph_range(application.range))
        return keras.ops.clip(pictures, -LIMIT, LIMIT) * gain + offset

    def _application(self, pictures: Tensor) -> Any:
        allowed = APPLICATIONS[self.name].options
        for option in self.options:
            if option not in allowed:
                can = f"It has {', '.join(allowed)}." if allowed else "It has none."
                raise StudyError(f"The backbone {self.name} has no option '{option}'. {can}")
        build = getattr(keras.applications, self.name)
        own_range = self.name.startswith(("EfficientNetV2", "MobileNetV3", "ConvNeXt"))
        bare = {"include_preprocessing": False} if own_range else {}
        try:
            model = build(include_top=False, weights=None, input_shape=pictures.shape[1:], **bare, **self.options)
        except (TypeError, ValueError) as error:
            raise StudyError(
                f"The backbone {self.name} cannot be built with {self.options} for pictures of "
                f"{' x '.join(map(str, space(pictures)))} pixels: {error}"
            ) from None
        start = model.input
        if self.name.startswith("EfficientNetB"):
            # Its own normalisation keeps its numbers outside its variables; ``photograph_range`` does the same.
            start = next(layer for layer in model.layers if layer.name.endswith("stem_conv_pad")).input
        if self.weights is None and self.name.startswith("VGG"):
            _keep_variance(model)
        return keras.Model(start, pool_to_vector(model.output, self.grid), name="backbone")

    def _own(self, pictures: Tensor) -> Any:
        card = networks[self.name]
        inputs = keras.Input(pictures.shape[1:])
        features = card.function(inputs, **card.validate(self.options))
        vector = features.vector
        if vector is None:
            maps = features.levels[-1] if features.levels else features.dense
            vector = pool_to_vector(maps, self.grid)
        return keras.Model(inputs, vector, name="backbone")

    def _freeze(self, model: Any) -> None:
        if self.frozen is True:
            model.trainable = False
        for layer in _all_layers(model):
            if self.frozen is True and isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0  # a frozen layer would still drop in training
            if self.frozen == "batch_norm" and isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False


def _all_layers(model: Any) -> list[Any]:
    return (
        [inner for layer in model.layers for inner in (layer, *_all_layers(layer))] if hasattr(model, "layers") else []
    )


def _keep_variance(model: Any) -> None:
    """Widen random kernels so that rectified activations keep their variance from layer to layer.

    VGG has no normalisation: with Keras's Glorot kernels 16 rectified layers shrink what they see some hundred times.
    Kernels of variance 2 / fan-in do not (He et al. 2015, "Delving deep into rectifiers", ICCV, arXiv:1502.01852).
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            *_, into, out_of = layer.kernel.shape
            layer.kernel.assign(layer.kernel * math.sqrt(1 + out_of / into))
