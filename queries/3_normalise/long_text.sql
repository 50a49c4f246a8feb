-- The full text of every value that is longer than a target field takes (dirt D42), beside the records that
-- carry it cut: the raw value of their warning TEXT_TRUNCATED is its place, long_text/<source key>/<field>.
-- materialise: parquet
-- key: source_key, field
with texts as (
    select source_key, 'description' as field, description as text from described
    union all
    select source_key, 'synopsisShort' as field, synopsis_short as text from described
    union all
    select source_key, 'rightsNotes' as field, rights_notes as text from described
    union all
    select source_key, 'legacyHtml' as field, legacy_html as text from described
    union all
    select source_key, 'script' as field, script as text from described
    union all
    select source_key, 'notes' as field, notes as text from described
)
select t.source_key, t.field, octet_length(t.text) as bytes, t.text
from texts t
cross join settings z
where octet_length(t.text) > z.text_limit
