from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    name = "segments"
    verbose_name = "People"

    def ready(self) -> None:
        from segments import retention
        from segments.membership import deleting
        from segments.people import logs, timeline

        deleting.connect()
        retention.connect()
        for log in logs.LOGS:
            timeline.register(log)
