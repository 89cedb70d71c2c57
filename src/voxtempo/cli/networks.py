"""``voxtempo networks [NAME]``: the zoo as a list, one network's options, or its size for a given input."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from voxtempo.cli.console import count
from voxtempo.errors import StudyError


def add(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "networks",
        help="list the networks, or show one",
        description="List the networks of the zoo, show one with its options and source, or its size for a given input.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a network, to see its options and where it comes from")
    parser.add_argument(
        "--shape",
        nargs="+",
        type=count,
        metavar="N",
        help="build it for one sample of this shape, channels last, such as 64 64 64 1, and show its size",
    )
    parser.add_argument("--task", choices=("classify", "regress", "segment"), help="what to build it for")
    parser.add_argument(
        "--classes", type=count, default=2, metavar="N", help="classes, or labels with the background (default 2)"
    )
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the network; may be repeated"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    if args.name is None:
        if args.shape or args.task or args.option:
            raise StudyError("networks: --shape, --task and --option need the name of a network.")
        print(listing())
        return 0
    text = card_text(args.name)
    if args.shape:
        text += "\n\n" + sizes(args.name, tuple(args.shape), args.task, args.classes, parse_options(args.option))
    elif args.task or args.option:
        raise StudyError("networks: --task and --option need --shape, such as --shape 64 64 64 1.")
    print(text)
    return 0


def listing() -> str:
    """Return the table of all networks."""
    from voxtempo.networks import networks

    rows = [("name", "input", "tasks", "summary", "source")]
    for name in networks:
        card = networks[name]
        rows.append((name, card.input, ", ".join(card.tasks), card.summary, card.source))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for *short, summary, source in rows:
        lines.append("  ".join([*(text.ljust(width) for text, width in zip(short, widths, strict=True)), summary]))
        if source != "source":
            lines.append(textwrap.indent(textwrap.fill(source, 110), " " * 4))
    return "\n".join([*lines, "", "One network's options: voxtempo networks NAME"])


def card_text(name: str) -> str:
    """Return a network's card: what it is, its options with their defaults, its documentation."""
    from voxtempo.networks import networks

    card = networks[name]
    options = [(option.name, str(option.default), option.type) for option in card.options]
    widths = [max(len(row[column]) for row in options) for column in range(2)]
    lines = [
        f"{card.name}: {card.summary}",
        f"Input: {card.input}. Tasks: {', '.join(card.tasks)}.",
        textwrap.fill(f"Source: {card.source}.", 110, subsequent_indent="  "),
        "",
        "Options (default, type):",
        *(f"  {option.ljust(widths[0])}  {default.ljust(widths[1])}  {kind}" for option, default, kind in options),
        "",
        card.description,
    ]
    return "\n".join(lines)


def parse_options(texts: list[str]) -> dict[str, Any]:
    """Return the options in ``NAME=VALUE`` texts, the values read as YAML."""
    import yaml

    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise StudyError(f"networks: --option is '{text}'; expected NAME=VALUE, such as width=8.")
        try:
            options[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise StudyError(f"networks: the value of --option {text} is not valid YAML.") from None
    return options


def sizes(name: str, shape: tuple[int, ...], task: Any, classes: int, options: dict[str, Any]) -> str:
    """Build the network and return its number of parameters and the shape of each map."""
    from voxtempo.networks import build_features, build_network, head_for, networks

    task = task or networks[name].tasks[0]
    model = build_network(name, shape, head_for(task, classes), options)
    _, features = build_features(name, shape, options)
    rows = [("input", shape)]
    rows += [(f"level {i}", tuple(level.shape[1:])) for i, level in enumerate(features.levels)]
    rows += [(kind, tuple(x.shape[1:])) for kind, x in (("decoded", features.dense), ("vector", features.vector))
             if x is not None]  # fmt: skip
    rows.append((f"output ({task})", tuple(model.output.shape[1:])))
    width = max(len(label) for label, _ in rows)
    lines = [f"{model.count_params():,} parameters, {4 * model.count_params() / 2**20:.1f} MiB of weights"]
    lines += [f"  {label.ljust(width)}  {' x '.join(map(str, dimensions))}" for label, dimensions in rows]
    return "\n".join(lines)
