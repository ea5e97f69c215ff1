-- The venue may leave the side of a trade open: such a trade is kept, its side is null.

set local role polyfeed_owner;

alter table polyfeed.trades alter column side drop not null;
comment on column api.trades.side is 'The taker''s side; null where the venue did not tell it.';
