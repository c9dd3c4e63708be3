from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segments", "0033_events_stand_by_person")]

    operations = [
        migrations.AddField(
            model_name="segment",
            name="settled_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
