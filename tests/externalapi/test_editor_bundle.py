"""The committed bundle is built from the committed source."""

import hashlib
import json
from pathlib import Path

import externalapi

FOLDER = Path(externalapi.__file__).parent
SOURCE = FOLDER / "editor"
BUNDLE = FOLDER / "static" / "externalapi" / "editor.js"


def test_the_bundle_is_built_from_its_source():
    checksum = hashlib.sha256()
    for path in sorted((SOURCE / "src").iterdir()):
        checksum.update(path.read_bytes())
    built = BUNDLE.read_text().split(", ", 1)[1].split(".", 1)[0]
    assert built == checksum.hexdigest(), (
        "run npm ci && npm run build in externalapi/editor"
    )


def test_every_package_in_it_comes_with_its_licence():
    licences = BUNDLE.with_name("editor.LICENSE.txt").read_text()
    wanted = json.loads((SOURCE / "package.json").read_text())["devDependencies"]
    for name in wanted.keys() - {"esbuild"}:
        assert f"{name} {wanted[name]}\n" in licences


def test_the_lock_names_no_registry():
    for folder in (SOURCE, FOLDER.parent):
        assert "resolved" not in (folder / "package-lock.json").read_text()
