"""Tables of blocks are read, or the line and the mend are named."""

import pytest

from app.catalogue.blocks import TableFault, read_blocks

HEAD = "source,machine,network,first_layer,last_layer,layers,time_ms,output_byte,flop,params"


def table(*rows: str, head: str = HEAD) -> list[str]:
    return [f"{line}\n" for line in (head, *rows)]


def test_blocks_are_read_network_by_network() -> None:
    one, other = read_blocks(
        table(
            "s,pi,a,0,1,input+conv,2.5,100,300,7",
            "s,pi,a,2,2,fc,0.5,4,50,3",
            "s,pi,b,0,0,input,0,4,,",
        )
    )
    assert (one.source, one.machine, one.network) == ("s", "pi", "a")
    assert one.time_s == (0.0025, 0.0005)
    assert [(block.last_layer, block.output_byte, block.flop) for block in one.blocks] == [
        (1, 100, 300),
        (2, 4, 50),
    ]
    assert other.blocks[0].flop is None


def test_times_that_nobody_waited_for_are_left_out() -> None:
    rows = table("s,gpu,a,0,0,conv,1,4,1,1,true", head=HEAD + ",gpu_unsynchronised")
    assert list(read_blocks(rows)) == []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["machine,network\n", "pi,a\n"], "line 1: has no column first_layer, last_layer"),
        (table("s,pi,a,0,0,conv,fast,4,1,1"), "line 2: time_ms is 'fast': give a number"),
        (table("s,pi,a,0,0,conv,nan,4,1,1"), "line 2: time_ms is nan: give a number of at least 0"),
        (table("s,pi,a,0,0,conv,-1,4,1,1"), "line 2: time_ms is -1: give a number of at least 0"),
        (table("s,pi,a,0,0.5,conv,1,4,1,1"), "line 2: last_layer is 0.5: give a whole number"),
        (table("s,pi,a,2,1,conv,1,4,1,1"), "line 2: last_layer is below first_layer (2)"),
        (table("s,pi,,0,0,conv,1,4,1,1"), "line 2: network is empty"),
        (table("s,pi,a,0"), "line 2: last_layer is None: give a number"),
        (
            table("s,pi,a,0,0,conv,1,4,1,1", "s,pi,a,2,2,fc,1,4,1,1"),
            "line 3: a on pi goes on with layer 2 behind layer 0",
        ),
        (table("s,pi,a,0,0," + 10_000 * "x" + ",1,4,1,1"), "line 2: is longer than"),
        (table("s,pi,a,0,0,co\0nv,1,4,1,1"), "line 2: holds a NUL byte"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_line(rows: list[str], told: str) -> None:
    with pytest.raises(TableFault) as fault:
        list(read_blocks(rows))
    assert str(fault.value).startswith(told)
