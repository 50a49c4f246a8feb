//! Bytes that are no values: random ones, and streams of valid rows that were changed, cut, and lie about their lengths.
//! Decoder and checksum may refuse them; they never panic, never run on, never take memory for bytes that are not there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{env, fs};

use arrow::datatypes::{Field, Schema};
use fastrand::Rng;
use telecine::dataflow::{ContentChecksum, TableName};
use telecine::source::Wire;
use telecine::source::decode::{Layout, TupleDecoder, render};
use telecine::verify::WireChecksum;

use super::setting;

/// Streams of each kind.
const STREAMS: u64 = 1500;

/// A form of at most this depth.
fn form(rng: &mut Rng, depth: usize) -> Wire {
    let inner = |rng: &mut Rng| Box::new(form(rng, depth - 1));
    match rng.u8(..if depth == 0 { 18 } else { 24 }) {
        0 => Wire::Bool,
        1 => Wire::Int16,
        2 => Wire::Int32,
        3 => Wire::Int64,
        4 => Wire::Oid,
        5 => Wire::Float32,
        6 => Wire::Float64,
        7 => Wire::Decimal { precision: rng.u8(1..39), scale: 0 },
        8 => Wire::Decimal { precision: 76, scale: rng.i8(0..77) },
        9 => Wire::Numeric,
        10 | 11 => Wire::Text,
        12 => Wire::Jsonb,
        13 => Wire::Uuid,
        14 => Wire::Bytes,
        15 => Wire::Date,
        16 => Wire::Timestamp { utc: rng.bool() },
        17 => Wire::Time,
        18 | 19 => Wire::List(inner(rng)),
        20 | 21 => {
            Wire::Struct((0..rng.usize(1..4)).map(|index| (format!("f{index}"), form(rng, depth - 1))).collect())
        }
        22 => Wire::Range(inner(rng)),
        _ => Wire::Multirange(inner(rng)),
    }
}

fn bytes(rng: &mut Rng, most: usize) -> Vec<u8> {
    (0..rng.usize(..=most)).map(|_| rng.u8(..)).collect()
}

fn counted(out: &mut Vec<u8>, value: Option<Vec<u8>>) {
    match value {
        None => out.extend((-1_i32).to_be_bytes()),
        Some(value) => {
            out.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
            out.extend(value);
        }
    }
}

fn optional(wire: &Wire, rng: &mut Rng) -> Option<Vec<u8>> {
    (rng.u8(..6) > 0).then(|| send(wire, rng))
}

/// A value as PostgreSQL sends it.
fn send(wire: &Wire, rng: &mut Rng) -> Vec<u8> {
    match wire {
        Wire::Bool => vec![rng.u8(..2)],
        Wire::Int16 => rng.i16(..).to_be_bytes().into(),
        Wire::Int32 | Wire::Oid | Wire::Float32 => rng.u32(..).to_be_bytes().into(),
        Wire::Int64 | Wire::Float64 => rng.u64(..).to_be_bytes().into(),
        Wire::Decimal { .. } | Wire::Numeric => number(rng),
        Wire::Text => match rng.u8(..8) {
            0 => bytes(rng, 6),
            _ => ["", "a b", "NULL", "ż\"\\,{}()"][rng.usize(..4)].into(),
        },
        Wire::Jsonb => b"\x01{\"a\": [1, null]}".into(),
        Wire::Uuid => rng.u128(..).to_be_bytes().into(),
        Wire::Bytes => bytes(rng, 9),
        Wire::Date => match rng.u8(..8) {
            0 => i32::MIN,
            1 => i32::MAX,
            _ => rng.i32(-2_451_545..2_145_031_948),
        }
        .to_be_bytes()
        .into(),
        Wire::Timestamp { .. } => match rng.u8(..8) {
            0 => i64::MIN,
            1 => i64::MAX,
            _ => rng.i64(-211_813_488_000_000_000..9_223_371_331_200_000_000),
        }
        .to_be_bytes()
        .into(),
        Wire::Time => rng.i64(0..=86_400_000_000).to_be_bytes().into(),
        Wire::List(item) => list(item, rng),
        Wire::Struct(fields) => {
            let mut out = Vec::from(i32::try_from(fields.len()).unwrap().to_be_bytes());
            for (_, field) in fields {
                out.extend(25_i32.to_be_bytes());
                counted(&mut out, optional(field, rng));
            }
            out
        }
        Wire::Range(bound) => {
            let flags = rng.u8(..) & 0x1E;
            let mut out = vec![if rng.u8(..8) == 0 { 1 } else { flags }];
            for infinite in [8, 16] {
                if out[0] & (1 | infinite) == 0 {
                    counted(&mut out, Some(send(bound, rng)));
                }
            }
            out
        }
        Wire::Multirange(bound) => {
            let range = Wire::Range(bound.clone());
            let count = rng.u8(..4);
            let mut out = Vec::from(i32::from(count).to_be_bytes());
            (0..count).for_each(|_| counted(&mut out, Some(send(&range, rng))));
            out
        }
    }
}

