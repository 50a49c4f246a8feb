-- The file format of each promo and image: the first listed one in the order media report, MIME types, the image's own
-- column, the file's column, extension, descriptive field (D66, rulings A25). Sources before it that are not listed
-- warn, as do placeholders and lost terms; where none is listed the first stands in upper case, of a MIME type the
-- part behind the slash. Listed ones that differ are a conflict. A candidate of whose format nothing is known but a
-- reference to a picklist's value that is missing (dirt D20) has a format (stated), and none that is mapped.
-- materialise: parquet
-- key: source_key
with candidate as (
    select source_key, class, id, asset_id, metadata_id
    from candidates
    where target in ('promo', 'deliverable_image')
),
technical as (
    select c.source_key, m.format, t.mime_type
    from candidate c
    join technical_content t on t.asset_id = c.asset_id
    left join media m on m.asset_id = c.asset_id
),
files as (
    select c.source_key, f.mime_type, f.file_format, f.extension
    from candidate c
    join source_file f on f.asset_id = c.asset_id
),
sources as (
    select source_key, 1 as rank, format as raw, false as lost, false as several from technical
    union all select source_key, 2, mime_type, false, false from files
    union all select source_key, 3, mime_type, false, false from technical
    union all select c.source_key, 4, d.file_format, false, false
        from candidate c
        join public.deliverable_image d on c.class = 'DeliverableImage' and d.id = c.id
    union all select source_key, 5, file_format, false, false from files
    union all select source_key, 6, extension, false, false from files
    union all select c.source_key, 7, e.value, e.lost, e.several
        from candidate c
        join eav_cell e on e.metadata_id = c.metadata_id and e.field = 'asset_format'
),
cleaned as (
    select source_key, rank, raw, lost, several, clean_line(case when not lost then raw end) as line
    from sources
    where raw is not null
),
-- the part behind the slash, without the point of an extension
stripped as (
    select
        source_key,
        rank,
        raw,
        several,
        line['value'] as line,
        ltrim(regexp_replace(line['value'], '^.*/', ''), '.') as bare,
        lost,
        case
            -- a reference to a picklist's value that is missing (dirt D20)
            when lost then 'PICKLIST_VALUE_MISSING'
            when line['value'] is null then line['warning']
        end as dropped
    from cleaned
),
looked_up as (
    select
        s.source_key,
        s.rank,
        s.raw,
        s.several,
        s.lost,
        s.line,
        s.bare,
        s.dropped,
        coalesce(k.canonical, b.canonical) as listed
    from stripped s
    left join terms_known k on k.vocabulary = 'fileFormat' and k.spelling = fold_key(s.line)
    left join terms_known b on b.vocabulary = 'fileFormat' and b.spelling = fold_key(s.bare)
    where s.line is not null or s.dropped is not null or s.several
),
judged as (
    select
        source_key,
        rank,
        raw,
        several,
        listed,
        lost,
        dropped,
        line is not null or dropped is not null as told,
        upper(bare) as unlisted,
        min(case when listed is not null then rank end) over (partition by source_key) as best,
        min(case when line is not null then rank end) over (partition by source_key) as first_rank
    from looked_up
),
chosen as (
    select
        source_key,
        rank,
        raw,
        several,
        listed,
        lost,
        dropped,
        told,
        best,
        max(case when rank = best then listed end) over (partition by source_key) as best_listed,
        case when rank = coalesce(best, first_rank) then coalesce(listed, unlisted) end as file_format
    from judged
),
warned as (
    select
        source_key,
        rank,
        file_format,
        lost,
        case when listed <> best_listed then rank end as other,
        gather(
            warn('fileFormat', raw, case
                when told and (rank < best or best is null) then coalesce(dropped, 'FORMAT_UNKNOWN')
            end),
            -- a field for one value that has more (dirt D26)
            warn('fileFormat', raw, case when several and (rank <= best or best is null) then 'MULTI_FOR_SINGLE' end)
        ) as unknown,
        raw
    from chosen
),
conflicts as (
    select source_key, rank, file_format, lost, unknown, raw, other, min(other) over (partition by source_key) as first_other
    from warned
)
select
    source_key,
    max(file_format) as file_format,
    max(file_format) is not null or bool_or(lost) as stated,
    gather(
        flatten(in_order(named_struct('rank', rank, 'warnings', unknown)) filter (where unknown is not null)),
        warn(
            'fileFormat',
            max(raw) filter (where rank = first_other),
            case when max(first_other) is not null then 'FORMAT_CONFLICT' end
        )
    ) as warnings
from conflicts
group by source_key
