from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segments", "0031_exits_by_merge")]

    operations = [
        migrations.AddField(
            model_name="inboxrequest",
            name="import_id",
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="refusedmessage",
            name="import_id",
            field=models.BigIntegerField(editable=False, null=True),
        ),
    ]
