-- Udon Market's service database: half a million orders, with the values that make exports go wrong elsewhere.
-- Made by arithmetic on a sequence, so that each run of the demo has the same rows.
create database if not exists market character set utf8mb4 collate utf8mb4_unicode_ci;
use market;

create table if not exists users (
  id bigint unsigned not null primary key,
  email varchar(120) not null,
  name varchar(60) not null,
  phone varchar(20),
  grade enum('bronze','silver','gold','') not null,
  birth_date date,
  is_active tinyint(1) not null,
  marketing set('email','push','sms') not null,
  credit decimal(38,10) not null,
  joined_at datetime(6) not null,
  last_seen timestamp(6) null,
  unique key (email)
) engine=InnoDB;

insert into users
select seq,
  concat('user', seq, '@', elt(1 + seq % 4, 'example.com', 'example.kr', '우동.한국', 'example.org')),
  concat(elt(1 + seq % 8, '김', '이', '박', '최', '정', '강', '조', '윤'),
         elt(1 + seq % 7, '민준', '서연', '도윤', '하은', '시우', '지유', '🍜')),
  if(seq % 5 = 0, null, concat('010-', lpad(seq % 10000, 4, '0'), '-', lpad(seq * 7 % 10000, 4, '0'))),
  elt(1 + seq % 4, 'bronze', 'silver', 'gold', ''),
  if(seq % 11 = 0, null, date_add('1950-01-01', interval seq * 13 % 20000 day)),
  seq % 10 <> 0,
  seq % 8,
  cast(seq * 1000003 % 100000000 as decimal(38,10)) / 7,
  '2020-01-01 00:00:00.000001' + interval (seq * 4001 % 200000000) second,
  if(seq % 9 = 0, null, '2026-01-01 00:00:00' + interval (seq * 37 % 20000000) second)
from seq_1_to_50000;
insert into users values
  (18446744073709551615, 'max@example.com', 'O''Brien "quoted" \\ back', '', 'gold', '9999-12-31', 1, '',
   9999999999999999999999999999.9999999999, '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999');

create table if not exists items (
  id int unsigned not null primary key,
  name varchar(200) not null,
  price decimal(12,2) not null,
  weight float,
  rating double,
  attributes json,
  picture varbinary(16),
  made_year year,
  opens time(6),
  flags bit(10) not null,
  stock mediumint unsigned not null
) engine=InnoDB;

insert into items
select seq,
  concat(elt(1 + seq % 5, '가락국수', '유부우동', '카레 우동', 'Kitsune udon', '冷やしうどん'), ' ', seq),
  seq * 1.25 + 0.99,
  if(seq % 13 = 0, null, seq / 3),
  if(seq % 17 = 0, null, seq / 7e10),
  if(seq % 6 = 0, null, json_object('size', elt(1 + seq % 3, 'S', 'M', 'L'), 'spicy', seq % 4, '원산지', '한국')),
  if(seq % 3 = 0, null, unhex(md5(seq))),
  1901 + seq % 255,
  sec_to_time(seq * 61 % 86400),
  seq % 1024,
  seq * 31 % 16777215
from seq_1_to_2000;
insert into items values
  (4294967295, 'edge', 9999999999.99, -3.4e38, 1.7976931348623157e308, 'null', '', 1901, '-838:59:59.000000', 1023, 16777215),
  (4294967294, '', -9999999999.99, 1.17549435e-38, -2.2250738585072014e-308, '{"a": [1, 2.50, "é"]}', x'00ff', 2155, '838:59:59.000000', 0, 0);

create table if not exists orders (
  id bigint not null primary key,
  user_id bigint unsigned not null,
  item_id int unsigned not null,
  quantity smallint unsigned not null,
  amount decimal(12,2) not null,
  coupon varchar(20),
  status enum('placed','paid','shipped','delivered','cancelled') not null,
  memo varchar(200),
  created_at datetime(6) not null,
  updated_at timestamp(6) not null default '1970-01-01 00:00:01',
  key (created_at)
) engine=InnoDB;

insert into orders
select seq,
  1 + seq * 48271 % 50000,
  1 + seq * 16807 % 2000,
  1 + seq % 9,
  (1 + seq % 9) * (1 + seq * 16807 % 2000) * 1.25,
  if(seq % 4 = 0, concat('UDON', seq % 100), null),
  elt(1 + seq % 5, 'placed', 'paid', 'shipped', 'delivered', 'cancelled'),
  case seq % 20 when 0 then '문 앞에 놓아 주세요' when 1 then '' when 2 then 'ring twice, "please"\n2F' else null end,
  '2026-01-01 00:00:00' + interval (seq * 52 % 26000000) second + interval (seq % 1000000) microsecond,
  '2026-01-01 00:00:00' + interval (seq * 53 % 26000000) second
from seq_1_to_500000;
