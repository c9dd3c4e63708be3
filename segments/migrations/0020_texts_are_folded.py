from django.db import migrations

# Letters and their lower case as Unicode has them, whatever the database's locale is:
# PostgreSQL 17 has them itself, 16 from ICU or the C library. "C" knows ASCII alone.
LETTERS = """
DO $$
BEGIN
    CREATE COLLATION segments_letters (provider = builtin, locale = 'C.UTF-8');
EXCEPTION WHEN OTHERS THEN
    BEGIN
        CREATE COLLATION segments_letters (provider = icu, locale = 'und');
    EXCEPTION WHEN OTHERS THEN
        BEGIN
            CREATE COLLATION segments_letters (provider = libc, locale = 'C.utf8');
        EXCEPTION WHEN OTHERS THEN
            CREATE COLLATION segments_letters FROM "C";
        END;
    END;
END $$
"""
# What segments/rules/comparing/folding.py does in Python.
FOLD = """
CREATE FUNCTION segments_fold(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT CASE WHEN octet_length($1) = char_length($1) THEN lower($1 COLLATE segments_letters)
ELSE replace(replace(replace(replace(translate(
    lower(normalize(
        regexp_replace(normalize($1, NFKD), '[\\u0300-\\u036f]+', '', 'g'), NFC
    ) COLLATE segments_letters),
    'ςøłđħıŧð', 'σoldhitd'
), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th') END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("segments", "0019_again")]

    operations = [
        migrations.RunSQL(LETTERS, "DROP COLLATION segments_letters"),
        migrations.RunSQL(FOLD, "DROP FUNCTION segments_fold(text)"),
    ]
