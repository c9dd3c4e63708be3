"""The tracking API as an OpenAPI 3.1 document, `GET /v1/openapi.json`.

Written from the limits that the door measures by, so that it cannot say others. What a
schema has no word for (bytes, a time's year, a number's bits) stands in descriptions.
`document` has the addresses and what they answer, `schemas` what is sent and said.
"""
