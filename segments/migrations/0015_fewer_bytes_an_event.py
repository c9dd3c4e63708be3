"""Nobody asks for a source's events; a digest of 32 bits tells two messages apart."""

import django.db.models.deletion
from django.db import migrations, models

# Rows come in order of id: its pages need no room.
FULL = "ALTER INDEX segments_event_pkey SET (fillfactor = 100)"
NOT_FULL = "ALTER INDEX segments_event_pkey RESET (fillfactor)"
# The last 32 bits, with a sign.
SHORT = """
ALTER TABLE segments_seen ALTER digest TYPE integer
USING (((digest & 4294967295) # 2147483648) - 2147483648)::integer
"""
LONG = "ALTER TABLE segments_seen ALTER digest TYPE bigint"


class Migration(migrations.Migration):

    dependencies = [
        ("segments", "0014_segments_go_without_waiting"),
    ]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="source",
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="segments.source"),
        ),
        migrations.RunSQL(FULL, NOT_FULL),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(SHORT, LONG)],
            state_operations=[
                migrations.AlterField(
                    model_name="seen",
                    name="digest",
                    field=models.IntegerField(),
                ),
            ],
        ),
    ]
