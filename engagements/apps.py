from django.apps import AppConfig


class EngagementsConfig(AppConfig):
    name = "engagements"
    verbose_name = "Engagements"

    def ready(self) -> None:
        import segments.dictionary.uses
        import segments.membership.readers
        from engagements import dictionary_use, erasing, segment_use, usage, wakeup
        from engagements.audience import erasure, sent
        from engagements.reporting import timeline
        from externalapi.models.usage import UsedBy, register
        from segments.people import export
        from segments.people import timeline as people_timeline
        from segments.privacy import elsewhere, places
        from segments.rules import kinds

        kinds.register(sent.WasSent())
        wakeup.connect()
        erasure.connect()
        places.register(*erasing.FOUND)
        elsewhere.register(erasing.ELSEWHERE)
        people_timeline.register(timeline.DELIVERIES)
        segments.dictionary.uses.register(dictionary_use.reads)
        export.register(timeline.EXPORTED, *erasing.EXPORTED)
        register(UsedBy(uses=usage.uses, live_versions=usage.live_versions))
        segments.membership.readers.register(
            segments.membership.readers.Readers(
                read=segment_use.read,
                effects=segment_use.effects,
                refusal=segment_use.refusal,
                uses=segment_use.uses,
                permission=segment_use.PERMISSION,
            )
        )
