"""What goes over accounts' own providers is told apart from what the site pays for."""

from django.db import migrations, models

from realtime import append_only

LABEL = 'over their own provider'
HELP = "The account's own key was charged, so it costs the site nothing."


def mark(apps, schema_editor):
    """Rows over providers that are accounts' by now. Of those that are gone nobody can tell."""
    usage, days, providers = (apps.get_model('realtime', name) for name in ('Usage', 'UsageDay', 'Provider'))
    theirs = list(providers.objects.exclude(account=None).values_list('pk', flat=True))
    if theirs:
        days.objects.filter(provider_id__in=theirs).update(own=True)
        with append_only.lifted(schema_editor.connection):
            usage.objects.filter(provider_id__in=theirs).update(own=True)


class Migration(migrations.Migration):

    dependencies = [('realtime', '0011_tools_off')]

    operations = [
        migrations.AddField('lease', 'own', models.BooleanField(default=False, verbose_name=LABEL)),
        migrations.AddField('usage', 'own', models.BooleanField(default=False, help_text=HELP, verbose_name=LABEL)),
        migrations.RemoveConstraint(model_name='usageday', name='one_sum_each'),
        migrations.AddField('usageday', 'own', models.BooleanField(default=False, help_text=HELP, verbose_name=LABEL)),
        migrations.RunPython(mark, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.UniqueConstraint(fields=('day', 'account_id', 'user_id', 'provider_key', 'own', 'model', 'kind', 'corrects', 'status', 'currency', 'source'), name='one_sum_each'),
        ),
    ]
