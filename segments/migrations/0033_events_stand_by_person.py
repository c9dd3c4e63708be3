"""Events of one time stand in the order of people, so that they come between others.

In the order in which they came they were always the last of theirs, and a full page that
is split leaves half of it empty behind them.
"""

from django.db import migrations, models

# Others write no events until it is there, and go on with the old one until then.
FORWARDS = """
SET LOCAL statement_timeout = 0;
CREATE INDEX event_name_time_new ON segments_event (name, "time", profile_id);
DROP INDEX event_name_time;
ALTER INDEX event_name_time_new RENAME TO event_name_time;
"""
BACKWARDS = """
SET LOCAL statement_timeout = 0;
CREATE INDEX event_name_time_new ON segments_event (name, "time") INCLUDE (profile_id);
DROP INDEX event_name_time;
ALTER INDEX event_name_time_new RENAME TO event_name_time;
"""


class Migration(migrations.Migration):
    dependencies = [("segments", "0032_refusals_name_their_import")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARDS, BACKWARDS)],
            state_operations=[
                migrations.RemoveIndex(model_name="event", name="event_name_time"),
                migrations.AddIndex(
                    model_name="event",
                    index=models.Index(
                        fields=["name", "time", "profile"], name="event_name_time"
                    ),
                ),
            ],
        ),
    ]
