from django.apps import AppConfig


class ExternalAPIConfig(AppConfig):
    name = "externalapi"
    verbose_name = "External API channel"

    def ready(self) -> None:
        from externalapi.connections import oauth2  # noqa: F401

        oauth2.connect()
