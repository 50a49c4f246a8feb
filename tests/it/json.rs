//! JSON documents: every document of every object is read exactly or listed with object, place and reason; the balance closes
//! over objects and documents, whatever their size and however they are written.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use proptest::prelude::*;
use serde_json::Value;
use telecine::dataflow::Source;
use telecine::rehearsal::documents::{DocumentOptions, Flaw, objects};
use telecine::source::json::{
    Document, Documents, Examined, JsonOptions, JsonSource, Limits, Reason, examine, examine_from,
};

/// Bytes of one object that are read.
const LIMIT: usize = 256 << 20;

#[test]
fn every_sample_document_is_read_or_listed_as_the_answer_key_says() {
    let options = DocumentOptions { count: 2_000, dirt: 3.0, large: 20 << 20, ..DocumentOptions::default() };
    let mut flaws: BTreeMap<Option<Flaw>, u64> = BTreeMap::new();
    for object in objects(&options) {
        let (mut readable, mut unreadable) = (0, 0);
        examine(&object.body, LIMIT, |document| match document.fault {
            None => readable += 1,
            Some(fault) => {
                unreadable += 1;
                assert!(fault.offset >= document.offset, "{document:?}");
            }
        });
        let expected = &object.expected;
        // What is no document at all is purged by its name.
        if expected.readable + expected.unreadable > 0 {
            let found = (readable, unreadable);
            assert_eq!(found, (expected.readable, expected.unreadable), "{:?} {}", expected.flaw, object.key);
        }
        *flaws.entry(expected.flaw).or_default() += 1;
    }
    assert_eq!(flaws.len(), Flaw::ALL.len() + 2, "{flaws:?}");
}

fn found(bytes: &[u8]) -> Vec<Document> {
    let mut found = Vec::new();
    examine(bytes, LIMIT, |document| found.push(document));
    found
}

/// Where a document is broken and why; none for one that can be read.
type Told = Option<(usize, Reason)>;

