from django.apps import AppConfig


class ExternalAPIConfig(AppConfig):
    name = "externalapi"
    verbose_name = "External API channel"

    def ready(self) -> None:
        from externalapi import checks, tokens  # noqa: F401

        tokens.connect()
