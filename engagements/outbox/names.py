"""By which names people are known: their own, and those of whoever was merged into them."""

# Each of %(people)s, who are nobody's part: (root, name), once for each of their names.
# A list in a SELECT of its own is planned once, and not number by number.
NAMES = """
    SELECT id AS root, id AS name FROM unnest(%(people)s::bigint[]) id
    UNION ALL
    SELECT merged_into_id, id FROM segments_profile
    WHERE merged_into_id = ANY((SELECT %(people)s::bigint[])::bigint[])
"""
# For statements that ask for them more than once: a list is read once.
THOSE = "those AS MATERIALIZED (SELECT %(people)s::bigint[] AS people)"
AMONG_THOSE = "ANY((SELECT people FROM those)::bigint[])"
NAMES_OF_THOSE = f"""
    SELECT id AS root, id AS name FROM those, unnest(people) id
    UNION ALL
    SELECT merged_into_id, id FROM segments_profile WHERE merged_into_id = {AMONG_THOSE}
"""
# Who of them has other names, too. Asked for so few, it never reads everybody there is.
WITH_NAMES = f"""
    SELECT merged_into_id FROM segments_profile WHERE merged_into_id = {AMONG_THOSE}
"""
