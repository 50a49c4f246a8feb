-- Every source of a descriptive field for one value, in the order in which the first good one counts, and what it reads
-- as. Which cells feed which field, and how they are read, is text_field.csv. Text of the import that garbled its
-- accents is repaired first (dirt D38); names that assets share, such as those of titles and campaigns, are of no
-- import.
-- materialise: parquet
-- alternatives: rank
with fields as (
    select field, cast(rank as int) as rank, cell, kind
    from text_field
),
copies as (
    select l.source_key, json_text(m.payload, 'synopsis') as found
    from title_link l
    join title_card t on t.title_id = l.title_id
    join public.metabase_title_cache m on m.house_code = t.house_code
),
promos as (
    select
        concat('Promo:', p.id) as source_key,
        make_array(
            named_struct('name', 'promo.version_label', 'raw', p.version_label),
            named_struct('name', 'promo.tagline', 'raw', p.tagline),
            named_struct('name', 'promo.editor_initials', 'raw', p.editor_initials),
            named_struct('name', 'promo.script', 'raw', p.script),
            named_struct('name', 'promo.notes_html', 'raw', p.notes_html),
            named_struct('name', 'campaign.name', 'raw', g.name)
        ) as cells
    from public.promo p
    left join public.promo_campaign g on g.id = p.campaign_id
),
promo_cells as (
    select source_key, unnest(cells) as cell from promos
),
cells as (
    select s.source_key, 'own.description' as name, s.description as raw, false as several
    from subject s
    union all
    select source_key, cell['name'] as name, cell['raw'] as raw, false as several
    from promo_cells
    union all
    select s.source_key, 'video.audio_channel_configuration' as name, v.audio_channel_configuration as raw,
        false as several
    from subject s
    join public.video_asset_master v on v.id = s.asset_id
    union all
    select s.source_key, concat('eav.', e.field) as name, e.value as raw, e.several
    from eav_cell e
    join subject s on s.metadata_id = e.metadata_id
    where not e.lost
    union all
    select l.source_key, 'title.synopsis_short' as name, t.synopsis_short_raw as raw, false as several
    from title_link l
    join title_card t on t.title_id = l.title_id
    union all
    select source_key, 'copy.synopsis' as name, coalesce(found['value'], '') as raw, false as several
    from copies
),
repaired as (
    select
        c.source_key,
        f.field,
        f.rank,
        f.kind,
        c.raw,
        c.several,
        coalesce(s.day_first, false) as day_first,
        z.zone,
        z.legacy_html,
        -- what JSON was freed of (dirt D41)
        case when c.name like 'copy.%' then p.found['warning'] end as freed,
        case when s.garbled and split_part(c.name, '.', 1) not in ('title', 'copy', 'campaign')
            then repair_mojibake(c.raw) else named_struct('value', c.raw, 'warning', cast(null as varchar)) end as text
    from cells c
    join fields f on f.cell = c.name
    join subject s on s.source_key = c.source_key
    left join copies p on p.source_key = c.source_key
    cross join settings z
    where c.raw is not null
        -- two fields that only promos and images carry (rulings A41)
        and (f.field not in ('telecine', 'preValidated') or s.target in ('promo', 'deliverable_image'))
        -- two that only promos carry
        and (f.field not in ('campaign', 'audioLayout') or s.target = 'promo')
),
read as (
    select
        source_key,
        field,
        rank,
        kind,
        raw,
        several,
        -- as it stands in the source (dirt D40)
        case when kind = 'html' and legacy_html
            and plain_text(text['value'])['value'] is distinct from clean_text(text['value'])['value'] then raw
        end as html,
        nullif(concat_ws(' ', freed, text['warning']), '') as repair,
        case kind
            when 'line' then clean_line(text['value'])
            when 'text' then clean_text(text['value'])
            when 'html' then plain_text(text['value'])
            when 'episode' then clean_line(text['value'])
            when 'series' then clean_line(text['value'])
            when 'record' then clean_line(text['value'])
        end as line,
        -- as of a house code: compatible forms, upper case, without blanks, hyphens and full stops (dirt D14)
        case when kind = 'series' then
            regexp_replace(upper(fold_key(clean_line(text['value'])['value'])), '[\s.-]', '', 'g')
        end as code,
        case when kind in ('number', 'episode') then integer_text(text['value']) end as number,
        case when kind = 'date' then date_text(text['value'], day_first) end as day,
        -- a beginning of time stands for no date (dirt D52)
        case when kind = 'date' then zero_moment(instant_text(text['value'], zone, day_first)['value'], zone) end as zero,
        case when kind = 'boolean' then boolean_text(text['value']) end as truth
    from repaired
),
valued as (
    select
        source_key,
        field,
        rank,
        raw,
        html,
        several,
        repair,
        case kind
            when 'number' then case
                when number['value'] between -2147483648 and 2147483647 then cast(number['value'] as varchar)
            end
            -- a fraction stays as it is written (dirt D54)
            when 'episode' then coalesce(
                cast(number['value'] as varchar),
                case when regexp_like(line['value'], '^[0-9]+[.][0-9]+$') then line['value'] end
            )
            when 'series' then case when regexp_like(code, '^SER[0-9]{5}$') then code else line['value'] end
            -- the id of a record that is a uuid has its one form, any other stays (dirt D30)
            when 'record' then coalesce(uuid_text(line['value'])['value'], line['value'])
            when 'date' then case when not zero then cast(day['value'] as varchar) end
            when 'boolean' then cast(truth['value'] as varchar)
            else line['value']
        end as value,
        case kind
            -- an integer of the target has 32 bits (dirt D55)
            when 'number' then case
                when number['value'] not between -2147483648 and 2147483647 then 'NUMBER_OVERFLOW'
                else number['warning']
            end
            when 'episode' then case
                when not coalesce(regexp_like(line['value'], '^[0-9]+[.][0-9]+$'), false) then number['warning']
            end
            when 'series' then nullif(concat_ws(' ', line['warning'], case
                when line['value'] is not null and not coalesce(regexp_like(code, '^SER[0-9]{5}$'), false)
                    then 'HOUSE_CODE_FORMAT'
            end), '')
            when 'date' then case when zero then 'EPOCH_ZERO' else day['warning'] end
            when 'boolean' then truth['warning']
            else line['warning']
        end as warning
    from read
)
select
    source_key,
    field,
    rank,
    raw,
    html,
    several,
    value,
    nullif(concat_ws(' ', repair, warning), '') as warning,
    min(case when value is not null then rank end) over (partition by source_key, field) as first_good
from valued
