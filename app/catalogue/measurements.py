"""Whole-network inference times that others have published: what the shipped timings are derived
from.

None of these sources times the cuts; `build.py` shares each network's time out over its cuts by
FLOP.
"""

from dataclasses import dataclass

Sample = tuple[float, float]  # clock [Hz], mean time of one inference [s]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMeasurement:
    """One network on one device: mean times at known clocks, and how far they spread.

    `mac` is that of the network that was timed, which is not always quite ours. `width` is the size
    of our processor over that of the timed one, where they differ. `std_s` is the standard
    deviation and `worst_s` how far the slowest inference lay above the mean; both are taken not to
    depend on the clock (the Orin Nano's GPU bears that out).
    """

    device: str
    model: str
    mac: int
    samples: tuple[Sample, ...]
    std_s: float
    worst_s: float | None = None
    width: float = 1.0
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMeasurement:
    """One network on one server, one image at a time."""

    server: str
    model: str
    mean_s: float
    std_s: float
    reference: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of ncnn's benchncnn: a processor at its clock, and the loops over each network."""

    device: str
    clock_hz: float
    threads: str
    loops: int
    source: str


# The networks benchncnn times under these names; MAC counted from its .param files.
NCNN_MAC = {
    "alexnet": 724_406_816,  # two groups and local response normalisation, 227 × 227
    "vgg16": 15_470_264_320,
    "resnet18": 1_814_073_344,
    "resnet50": 3_857_973_248,  # stride in the 1 × 1 convolution
    "mobilenet-v2": 300_774_272,
    # 160-channel blocks that expand to 672, 672, 960, the second with the stride
    "mobilenet-v3-large": 245_564_768,
    "squeezenet1-1": 387_747_520,  # 227 × 227
}

# Expected range of n normal samples in standard deviations (L. H. C. Tippett, Biometrika 17, 1925).
NORMAL_RANGE = {8: 2.847, 64: 4.687}


def benchncnn(
    run: Run, times_ms: dict[str, tuple[float, float, float]]
) -> tuple[DeviceMeasurement, ...]:
    """The (min, max, avg) rows of one run; the spread is estimated from the range."""
    return tuple(
        DeviceMeasurement(
            device=run.device,
            model=model,
            mac=NCNN_MAC[model],
            samples=((run.clock_hz, mean / 1e3),),
            std_s=(high - low) / NORMAL_RANGE[run.loops] / 1e3,
            worst_s=(high - mean) / 1e3,
            reference=(
                f"Mean {mean:g} ms ({low:g} to {high:g}) over {run.loops} inferences of a network"
                f" of {NCNN_MAC[model] / 1e9:.3g} GMAC with ncnn, {run.threads}, {run.source}"
                " (Tencent/ncnn, benchmark/README.md); standard deviation estimated from that"
                " range."
            ),
        )
        for model, (low, high, mean) in times_ms.items()
    )


RASPBERRY_PI_4 = benchncnn(
    Run("raspberry-pi-4-cpu", 1.5e9, "four threads", 8, "Raspberry Pi 4 Model B at 1.5 GHz"),
    {
        "alexnet": (180.48, 197.66, 183.05),
        "vgg16": (969.88, 1007.31, 988.65),
        "resnet18": (233.36, 234.39, 233.89),
        "resnet50": (480.30, 502.61, 486.97),
        "mobilenet-v2": (74.13, 76.76, 75.84),
        "mobilenet-v3-large": (60.93, 61.46, 61.25),
        "squeezenet1-1": (57.47, 59.73, 58.73),
    },
)

SNAPDRAGON_835 = benchncnn(
    Run(
        "snapdragon-835-cpu",
        2.4576e9,
        "four threads",
        8,
        "big cores of a Pixel 2 XL (MSM8998, 2.45 GHz)",
    ),
    {
        "alexnet": (64.18, 67.02, 65.49),
        "vgg16": (389.39, 399.13, 394.09),
        "resnet18": (73.60, 76.97, 75.63),
        "resnet50": (188.21, 194.58, 191.98),
        "mobilenet-v2": (27.85, 31.21, 29.41),
        "mobilenet-v3-large": (23.83, 26.40, 24.79),
        "squeezenet1-1": (28.46, 30.89, 29.77),
    },
)

# The Xavier NX has the CPU cores of the AGX Xavier (NVIDIA Carmel), the Orin Nano those of the AGX
# Orin (Cortex-A78AE): cycles carry over.
XAVIER_NX_CPU = benchncnn(
    Run(
        "jetson-xavier-nx-cpu",
        2.2656e9,
        "one thread",
        8,
        "on the same Carmel core of a Jetson AGX Xavier, whose clock is not stated and taken to be"
        " the highest, 2.2656 GHz, FLOP per cycle carried over",
    ),
    {
        "alexnet": (96.67, 99.16, 97.48),
        "vgg16": (393.64, 399.15, 395.76),
        "resnet18": (88.54, 91.57, 90.10),
        "resnet50": (242.42, 246.66, 244.09),
        "mobilenet-v2": (34.54, 39.46, 36.66),
        "mobilenet-v3-large": (28.70, 30.27, 29.09),
        "squeezenet1-1": (28.71, 30.14, 29.36),
    },
)

