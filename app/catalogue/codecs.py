"""Other ways to send what crosses the cuts of the shipped networks, and what each costs.

Lossless ones are exact by construction. A lossy one is shipped only where somebody published what
it costs that network in accuracy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

IMAGE_PIXELS = 224 * 224
CLOCK_HZ = 2.6e9
TIMED = (
    "Coding time: Pillow 13.0 on one core of a shared AMD EPYC at a nominal 2.6 GHz, as cycles; an"
    " order of magnitude on any other processor"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The network's input sent as a coded picture of 224 × 224."""

    name: str
    byte: int
    byte_max: int
    encode_s: float
    decode_s: float
    loss: float
    reference: str

    def profile(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "byte": self.byte,
            "byte_max": self.byte_max,
            "device_cycles": float(f"{self.encode_s * CLOCK_HZ:.2g}"),
            "server_s": self.decode_s,
            "loss": self.loss,
            "provenance": "analytic",
            "reference": self.reference,
        }


def webp(
    quality: int,
    *,
    bit_per_pixel: float,
    top1: float,
    byte_max: int,
    encode_s: float,
    decode_s: float,
) -> Picture:
    """WebP as ResNet-50 was scored with it on the 50,000 validation images of ImageNet."""
    return Picture(
        name=f"webp-{quality}",
        byte=round(bit_per_pixel * IMAGE_PIXELS / 8),
        byte_max=byte_max,
        encode_s=encode_s,
        decode_s=decode_s,
        loss=round(0.7613 - top1, 4),
        reference=(
            f"WebP (method 4, quality {quality}) of the 50,000 validation images of ImageNet,"
            f" cropped to 224 × 224: {bit_per_pixel:.3f} bit a pixel and {100 * top1:.2f} % top-1,"
            " against 76.13 % of torchvision's ResNet50_Weights.IMAGENET1K_V1"
            " (duanzhiihao/edge-cloud-rac, results/webp-m4.json). Largest picture: that of nine"
            " photographs (scikit-image, scikit-learn, matplotlib) at this quality or the next that"
            f" was tried. {TIMED}."
        ),
    )


JPEG_30 = (
    "Bytes: mean of nine photographs (scikit-image, scikit-learn, matplotlib) at 224 × 224 and"
    " quality 30, Pillow 13.0, and the largest of them. "
)

PICTURES = {
    "resnet50": (
        webp(
            48,
            bit_per_pixel=0.8549764,
            top1=0.7054,
            byte_max=8836,
            encode_s=8.7e-3,
            decode_s=6.5e-4,
        ),
        webp(
            64,
            bit_per_pixel=1.0366683,
            top1=0.72138,
            byte_max=11474,
            encode_s=7.2e-3,
            decode_s=5.9e-4,
        ),
        webp(
            80,
            bit_per_pixel=1.4264972,
            top1=0.73964,
            byte_max=13488,
            encode_s=8.5e-3,
            decode_s=6.9e-4,
        ),
        webp(
            92,
            bit_per_pixel=2.5153452,
            top1=0.75306,
            byte_max=25572,
            encode_s=11.2e-3,
            decode_s=1.26e-3,
        ),
        Picture(
            name="jpeg-30",
            byte=5338,
            byte_max=7286,
            encode_s=1.3e-4,
            decode_s=1.6e-4,
            loss=0.125,
            reference=(
                f"{JPEG_30}Loss: a bound, that of the lower quality 25: 64.02 % top-1 against"
                " 76.52 % on 5,000 images of ImageNet-C, which are saved as JPEG a second time"
                " (RobustBench/robustbench, model_info/imagenet/corruptions/"
                f"unaggregated_results.csv, Standard_R50, jpeg_compression 1). {TIMED}."
            ),
        ),
    ),
    "alexnet": (
        Picture(
            name="jpeg-30",
            byte=5338,
            byte_max=7286,
            encode_s=1.3e-4,
            decode_s=1.6e-4,
            loss=0.172,
            reference=(
                f"{JPEG_30}Loss: a bound, the mean over the lower qualities 25, 18, 15, 10 and 7 of"
                " ImageNet-C: 60.65 % top-1 error against 43.48 % without (Hendrycks and"
                " Dietterich, Benchmarking neural network robustness to common corruptions and"
                f" perturbations, ICLR 2019, AlexNet's own row). {TIMED}."
            ),
        ),
    ),
}

# What 8 bits an element cost, and who says so.
QUANTIZED = {
    "vgg16": (
        0.002,
        "the largest drop over all cuts, the last included, with the part before the cut in 8 bit"
        " too, 1,000 images of ImageNet (hpc-tuwien/SPLINTER, arXiv 2410.23881)",
    ),
    "resnet18": (
        0.0027,
        "a bound, with all weights and activations in 8 bit: 69.494 against 69.758 % top-1"
        " (torchvision, ResNet18_QuantizedWeights.IMAGENET1K_FBGEMM_V1)",
    ),
    "resnet50": (
        0.0021,
        "a bound, with all weights and activations in 8 bit: 75.92 against 76.13 % top-1"
        " (torchvision, ResNet50_QuantizedWeights.IMAGENET1K_FBGEMM_V1)",
    ),
}


def codecs(network: str, elements: int, *, first: bool) -> Iterator[dict[str, Any]]:
    """The codecs of a cut that `elements` cross; none where nothing does."""
    if elements == 0:
        return
    if first:
        yield {
            "name": "rgb8",
            "byte": elements,
            "loss": 0.0,
            "provenance": "analytic",
            "reference": (
                "The picture itself, three bytes a pixel: torchvision's transforms make the"
                " network's input from it, which the server can do as well. Exact."
            ),
        }
        yield from (picture.profile() for picture in PICTURES.get(network, ()))
    elif network in QUANTIZED:
        loss, reference = QUANTIZED[network]
        yield {
            "name": "int8",
            "byte": elements,
            "loss": loss,
            "provenance": "published",
            "reference": f"One byte an element. Loss: {reference}. Converting counts no time.",
        }
