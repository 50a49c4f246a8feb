-- Every spelling that stands for a canonical term, by vocabulary: the term itself (is_term), the aliases of alias.csv
-- and the source's approved synonyms; one row a folded spelling. A picklist is the vocabulary of its own name unless
-- picklist.csv says otherwise.
-- Rules: D33 (exact, folded, alias), A42 (lists that the source has itself).
-- materialise: parquet
-- key: vocabulary, spelling
with canonical as (
    select vocabulary, canonical from vocabulary
    union all
    select 'projectType' as vocabulary, name as canonical from public.project_type
    union all
    select 'endpoint' as vocabulary, endpoint as canonical from public.deliverable_image_spec
    union all
    select 'licenseTerritory' as vocabulary, name as canonical from public.territory
),
synonyms as (
    select coalesce(m.vocabulary, l.name) as vocabulary, a.alias, v.value as canonical
    from public.picklist_value_alias a
    join public.picklist_value v on v.id = a.picklist_value_id
    join public.picklist l on l.id = v.picklist_id
    left join picklist m on m.picklist = l.name
),
spellings as (
    select vocabulary, fold_key(canonical) as spelling, canonical, 1 as rank from canonical
    union all
    select vocabulary, fold_key(alias) as spelling, canonical, 2 as rank from alias
    union all
    select 'licenseTerritory' as vocabulary, fold_key(iso2) as spelling, name as canonical, 2 as rank from public.territory
    union all
    select 'licenseTerritory' as vocabulary, fold_key(iso3) as spelling, name as canonical, 2 as rank from public.territory
    union all
    select s.vocabulary, fold_key(s.alias) as spelling, c.canonical, 3 as rank
    from synonyms s
    join canonical c on c.vocabulary = s.vocabulary and fold_key(c.canonical) = fold_key(s.canonical)
),
ranked as (
    select
        vocabulary,
        spelling,
        canonical,
        rank = 1 as is_term,
        row_number() over (partition by vocabulary, spelling order by rank, canonical) as place
    from spellings
    where spelling is not null
)
select vocabulary, spelling, canonical, is_term
from ranked
where place = 1
