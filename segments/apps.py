from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    name = "segments"
    verbose_name = "People"

    def ready(self) -> None:
        from segments.membership import deleting

        deleting.connect()
