"""Names wait to be added to the dictionary."""

import django.db.models.functions.datetime
from django.db import migrations, models


# Dead rows are in the way of whoever takes the oldest.
VACUUM = """
ALTER TABLE segments_namesseen SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000
)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('segments', '0015_fewer_bytes_an_event'),
    ]

    operations = [
        migrations.CreateModel(
            name='NamesSeen',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('body', models.TextField()),
            ],
        ),
        migrations.RunSQL(VACUUM, migrations.RunSQL.noop),
    ]
