-- Levels of books as text, as on the bus: most programs read a JSON number as a float. Rows stored from now on hold text;
-- those stored before hold numbers, which the view tells as text, too, digit for digit, until they expire.

set local role polyfeed_owner;

create or replace view api.books as
select
    id, condition_id, token_id,
    case
        when jsonb_typeof(bids -> 0 -> 0) = 'number' then (
            select jsonb_agg(jsonb_build_array(l.level ->> 0, l.level ->> 1) order by l.place)
            from jsonb_array_elements(bids) with ordinality l (level, place)
        )
        else bids
    end as bids,
    case
        when jsonb_typeof(asks -> 0 -> 0) = 'number' then (
            select jsonb_agg(jsonb_build_array(l.level ->> 0, l.level ->> 1) order by l.place)
            from jsonb_array_elements(asks) with ordinality l (level, place)
        )
        else asks
    end as asks,
    hash, hash_ok, changed_at, received_at
from polyfeed.books;

comment on column api.books.bids is
    '[["price", "size"], …], best first; text, exact: (bids -> 0 ->> 0)::numeric is the best bid.';
comment on column api.books.asks is 'As bids: (asks -> 0 ->> 0)::numeric is the best ask.';