fn number(rng: &mut Rng) -> Vec<u8> {
    let count = rng.u16(..8);
    let sign = [0_u16, 0, 0, 0x4000, 0x4000, 0xC000, 0xD000, 0xF000][rng.usize(..8)];
    let count = if sign > 0x4000 { 0 } else { count };
    let mut words = vec![count, rng.i16(-4..6).cast_unsigned(), sign, rng.u16(..40)];
    words.extend((0..count).map(|_| rng.u16(..10_000)));
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn list(item: &Wire, rng: &mut Rng) -> Vec<u8> {
    let sizes: Vec<i32> = match rng.u8(..8) {
        0 => Vec::new(),
        1 => vec![rng.i32(1..3), rng.i32(1..3)],
        _ => vec![rng.i32(1..4)],
    };
    let mut out = Vec::new();
    [i32::try_from(sizes.len()).unwrap(), 1, 25].iter().for_each(|word| out.extend(word.to_be_bytes()));
    for size in &sizes {
        out.extend(size.to_be_bytes());
        out.extend(i32::from(rng.u8(..10) > 0).to_be_bytes());
    }
    let count = if sizes.is_empty() { 0 } else { sizes.iter().product() };
    (0..count).for_each(|_| counted(&mut out, optional(item, rng)));
    out
}

/// A whole `COPY` of random rows.
fn stream(wires: &[Wire], rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::from(*b"PGCOPY\n\xff\r\n\0");
    out.extend([0; 8]);
    for _ in 0..rng.u8(..8) {
        out.extend(i16::try_from(wires.len()).unwrap().to_be_bytes());
        wires.iter().for_each(|wire| counted(&mut out, optional(wire, rng)));
    }
    out.extend((-1_i16).to_be_bytes());
    out
}

/// Some bytes changed, cut out, put in, or made the length or count that nobody expects.
fn spoil(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.usize(1..4) {
        let first = if rng.u8(..20) == 0 { 0 } else { 19.min(bytes.len()) };
        let at = rng.usize(first..=bytes.len());
        match rng.u8(..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..bytes.len().min(at + rng.usize(..9)))),
            2 => drop(bytes.splice(at..at, (0..rng.usize(..9)).map(|_| rng.u8(..)).collect::<Vec<_>>())),
            3 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
            _ => {
                let lies = [i32::MAX, i32::MIN, -1, 0, 1, 0x3fff_ffff, 0x7fff_0000, 6, 0x0001_0000];
                let lie = lies[rng.usize(..lies.len())].to_be_bytes();
                for (place, byte) in bytes.iter_mut().skip(at).zip(lie) {
                    *place = byte;
                }
            }
        }
    }
}