/// The same, read a byte at a time.
fn found_slowly(bytes: &[u8], limits: Limits) -> Vec<Document> {
    struct OneByOne<'a>(&'a [u8]);
    impl Read for OneByOne<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }
    let mut found = Vec::new();
    examine_from(OneByOne(bytes), limits, |document| found.push(document)).unwrap();
    found
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn hostile_bytes_are_listed_with_their_place_however_they_are_written() {
    use Reason::*;
    let nested = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat();
    let (deepest, too_deep) = (nested(1_000), nested(1_001));
    let cases: &[(&str, &[Told])] = &[
        ("", &[Some((0, Empty))]),
        ("{\"a\":{\"b\":[{\"c\":1,\"d\":2,\"\\u0063\":3}]}}", &[Some((24, DuplicateKey))]),
        ("{\"a\":1,\"A\":2,\"\":3,\" \":4}", &[None]),
        ("{\"a\":1}\n{\"a\":1,\"a\":2}\n{\"a\":3}\n", &[None, Some((15, DuplicateKey)), None]),
        ("{\"a\":1}\noops\n{\"a\":\n[{\"a\":3}]", &[None, Some((8, Syntax)), Some((18, Truncated)), None]),
        ("[1e400,-0,-0.0,1e-400,1234567890123456789012345678901234567890]", &[None]),
        ("[\"\\ud83d\\ude00\\u0000\"]", &[None]),
        ("[\"\\ud83d\"]", &[Some((2, LoneSurrogate))]),
        ("[\"\\ude00\\ud83d\"]", &[Some((2, LoneSurrogate))]),
        ("[\"\0\"]", &[Some((2, ControlCharacter))]),
        ("{}\0", &[Some((2, Syntax))]),
        ("[NaN]", &[Some((1, NoNumber))]),
        ("// no\n{}", &[Some((0, Syntax))]),
        (&deepest, &[None]),
        (&too_deep, &[Some((1_000, TooDeep))]),
    ];
    let limits = Limits { document: LIMIT, held: LIMIT };
    for (text, expected) in cases {
        let bytes = text.as_bytes();
        let whole = found(bytes);
        let reasons = |found: &[Document]| -> Vec<Told> {
            found.iter().map(|document| document.fault.map(|fault| (fault.offset, fault.reason))).collect()
        };
        assert_eq!(reasons(&whole), *expected, "{text}");
        assert_eq!(found_slowly(bytes, limits), whole, "{text}");
        assert_eq!(found(&gzip(bytes)), whole, "{text}");
        let middle = (0..=bytes.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let members = [gzip(&bytes[..middle]), gzip(&bytes[middle..])].concat();
        assert_eq!(found_slowly(&members, limits), whole, "{text}");
        let marked = format!("\u{FEFF}{text}");
        for wide in [utf16(&marked, u16::to_le_bytes), utf16(&marked, u16::to_be_bytes)] {
            assert_eq!(found(&wide), whole, "{text}");
            assert_eq!(found_slowly(&gzip(&wide), limits), whole, "{text}");
        }
        let after_mark = found(marked.as_bytes());
        assert_eq!(after_mark.len(), whole.len());
        assert!(after_mark.iter().zip(&whole).all(|(marked, plain)| marked.offset == plain.offset + 3), "{text}");
    }
}

#[test]
fn a_bomb_ends_where_it_has_grown_too_much_and_a_reader_that_fails_is_an_error() {
    let limits = Limits { document: usize::MAX, held: 1 << 20 };
    let found = |bytes: &[u8]| {
        let mut found = Vec::new();
        examine_from(bytes, limits, |document| found.push(document)).unwrap();
        found
    };
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 16 << 20]).unwrap();
    let bomb = found(&bomb.finish().unwrap());
    assert_eq!(bomb.len(), 1);
    let fault = bomb[0].fault.unwrap();
    assert!(fault.reason == Reason::TooLarge && fault.offset < 8 << 20, "{fault:?}");
    // One string is held; a document that is larger, of many values, is not.
    let string = format!("[\"{}\"]", "x".repeat(12 << 20));
    assert_eq!(found(string.as_bytes())[0].fault.unwrap().reason, Reason::TooLarge);
    let many = format!("[{}1]", "1234567,".repeat(3 << 19));
    assert_eq!(found(many.as_bytes())[0].fault, None);
    let small = Limits { document: 100, held: 100 };
    let lines = format!("{{}}\n\"{}\"\n{{}}\n", "x".repeat(200));
    let reasons: Vec<_> = found_slowly(lines.as_bytes(), small).iter().map(|document| document.fault).collect();
    assert!(reasons[0].is_none() && reasons[2].is_none() && reasons[1].unwrap().reason == Reason::TooLarge);

    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let packed = gzip(b"{}\n{}\n");
    for begin in [&b"{}\n"[..], b"", &packed[..14]] {
        let error = examine_from(begin.chain(Failing), limits, |_| {}).unwrap_err();
        assert_eq!(error.to_string(), "gone");
    }
}

proptest! {
    /// Cut anywhere, a text has the documents before the cut and at most one more, which is truncated.
    #[test]
    fn what_is_cut_is_told(cut in any::<prop::sample::Index>(), packed: bool) {
        let line = "{\"a\":[1.5e3,\"é\\ud83d\\ude00\\n\",{\"b\":null,\"c\":[true,false,-0]}],\"東\":{}}\n";
        let text = line.repeat(40);
        let bytes = if packed { gzip(text.as_bytes()) } else { text.into_bytes() };
        let cut = cut.index(bytes.len());
        let found = found(&bytes[..cut]);
        let (last, before) = found.split_last().unwrap();
        prop_assert!(before.iter().all(|document| document.fault.is_none()));
        prop_assert!(before.len() < 40 || packed);
        for (number, document) in before.iter().enumerate() {
            prop_assert_eq!((document.offset, document.length), (number * line.len(), line.len() - 1));
        }
        match last.fault.map(|fault| fault.reason) {
            None => prop_assert!(!packed && cut % line.len() >= line.len() - 1 || cut.is_multiple_of(line.len())),
            Some(reason) => prop_assert!(
                matches!((packed, reason), (true, Reason::Gzip) | (false, Reason::Truncated | Reason::InvalidUtf8 | Reason::Empty))
                    || packed && cut < 2, "{:?}", reason
            ),
        }
    }
}

