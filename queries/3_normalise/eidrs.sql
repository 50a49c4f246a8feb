-- The EIDR of each candidate in its canonical form (dirt D15): the descriptive one, else that of the catalogue title
-- (rulings A51).
-- materialise: parquet
-- key: source_key
with read as (
    select
        s.source_key,
        e.eidr as described_raw,
        eidr(e.eidr) as described,
        array_has(e.several, 'eidr') as several,
        t.eidr as title_raw,
        eidr(t.eidr) as title
    from subject s
    left join eav e on e.metadata_id = s.metadata_id
    left join title_link l on l.source_key = s.source_key
    left join title_card t on t.title_id = l.title_id
)
select
    source_key,
    coalesce(described['value'], title['value']) as eidr,
    gather(
        warn('eidr', described_raw, described['warning']),
        warn('eidr', described_raw, case when several then 'MULTI_FOR_SINGLE' end),
        warn('eidr', title_raw, case when described['value'] is null then title['warning'] end)
    ) as warnings
from read
where described_raw is not null or title_raw is not null
