"""The last messages of each source; and refused messages by reason, while they wait."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# Nobody waits for the first message of a source that has sent some.
HAVE_SENT = """
INSERT INTO segments_latestmessages (source_id, messages, last_at)
SELECT s.id, '{}', e.received_at FROM segments_source s CROSS JOIN LATERAL (
    SELECT received_at FROM segments_event
    WHERE source_id = s.id ORDER BY id DESC LIMIT 1
) e
"""


class Migration(migrations.Migration):

    dependencies = [
        ("segments", "0010_erasures"),
    ]

    operations = [
        migrations.CreateModel(
            name="LatestMessages",
            fields=[
                ("source", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="latest", serialize=False, to="segments.source")),
                ("messages", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ("last_at", models.DateTimeField()),
            ],
        ),
        migrations.RemoveIndex(
            model_name="refusedmessage",
            name="refused_by_reason",
        ),
        migrations.AddIndex(
            model_name="refusedmessage",
            index=models.Index(condition=models.Q(("replayed_at", None)), fields=["source", "code", "-at"], name="refused_by_reason"),
        ),
        migrations.RunSQL(HAVE_SENT, migrations.RunSQL.noop),
    ]
