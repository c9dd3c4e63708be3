"""Libraries that send to us, unchanged; README.md says which and how they came here."""

from pathlib import Path

HERE = Path(__file__).parent
# Where Node.js finds its packages.
NODE_PATH = HERE / "node"
BROWSER = HERE / "browser"
# Of each file, as README.md has it made.
SHA256 = {
    "browser/@rudderstack/analytics-js/index.js": (
        "0ebffa54477f56fd3b70f168f455642126ed3fb6f8073bc740851513a357c960"
    ),
    "browser/@segment/analytics-next/index.js": (
        "e0bed4badf9ec12029a63ef13f22acb9d26d7c7b38d721da8e4e552e7bd33088"
    ),
    "node/@rudderstack/rudder-sdk-node/index.js": (
        "e31c2d8d4f7eb4484f54cfe2597bafc1cecc9012e48e89f59fd5c4153b857ecf"
    ),
    "node/@segment/analytics-node/index.js": (
        "f9f41b9b5bd5408faf398610174a2770eadb7d89d148de8cf857388f939326dd"
    ),
}


def browser_file(package: str) -> Path:
    """The file of a browser library that the source's page has pasted."""
    return BROWSER / package / "index.js"
