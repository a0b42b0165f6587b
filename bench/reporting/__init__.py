"""``python -m bench report DIR``: the results of a folder as DIR/report.md and DIR/report.html.

The page is one file with its charts inside, for any browser, wide or narrow, printed or dark. --publish NAME
copies results and reports to bench/results/NAME. --readme, without DIR or after it, puts what all published
results say into README.md and docs/bench.md, where a test compares them. Under two seconds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.reporting import data, page, readme


def main(argv: list[str]) -> int:
    """Write both."""
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="a folder of `bench run --out`")
    parser.add_argument("--publish", metavar="NAME", help="copy to bench/results/NAME")
    parser.add_argument("--readme", action="store_true", help="renew the figures in README and docs/bench.md")
    options = parser.parse_args(argv)
    if options.folder is None and not options.readme:
        parser.error("a folder of `bench run --out` is due, or --readme")
    if options.folder is not None:
        _report(options)
    if options.readme:
        for path, text in readme.pages().items():
            path.write_text(text)
            print(path, file=sys.stderr)
    return 0


def _report(options: argparse.Namespace) -> None:
    """Write both pages, and publish them if told to."""
    results = data.read(options.folder)
    if not results.rows:
        raise SystemExit(f"bench report: {options.folder} has no measurements yet")
    (options.folder / "report.md").write_text(page.markdown(results))
    (options.folder / "report.html").write_text(page.html(results))
    print(f"{options.folder / 'report.md'}\n{options.folder / 'report.html'}", file=sys.stderr)
    if options.publish:
        from bench.run import publish

        print(publish(options.folder, options.publish), file=sys.stderr)
