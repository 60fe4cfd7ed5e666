-- What users did in the app, and the ledger: PostgreSQL's part of Udon Market.
create schema if not exists market;

create table if not exists market.events (
  id bigserial primary key,
  user_id bigint,
  kind text not null,
  payload jsonb,
  tags text[],
  amount numeric(12,2),
  exact_rate numeric,
  ip inet,
  session uuid not null,
  took interval,
  at timestamptz not null,
  local_at timestamp not null,
  day date not null,
  is_mobile boolean,
  raw bytea
);

insert into market.events (user_id, kind, payload, tags, amount, exact_rate, ip, session, took, at, local_at, day, is_mobile, raw)
select case when i % 10 = 0 then null else 1 + i * 48271::bigint % 50000 end,
  (array['view', 'cart', 'buy', '검색', 'share 🍜'])[1 + i % 5],
  case when i % 7 = 0 then null when i % 7 = 1 then 'null'::jsonb
       else jsonb_build_object('item', i % 2000, '검색어', '우동 ' || i % 50, 'price', (i % 1000) * 1.25) end,
  case when i % 6 = 0 then null when i % 6 = 1 then '{}'::text[] else array['a' || i % 3, null, '태그,"쉼표"'] end,
  case when i % 5 = 0 then null else (i % 100000) * 0.01 end,
  case when i % 9 = 0 then null else i / 7.0::numeric end,
  ('10.' || i % 256 || '.' || i / 256 % 256 || '.1')::inet,
  md5(i::text)::uuid,
  make_interval(secs => i % 86400, days => i % 40 - 20, months => i % 3),
  timestamptz '2026-01-01 00:00:00+09' + make_interval(secs => i * 60),
  timestamp '2026-01-01 00:00:00.123456' + make_interval(secs => i * 60),
  date '2026-01-01' + i % 365,
  case i % 3 when 0 then null when 1 then true else false end,
  decode(md5(i::text), 'hex')
from generate_series(1, 200000) i;

create table if not exists market.ledger (
  entry bigint primary key,
  account char(5) not null,
  debit money,
  rate double precision,
  note varchar(80)
);
insert into market.ledger
select i, 'A' || i % 100, (i % 100000)::numeric / 100, case when i % 50 = 0 then 'NaN' else i / 3.0 end,
  case when i % 2 = 0 then null else '분개 ' || i end
from generate_series(1, 20000) i;
