"""Files of other tools become profiles, or are refused where they are at fault."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

from app.catalogue.tools.command import import_group
from app.errors import ConfigurationError
from tests.support.servers import Service

pytestmark = pytest.mark.either

Run = Callable[..., Result]
BLOCKS = """machine,network,first_layer,last_layer,layers,time_ms,output_byte,flop,params
pi,a,0,1,input+conv,3,400,3000,70
pi,a,2,2,fc,1,8,50,3
tx2,a,0,2,all,1,8,3050,73
"""


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)


def refused(result: Result) -> str:
    assert result.exit_code != 0
    assert isinstance(result.exception, ConfigurationError), result.output
    return result.exception.detail


@pytest.fixture
def run(service: Service) -> Run:
    def invoke(*arguments: object) -> Result:
        group = import_group(lambda: nullcontext(service.database))
        return CliRunner().invoke(group, [str(each) for each in arguments])

    return invoke


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "figures"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.slow
def test_blocks_become_a_model_and_its_timing(
    run: Run, service: Service, client: Any, file: Callable[[str], Path]
) -> None:
    client.post(
        "/v1/devices",
        json={
            "name": "pi",
            "processor": "cpu",
            "frequency_min_hz": 1e9,
            "frequency_max_hz": 1.5e9,
            "power_coefficient_w_per_hz3": 1e-27,
            "tx_power_w": 0.1,
            "provenance": "measured",
        },
    )
    path = file(BLOCKS)
    common = ("blocks", path, "--name", "a", "--input-byte", 300, "--processor", "pi")
    clocked = (*common, "--clock-hz", "1e9")
    assert "--machine" in refused(run(*clocked, "--variation", 0.1))
    meant = (*clocked, "--machine", "pi")
    assert "--variation" in refused(run(*meant))
    model, timing = told(run(*meant, "--variation", 0.1, "--print"))
    assert [cut["flop"] for cut in model["cuts"]] == [0, 3000, 3050]
    assert [cut["feature_byte"] for cut in model["cuts"]] == [300, 400, 0]
    assert model["cuts"][-1]["parameter_byte"] == 4 * 73
    assert 3050 / timing["cuts"][-1]["flop_per_cycle"] / 1e9 == pytest.approx(4e-3)
    assert timing["cuts"][-1]["variance_s2"] == pytest.approx((0.1 * 4e-3) ** 2)
    assert client.get("/v1/models/a").status_code == 404
    assert "/reference" in refused(run(*meant, "--variation", 0.1, "--published", 4000 * "x"))
    assert "flop" in refused(
        run(
            *common[:1],
            file(
                BLOCKS.replace("3000", "9000000000000000000").replace(
                    ",50,", ",9000000000000000000,"
                )
            ),
            *common[2:],
            "--machine",
            "pi",
            "--variation",
            0.1,
        )
    )
    file(BLOCKS)
    stored = run(*meant, "--variation", 0.1, "--published", "somebody's table")
    assert "stored timing pi.a@1" in stored.output
    assert client.get("/v1/timings/pi.a").json()["provenance"] == "published"
    assert "figures, sha256" in client.get("/v1/models/a").json()["reference"]
    assert refused(run(*meant, "--variation", 0.1))  # the name is taken: nothing is stored twice


@pytest.mark.slow
def test_a_profile_of_onnxruntime_becomes_a_timing(run: Run, client: Any, tmp_path: Path) -> None:
    """Conv and its ReLU are one kernel, named for the ReLU's tensor on some machines and for the
    convolution on others; the last cut is the whole run.
    """
    model, profile = _profiled(tmp_path)
    answer = client.post(
        "/v1/models/import?name=net&fusion_boundaries=true",
        content=model.read_bytes(),
        headers={"Content-Type": "application/octet-stream"},
    )
    names = [cut["name"] for cut in answer.json()["cuts"]]
    common = ("onnxruntime", profile, "--model", "net", "--processor", "srv", "--print")
    timing = told(run(*common))
    times = [cut["mean_s"] for cut in timing["cuts"]]
    assert len(times) == len(names)
    assert times[-1] == 0.0
    assert times == sorted(times, reverse=True)
    assert all(cut["samples"] == 5 for cut in timing["cuts"])
    assert "run it more often" in refused(run(*common, "--skip", 9))
    assert "stored" not in refused(run("onnxruntime", profile, "--model", "x", *common[4:]))


def _profiled(folder: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=size).astype(np.float32), name)
        for name, size in (("w1", (8, 3, 3, 3)), ("w2", (8, 8, 3, 3)), ("w3", (10, 8)))
    ]
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1"], ["/c1/Conv_output_0"], name="/c1/Conv", pads=[1] * 4),
        node("Relu", ["/c1/Conv_output_0"], ["/c1/Relu_output_0"], name="/c1/Relu"),
        node("Conv", ["/c1/Relu_output_0", "w2"], ["/c2/Conv_output_0"], name="/c2/Conv"),
        node("GlobalAveragePool", ["/c2/Conv_output_0"], ["/p/G_output_0"], name="/p/G"),
        node("Flatten", ["/p/G_output_0"], ["/p/F_output_0"], name="/p/F"),
        node("Gemm", ["/p/F_output_0", "w3"], ["y"], name="/fc/Gemm", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        weights,
    )
    path = folder / "net.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for _ in range(6):
        session.run(None, {"x": np.zeros((1, 3, 16, 16), np.float32)})
    return path, Path(session.end_profiling())


COLUMNS = ("node type", "first", "avg ms", "%", "cdf%", "mem KB", "times called", "Name")
OPERATORS = (
    ("CONV_2D", "2.1", "2.000", "50%", "50%", "0", "1", "[net/conv1/Relu;net/conv1/BiasAdd]:0"),
    ("CONV_2D", "1.6", "1.500", "38%", "88%", "0", "1", "[net/conv2/Relu]:1"),
    ("FULLY_CONNECTED", "0.5", "0.500", "13%", "100%", "0", "1", "[StatefulPartitionedCall:0]:2"),
)
TFLITE = "\n".join(
    (
        "INFO: count=50 first=4100 curr=4000 min=3900 max=4400 avg=4000 std=80",
        "Operator-wise Profiling Info for Regular Benchmark Runs:",
        "============================== Run Order ==============================",
        "\t".join(f"{f'[{column}]':>24}" for column in COLUMNS),
        *("\t".join(f"{cell:>24}" for cell in row) for row in OPERATORS),
        "",
        "============================== Top by Computation Time ==============================",
        "\t".join(f"[{column}]" for column in COLUMNS),
        "\t".join(OPERATORS[0]),
    )
)


def test_a_log_of_tflite_becomes_a_timing(
    run: Run, client: Any, file: Callable[[str], Path]
) -> None:
    cuts = [
        {"name": name, "flop": flop, "feature_byte": 10, "parameter_byte": 0}
        for name, flop in (("input", 0), ("conv1", 100), ("conv2", 200), ("fc", 300))
    ]
    client.post("/v1/models", json={"name": "net", "cuts": cuts, "provenance": "measured"})
    common = ("--model", "net", "--processor", "phone", "--clock-hz", "1e9", "--print")
    timing = told(run("tflite", file(TFLITE), *common))
    times = [
        flop / cut["flop_per_cycle"] / 1e9
        for flop, cut in zip((100, 200, 300), timing["cuts"][1:], strict=True)
    ]
    assert times == pytest.approx([2e-3, 3.5e-3, 4e-3])
    assert timing["cuts"][-1]["variance_s2"] == pytest.approx((0.02 * 4e-3) ** 2)
    lost = refused(run("tflite", file(TFLITE.replace("conv2", "other")), *common))
    assert "'conv2'" in lost
    assert "--at CUT=OPERATOR" in lost
    other = file(TFLITE.replace("conv2", "other"))
    mended = told(run("tflite", other, *common, "--at", "conv2=[net/other/Relu]:1"))
    assert mended["cuts"] == timing["cuts"]
    assert "line 5: avg ms is 'x'" in refused(
        run("tflite", file(TFLITE.replace("2.000", "x")), *common)
    )
    assert "--enable_op_profiling" in refused(run("tflite", file("nothing\n"), *common))


TINY = """00142.473 ulp-ml: Energy data for window 2 at time 10.68 for 10.73 sec.:
00142.473 ulp-ml:   Energy/Inf.  :     8471.102 uJ/inf.
00142.497 ulp-ml: Performance results for window 2:
00142.497 ulp-ml:   # Inferences :          200
00142.497 ulp-ml:   Throughput   :       20.000 inf./sec.
"""
LOADGEN = """SUT name : phone
Scenario : SingleStream
Result is : VALID
Mean latency (ns)              : 5000000
Max latency (ns)               : 9000000
"""
TIMES = [{"computeMs": 9.0}, {"computeMs": 2.0}, {"computeMs": 4.0}]


@pytest.mark.parametrize(
    ("form", "text", "time_s", "worst_s"),
    [
        ("mlperf-tiny", TINY, 0.05, None),
        ("mlperf", LOADGEN, 5e-3, 9e-3),
        ("trtexec", json.dumps(TIMES), 3e-3, 4e-3),
    ],
)
def test_a_whole_time_becomes_a_request_to_share_it_out(
    run: Run,
    file: Callable[[str], Path],
    form: str,
    text: str,
    time_s: float,
    worst_s: float | None,
) -> None:
    result = run(
        form, file(text), "--name", "t", "--model", "m", "--processor", "p", "--clock-hz", "1e9"
    )
    body = told(result)
    assert body["time_s"] == pytest.approx(time_s)
    assert body.get("worst_s") == worst_s
    assert body["frequency_hz"] == 1e9
    if form == "mlperf-tiny":
        assert "0.0084711 J" in result.stderr


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        ("trtexec", "[{}]", "entry 0: has no computeMs"),
        ("trtexec", '[{"computeMs": NaN}]', "NaN is no number"),
        ("trtexec", "[", "line 1: is no JSON"),
        ("trtexec", '[{"computeMs": 1}]', "at least 2 must stay"),
        ("mlperf-tiny", "Throughput : 0 inf./sec.\n", "line 1: a throughput of 0"),
        ("mlperf-tiny", "Throughput : -1 inf./sec.\n", "line 1: Throughput is '-1'"),
        ("mlperf-tiny", "nothing", "says no throughput"),
        ("mlperf", "Scenario : Offline\n", "SingleStream"),
        ("mlperf", LOADGEN.replace("VALID", "INVALID"), "not valid"),
    ],
)
def test_a_whole_time_that_cannot_be_read(
    file: Callable[[str], Path], form: str, text: str, words: str
) -> None:
    group = import_group(lambda: pytest.fail("the database is not needed"))
    arguments = [form, str(file(text)), "--name", "t", "--model", "m", "--processor", "p"]
    assert words in refused(CliRunner().invoke(group, arguments))


def test_a_trace_becomes_a_channel(run: Run, client: Any, file: Callable[[str], Path]) -> None:
    """Two packets in each millisecond of the first second, one in the next, half a second more."""
    stamps = [n for n in range(1, 1001) for _ in range(2)] + list(range(1001, 2501))
    path = file("\n".join(map(str, stamps)))
    result = run("mahimahi", path, "--name", "up", "--bandwidth-hz", "2e7", "--min-rate-bps", "1e6")
    assert "stored channel up@1" in result.output
    stored = client.get("/v1/channels/up").json()
    assert stored["fading"] == {"kind": "trace", "rate_bps": [24e6, 12e6]}
    assert stored["min_rate_bps"] == 1e6
    assert stored["coherence_time_s"] == 1.0
