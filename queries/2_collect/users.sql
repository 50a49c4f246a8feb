-- The display name of each user, and the names by which texts refer to one.
-- Rules: D21 (by name, then e-mail, then display name). No column of secrets is read (D59).
-- materialise: view
-- key: user_id
select
    id as user_id,
    fold_key(user_name) as user_name,
    fold_key(email) as email,
    fold_key(display_name) as folded_name,
    coalesce(nullif(btrim(display_name), ''), user_name) as display_name
from public.security_user