/// What decoder and checksum make of a stream that comes in chunks: their checksums, if both took all of it.
fn take(wires: &[Wire], bytes: &[u8], rng: &mut Rng) -> Option<(ContentChecksum, ContentChecksum)> {
    let fields = wires.iter().enumerate().map(|(index, wire)| Field::new(format!("c{index}"), wire.arrow(), true));
    let layout = Layout {
        table: "t".into(),
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        wires: wires.to_vec(),
        key: if rng.bool() { vec![0] } else { Vec::new() },
        partition: 0,
        batch_rows: rng.usize(1..5),
        batch_bytes: 1 << 20,
    };
    let (mut decoder, mut checksum) =
        (TupleDecoder::new(layout), WireChecksum::new(TableName::new("s", "t"), wires.to_vec()));
    let mut batches = Vec::new();
    let size = rng.usize(1..200);
    let read = bytes.chunks(size).try_for_each(|chunk| decoder.push(chunk, &mut batches));
    // Asked for the rest even after an error: it has to answer.
    let finished = decoder.finish(&mut batches);
    let hashed = bytes.chunks(size).try_for_each(|chunk| checksum.push(chunk));
    if read.is_err() || finished.is_err() || !decoder.is_complete() {
        return None;
    }
    assert!(hashed.is_ok(), "what the decoder takes the checksum takes: {hashed:?}");
    let mut decoded = ContentChecksum::default();
    batches.iter().for_each(|batch| decoded.update(batch).unwrap());
    Some((decoded, checksum.checksum()))
}

/// Runs each seed; a panic names it.
fn each(seeds: std::ops::Range<u64>, mut with: impl FnMut(&mut Rng)) {
    for seed in seeds {
        let ran = catch_unwind(AssertUnwindSafe(|| with(&mut Rng::with_seed(seed))));
        assert!(ran.is_ok(), "TELECINE_TYPES_SEED={seed} TELECINE_TYPES_ROUNDS=1 repeats this");
    }
}

fn seeds() -> std::ops::Range<u64> {
    let (first, rounds) = (setting("TELECINE_TYPES_SEED", 20_260), setting("TELECINE_TYPES_ROUNDS", 0));
    first..first + if rounds == 0 { STREAMS } else { rounds * STREAMS }
}

fn forms(rng: &mut Rng) -> Vec<Wire> {
    (0..rng.usize(1..5)).map(|_| form(rng, 3)).collect()
}

#[test]
fn decoder_and_checksum_agree_on_every_valid_stream() {
    each(seeds(), |rng| {
        let wires = forms(rng);
        let bytes = stream(&wires, rng);
        let (decoded, hashed) = take(&wires, &bytes, rng).expect("a valid stream is taken");
        assert_eq!(decoded, hashed, "{wires:?}");
    });
}

#[test]
fn spoiled_streams_are_refused_or_taken_alike() {
    let before = peak();
    let (mut taken, mut refused) = (0_u64, 0_u64);
    each(seeds(), |rng| {
        let wires = forms(rng);
        let mut bytes = stream(&wires, rng);
        spoil(&mut bytes, rng);
        match take(&wires, &bytes, rng) {
            Some((decoded, hashed)) => {
                assert_eq!(decoded, hashed, "{wires:?}");
                taken += 1;
            }
            None => refused += 1,
        }
    });
    assert!(taken > 0 && refused > taken, "{taken} taken, {refused} refused");
    assert!(peak() - before < MOST_KIB, "{} KiB more than before", peak() - before);
}

#[test]
fn random_bytes_are_no_values_and_no_panic() {
    let before = peak();
    each(seeds(), |rng| {
        let wires = forms(rng);
        let mut all = bytes(rng, 60);
        for wire in &wires {
            drop(render(wire, &all));
        }
        take(&wires, &all, rng);
        // As the only row of a stream that is well otherwise.
        let mut stream = Vec::from(*b"PGCOPY\n\xff\r\n\0");
        stream.extend([0; 8]);
        stream.extend(1_i16.to_be_bytes());
        counted(&mut stream, Some(std::mem::take(&mut all)));
        stream.extend((-1_i16).to_be_bytes());
        take(&wires[..1], &stream, rng);
    });
    assert!(peak() - before < MOST_KIB, "{} KiB more than before", peak() - before);
}