/// Objects of a folder, surveyed: all that was told, and all rows.
async fn rows(folder: &Path) -> (Vec<Examined>, Vec<RecordBatch>) {
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap());
    let mut told = Vec::new();
    let each = |one| {
        told.push(one);
        Ok(())
    };
    let source =
        JsonSource::survey(store, &object_store::path::Path::default(), JsonOptions::default(), each).await.unwrap();
    let mut batches = Vec::new();
    for table in source.tables().await.unwrap() {
        let before: usize = batches.iter().map(RecordBatch::num_rows).sum();
        for partition in source.partitions(&table).await.unwrap() {
            batches.extend(source.scan(&partition).await.unwrap().try_collect::<Vec<_>>().await.unwrap());
        }
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!((rows - before) as u64, table.rows);
    }
    (told, batches)
}

/// Documents of lines, some of which are broken or no objects.
fn many_lines(count: usize) -> (String, usize) {
    let mut text = String::new();
    let mut readable = 0;
    for number in 0..count {
        match number % 1_000 {
            500 => text += "[\"no object\"]\n",
            700 => text += "{\"id\": \n",
            _ => {
                readable += 1;
                let noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                text += &format!("{{\"id\":{number},\"note\":null,\"text\":\"{noise:016x} {}\"}}\n", "é".repeat(60));
            }
        }
    }
    (text, readable)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_gives_what_its_lines_give_and_its_balance_closes() {
    let (text, readable) = many_lines(120_000);
    assert!(text.len() > 18 << 20);
    let pretty = text.replace("{\"id\": \n", "").replace("[\"no object\"]\n", "").replace("{\"", "{\n\"");
    let written = [
        ("lines.ndjson", text.clone().into_bytes(), 120_000, readable),
        ("marked.ndjson", format!("\u{FEFF}{text}").into_bytes(), 120_000, readable),
        ("pretty.json", pretty.clone().into_bytes(), readable, readable),
        ("wide.ndjson", utf16(&format!("\u{FEFF}{text}"), u16::to_be_bytes), 120_000, readable),
        ("array.json", format!("[{}]", &pretty.trim_end().replace("}\n", "},")).into_bytes(), 1, 0),
    ];
    for (name, bytes, documents, readable) in written {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), &bytes).unwrap();
        let (told, batches) = rows(folder.path()).await;
        let all: Vec<Document> = told.iter().flat_map(|one| one.documents.clone()).collect();
        assert_eq!(all.len(), documents, "{name}");
        assert!(all.iter().enumerate().all(|(number, document)| document.number == number as u64), "{name}");
        let objects = all.iter().filter(|one| one.fault.is_none() && one.kind.unwrap().word() == "object").count();
        assert_eq!((objects, batches.iter().map(RecordBatch::num_rows).sum::<usize>()), (readable, readable), "{name}");
        assert!(batches.iter().all(|batch| batch.get_array_memory_size() < 64 << 20), "{name}");
        let mut sum = 0;
        for batch in &batches {
            let column = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
            sum += column("id").values().iter().sum::<i64>();
            // The first row's document stands where it is told to.
            let (number, offset) = (column("_document").value(0), column("_offset").value(0));
            assert_eq!(all[usize::try_from(number).unwrap()].offset, usize::try_from(offset).unwrap(), "{name}");
            let mut document = Vec::new();
            Documents::new(batch).unwrap().write(0, &mut document);
            let document: Value = serde_json::from_slice(&document).unwrap();
            assert_eq!(
                (&document["id"], document.get("note")),
                (&Value::from(column("id").value(0)), Some(&Value::Null))
            );
        }
        let wanted: i64 = (0..120_000).filter(|number| !matches!(number % 1_000, 500 | 700)).sum();
        assert!(readable == 0 || sum == wanted, "{name}: {sum} {wanted}");
    }
}
