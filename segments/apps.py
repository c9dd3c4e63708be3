from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    name = "segments"
    verbose_name = "People"

    def ready(self) -> None:
        from segments import retention
        from segments.imports import erasing
        from segments.lists import erasing as lists
        from segments.membership import deleting
        from segments.people import export, logs, timeline
        from segments.privacy import places

        deleting.connect()
        retention.connect()
        places.register(*places.OWN, *erasing.PLACES, *lists.PLACES)
        export.register(*export.SECTIONS, lists.SECTION)
        for log in logs.LOGS:
            timeline.register(log)
