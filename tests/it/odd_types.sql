-- One table a type, odd.t_<name>(id int primary key, v <type>), with values that are awkward to move.
create extension if not exists hstore;
create extension if not exists citext;
create schema odd;
create type odd.mood as enum ('sad', 'ok', 'ha,ppy"');
create type odd.pair as (a int, b text);
create type odd.timecode as (tc_in varchar(16), tc_out varchar(16), frame_rate numeric(7, 4));
create type odd.deep as (name text, pairs odd.pair[], span int4range);
create type odd.mixed as (name text, lasts interval);
create domain odd.posint as int check (value > 0);
create domain odd.price as numeric(9, 2);
create domain odd.price_again as odd.price;
create type odd.floatrange as range (subtype = float8);

-- Types and values that a server before 15 does not know are left out there.
create function odd.make(name text, typ text, vals text[]) returns void language plpgsql as $$
declare
  older boolean := current_setting('server_version_num')::int < 150000;
begin
  begin
    execute format('create table odd.%I (id int primary key, v %s)', 't_' || name, typ);
  exception when others then
    if older then return; end if;
    raise;
  end;
  for i in 1 .. cardinality(vals) loop
    begin
      execute format('insert into odd.%I select $1, $2::%s', 't_' || name, typ) using i, vals[i];
    exception when others then
      if not older then raise; end if;
    end;
  end loop;
  execute format('insert into odd.%I values ($1, null)', 't_' || name) using cardinality(vals) + 1;
end $$;

select odd.make('int2', 'int2', '{0,-32768,32767}');
select odd.make('int4', 'int4', '{0,-2147483648,2147483647}');
select odd.make('int8', 'int8', '{0,-9223372036854775808,9223372036854775807}');
select odd.make('bool', 'bool', '{t,f}');
select odd.make('oid', 'oid', '{0,4294967295}');
select odd.make('float4', 'float4', '{1.1,NaN,Infinity,-Infinity,-0,1e-45,3.4028235e38}');
select odd.make('float8', 'float8', '{0.1,NaN,Infinity,-Infinity,-0,1e308,5e-324}');
select odd.make('numeric_12_3', 'numeric(12,3)', '{0,123456789.123,-0.001,999999999.999,-999999999.999,NaN}');
select odd.make('numeric_5_m2', 'numeric(5,-2)', '{9999900,-100,0}');
select odd.make('numeric_3_5', 'numeric(3,5)', '{0.00999,-0.00001}');
select odd.make('numeric_38_10', 'numeric(38,10)', '{9999999999999999999999999999.9999999999,-0.0000000001,1}');
select odd.make('numeric_38_38', 'numeric(38,38)', '{0.99999999999999999999999999999999999999}');
select odd.make('numeric_39_0', 'numeric(39,0)', '{999999999999999999999999999999999999999,-1,NaN}');
select odd.make('numeric_76_0', 'numeric(76,0)', array[repeat('9', 76), '-' || repeat('9', 76)]);
select odd.make('numeric_90_3', 'numeric(90,3)', array[repeat('9', 87) || '.125', '-0.001']);
select odd.make('numeric', 'numeric', array['1', '0', '0.10', '100000', '1e-20', '-10000.0001', 'NaN', 'Infinity',
  '-Infinity', '123456789012345678901234567890.123456789012345678901234567890', repeat('7', 5000) || '.5', '1e131071']);
select odd.make('price', 'odd.price_again', '{12.34,-0.01}');
select odd.make('money', 'money', '{1.23,-99999999.99}');
select odd.make('text', 'text', array['a', '', 'żółć 日本 🎬', E'tab\tnl\ncr\r', '"quoted"', '\N', 'NULL', E'\u00a0', repeat('x', 100000)]);
select odd.make('varchar', 'varchar(255)', array['abc', '""', ' x ']);
select odd.make('bpchar', 'char(10)', array['abc', 'x  ', '']);
select odd.make('name', 'name', '{foo}');
select odd.make('citext', 'citext', '{FooBar}');
select odd.make('internal_char', '"char"', array['A', '', 'z']);
select odd.make('enum', 'odd.mood', array['sad', 'ha,ppy"']);
select odd.make('domain', 'odd.posint', '{1,2}');
select odd.make('uuid', 'uuid', '{00000000-0000-0000-0000-000000000001,ffffffff-FFFF-ffff-ffff-ffffffffffff,0123456789abcdef0123456789abcdef}');
select odd.make('bytea', 'bytea', array['\x00ff80', '\x', '\xdeadbeef']);
select odd.make('json', 'json', array['{"b":1,"a":[1, 2],"a":2}', 'null', '"\u0000"', ' {"n": 1e400} ']);
select odd.make('jsonb', 'jsonb', array['{"b":1,"a":[1,2.50],"n":123456789012345678901234567890}', 'null', '"żółć"', '[]']);
select odd.make('xml', 'xml', array['<a>x</a>', '<?xml version="1.0" encoding="ISO-8859-1"?><b/>']);
select odd.make('date', 'date', array['2020-02-29', '0001-01-01', '9999-12-31', '0044-03-15 BC', '4713-01-01 BC', '5874897-12-31', 'infinity', '-infinity']);
select odd.make('timestamp', 'timestamp', array['2020-02-29 12:34:56.789012', '1969-12-31 23:59:59.999999', '0044-03-15 01:02:03 BC',
  '4713-01-01 00:00:00 BC', '294246-12-31 23:59:59', 'infinity', '-infinity', '294247-01-10 04:00:54.775807', '294276-12-31 23:59:59.999999']);
