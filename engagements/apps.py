from django.apps import AppConfig


class EngagementsConfig(AppConfig):
    name = "engagements"
    verbose_name = "Engagements"

    def ready(self) -> None:
        import segments.readers
        from engagements import erasing, segment_use, usage, wakeup
        from externalapi.usage import UsedBy, register

        wakeup.connect()
        erasing.connect()
        register(UsedBy(uses=usage.uses, live_versions=usage.live_versions))
        segments.readers.register(
            segments.readers.Readers(
                read=segment_use.read,
                effects=segment_use.effects,
                refusal=segment_use.refusal,
                permission=segment_use.PERMISSION,
            )
        )
