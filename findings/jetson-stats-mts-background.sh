#!/bin/sh
# jetson-stats 7.2.2 reports the foreground share of a Tegra's MTS (the code translation of Denver
# cores) as its background share too.
#
# tegrastats on the TX2 prints "MTS fg 3% bg 41%": foreground and background translation. The parser
# that jtop reads these lines with answers {'fg': 3, 'bg': 3}; any background share is lost. Whoever
# tells idle from busy logs by it sees background work as none.
#
# Seen: {'fg': 3, 'bg': 3}
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --target "$folder/lib" jetson-stats==7.2.2
PYTHONPATH="$folder/lib" python3 - <<'PYTHON'
import importlib.util
import pathlib
import sys

# The module alone: importing jtop itself looks for a Jetson.
path = next(p for f in sys.path if (p := pathlib.Path(f) / "jtop/core/tegra_parse.py").exists())
spec = importlib.util.spec_from_file_location("tegra_parse", path)
tegra_parse = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tegra_parse)
seen = tegra_parse.MTS("RAM 3072/7854MB (lfb 4x4MB) MTS fg 3% bg 41% CPU [9%@2035,off,off,1%@2035]")
print(seen)
assert seen == {"fg": 3, "bg": 3}, "it tells the two apart now"
PYTHON