select odd.make('timestamptz', 'timestamptz', array['2020-02-29 12:34:56.78+02', '1900-01-01 00:00:00+00', '2500-01-01 00:00:00+00',
  'infinity', '-infinity', '294276-12-31 23:59:59+00']);
select odd.make('time', 'time', '{12:34:56.789012,00:00:00,23:59:59.999999,24:00:00}');
select odd.make('timetz', 'timetz', '{12:34:56.789012+05:30}');
select odd.make('interval', 'interval', array['1 year 2 mons 3 days 04:05:06.789', '-1 mons +2 days -00:00:01']);
select odd.make('inet', 'inet', '{192.168.0.1/24,::1,10.0.0.1}');
select odd.make('cidr', 'cidr', '{10.0.0.0/8}');
select odd.make('macaddr', 'macaddr', '{08:00:2b:01:02:03}');
select odd.make('bit', 'bit(5)', '{10101}');
select odd.make('varbit', 'varbit', '{101,""}');
select odd.make('point', 'point', array['(1,2.5)']);
select odd.make('box', 'box', array['(1,1),(0,0)']);
select odd.make('polygon', 'polygon', array['((0,0),(1,1),(2,0))']);
select odd.make('pg_lsn', 'pg_lsn', '{16/B374D848}');
select odd.make('tsvector', 'tsvector', array['''a'':1 ''b'':2']);
select odd.make('hstore', 'hstore', array['a=>1,b=>NULL']);
select odd.make('int4multirange', 'int4multirange', array['{[1,3),[5,7)}']);
select odd.make('mixed', 'odd.mixed', array['("a b","1 day")']);
select odd.make('interval_array', 'interval[]', array['{"1 day",NULL}']);
select odd.make('int4_array', 'int4[]', array['{1,2,NULL}', '{}', '[0:1]={7,8}', '{{1,2},{3,4}}']);
select odd.make('int8_array', 'int8[]', array['{1,9223372036854775807}']);
select odd.make('text_array', 'text[]', array['{a,"b c",NULL,"q\"x","","NULL"}', '{}', '{{a,"b,c"},{"",NULL}}']);
select odd.make('numeric_array', 'numeric(12,3)[]', array['{1.5,NULL,2.125}', '{NaN,1}']);
select odd.make('timestamptz_array', 'timestamptz[]', array['{"2020-01-01 00:00:00+00",NULL}']);
select odd.make('bool_array', 'bool[]', array['{t,f,NULL}']);
select odd.make('float8_array', 'float8[]', array['{0.1,NaN}']);
select odd.make('uuid_array', 'uuid[]', array['{00000000-0000-0000-0000-000000000001}']);
select odd.make('jsonb_array', 'jsonb[]', array['{"{\"a\": 1}"}']);
select odd.make('enum_array', 'odd.mood[]', array['{sad,"ha,ppy\""}']);
select odd.make('bpchar_array', 'char(3)[]', array['{a,bcd}']);
select odd.make('pair', 'odd.pair', array['(1,"x y")', '(,)', '(2,"")']);
select odd.make('timecode', 'odd.timecode', array['(01:00:00:00,01:00:10:00,29.97)']);
select odd.make('deep', 'odd.deep', array['(n,"{""(1,x)"",NULL}","[1,5)")']);
select odd.make('int4range', 'int4range', array['[1,5)', 'empty', '(,3)', '[2,)', '(,)']);
select odd.make('daterange', 'daterange', array['[2020-01-01,2020-02-01)', '[2020-01-01,infinity]']);
select odd.make('tstzrange', 'tstzrange', array['["2020-01-01 00:00:00+00",)']);
select odd.make('numrange', 'numrange', array['(0.10,2.5]']);
select odd.make('floatrange', 'odd.floatrange', array['[1.5,2.5]']);
