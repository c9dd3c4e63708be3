"""External APIs as a file, to take to another environment: no key is in it.

{"format": "lemnisk-braze external APIs", "format_version": 1, "external_apis": [
    {"name": …, …the basic details…, "connection": "its name",
     "version": {…what shapes a request…}, "test_cases": […]}
]}
"""

import json
from collections.abc import Iterable
from typing import Any

from externalapi.definitions.versions import Draft, basic_details, case_content
from externalapi.models import ExternalAPI

FORMAT = "lemnisk-braze external APIs"
FORMAT_VERSION = 1


def export(external_apis: Iterable[ExternalAPI]) -> str:
    """Return the file's text; the same External APIs give the same text."""
    entries = [
        _entry(external_api)
        for external_api in sorted(external_apis, key=lambda api: api.name)
        if external_api.current_version is not None
    ]
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "external_apis": entries,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _entry(external_api: ExternalAPI) -> dict[str, Any]:
    assert external_api.current_version is not None
    version = Draft.of(external_api.current_version).stored()
    connection = version.pop("connection")
    return {
        "name": external_api.name,
        **basic_details(external_api),
        "connection": connection.name,
        "version": version,
        "test_cases": [
            case_content(case) for case in external_api.test_cases.order_by("name")
        ],
    }
