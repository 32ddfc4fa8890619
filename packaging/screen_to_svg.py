#!/usr/bin/env python3
"""Draws a terminal's screen, as `tmux capture-pane -e -p` prints it, as SVG.

    screen_to_svg.py --columns N [--title TEXT] <SCREEN >SVG
"""

import argparse
import re
import sys
from html import escape

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, MARGIN, BAR = 8.43, 19, 14, 14, 28
BACKGROUND, FOREGROUND = "#1d2026", "#d5d8dd"
COLOURS = {0: "#1d2026", 1: "#e06c75", 2: "#98c379", 3: "#e5c07b", 4: "#61afef", 5: "#c678dd",
           6: "#56b6c2", 7: "#d5d8dd"}
DIM = "#828997"
SGR = re.compile(r"\x1b\[([0-9;]*)m")


def apply(style, codes):
    """The style after SGR `codes`: colour, bold and reverse are what the tools use."""
    style = dict(style)
    for code in [int(c or 0) for c in codes.split(";")]:
        if code == 0:
            style = {}
        elif code == 1:
            style["bold"] = True
        elif code == 2:
            style["fill"] = DIM
        elif code == 7:
            style["reverse"] = True
        elif code in (22, 27, 39):
            style.pop({22: "bold", 27: "reverse", 39: "fill"}[code], None)
        elif 30 <= code <= 37:
            style["fill"] = COLOURS[code - 30]
        elif code == 90:
            style["fill"] = DIM
        elif 91 <= code <= 97:
            style["fill"] = COLOURS[code - 90]
    return style


def runs(line, style):
    """[(text, style)] of a line, and the style the next line begins with."""
    found, at = [], 0
    for match in SGR.finditer(line):
        found.append((line[at:match.start()], style))
        style = apply(style, match.group(1))
        at = match.end()
    found.append((line[at:], style))
    return [(text, run) for text, run in found if text], style


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--columns", type=int, required=True)
    parser.add_argument("--title", default="")
    args = parser.parse_args()
    lines = sys.stdin.read().rstrip("\n").split("\n")
    while lines and not SGR.sub("", lines[-1]).strip():
        lines.pop()
    width = round(args.columns * CELL_WIDTH + 2 * MARGIN)
    height = len(lines) * CELL_HEIGHT + 2 * MARGIN + BAR
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
          f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(args.title)}">')
    print(f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>')
    print(f'<g font-family="DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="{FONT_SIZE}" '
          f'fill="{FOREGROUND}" xml:space="preserve">')
    print(f'<text x="{width / 2:.0f}" y="21" text-anchor="middle" fill="{DIM}">'
          f'{escape(args.title)}</text>')
    style = {}
    for row, line in enumerate(lines):
        found, style = runs(line, style)
        column = 0
        baseline = BAR + MARGIN + row * CELL_HEIGHT + FONT_SIZE
        for text, run in found:
            x = MARGIN + column * CELL_WIDTH
            column += len(text)
            length = len(text) * CELL_WIDTH
            fill = run.get("fill", FOREGROUND)
            if run.get("reverse"):
                print(f'<rect x="{x:.1f}" y="{baseline - FONT_SIZE:.0f}" width="{length:.1f}" '
                      f'height="{CELL_HEIGHT}" fill="{fill}"/>')
                fill = BACKGROUND
            if text.strip():
                bold = ' font-weight="bold"' if run.get("bold") else ""
                # The length keeps columns in place whatever font is there.
                print(f'<text x="{x:.1f}" y="{baseline}" fill="{fill}"{bold} '
                      f'textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs">'
                      f'{escape(text)}</text>')
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