/// Less than any lie about a length in these tests would take.
const MOST_KIB: u64 = 512 << 10;

/// The most memory that this process has ever asked for, in KiB; nothing where other tests share the process.
fn peak() -> u64 {
    if env::var_os("NEXTEST").is_none() {
        return 0;
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_lying_length_takes_no_memory_and_no_time() {
    let before = peak();
    let word = |word: i32| word.to_be_bytes();
    let text = Wire::List(Box::new(Wire::Text));
    let lies = [
        // 2^31 - 1 elements; as many rows of none; six dimensions of 60,000.
        (text.clone(), [word(1), word(0), word(25), word(i32::MAX), word(1)].concat()),
        (text.clone(), [word(2), word(0), word(25), word(i32::MAX), word(1), word(0), word(1)].concat()),
        (text.clone(), [&[word(6), word(0), word(25)][..], &[[0, 0, 0xEA, 0x60]; 12]].concat().concat()),
        (text, [word(i32::MAX), word(0), word(25)].concat()),
        (Wire::Multirange(Box::new(Wire::Int32)), word(i32::MAX).to_vec()),
        (Wire::Struct(vec![("a".into(), Wire::Text)]), [word(1), word(25), word(i32::MAX)].concat()),
        (Wire::Range(Box::new(Wire::Bytes)), [&[2][..], &word(i32::MAX)].concat()),
        (Wire::Decimal { precision: 38, scale: 0 }, vec![0xFF; 8]),
    ];
    for (wire, value) in lies {
        let mut stream = Vec::from(*b"PGCOPY\n\xff\r\n\0");
        stream.extend([0; 8]);
        stream.extend(1_i16.to_be_bytes());
        counted(&mut stream, Some(value.clone()));
        let taken = take(std::slice::from_ref(&wire), &stream, &mut Rng::with_seed(1));
        assert!(taken.is_none(), "{wire:?}");
        assert!(render(&wire, &value).starts_with("\\x"), "{wire:?}");
    }
    // A header and a field that promise more than there can be are refused at once, not waited for.
    let mut header = Vec::from(*b"PGCOPY\n\xff\r\n\0");
    header.extend([word(0), word(i32::MAX)].concat());
    let mut field = Vec::from(*b"PGCOPY\n\xff\r\n\0");
    field.extend([0; 8]);
    field.extend(1_i16.to_be_bytes());
    field.extend(word(0x4000_0000));
    for bytes in [header, field] {
        let mut checksum = WireChecksum::new(TableName::new("s", "t"), vec![Wire::Bytes]);
        assert!(checksum.push(&bytes).is_err());
    }
    // Ten bytes on the wire, 131,072 digits each: a batch ends when they have taken its bytes.
    let mut digits = Vec::from(*b"PGCOPY\n\xff\r\n\0");
    digits.extend([0; 8]);
    for _ in 0..100 {
        digits.extend(1_i16.to_be_bytes());
        counted(&mut digits, Some(vec![0, 1, 0x7F, 0xFF, 0, 0, 0, 0, 0, 1]));
    }
    let layout = Layout {
        table: "t".into(),
        schema: Arc::new(Schema::new(vec![Field::new("n", Wire::Numeric.arrow(), true)])),
        wires: vec![Wire::Numeric],
        key: Vec::new(),
        partition: 0,
        batch_rows: 100_000,
        batch_bytes: 1 << 20,
    };
    let mut decoder = TupleDecoder::new(layout);
    for chunk in digits.chunks(1000) {
        let mut batches = Vec::new();
        decoder.push(chunk, &mut batches).unwrap();
        assert!(batches.iter().all(|batch| batch.get_array_memory_size() < 4 << 20));
    }
    assert_eq!(decoder.rows(), 100);
    assert!(peak() - before < MOST_KIB, "{} KiB more than before", peak() - before);
}