ORIN_NANO_CPU = benchncnn(
    Run(
        "jetson-orin-nano-cpu",
        2.2016e9,
        "four threads",
        64,
        "on the same Cortex-A78AE cores of a Jetson AGX Orin at 2.2 GHz, FLOP per cycle carried"
        " over",
    ),
    {
        "alexnet": (13.13, 13.70, 13.32),
        "vgg16": (51.03, 52.46, 51.35),
        "resnet18": (10.20, 11.76, 10.35),
        "resnet50": (26.74, 28.32, 26.91),
        "mobilenet-v2": (5.05, 5.26, 5.15),
        "mobilenet-v3-large": (4.83, 5.14, 4.90),
        "squeezenet1-1": (4.54, 4.84, 4.61),
    },
)

# 300 inferences at each clock; standard deviation and slowest inference are the largest over the
# clocks.
ORIN_NANO_GPU = (
    DeviceMeasurement(
        device="jetson-orin-nano-gpu",
        model="mobilenet-v2",
        mac=300_774_272,
        samples=(
            (306e6, 11.417351e-3),
            (408e6, 8.773325e-3),
            (510e6, 7.200448e-3),
            (612e6, 6.168568e-3),
            (714e6, 5.433900e-3),
            (816e6, 4.896891e-3),
            (918e6, 4.487029e-3),
            (1020e6, 4.229753e-3),
        ),
        std_s=6.3095e-5,
        worst_s=0.628e-3,
        reference=(
            "Mean times of 300 inferences at each of eight locked GPU clocks, memory at 3199 MHz,"
            " ONNX Runtime CUDA, mobilenetv2-12.onnx, Jetson Orin Nano Super (arXiv 2606.16106,"
            " data in dankang21/jetson-latency-lab), fitted by cycles/clock + overhead; standard"
            " deviation and slowest inference are the largest over the clocks."
        ),
    ),
)

# Largest coefficient of variation of MobileNetV2 over the 24 memory and GPU clocks of arXiv
# 2606.16106 (from 0.17 %).
ORIN_NANO_VARIATION = 0.0192
AGX_XAVIER_GPU_HZ, XAVIER_NX_GPU_HZ = 1.377e9, 1.10925e9
XAVIER_NX_WIDTH = 384 / 512  # CUDA cores of the NX over those of the AGX

XAVIER_NX_GPU = tuple(
    DeviceMeasurement(
        device="jetson-xavier-nx-gpu",
        model=model,
        mac=mac,
        samples=((AGX_XAVIER_GPU_HZ, mean_ms / 1e3),),
        std_s=ORIN_NANO_VARIATION
        * mean_ms
        / 1e3
        * AGX_XAVIER_GPU_HZ
        / XAVIER_NX_GPU_HZ
        / XAVIER_NX_WIDTH,
        width=XAVIER_NX_WIDTH,
        reference=(
            f"{mean_ms:g} ms with PyTorch, half precision, batch 1, on a Jetson AGX Xavier"
            " (NVIDIA-AI-IOT/torch2trt, docs/benchmarks/jetson_xavier.md), whose GPU clock is not"
            " stated and taken to be the highest, 1.377 GHz; FLOP per cycle carried over in"
            " proportion to the cores, 384 of 512. No spread is published: the largest coefficient"
            " of variation of MobileNetV2 on a Jetson Orin Nano, 1.92 % (arXiv 2606.16106), stands"
            " in for it, at the NX's highest clock."
        ),
    )
    for model, mac, mean_ms in (
        ("alexnet", 714_188_480, 4.96),
        ("vgg16", 15_470_264_320, 16.5),
        ("vgg19", 19_632_062_464, 18.7),
        ("resnet18", 1_814_073_344, 7.33),
        ("resnet50", 4_089_184_256, 17.9),
        ("resnet152", 11_513_626_624, 53.2),
        ("squeezenet1-1", 349_151_936, 8.01),
    )
)

DEVICE_MEASUREMENTS = (
    *XAVIER_NX_CPU,
    *XAVIER_NX_GPU,
    *ORIN_NANO_CPU,
    *ORIN_NANO_GPU,
    *RASPBERRY_PI_4,
    *SNAPDRAGON_835,
)

SERVER_MEASUREMENTS = tuple(
    ServerMeasurement(
        server=server,
        model="resnet50",
        mean_s=mean_ms / 1e3,
        std_s=(percentile_95_ms - mean_ms) / 1.645 / 1e3,
        reference=(
            f"{mean_ms:g} ms mean, {percentile_95_ms:g} ms 95th percentile, ResNet-50 v1.5, FP32,"
            " batch 1, PyTorch 21.03 (NVIDIA/DeepLearningExamples,"
            f" PyTorch/Classification/ConvNets/resnet50v1.5/README.md, {machine}); standard"
            " deviation from the percentile of a normal law."
        ),
    )
    for server, machine, mean_ms, percentile_95_ms in (
        ("nvidia-t4", "NVIDIA T4", 10.7, 12.82),
        ("nvidia-v100", "DGX-1, one V100 16GB", 10.37, 10.81),
    )
)
