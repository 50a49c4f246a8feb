-- The title of each candidate by the fallback order of the four sources, the others as alternate titles (dirt D01 to
-- D05, D08, D09, rulings A05, A06, A38, A45). Sources up to the first good one tell what was wrong with them. The title
-- alone is cut, for the limit is that of its field; the definitions set none for original and alternate titles.
-- materialise: parquet
-- key: source_key
with raw_titles as (
    select source_key, 1 as rank, title as raw from subject
    union all
    select s.source_key, 2 as rank, e.title as raw from subject s join eav e on e.metadata_id = s.metadata_id
    union all
    select s.source_key, 3 as rank, c.title_name_raw as raw
    from subject s
    join title_link l on l.source_key = s.source_key
    join title_card c on c.title_id = l.title_id
    where s.target in ('project', 'promo')
    union all
    select source_key, 4 as rank, asset_name as raw from subject
),
repaired as (
    select
        r.source_key,
        r.rank,
        r.raw,
        case when s.garbled and r.rank <> 3
            then repair_mojibake(r.raw) else named_struct('value', r.raw, 'warning', cast(null as varchar)) end as text
    from raw_titles r
    join subject s on s.source_key = r.source_key
    where r.raw is not null
),
cleaned as (
    select source_key, rank, raw, text['warning'] as repair, clean_title(text['value']) as line
    from repaired
),
-- only an asset's name is the name of a file; what is left of it is judged again
stemmed as (
    select
        source_key,
        rank,
        raw,
        repair,
        line,
        case when rank = 4 then clean_title(without_extension(line['value'])) else line end as stem
    from cleaned
),
worded as (
    select
        source_key,
        rank,
        raw,
        nullif(concat_ws(' ', repair, line['warning'], case when rank = 4 then stem['warning'] end), '') as warning,
        line['value'] as whole,
        stem['value'] as title
    from stemmed
),
-- the names by which an asset's file goes (dirt D04)
files as (
    select
        s.source_key,
        lower(f.original_name) as file_name,
        lower(without_extension(f.original_name)) as stem,
        uuid_text(s.uuid)['value'] as uuid,
        case when h.valid then h.house_code end as house_code
    from subject s
    left join source_file f on f.asset_id = s.asset_id
    left join house_codes h on h.source_key = s.source_key
),
judged as (
    select
        w.source_key,
        w.rank,
        w.raw,
        w.warning,
        w.title,
        w.title is distinct from w.whole as extended,
        coalesce(
            lower(w.title) in (f.file_name, f.stem)
            or uuid_text(w.title)['value'] = f.uuid
            or house_code(w.title)['value'] = f.house_code,
            false
        ) as file_like,
        min(case when w.title is not null then w.rank end) over (partition by w.source_key) as first_good
    from worded w
    left join files f on f.source_key = w.source_key
),
chosen as (
    select
        j.source_key,
        j.rank,
        j.title,
        j.raw,
        j.file_like,
        s.shouting and upper(j.title) = j.title and lower(j.title) <> j.title as shouts,
        truncate_text(j.title, z.title_limit) as short
    from judged j
    join subject s on s.source_key = j.source_key
    cross join settings z
    where j.rank = j.first_good
),
others as (
    select j.source_key, distinct_folded(in_order(named_struct('rank', j.rank, 'title', j.title))) as titles
    from judged j
    join chosen c on c.source_key = j.source_key
    where j.rank > j.first_good
        and j.title is not null
        and lower(j.title) <> lower(c.title)
        and j.rank <> 3
        -- an asset's name that is a file's is no title
        and (j.rank <> 4 or not (j.extended or j.file_like))
    group by j.source_key
),
told as (
    select
        source_key,
        coalesce(bool_or(strpos(warning, 'PLACEHOLDER_DROPPED') > 0), false) as placeholder,
        flatten(in_order(named_struct('rank', rank, 'warnings', warn('title', raw, warning)))
            filter (where warning is not null and (first_good is null or rank <= first_good))) as warnings
    from judged
    group by source_key
)
select
    s.source_key,
    c.short['value'] as title,
    case when c.short['warning'] is not null then c.title end as original_title,
    o.titles as alternate_titles,
    coalesce(t.placeholder, false) as placeholder,
    gather(
        t.warnings,
        warn('title', e.title, case
            when array_has(e.several, 'title') and coalesce(c.rank >= 2, true) then 'MULTI_FOR_SINGLE'
        end),
        warn('title', c.raw, case when c.file_like then 'TITLE_LOOKS_LIKE_FILENAME' end),
        warn('title', c.raw, case when c.shouts then 'SHOUTING_TITLE' end),
        warn('title', c.raw, case when c.short['warning'] is not null then 'TITLE_TRUNCATED' end)
    ) as warnings
from subject s
left join chosen c on c.source_key = s.source_key
left join others o on o.source_key = s.source_key
left join told t on t.source_key = s.source_key
left join eav e on e.metadata_id = s.metadata_id
