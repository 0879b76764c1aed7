"""All benchmarks, side by side in one run.

    python benchmarks/run.py [--quick] [--only NAME ...] [--out DIR] [--markdown] [--no-numba]

Prints a line for every comparison: the median of the ratios of alternating runs, their quartiles
(the range where there are fewer than five repeats), the target where there is one, and
whether it is met, and the times the ratio is made of. A ratio "a / b" is the time of a
over the time of b. What a baseline is stands in the docstring of its script, which also runs alone.

Writes ``results.csv`` and, where matplotlib is installed, ``results.svg`` to DIR. ``--markdown``
also prints the README's table. What needs TensorFlow or a GPU says so and is left out without.

Where numba is installed, the defaults of the package may run compiled loops (the extra [fast]);
``--no-numba`` measures what they do without it.

The whole takes about a quarter of an hour, on a machine that does nothing else. ``--quick`` takes a
minute, with sizes so small that its numbers show only that everything runs. The exit status is 0
unless something raised; missed targets do not count.
"""

import argparse
import importlib
import os
import sys
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

import torch
from _report import HEADER, Skip, as_markdown, as_text, draw, text, write_csv
from _timing import machine

TOPICS = (
    "recurrence",
    "predict",
    "stream",
    "epoch",
    "fit_overhead",
    "many_tasks",
    "holes",
    "scaling",
    "peers",
    "parallel_search",
    "gpu",
)


def run_topic(name, rows, **options):
    """Append a topic's rows, printing each as it comes; whether nothing raised."""
    try:
        for row in importlib.import_module(name).run(**options):
            print(as_text(row), flush=True)
            rows.append(row)
    except Skip as why:
        print(f"  skipped: {why}", flush=True)
    except Exception:
        traceback.print_exc()
        return False
    return True


def write(rows, out):
    """Write the table and the figure."""
    out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, out / "results.csv")
    print(f"\nwrote {out / 'results.csv'}")
    if find_spec("matplotlib") is None:
        print("no figure: matplotlib is not installed")
        return
    draw(rows, out / "results.svg")
    print(f"wrote {out / 'results.svg'}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, few repeats")
    parser.add_argument("--only", nargs="+", choices=TOPICS, metavar="NAME", help=", ".join(TOPICS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")
    parser.add_argument("--device", default="cuda", help="of gpu; cpu only exercises its code")
    parser.add_argument("--no-numba", action="store_true", help="as if it were not installed")
    args = parser.parse_args()
    if args.no_numba:
        os.environ["NUMBA_DISABLE_JIT"] = "1"  # before anything imports it
    torch.set_num_threads(1)
    about, start = machine(), time.perf_counter()
    print(about)
    if args.quick:
        print("quick: small sizes and few repeats; targets are those of the full sizes")
    print(text(HEADER))
    rows, good = [], True
    for name in args.only or TOPICS:
        begin = time.perf_counter()
        print(f"\n{name}", flush=True)
        options = {"device": args.device} if name == "gpu" else {}
        good &= run_topic(name, rows, quick=args.quick, **options)
        print(f"  {time.perf_counter() - begin:.0f} s", flush=True)
    with_target = [row for row in rows if row.met is not None]
    n_met = sum(row.met for row in with_target)
    print(
        f"\n{n_met} of {len(with_target)} targets met, {time.perf_counter() - start:.0f} s in all"
    )
    write(rows, args.out)
    if args.markdown:
        print(f"\n{as_markdown(rows)}\n\n`{' '.join(['python', *sys.argv])}` on {about}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
