"""A test's request as a command for the shell, with a variable in the key's place."""

import shlex
from collections.abc import Mapping
from typing import Any


def curl_command(request: Mapping[str, Any], variable: str) -> str:
    """Return the command that sends a stored request, to be pasted into a POSIX shell.

    `request` is ConfigurationTest.request; where its key was masked, the command says
    `"$VARIABLE"`. Empty where the request was too long to be kept whole.
    """
    if not request.get("url") or request.get("is_cut"):
        return ""
    mask = str(request.get("mask", ""))

    def quoted(text: str) -> str:
        pieces = text.split(mask) if mask else [text]
        between = f'"${variable}"'
        return (
            between.join(shlex.quote(piece) if piece else "" for piece in pieces)
            or "''"
        )

    lines = [
        f"curl --request {quoted(str(request['method']))} {quoted(request['url'])}"
    ]
    if any(char in request["url"] for char in "[]{}"):
        lines[0] = lines[0].replace("curl ", "curl --globoff ", 1)
    for name, value in request["headers"].items():
        if mask and value == f"Basic {mask}":
            lines.append(f"--user {quoted(request['username'] + ':' + mask)}")
            continue
        # With a colon curl would leave an empty header out.
        header = f"{name}: {value}" if value else f"{name};"
        lines.append(f"--header {quoted(header)}")
    if request.get("body"):
        lines.append(f"--data-raw {quoted(request['body'])}")
    return " \\\n  ".join(lines)
