//! Values of 64 MiB and more, and one near what Arrow's texts of a batch can hold: read whole, within the memory stated.

use std::fs;
use std::time::Duration;

use crate::support::{PATIENCE, Source, Workplace, finish, wait_for};

/// What the binary takes without any large value: code, sessions, buffers, a row group a reader. Unoptimised builds
/// included.
const BASE: u64 = 200 << 20;
/// Copies of the largest row that one reader may hold at once: received, framed, decoded, encoded, compressed.
const COPIES: u64 = 8;

/// Noise that no compression makes smaller: a mebibyte of it, again and again, farther apart than compressors look.
const LARGE: &str = "
    create table large (id int primary key, t text, b bytea);
    alter table large alter t set storage external, alter b set storage external;
    create table noise as select string_agg(md5(i::text), '') as v from generate_series(1, 32768) i;
    insert into large select i, repeat(v, 64), null from noise, generate_series(1, 3) i;
    insert into large select 3 + i, null, convert_to(repeat(v, 64), 'UTF8') from noise, generate_series(1, 3) i;
    insert into large select 7, repeat(v, 200), null from noise;
    insert into large select 8, 'small', 'small';
    create table twin as select * from large where id > 6; alter table twin add primary key (id)";

/// The largest resident memory of a call of the binary that ends well, in bytes.
async fn peak(place: &Workplace, line: &str) -> u64 {
    let child = place.call(line).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let ended = tokio::spawn(finish(child));
    let mut most = 0;
    wait_for("the end", 2 * PATIENCE, async || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = mark.and_then(|mark| mark.split_whitespace().next()?.parse::<u64>().ok());
        most = kibibytes.map_or(most, |kibibytes| most.max(kibibytes << 10));
        tokio::time::sleep(Duration::from_millis(1)).await;
        ended.is_finished().then_some(())
    })
    .await;
    ended.await.unwrap().code(0);
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_200_mib_are_read_within_the_memory_stated() {
    let source = Source::of_sql(LARGE).await;
    let place = Workplace::of_files(&[]).with_source(&source);
    let small = peak(&place, "extract --run small --tables noise --connections 1").await;
    let one = peak(&place, "extract --run one --tables large --connections 1").await;
    let two = peak(&place, "extract --run two --connections 2").await;
    let verified = peak(&place, "verify --run two --connections 2").await;
    let row = 200_u64 << 20;
    for (what, bytes, readers) in [("extract", one, 1), ("extract", two, 2), ("verify", verified, 2)] {
        let copies = (bytes - small) as f64 / (readers * row) as f64;
        println!("{what}: {} MiB with {readers} readers, {copies:.1} times the largest row each", bytes >> 20);
        assert!(bytes > row, "a peak below one row was not measured: {} MiB", bytes >> 20);
        assert!(bytes < BASE + COPIES * row * readers, "{what} took {} MiB", bytes >> 20);
    }
    println!("{} MiB without large values", small >> 20);
    assert!(small < BASE, "{} MiB for nothing", small >> 20);
    source.server.stop().await.unwrap();
}
