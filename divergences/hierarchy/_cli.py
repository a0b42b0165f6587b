"""``python -m divergences hierarchy``: verify, write the report, say the verdict."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from transport.internal._cli import Parser


def _parser() -> Parser:
    parser = Parser(
        prog="python -m divergences hierarchy",
        description="Verify KL => TV <=> JS => W <=> weak convergence, and that wrong code fails; "
        "write a report with pictures.",
    )
    parser.add_argument("--out", metavar="DIR", default="hierarchy-out", help="where the report goes")
    parser.add_argument("--deep", action="store_true", help="minutes instead of seconds")
    parser.add_argument("--seed", type=int, default=0, help="of random pairs and searches (default 0)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verification; exit code 0 if it passed, 1 if not."""
    args = _parser().parse_args(argv)
    from divergences.hierarchy._report import write_report
    from divergences.hierarchy._verify import verify

    def tell(part: str) -> None:
        sys.stderr.write(f"  {part} ...\n")

    report = verify(profile="deep" if args.deep else "quick", seed=args.seed, callback=tell)
    page = write_report(report, args.out)
    sys.stdout.write(report.summary() + f"\nReport: {page}\n")
    return 0 if report.passed else 1
