from django.apps import AppConfig


class EngagementsConfig(AppConfig):
    name = "engagements"
    verbose_name = "Engagements"

    def ready(self) -> None:
        from engagements import doorbell, erasing, usage
        from externalapi.usage import UsedBy, register

        doorbell.connect()
        erasing.connect()
        register(UsedBy(uses=usage.uses, live_versions=usage.live_versions))
