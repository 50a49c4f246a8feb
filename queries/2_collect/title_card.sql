-- Each title of the catalogue with its series, as promos, projects and images refer to it. Its class is found by
-- spelling or alias, else one edit away (dirt D33).
-- materialise: parquet
-- key: title_id
with classes as (
    select distinct fold_key(title_class) as spelling
    from public.title
    where fold_key(title_class) is not null
),
near as (
    select c.spelling, max(k.canonical) as canonical
    from classes c
    join terms_known k on k.vocabulary = 'titleClass' and k.is_term and within_one_edit(c.spelling, k.canonical)
    group by c.spelling
    having count(*) = 1
)
select
    t.id as title_id,
    house_code(t.house_code)['value'] as house_code,
    t.title_name as title_name_raw,
    clean_line(t.title_name)['value'] as title_name,
    coalesce(k.canonical, n.canonical) as title_class,
    clean_line(t.season_no)['value'] as season,
    clean_line(t.episode_no)['value'] as episode,
    t.synopsis_short as synopsis_short_raw,
    t.rating,
    t.eidr,
    t.genres,
    json_names(t."cast")['value'] as cast_names,
    json_names(t."cast")['warning'] as cast_warning,
    t."cast" as cast_raw,
    clean_line(t.studio)['value'] as studio
from public.title t
left join terms_known k on k.vocabulary = 'titleClass' and k.spelling = fold_key(t.title_class)
left join near n on n.spelling = fold_key(t.title_class)
