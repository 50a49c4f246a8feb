-- The title of each candidate by the fallback order of the four sources, the others as alternate titles.
-- materialise: parquet
-- key: source_key
with raw_titles as (
    select source_key, 1 as rank, title as raw from subject
    union all
    select s.source_key, 2 as rank, e.title as raw from subject s join eav e on e.metadata_id = s.metadata_id
    union all
    select s.source_key, 3 as rank, c.title_name as raw
    from subject s
    join title_link l on l.source_key = s.source_key
    join title_card c on c.title_id = l.title_id
    where s.target in ('project', 'promo')
    union all
    select source_key, 4 as rank, without_extension(asset_name) as raw from subject
),
cleaned as (
    select source_key, rank, raw, clean_line(raw) as line
    from raw_titles
    where raw is not null
),
worded as (
    select
        source_key,
        rank,
        -- `None` in just this spelling is a title (rulings A05)
        case when btrim(raw) = 'None' then 'None' else line['value'] end as title,
        line['warning'] as warning
    from cleaned
),
placed as (
    select
        source_key,
        rank,
        title,
        warning,
        row_number() over (partition by source_key order by title is null, rank) as place
    from worded
),
chosen as (
    select source_key, title, rank, warning
    from placed
    where place = 1
),
others as (
    select p.source_key, in_order(named_struct('rank', p.rank, 'title', p.title)) as titles
    from placed p
    join chosen c on c.source_key = p.source_key
    join subject s on s.source_key = p.source_key
    where p.title is not null
        and fold_key(p.title) <> fold_key(c.title)
        and p.rank <> 3
        -- an asset name with an extension is a file's name, not a title
        and (p.rank <> 4 or s.asset_name = without_extension(s.asset_name))
    group by p.source_key
),
placeholders as (
    select source_key, bool_or(warning = 'PLACEHOLDER_DROPPED') as placeholder
    from placed
    group by source_key
),
cut as (
    select source_key, title, truncate_text(title, 255) as short
    from chosen
)
select
    s.source_key,
    c.short['value'] as title,
    case when c.short['warning'] is not null then c.title end as original_title,
    warn('title', null, case when c.short['warning'] is not null then 'TITLE_TRUNCATED' end) as warnings,
    distinct_folded(o.titles) as alternate_titles,
    coalesce(p.placeholder, false) as placeholder
from subject s
left join cut c on c.source_key = s.source_key
left join others o on o.source_key = s.source_key
left join placeholders p on p.source_key = s.source_key
