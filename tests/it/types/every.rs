//! A column of every type that the server lists; run over every reader by `conformance`.

use telecine::source::Reader;

use super::{back, of_schema, run_in};
use crate::source::{database, read_by};

/// Makes a table of columns of the types that have one of these names, and a row a value that each type accepts.
const MAKE: &str = r#"
    -- Base types of extensions, where they are installed.
    do $$ declare name text; begin
      for name in select e.name from pg_available_extensions e
        where e.name in ('hstore', 'citext', 'ltree', 'cube', 'isn', 'seg', 'intarray', 'lo') loop
        execute format('create extension %I', name);
      end loop;
    end $$;
    create schema every;
    create type every.mood as enum ('sad', 'o"k', 'ha,p\py', 'NULL', '');
    create type every.nothing as ();
    create type every.pair as (a int, "b b" text);
    create type every.tree as (name text, pairs every.pair[], spans int4multirange[], lasts tstzrange);
    create type every.odd as (at interval, n int);
    create table every.base (id int primary key, gone text, at timestamptz, tags text[]);
    insert into every.base values (1, 'x', now(), '{a}');
    create table every.of_rows (id int primary key, v every.base);
    insert into every.of_rows select 1, b from every.base b;
    alter table every.base drop column gone, add column more numeric(9, 2);
    insert into every.of_rows select 2, b from every.base b;
    insert into every.of_rows values (3, null), (4, row(null, null, null, null));
    create domain every.word as text check (value <> 'never');
    create domain every.words as every.word[];
    create domain every.pairs as every.pair[] not null;
    create domain every.again as every.words;
    create domain every.span as int4range;
    create domain every.spans as int4multirange;
    create domain every.amount as numeric(12, 3);
    create type every.wordrange as range (subtype = every.word, multirange_type_name = every.wordranges);
    create type every.textrange as range (subtype = text, collation = "C");
    create type every.listrange as range (subtype = int4[]);
    create type every.pairrange as range (subtype = every.pair);
    create type every.moodrange as range (subtype = every.mood);

    create function every.make() returns setof text language plpgsql as $$
    declare
      found record; attempt text; place text; into_table text; id int := 0; got int; cols int := 0; part int := 0;
      tries text[] := array['1', '-1', 't', 'a', 'A b', '{}', '()', '(,)', '(1,"x ""y""")', 'empty', '[1,3)', '{[1,3),[5,7)}',
        '[a,b]', '{NULL}', '{1,NULL,2}', '{"a b",NULL,""}', '{{1,2},{3,4}}', '[0:1]={1,2}', '{t,f}', '{"(1,x)",NULL}',
        '2020-02-29', '2020-02-29 12:34:56.789', '12:34:56.789012', '24:00:00', '12:34:56.789012+05:30', 'infinity', 'NaN',
        '{infinity,-infinity}', '{2020-02-29}', '{NaN}', '[2020-01-01,infinity]', '["2020-01-01 00:00:00","infinity")',
        '1 year 2 mons -3 days 04:05:06.789', '127.0.0.1', '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03',
        '08:00:2b:01:02:03:04:05', '10101', '\x00ff', '{"\\x00ff"}', '16/B374D848', '(0,1)', '10:20:10,14,15', 'pg_class',
        'integer', 'int4_sum(bigint,integer)', 'abs(int4)', '+', '+(integer,integer)', 'english', 'simple', 'pg_catalog',
        'postgres', '"C"', '=r/postgres', '$.a[*] ? (@ > 1)', 'a & !b', '''a'':1 ''b'':2',
        '{"b":1,"a":[1, 2.50],"a":2}', '<a>x</a>', '00000000-0000-0000-0000-000000000001', '(1,2.5)', '[(0,0),(1,1)]',
        '((0,0),(1,1),(2,0))', '(1,1),(0,0)', '{1,-1,0}', '<(0,0),1.5>', 'a=>1,b=>NULL', 'a.b.c', '9780393040029',
        '0-393-04002-X', '9771436452000', 'M-1234-5678-5', '036000291452', '(1,2,3),(4,5,6)', '1 .. 2', 'sad', '{sad,NULL}',
        'YES', '1436-4522', '(,,,)', '(n,"{""(1,x)"",NULL}","{""{[1,3)}""}","[2020-01-01,)")'];
    begin
      for found in
        select t.oid, format_type(t.oid, null) as name, t.typtype, r.relkind, r.relnatts from pg_type t
        left join pg_class r on r.oid = t.typrelid
        left join pg_type e on e.oid = t.typelem and e.typarray = t.oid
        where t.typtype in ('b', 'd', 'e', 'c', 'r', 'm') and t.typname !~ '^_?pg_toast' and coalesce(r.relkind, 'c') <> 't'
          -- an array of a pseudo-type is one too
          and coalesce(e.typtype, 'b') <> 'p'
        order by t.oid
      loop
        if cols % 60 = 0 then
          part := part + 1;
          place := format('every.types_%s', part);
          execute format('create table %s (id int primary key)', place);
        end if;
        cols := cols + 1;
        begin
          execute format('alter table %s add column %I %s', place, 'c' || found.oid, found.name);
          into_table := place;
        exception when others then
          -- a domain that is not null goes into no table with rows
          into_table := format('every.own_%s', found.oid);
          begin
            execute format('create table %s (id int primary key, %I %s)', into_table, 'c' || found.oid, found.name);
          exception when others then
            return next format('%s: %s', found.name, sqlerrm);
            continue;
          end;
        end;
        got := 0;
        foreach attempt in array tries || ('(' || repeat(',', greatest(found.relnatts - 1, 0)) || ')') loop
          exit when got = 6;
          begin
            execute format('insert into %s (id, %I) values ($1, $2::%s)', into_table, 'c' || found.oid, found.name)
              using id, attempt;
            got := got + 1; id := id + 1;
          exception when others then null;
          end;
        end loop;
        if got = 0 then
          return next format('%s: no value', found.name);
        end if;
      end loop;
    end $$"#;

/// Types without an input function: values that the server has made.
const MADE: &str = "
    create table every.made (id int primary key, node pg_node_tree, ndistinct pg_ndistinct, deps pg_dependencies, mcv pg_mcv_list);
    create table every.sample (id int primary key, b int); insert into every.sample select i, i / 10 from generate_series(1, 1000) i;
    create statistics every.stats on id, b from every.sample; analyze every.sample;
    insert into every.made select 1, (select ev_action from pg_rewrite limit 1), stxdndistinct, stxddependencies, stxdmcv
      from pg_statistic_ext_data";

/// Types whose input function takes nothing; [`MADE`] has values of some.
const NO_INPUT: [&str; 10] = [
    "pg_node_tree",
    "pg_ndistinct",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "gtsvector",
    "ghstore",
    "ltree_gist",
    "intbig_gkey",
];

pub(crate) async fn a_column_of_every_type_of_the_server_comes_back(reader: Reader) {
    let (server, url, client) = database(MAKE).await;
    client.batch_execute(back::SETTINGS).await.unwrap();
    let said = client.query("select every.make()", &[]).await.unwrap();
    let said: Vec<String> = said.iter().map(|row| row.get(0)).collect();
    client.batch_execute(MADE).await.unwrap();
    // What can be no column (a row type with a pseudo-type in it), and what takes no value from a user.
    let (without, left): (Vec<_>, Vec<_>) = said.iter().partition(|line| line.ends_with(": no value"));
    assert!(left.iter().all(|line| line.contains("has pseudo-type")), "{left:?}");
    let without: Vec<_> = without.iter().map(|line| line.trim_end_matches(": no value")).collect();
    assert!(without.iter().all(|name| NO_INPUT.contains(name)), "{without:?}");

    let folder = tempfile::tempdir().unwrap();
    let mut config = read_by(&url, reader);
    config.batch_rows = 100;
    let source = of_schema(&config, "every").await;
    let judged = back::judge(&client, &source, &run_in(folder.path(), "every")).await;
    let count = "select count(*)::int, count(distinct attrelid)::int from pg_attribute
                 where attrelid::regclass::text ~ '^every.(types|own)_' and attname ~ '^c[0-9]+$'";
    let types: i32 = client.query_one(count, &[]).await.unwrap().get(0);
    let (filled, exceptions) = (judged.filled, judged.exceptions.len());
    eprintln!("{types} types, {} values, {filled} not NULL, {exceptions} exceptions", judged.values);
    assert!(types > 500 && filled > 1000 && exceptions > 20, "{types} {filled} {exceptions}");
    server.stop().await.unwrap();
}

pub(crate) async fn odd_values_of_common_types_come_back(reader: Reader) {
    let (server, url, client) = database(include_str!("../odd_types.sql")).await;
    client.batch_execute(back::SETTINGS).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = of_schema(&read_by(&url, reader), "odd").await;
    let judged = back::judge(&client, &source, &run_in(folder.path(), "odd")).await;
    assert!(judged.values > 240, "{}", judged.values);
    server.stop().await.unwrap();
}
