-- The misspellings among the values of vocabulary fields, and of the networks of airings, that are one edit away from
-- exactly one term of their vocabulary (dirt D33, rulings A08, A26).
-- materialise: parquet
-- key: vocabulary, spelling
with unknown as (
    select distinct vocabulary, spelling
    from term_source
    where canonical is null and unknown_code = 'VOCAB_UNKNOWN' and character_length(spelling) >= 6
    union
    select vocabulary, spelling from airings
    where canonical is null and character_length(spelling) >= 6
)
select u.vocabulary, u.spelling, max(k.canonical) as canonical
from unknown u
join terms_known k on k.vocabulary = u.vocabulary and k.is_term and within_one_edit(u.spelling, k.canonical)
group by u.vocabulary, u.spelling
having count(*) = 1
