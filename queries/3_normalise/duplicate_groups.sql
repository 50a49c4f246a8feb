-- Candidates of different assets that bear one external id, compared trimmed and in one case, among those that are
-- otherwise valid; the winner has the latest finite change, then the lowest asset (dirt D10, D12).
-- materialise: parquet
-- key: source_key
with valid as (
    select
        i.duplicate_key,
        c.source_key,
        c.target,
        c.asset_id,
        -- the infinities are the extremes of the type
        case
            when f.date_updated > arrow_cast('1000-01-01T00:00:00', 'Timestamp(Microsecond, None)')
                and f.date_updated < arrow_cast('2200-01-01T00:00:00', 'Timestamp(Microsecond, None)')
                then f.date_updated
        end as date_updated
    from candidates c
    join identities i on i.source_key = c.source_key
    join verdicts v on v.source_key = c.source_key
    join asset_facts f on f.asset_id = c.asset_id
    where c.out_of_scope is null and v.reasons[1] is null and i.duplicate_key is not null
),
ranked as (
    select
        duplicate_key,
        source_key,
        target,
        count(*) over (partition by duplicate_key) as rows,
        row_number() over (partition by duplicate_key order by date_updated desc nulls last, asset_id) as place
    from valid
)
select
    r.source_key,
    r.target,
    r.place,
    w.source_key as winner_key
from ranked r
join ranked w on w.duplicate_key = r.duplicate_key and w.place = 1
where r.rows > 1
