"""Events are written by COPY: without foreign keys, and known once by Seen."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("segments", "0008_inbox_requests"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="event",
            name="event_message_is_kept_once",
        ),
        migrations.AlterField(
            model_name="event",
            name="profile",
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="events", to="segments.profile", verbose_name="person"),
        ),
        migrations.AlterField(
            model_name="event",
            name="source",
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="segments.source"),
        ),
    ]
